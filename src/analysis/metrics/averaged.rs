//! Arms averaged over many orders of the stream: first within each item, then over items. Arms are compared item by
//! item, and resampled by group.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::slices::{ItemOutcome, is_unasked};
use crate::analysis::curves::{Curve, Point};
use crate::analysis::stats::bootstrap::Population;
use crate::analysis::stats::difference::{of_groups, of_sums};
use crate::analysis::stats::sign_flip::group_sums;
use crate::analysis::stats::units::{mean, relative_change};
use crate::analysis::stats::{Draws, Estimate, Units};
use crate::types::arm::Arm;
use crate::types::record::{CellKey, CountedRecord, LevelAnswer};

/// Changes that are smaller than this, as shares, are rounding errors.
const ROUNDING: f64 = 1e-9;

/// A figure of one outcome. `None` if it is unknown.
pub type Figure<'f> = &'f dyn Fn(ItemOutcome) -> Option<f64>;

/// 1 for every outcome.
pub const ONE: Figure = &|_| Some(1.0);
/// 1 for a correct final answer, otherwise 0.
pub const CORRECT: Figure = &|outcome| Some(f64::from(u8::from(outcome.correct())));

/// Outcomes of one arm at one threshold over many orders.
#[derive(Debug, Clone)]
pub struct AveragedArm<'a> {
    /// The cell, of the first order.
    pub cell: Arc<CellKey>,
    /// Distinct outcomes, each with the number of orders that have it.
    pub outcomes: Vec<(ItemOutcome<'a>, u32)>,
}

/// Groups records by arm and threshold, in the order in which they first appear.
#[must_use]
pub fn averaged(records: &[CountedRecord]) -> Vec<AveragedArm<'_>> {
    let weak_only = records.iter().filter(|counted| counted.record.cell.arm == Arm::WeakOnly);
    let alone: HashMap<&str, &LevelAnswer> =
        weak_only.filter_map(|counted| Some((&*counted.record.item_id.0, counted.record.first()?))).collect();
    let mut arms: Vec<AveragedArm> = Vec::new();
    for CountedRecord { record, orders } in records {
        let is_own =
            |arm: &&mut AveragedArm| arm.cell.arm == record.cell.arm && arm.cell.threshold == record.cell.threshold;
        let instead = alone.get(&*record.item_id.0).copied().filter(|_| is_unasked(record));
        let outcome = (ItemOutcome::Whole { record, instead }, *orders);
        match arms.iter_mut().rev().find(is_own) {
            Some(arm) => arm.outcomes.push(outcome),
            None => arms.push(AveragedArm { cell: Arc::clone(&record.cell), outcomes: vec![outcome] }),
        }
    }
    arms
}

