//! The gain of the weak level's accuracy by kind of item: one row for each group.

use std::collections::{BTreeMap, HashSet};

use super::slices::Slice;
use crate::analysis::stats::proportion::paired_difference;
use crate::analysis::stats::{Estimate, Interval};

/// Accuracy of the weak level on the items of one group, with and without examples.
#[derive(Debug, Clone, PartialEq)]
pub struct KindGain {
    /// The group.
    pub group: String,
    /// Number of different items.
    pub items: usize,
    /// Accuracy without examples, as a share.
    pub alone: f64,
    /// Accuracy with examples, as a share.
    pub taught: f64,
    /// The paired difference as a share, with Newcombe's interval. The interval treats the items of the group as
    /// independent, and an item counts once, however many orders there are.
    pub gain: Estimate,
}

/// Counts of one group over all orders.
#[derive(Default)]
struct Counts<'a> {
    items: HashSet<&'a str>,
    /// Right in both, with examples only, without only, in neither.
    counts: [usize; 4],
}

/// Compares a learning slice with `alone`, the weak level's answers without strategies, group by group: the greatest
/// gain first, then by name. Items without a weak answer in either are left out. Empty if no two items share a group,
/// since a group is then no kind.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of items")]
pub fn by_kind(slice: &Slice, alone: &Slice) -> Vec<KindGain> {
    if slice.groups_are_unknown() {
        return Vec::new();
    }
    let mut groups: BTreeMap<&str, Counts> = BTreeMap::new();
    for (one, other) in slice.paired(alone) {
        if one.weak().is_none() || other.weak().is_none() {
            continue;
        }
        let group = groups.entry(one.group()).or_default();
        group.items.insert(&one.record().item_id.0);
        group.counts[match (one.weak_correct(), other.weak_correct()) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }] += 1;
    }
    let kind = |(group, Counts { items, counts }): (&str, Counts)| {
        let rows: usize = counts.iter().sum();
        let [both, gained, lost, _] = counts.map(|count| count as f64 / rows as f64);
        let each_item_once = counts.map(|count| count as f64 * items.len() as f64 / rows as f64);
        let interval: Option<Interval> = paired_difference(each_item_once);
        KindGain {
            group: group.to_owned(),
            items: items.len(),
            alone: both + lost,
            taught: both + gained,
            gain: Estimate::new(gained - lost, interval),
        }
    };
    let mut kinds: Vec<KindGain> = groups.into_iter().map(kind).collect();
    kinds.sort_by(|a, b| b.gain.value.total_cmp(&a.gain.value).then_with(|| a.group.cmp(&b.group)));
    kinds
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::metrics::slices;
    use crate::types::arm::Arm;
    use crate::types::level::Level;
    use crate::types::record::{CellKey, Graded, LevelAnswer, Record, Score};
    use crate::types::testing;

    /// Answers of one arm and order: group and correctness of each item.
    fn answers(arm: Arm, order: usize, items: &[(&str, bool)]) -> Vec<Record> {
        let cell = Arc::new(CellKey { dataset: "d".into(), arm, order, threshold: None });
        let record = |(position, (group, right)): (usize, &(&str, bool))| {
            let score = if *right { Score::Correct } else { Score::Incorrect };
            let answer = LevelAnswer::new(Level::FIRST, Graded { answer: Some("1".into()), score });
            Record { group: (*group).into(), levels: vec![answer], ..testing::record(&cell, position) }
        };
        items.iter().enumerate().map(record).collect()
    }

    #[test]
    fn kinds_are_sorted_by_gain_and_orders_count_once() {
        let alone = [("a", false), ("a", false), ("b", true), ("b", true), ("c", false), ("c", true)];
        let taught = [("a", true), ("a", true), ("b", true), ("b", false), ("c", false), ("c", true)];
        let run = |orders: usize| -> Vec<Record> {
            let order = |order| {
                answers(Arm::WeakOnly, order, &alone).into_iter().chain(answers(Arm::InterCascade, order, &taught))
            };
            (0..orders).flat_map(order).collect()
        };
        let [once, twice] = [1, 2].map(|orders| {
            let records = run(orders);
            let slices = slices(&records);
            by_kind(&slices[1], &slices[0])
        });
        let rows: Vec<(&str, usize, f64)> =
            once.iter().map(|kind| (&*kind.group, kind.items, kind.gain.value)).collect();
        assert_eq!(rows, [("a", 2, 1.0), ("c", 2, 0.0), ("b", 2, -0.5)]);
        assert_eq!((once[2].alone, once[2].taught), (1.0, 0.5));
        assert_eq!(once[0].gain.interval, paired_difference([0.0, 2.0, 0.0, 0.0]));
        assert_eq!(once, twice, "a second order with the same answers narrows no interval");
    }

    #[test]
    fn groups_of_one_item_are_no_kinds() {
        let items = [("a", true), ("b", false)];
        let records = [answers(Arm::WeakOnly, 0, &items), answers(Arm::InterCascade, 0, &items)].concat();
        let slices = slices(&records);
        assert_eq!(by_kind(&slices[1], &slices[0]), []);
    }
}
