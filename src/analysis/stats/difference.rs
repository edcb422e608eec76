//! The paired difference between two arms: its mean over items as a share, interval and p-value.

use super::proportion::mcnemar;
use super::sign_flip::{group_sums, sign_flip_p};
use super::units::{Units, differ, mean, relative_change};
use super::{Draws, Estimate};

/// Compares correctness of an arm and its base on the same items, treated as independent: exact McNemar test and
/// bootstrap over items. No interval if fewer than three items differ. For arms that do not learn, in one order, on
/// items without siblings. `None` without items.
#[must_use]
pub fn of_answers(pairs: &[(bool, bool)], draws: Draws) -> Option<Estimate> {
    let count = |pair| pairs.iter().filter(|other| **other == pair).count();
    let change = |(arm, base): &(bool, bool)| f64::from(u8::from(*arm)) - f64::from(u8::from(*base));
    let units = Units::new(pairs.iter().map(|pair| [change(pair), 1.0])).contributing(differs);
    let p_value = mcnemar(count((true, false)), count((false, true)));
    Some(units.percentile(draws, mean)?.tested(p_value))
}

/// Compares an arm and its base by group, with one row per item and order: sign-flip test on the groups' sums and
/// bootstrap over groups, both with equal weights of items. No interval if fewer than three groups differ. `None`
/// without rows.
pub fn of_groups<K: Ord + Clone>(rows: impl IntoIterator<Item = (K, f64)>, draws: Draws) -> Option<Estimate> {
    let rows: Vec<(K, f64)> = rows.into_iter().collect();
    let units =
        Units::by_group(rows.iter().map(|(group, difference)| (group, [*difference, 1.0]))).contributing(differs);
    let found = units.percentile(draws, mean)?;
    Some(found.tested(sign_flip_p(&group_sums(rows), draws)))
}

/// Compares the sums of an arm and its base by group: the relative change with its BCa interval over groups, and the
/// two-sided p-value of no difference from sign flips of the groups' sums of differences. No interval if fewer than three
/// groups differ, no change if the sum of the base is 0. A row holds a group, the arm's value and the base's.
pub fn of_sums<K: Ord>(rows: &[(K, [f64; 2])], draws: Draws) -> (Option<Estimate>, f64) {
    let units = Units::by_group(rows.iter().map(|(group, sums)| (group, *sums))).contributing(differ);
    let differences = rows.iter().map(|(group, [own, base])| (group, own - base));
    let p_value = sign_flip_p(&group_sums(differences), draws);
    (units.bca(draws, relative_change).map(|change| change.tested(p_value)), p_value)
}

/// True if a unit's sum of differences is not zero.
fn differs([sum, _]: [f64; 2]) -> bool {
    sum != 0.0
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::analysis::fixtures::{close, fixture};
    use crate::types::seed::Seed;

    const DRAWS: Draws = Draws { seed: Seed(9), labels: &["test"], count: 50_000 };

    #[test]
    fn resampled_groups_match_scipy() {
        #[derive(Deserialize)]
        struct Ends {
            low: f64,
            high: f64,
        }
        #[derive(Deserialize)]
        struct Case {
            rows: Vec<(u32, f64)>,
            mean: f64,
            percentile: Ends,
        }
        let case: Case = fixture("groups");
        let found = of_groups(case.rows, DRAWS).expect("rows");
        let interval = found.interval.expect("40 groups");
        close(found.value, case.mean, 1e-12);
        close(interval.low, case.percentile.low, 3e-3);
        close(interval.high, case.percentile.high, 3e-3);
    }

    #[test]
    fn the_p_value_is_of_the_mean_that_is_reported() {
        // Eight rows of one group gain and five groups of one row lose: 3 in 13 over items, and no unlikely sum of
        // groups.
        let rows = (0..8).map(|_| (0, 1.0)).chain((1..6).map(|group| (group, -1.0)));
        let found = of_groups(rows, DRAWS).expect("rows");
        close(found.value, 3.0 / 13.0, 1e-12);
        // Any signs of the five leave a sum of at least 3 in size.
        close(found.p_value.expect("tested"), 1.0, 1e-12);
    }

    #[test]
    fn one_differing_item_yields_no_interval() {
        let mut pairs = vec![(true, true); 99];
        pairs.push((true, false));
        let found = of_answers(&pairs, DRAWS).expect("items");
        assert_eq!((found.value, found.interval), (0.01, None));
        pairs.extend([(true, false), (false, true)]);
        assert!(of_answers(&pairs, DRAWS).is_some_and(|found| found.interval.is_some()));
    }

    #[test]
    fn answers_to_single_items_agree_with_groups_of_one() {
        let mut pairs = vec![(true, false); 40];
        pairs.extend([(false, true); 10]);
        pairs.extend([(true, true); 550]);
        let single = of_answers(&pairs, DRAWS).expect("items");
        let change = |(arm, base): (bool, bool)| f64::from(u8::from(arm)) - f64::from(u8::from(base));
        let grouped = of_groups(pairs.iter().map(|pair| change(*pair)).enumerate(), DRAWS).expect("items");
        close(single.value, 30.0 / 600.0, 1e-12);
        assert_eq!((single.value, single.interval), (grouped.value, grouped.interval));
        close(single.p_value.expect("tested"), grouped.p_value.expect("tested"), 1e-3);
        assert_eq!(of_answers(&[], DRAWS), None);
    }
}
