//! The paired difference between two arms as tables show it: mean, interval and p-value.

use super::proportion::mcnemar;
use super::sign_flip::{group_means, sign_flip_p};
use super::units::{Units, mean};
use super::{Draws, Interval};

/// A mean difference per item, with how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The mean over items.
    pub mean: f64,
    /// Its percentile bootstrap interval; none with fewer than two units.
    pub interval: Option<Interval>,
    /// The two-sided p-value of no difference.
    pub p: f64,
}

/// Right answers of an arm and of its base to the same items, each item on its own: exact McNemar and the bootstrap
/// over items. For arms that do not learn, in one order, on items without siblings. None without items.
#[must_use]
pub fn of_answers(pairs: &[(bool, bool)], draws: Draws) -> Option<Difference> {
    let count = |pair| pairs.iter().filter(|other| **other == pair).count();
    let change = |(arm, base): &(bool, bool)| f64::from(u8::from(*arm)) - f64::from(u8::from(*base));
    let found = Units::new(pairs.iter().map(|pair| [change(pair), 1.0])).percentile(draws, mean)?;
    let p = mcnemar(count((true, false)), count((false, true)));
    Some(Difference { mean: found.value, interval: found.interval, p })
}

/// Differences between an arm and its base by group, one row per item and order: the sign-flip test on the groups' mean
/// differences, and the bootstrap over groups with items weighted alike. None without rows.
pub fn of_groups<K: Ord + Clone>(rows: impl IntoIterator<Item = (K, f64)>, draws: Draws) -> Option<Difference> {
    let rows: Vec<(K, f64)> = rows.into_iter().collect();
    let units = Units::by_group(rows.iter().map(|(group, difference)| (group, [*difference, 1.0])));
    let found = units.percentile(draws, mean)?;
    let p = sign_flip_p(&group_means(rows), draws);
    Some(Difference { mean: found.value, interval: found.interval, p })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::analysis::fixtures::{close, fixture};
    use crate::types::seed::Seed;

    const DRAWS: Draws = Draws { seed: Seed(9), labels: &["test"], count: 50_000 };

    #[test]
    fn groups_are_resampled_as_scipy_does() {
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
        close(found.mean, case.mean, 1e-12);
        close(interval.low, case.percentile.low, 3e-3);
        close(interval.high, case.percentile.high, 3e-3);
    }

    #[test]
    fn answers_to_single_items_agree_with_groups_of_one() {
        let mut pairs = vec![(true, false); 40];
        pairs.extend([(false, true); 10]);
        pairs.extend([(true, true); 550]);
        let single = of_answers(&pairs, DRAWS).expect("items");
        let change = |(arm, base): (bool, bool)| f64::from(u8::from(arm)) - f64::from(u8::from(base));
        let grouped = of_groups(pairs.iter().map(|pair| change(*pair)).enumerate(), DRAWS).expect("items");
        close(single.mean, 30.0 / 600.0, 1e-12);
        assert_eq!((single.mean, single.interval), (grouped.mean, grouped.interval));
        close(single.p, grouped.p, 1e-3);
        assert_eq!(of_answers(&[], DRAWS), None);
    }
}
