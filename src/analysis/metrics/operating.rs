//! Cost and accuracy of every arm at every threshold on one axis of cost, with the intervals of both and the frontier.
#![expect(clippy::cast_precision_loss, reason = "counts of items")]

use super::changes::RESAMPLES;
use super::fees::item_fee;
use super::frontier::dominator;
use super::{Comparison, ItemOutcome, Slice, ratio};
use crate::analysis::curves::Axis;
use crate::analysis::stats::units::mean;
use crate::analysis::stats::{Draws, Estimate, Interval, Units};

/// An arm at a threshold, by cost and accuracy.
#[derive(Debug, Clone, Copy)]
pub struct OperatingPoint<'c, 'a> {
    /// The arm at its threshold.
    pub slice: &'c Slice<'a>,
    /// Share of items that call the strong level, or fee per item in USD, with the 95 % interval. The fee of
    /// calibrating a threshold enters as a constant. No interval if the cost is the same for all items.
    pub cost: Estimate,
    /// Share of correct answers with the 95 % interval.
    pub accuracy: Estimate,
    /// True if no other arm is at least as accurate at no more cost, and better in one of the two. This compares
    /// point estimates.
    pub on_frontier: bool,
}

/// Returns the points of all arms that have a cost on this axis, in the order of the slices. On the fee, arms with a
/// model without a price are left out.
#[must_use]
pub fn operating_points<'c, 'a>(comparison: &'c Comparison<'a>, axis: Axis) -> Vec<OperatingPoint<'c, 'a>> {
    let point = |(slice, interval): (&'c Slice<'a>, &Option<Interval>)| {
        let cost = cost(comparison, slice, axis)?;
        Some(OperatingPoint { slice, cost, accuracy: Estimate::new(slice.accuracy(), *interval), on_frontier: false })
    };
    let mut points: Vec<OperatingPoint> =
        comparison.slices.iter().zip(comparison.accuracy_intervals()).filter_map(point).collect();
    let places: Vec<_> = points.iter().map(|point| Some((point.accuracy.value, point.cost.value))).collect();
    for (index, point) in points.iter_mut().enumerate() {
        point.on_frontier = dominator(&places, index).is_none();
    }
    points
}

/// Computes the cost of a slice with its interval. `None` if a model has no price.
fn cost(comparison: &Comparison, slice: &Slice, axis: Axis) -> Option<Estimate> {
    let n = slice.outcomes.len() as f64;
    let apart = match axis {
        Axis::StrongCalls => 0.0,
        Axis::Fee => comparison.calibration_fee(slice, None) / n,
    };
    let of_item = |outcome: &ItemOutcome| match axis {
        Axis::StrongCalls => Some(f64::from(u8::from(outcome.deferred()))),
        Axis::Fee => item_fee(*outcome, None, comparison.prices),
    };
    let value = match axis {
        Axis::StrongCalls => ratio(slice.strong_calls(), slice.outcomes.len()),
        Axis::Fee => comparison.fee(slice)?.usd() / n,
    };
    let costs: Vec<f64> = slice.outcomes.iter().map(of_item).collect::<Option<_>>()?;
    let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
    let most = costs.iter().copied().fold(0.0, f64::max);
    if least >= most {
        return Some(Estimate::new(value, None));
    }
    let rows = slice.outcomes.iter().zip(&costs).map(|(outcome, cost)| (outcome.group(), [*cost, 1.0]));
    // A group with the least or the greatest cost throughout says nothing on the spread.
    let units = Units::by_group(rows).contributing(|[cost, items]| cost > least * items);
    let units = units.contributing(|[cost, items]| cost < most * items);
    let labels = ["own-cost", slice.cell.arm.name()];
    let draws = Draws { seed: comparison.seed, labels: &labels, count: RESAMPLES };
    let interval = units.percentile(draws, mean).and_then(|found| found.interval);
    let shifted = interval.map(|Interval { low, high }| Interval { low: low + apart, high: high + apart });
    Some(Estimate::new(value, shifted))
}
