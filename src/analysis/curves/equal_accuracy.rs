//! Cost of two arms at equal accuracy. Strong calls can always be saved at the expense of accuracy, so arms are
//! compared along the curves through their thresholds.

use std::collections::{BTreeMap, BTreeSet};

use super::{Curve, Point};
use crate::analysis::stats::bootstrap::Population;
use crate::analysis::stats::units::relative_change;
use crate::analysis::stats::{Draws, Estimate, FEWEST};

/// An arm at one threshold, with one row per item and order. All compared arms list the same rows.
#[derive(Debug, Clone, Copy)]
pub struct AtThreshold<'a> {
    /// True if the final answer is correct, per row.
    pub right: &'a [bool],
    /// Strong calls or fee, per row.
    pub cost: &'a [f64],
}

/// Computes the relative change of cost from `base` to `arm` at `accuracy`: -0.2 is a fifth less. `None` outside the
/// range that both curves cover, or if `base` costs nothing.
#[must_use]
pub fn change_at(arm: &Curve, base: &Curve, accuracy: f64) -> Option<f64> {
    relative_change([arm.cost_at(accuracy)?, base.cost_at(accuracy)?])
}

/// Computes the relative change of cost at the accuracy of `base`'s threshold with index `at`, with its percentile
/// interval over groups. `groups` names the group of each row. Each resample recomputes both curves and that accuracy.
/// `None` if the change is undefined on the sample. No interval if fewer than three groups differ between the arms.
#[must_use]
pub fn change_at_equal_accuracy<K: Ord>(
    arm: &[AtThreshold],
    base: &[AtThreshold],
    at: usize,
    groups: &[K],
    draws: Draws,
) -> Option<Estimate> {
    let index: BTreeMap<&K, usize> = groups.iter().collect::<BTreeSet<_>>().into_iter().zip(0..).collect();
    let group_of: Vec<usize> = groups.iter().map(|group| index[group]).collect();
    let (arm, base) = (GroupSums::of(arm, &group_of, index.len()), GroupSums::of(base, &group_of, index.len()));
    let differing = (0..index.len()).filter(|group| !arm.sums_of(*group).eq(base.sums_of(*group))).count();
    let found = Population::distinct(u32::try_from(index.len()).ok()?).percentile(draws, |times| {
        let (arm, base) = (arm.points(times), base.points(times));
        let accuracy = base.get(at)?.accuracy;
        change_at(&Curve::through(arm)?, &Curve::through(base)?, accuracy)
    })?;
    Some(Estimate { interval: found.interval.filter(|_| differing >= FEWEST), ..found })
}

/// Sums of an arm within each group, so that a resample adds groups instead of rows.
struct GroupSums {
    /// Number of rows of each group.
    rows: Vec<f64>,
    /// Correct answers and cost, for each threshold and group.
    sums: Vec<Vec<[f64; 2]>>,
}

impl GroupSums {
    fn of(arm: &[AtThreshold], group_of: &[usize], groups: usize) -> Self {
        let mut rows = vec![0.0; groups];
        for group in group_of {
            rows[*group] += 1.0;
        }
        let sums = |at: &AtThreshold| {
            let mut sums = vec![[0.0; 2]; groups];
            for ((group, right), cost) in group_of.iter().zip(at.right).zip(at.cost) {
                sums[*group][0] += f64::from(u8::from(*right));
                sums[*group][1] += cost;
            }
            sums
        };
        Self { rows, sums: arm.iter().map(sums).collect() }
    }

    /// Returns a group's correct answers and cost at each threshold.
    fn sums_of(&self, group: usize) -> impl Iterator<Item = &[f64; 2]> {
        self.sums.iter().map(move |sums| &sums[group])
    }

    /// Computes the arm's points on a resample that contains each group `times` times.
    fn points(&self, times: &[u32]) -> Vec<Point> {
        let n: f64 = self.rows.iter().zip(times).map(|(rows, times)| rows * f64::from(*times)).sum();
        let point = |sums: &Vec<[f64; 2]>| {
            let [mut right, mut cost] = [0.0, 0.0];
            for (group, times) in sums.iter().zip(times) {
                right += group[0] * f64::from(*times);
                cost += group[1] * f64::from(*times);
            }
            Point { cost: cost / n, accuracy: right / n }
        };
        self.sums.iter().map(point).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::close;
    use crate::types::seed::Seed;

    const DRAWS: Draws = Draws { seed: Seed(6), labels: &["test"], count: 2000 };

    /// 300 rows at three thresholds, which defer the first 60, 120 and 180 rows. These rows are correct only if
    /// deferred.
    fn base() -> Vec<(Vec<bool>, Vec<f64>)> {
        let at = |deferred: usize| {
            let cost = (0..300).map(|row| f64::from(u8::from(row < deferred))).collect();
            ((0..300).map(|row| row < deferred || row >= 200).collect(), cost)
        };
        vec![at(60), at(120), at(180)]
    }

    fn cells(arm: &[(Vec<bool>, Vec<f64>)]) -> Vec<AtThreshold<'_>> {
        arm.iter().map(|(right, cost)| AtThreshold { right, cost }).collect()
    }

    #[test]
    fn an_arm_with_half_the_cost_at_equal_answers_saves_half() {
        let groups: Vec<usize> = (0..300).map(|row| row % 50).collect();
        let base = base();
        let halved: Vec<(Vec<bool>, Vec<f64>)> =
            base.iter().map(|(right, cost)| (right.clone(), cost.iter().map(|cost| cost / 2.0).collect())).collect();
        for at in 0..3 {
            let same = change_at_equal_accuracy(&cells(&base), &cells(&base), at, &groups, DRAWS).expect("defined");
            close(same.value, 0.0, 1e-12);
            let found = change_at_equal_accuracy(&cells(&halved), &cells(&base), at, &groups, DRAWS).expect("defined");
            close(found.value, -0.5, 1e-9);
            assert_eq!(found.interval, None, "the change is one half in every resample");
        }
    }

    #[test]
    fn arms_are_compared_only_between_their_thresholds() {
        let base = base();
        let groups: Vec<usize> = (0..300).collect();
        let (mut wide, middle) = ([base[0].clone(), base[2].clone()], [base[1].clone()]);
        // Ten more correct answers at no cost: as accurate as the middle threshold, with 110 strong calls instead of
        // 120.
        for (right, _) in &mut wide {
            right[185..195].fill(true);
        }
        let found = change_at_equal_accuracy(&cells(&wide), &cells(&middle), 0, &groups, DRAWS).expect("inside");
        close(found.value, -1.0 / 12.0, 1e-12);
        let interval = found.interval.expect("300 groups");
        assert!((-0.17..-0.12).contains(&interval.low) && (-0.05..-0.02).contains(&interval.high), "{interval:?}");
        // The same arm except for two rows, each in a separate group.
        let mut near = [base[1].clone()];
        near[0].1[..2].fill(0.5);
        let found = change_at_equal_accuracy(&cells(&near), &cells(&middle), 0, &groups, DRAWS).expect("inside");
        assert_eq!(found.interval, None, "two rows differ");
        near[0].1[..3].fill(0.5);
        let found = change_at_equal_accuracy(&cells(&near), &cells(&middle), 0, &groups, DRAWS).expect("inside");
        assert!(found.interval.is_some(), "three rows differ");
        let high = [base[2].clone()];
        assert_eq!(change_at_equal_accuracy(&cells(&high), &cells(&middle), 0, &groups, DRAWS), None);
        assert_eq!(change_at_equal_accuracy(&cells(&high), &cells(&middle), 7, &groups, DRAWS), None);
    }
}
