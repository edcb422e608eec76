//! Sign-flip permutation test of paired differences (Fisher 1935): without an effect, the sum of each group's
//! differences has either sign with equal probability.

use std::collections::BTreeMap;

use rand::Rng;

use super::Draws;

/// Sums that differ by less than this share of the observed one are equal except for the order of addition.
const SAME: f64 = 1e-12;

/// Computes the sum of each group's values, in the groups' order. Flipped sums test the mean over items, which is the
/// reported figure. Flipped group means would test the mean of group means, which can have the other sign if groups
/// are unequal.
#[must_use]
pub fn group_sums<K: Ord>(rows: impl IntoIterator<Item = (K, f64)>) -> Vec<f64> {
    let mut groups: BTreeMap<K, f64> = BTreeMap::new();
    for (group, value) in rows {
        *groups.entry(group).or_default() += value;
    }
    groups.into_values().collect()
}

/// Computes the two-sided p-value (1 + b) / (1 + B), where b of B draws of the signs have a sum at least as far from
/// 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of draws")]
pub fn sign_flip_p(differences: &[f64], draws: Draws) -> f64 {
    let observed = differences.iter().sum::<f64>().abs() * (1.0 - SAME);
    let sizes = sizes(differences);
    let flipped = |(): &mut (), rng: &mut _| {
        let sum: f64 = sizes.iter().map(|(size, groups)| size * f64::from(balance(*groups, rng))).sum();
        sum.abs() >= observed
    };
    let as_far = draws.map("sign-flip", || (), flipped).into_iter().filter(|far| *far).count();
    (1 + as_far) as f64 / (1 + draws.count) as f64
}

/// Returns the distinct absolute differences with their numbers of groups. Groups without a difference never matter.
fn sizes(differences: &[f64]) -> Vec<(f64, u32)> {
    let mut ascending: Vec<f64> = differences.iter().map(|d| d.abs()).filter(|d| *d > 0.0).collect();
    ascending.sort_by(f64::total_cmp);
    let run = |run: &[f64]| (run[0], u32::try_from(run.len()).expect("fewer than 2^32 groups"));
    ascending.chunk_by(f64::eq).map(run).collect()
}

/// Draws heads minus tails of `n` fair coins.
fn balance(n: u32, rng: &mut impl Rng) -> i32 {
    let whole: u32 = (0..n / 64).map(|_| rng.next_u64().count_ones()).sum();
    let rest = rng.next_u64() & ((1 << (n % 64)) - 1);
    2 * (whole + rest.count_ones()).cast_signed() - n.cast_signed()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::analysis::fixtures::{close, fixture};
    use crate::types::seed::Seed;

    const DRAWS: Draws = Draws { seed: Seed(5), labels: &["test"], count: 100_000 };

    #[test]
    fn the_p_value_matches_that_of_all_signs() {
        #[derive(Deserialize)]
        struct Case {
            few: Vec<f64>,
            few_p: f64,
        }
        let case: Case = fixture("groups");
        close(sign_flip_p(&case.few, DRAWS), case.few_p, 0.004);
    }

    #[test]
    fn equal_differences_match_the_exact_binomial_test() {
        let mut differences = vec![1.0; 60];
        differences.extend([-1.0; 40]);
        differences.extend([0.0; 900]);
        close(sign_flip_p(&differences, DRAWS), crate::analysis::stats::proportion::mcnemar(60, 40), 0.004);
        close(sign_flip_p(&[0.0; 5], DRAWS), 1.0, 0.0);
        close(sign_flip_p(&[], DRAWS), 1.0, 0.0);
        close(sign_flip_p(&[1.0; 80], DRAWS), 1.0 / 100_001.0, 1e-12);
    }

    #[test]
    fn a_group_counts_by_what_it_adds_to_the_sum() {
        assert_eq!(group_sums([("b", 1.0), ("a", 1.0), ("b", 1.0), ("b", -0.5)]), [1.0, 1.5]);
    }

    #[test]
    fn unequal_groups_are_tested_by_the_reported_statistic() {
        #[derive(Deserialize)]
        struct Case {
            rows: Vec<(u32, f64)>,
            p: f64,
        }
        let case: Case = fixture("unequal_groups");
        close(sign_flip_p(&group_sums(case.rows), DRAWS), case.p, 0.005);
    }
}