/// Mean of a figure over the orders, by item, with the item's group.
type ByItem<'a> = BTreeMap<&'a str, (&'a str, f64)>;

impl<'a> AveragedArm<'a> {
    /// Averages a figure over the orders, for each item. `None` if the figure is unknown for an outcome.
    #[must_use]
    pub fn by_item(&self, figure: Figure) -> Option<ByItem<'a>> {
        let mut sums: BTreeMap<&str, (&str, f64, f64)> = BTreeMap::new();
        for (outcome, orders) in &self.outcomes {
            let item = sums.entry(&outcome.record().item_id.0).or_insert((outcome.group(), 0.0, 0.0));
            // A sum of whole numbers is exact, so that equal items have equal means.
            item.1 += figure(*outcome)? * f64::from(*orders);
            item.2 += f64::from(*orders);
        }
        Some(sums.into_iter().map(|(id, (group, sum, orders))| (id, (group, sum / orders))).collect())
    }

    /// Computes the mean of a figure over items, with its percentile interval over groups. `None` if the figure is
    /// unknown for an outcome, or without items.
    #[must_use]
    pub fn mean(&self, figure: Figure, draws: Draws) -> Option<Estimate> {
        let items = self.by_item(figure)?;
        let rows = items.into_values().map(|(group, value)| (group, [value, 1.0]));
        Units::by_group(rows).percentile(draws, mean)
    }

    /// Computes the mean of a figure over items and orders. `None` if it is unknown for an outcome, or without items.
    #[must_use]
    pub fn share(&self, figure: Figure) -> Option<f64> {
        self.ratio(figure, ONE)
    }

    /// Computes the ratio of two figures' sums over items and orders. `None` if one is unknown for an outcome, or if
    /// the second sum is 0.
    #[must_use]
    pub fn ratio(&self, part: Figure, whole: Figure) -> Option<f64> {
        let sum = |figure: Figure| {
            let values = self.outcomes.iter().map(|(outcome, orders)| Some(figure(*outcome)? * f64::from(*orders)));
            values.sum::<Option<f64>>()
        };
        Some(sum(part)? / sum(whole)?).filter(|ratio| ratio.is_finite())
    }

    /// Pairs the items of both arms: group, own mean, mean of `base`.
    fn paired(&self, base: &Self, figure: Figure) -> Option<Vec<(&'a str, [f64; 2])>> {
        let (own, base) = (self.by_item(figure)?, base.by_item(figure)?);
        let pair = |(id, (group, value)): (&str, (&'a str, f64))| Some((group, [value, base.get(id)?.1]));
        Some(own.into_iter().filter_map(pair).collect())
    }

    /// Computes the difference of a figure's means with its percentile interval and sign-flip test over groups. `None`
    /// if the figure is unknown for an outcome, or without common items.
    #[must_use]
    pub fn difference(&self, base: &Self, figure: Figure, draws: Draws) -> Option<Estimate> {
        let pairs = self.paired(base, figure)?;
        of_groups(pairs.into_iter().map(|(group, [own, base])| (group, own - base)), draws)
    }

    /// Computes the relative change of a figure's sum with its BCa interval over groups, and tests the difference of
    /// the sums by sign flips. `None` if the figure is unknown for an outcome, or if the sum of `base` is 0.
    #[must_use]
    pub fn relative_change(&self, base: &Self, figure: Figure, draws: Draws) -> Option<Estimate> {
        of_sums(&self.paired(base, figure)?, draws).0
    }
}

/// Comparison of a curve with a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEqual {
    /// Lowest cost at which the curve is as accurate as the reference, or more accurate; as a relative change.
    Accuracy,
    /// Accuracy at the reference's cost, or at the curve's greatest cost if that is lower; as a difference.
    Cost,
}

/// Compares the curve through an arm's thresholds with a reference. Each resample of groups computes curve and
/// reference anew. `None` if a cost is unknown, or if the curve has no such point on the sample.
#[must_use]
pub fn at_equal(
    at: AtEqual,
    curve: &[&AveragedArm],
    reference: &AveragedArm,
    cost: Figure,
    draws: Draws,
) -> Option<Estimate> {
    let by_group = |arm: &AveragedArm, figure: Figure| Some(group_sums(arm.by_item(figure)?.into_values()));
    let sums = |arm: &AveragedArm| Some([by_group(arm, CORRECT)?, by_group(arm, cost)?]);
    let curve = curve.iter().map(|arm| sums(arm)).collect::<Option<Vec<_>>>()?;
    let (reference, items) = (sums(reference)?, by_group(reference, ONE)?);
    let compared = |times: &[u32]| {
        let total = |sums: &Vec<f64>| -> f64 { sums.iter().zip(times).map(|(sum, n)| sum * f64::from(*n)).sum() };
        let n = total(&items);
        let point = |[right, cost]: &[Vec<f64>; 2]| Point { cost: total(cost) / n, accuracy: total(right) / n };
        let (line, base) = (Curve::through(curve.iter().map(point))?, point(&reference));
        let (cheapest, dearest) = (line.points().first()?, line.points().last()?);
        let change = match at {
            AtEqual::Accuracy if cheapest.accuracy >= base.accuracy => relative_change([cheapest.cost, base.cost])?,
            AtEqual::Accuracy => relative_change([line.cost_at(base.accuracy)?, base.cost])?,
            AtEqual::Cost => line.accuracy_at(base.cost.min(dearest.cost))? - base.accuracy,
        };
        // Interpolated equal values differ by rounding, and the test counts which side of 0 a resample lies on.
        Some(if change.abs() < ROUNDING { 0.0 } else { change })
    };
    Population::distinct(u32::try_from(items.len()).ok()?).percentile_tested(draws, compared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::close;
    use crate::types::level::Level;
    use crate::types::record::{Graded, Record, Score};
    use crate::types::seed::Seed;

    const DRAWS: Draws = Draws { seed: Seed(3), labels: &["test"], count: 4000 };

    /// The record of an item of 40 in 10 groups, in an arm at a threshold.
    fn record(arm: Arm, threshold: f64, item: usize, correct: bool, deferred: bool) -> Record {
        let cell = CellKey { dataset: "d".into(), arm, order: 0, threshold: Some(threshold) };
        let score = if correct { Score::Correct } else { Score::Incorrect };
        Record {
            cell: Arc::new(cell),
            item_id: item.to_string().into(),
            group: (item % 10).to_string().into(),
            position: 0,
            strategies_used: Vec::new(),
            strategy_groups: Vec::new(),
            similarity_max: None,
            levels: Vec::new(),
            deferred,
            answering_level: Some(if deferred { Level::SECOND } else { Level::FIRST }),
            graded: Graded { answer: None, score },
            repository_size: 0,
            calls: Vec::new(),
            strategy_scores: Vec::new(),
            kept: None,
            refused: Vec::new(),
        }
    }

    fn counted(record: Record, orders: u32) -> CountedRecord {
        CountedRecord { record, orders }
    }

    const COST: Figure = &|outcome| Some(if outcome.deferred() { 1.0 } else { 0.5 });

    /// The strong level is correct on the first 20 of 40 items. The taught arm is correct on item 0 in 3 of 4 orders,
    /// on items 20 to 24 in one of 4, and otherwise where the strong level is.
    fn records() -> Vec<CountedRecord> {
        let strong = (0..40).map(|item| counted(record(Arm::StrongOnly, 0.0, item, item < 20, true), 1));
        let taught = (0..40).flat_map(|item| {
            let often = counted(record(Arm::InterCascade, 0.9, item, (1..20).contains(&item), true), 3);
            let often = if item == 0 { counted(record(Arm::InterCascade, 0.9, item, true, true), 3) } else { often };
            let rare = counted(record(Arm::InterCascade, 0.9, item, (1..25).contains(&item), false), 1);
            [often, rare]
        });
        strong.chain(taught).collect()
    }

    #[test]
    fn an_item_counts_with_its_mean_over_the_orders() {
        let records = records();
        let arms = averaged(&records);
        let [strong, taught] = &arms[..] else { panic!("two arms") };
        close(taught.mean(CORRECT, DRAWS).expect("known").value, (19.0 + 0.75 + 5.0 * 0.25) / 40.0, 1e-12);
        let found = taught.difference(strong, CORRECT, DRAWS).expect("items");
        close(found.value, (5.0 * 0.25 - 0.25) / 40.0, 1e-12);
        // Items 0 and 20 share a group and cancel out there, so four groups differ.
        let items: Vec<(usize, f64)> = (21..25).map(|item| (item % 10, 0.25)).collect();
        let rest = (0..40).filter(|item| !(21..25).contains(item)).map(|item| (item % 10, 0.0));
        let same = of_groups(items.into_iter().chain(rest), DRAWS).expect("items");
        assert_eq!((found.interval, found.p_value), (same.interval, same.p_value));
        // A quarter of the orders costs half.
        let change = taught.relative_change(strong, COST, DRAWS).expect("a cost");
        close(change.value, -0.125, 1e-12);
        assert_eq!(taught.ratio(CORRECT, &|_| Some(1.0)), taught.mean(CORRECT, DRAWS).map(|mean| mean.value));
        assert_eq!(taught.mean(&|_| None, DRAWS), None);
    }

    #[test]
    fn a_curve_is_compared_at_the_reference() {
        // At λ 0 every item costs 0.5 and the first 10 are correct; at λ 1 all are deferred and 30 are correct.
        let at = |threshold, right, deferred| {
            (0..40).map(move |item| counted(record(Arm::InterCascade, threshold, item, item < right, deferred), 1))
        };
        let all: Vec<CountedRecord> =
            records().into_iter().take(40).chain(at(0.0, 10, false)).chain(at(1.0, 30, true)).collect();
        let arms = averaged(&all);
        let [strong, low, high] = &arms[..] else { panic!("three arms") };
        let found = at_equal(AtEqual::Accuracy, &[low, high], strong, COST, DRAWS).expect("reached");
        close(found.value, -0.25, 1e-12);
        let found = at_equal(AtEqual::Cost, &[low, high], strong, COST, DRAWS).expect("reached");
        close(found.value, 0.25, 1e-12);
        assert!(found.p_value.is_some_and(|p| p < 0.01));
        assert_eq!(at_equal(AtEqual::Accuracy, &[low], strong, COST, DRAWS), None, "the curve is never as accurate");
        assert_eq!(at_equal(AtEqual::Cost, &[high], low, COST, DRAWS), None, "the curve always costs more");
        let value = |found: Option<Estimate>| found.map(|found| found.value);
        assert_eq!(value(at_equal(AtEqual::Cost, &[low], strong, COST, DRAWS)), Some(-0.25), "the curve costs less");
        let found = at_equal(AtEqual::Accuracy, &[high], strong, COST, DRAWS);
        assert_eq!(value(found), Some(0.0), "the curve is more accurate at any cost");
    }
}
