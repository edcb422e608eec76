//! Arms by cost and accuracy, with the arms that dominate them.

use super::{Comparison, Slice};
use crate::analysis::stats::Interval;
use crate::types::price::Fee;

/// An arm at a threshold, compared with all others. Its figures are point estimates: domination is no statistical
/// test.
#[derive(Debug, Clone, Copy)]
pub struct Place<'c, 'a> {
    /// The arm at its threshold.
    pub slice: &'c Slice<'a>,
    /// Share of right answers, in [0, 1].
    pub accuracy: f64,
    /// The 95 % interval of the accuracy. `None` if too few groups have a correct answer, or a wrong one.
    pub interval: Option<Interval>,
    /// Strong calls, distillation included, over all orders.
    pub strong_requests: usize,
    /// The total fee in USD as if the arm ran alone. `None` if a model has no price.
    pub fee: Option<f64>,
    /// The arm that dominates this one by strong calls incl. distillation: at least as accurate with at most as many
    /// calls, and better in one of the two. `None` if no arm does. If several do, the most accurate one, then the one
    /// with the fewest calls.
    pub dominated_by_requests: Option<&'c Slice<'a>>,
    /// The arm that dominates this one by fee. `None` if no arm does, or without prices.
    pub dominated_by_fee: Option<&'c Slice<'a>>,
}

/// Returns all arms at all thresholds, sorted by strong calls incl. distillation, then by descending accuracy.
#[must_use]
pub fn frontier<'c, 'a>(comparison: &'c Comparison<'a>) -> Vec<Place<'c, 'a>> {
    let slices = || comparison.slices.iter();
    let accuracies: Vec<f64> = slices().map(Slice::accuracy).collect();
    let requests: Vec<usize> = slices().map(Slice::strong_calls_all).collect();
    let fees: Vec<Option<f64>> = slices().map(|slice| comparison.fee(slice).map(Fee::usd)).collect();
    #[expect(clippy::cast_precision_loss, reason = "counts of calls")]
    let by_requests: Vec<Option<Point>> =
        accuracies.iter().zip(&requests).map(|(accuracy, cost)| Some((*accuracy, *cost as f64))).collect();
    let by_fee: Vec<Option<Point>> =
        accuracies.iter().zip(&fees).map(|(accuracy, cost)| Some((*accuracy, (*cost)?))).collect();
    let dominator = |points: &[Option<Point>], index: usize| dominator(points, index).map(|by| &comparison.slices[by]);
    let intervals = comparison.accuracy_intervals();
    let index = |(index, slice)| Place {
        slice,
        accuracy: accuracies[index],
        interval: intervals[index],
        strong_requests: requests[index],
        fee: fees[index],
        dominated_by_requests: dominator(&by_requests, index),
        dominated_by_fee: dominator(&by_fee, index),
    };
    let mut places: Vec<Place> = slices().enumerate().map(index).collect();
    places.sort_by(|one, other| {
        let by_requests = one.strong_requests.cmp(&other.strong_requests);
        by_requests.then(other.accuracy.total_cmp(&one.accuracy))
    });
    places
}

/// Accuracy and cost.
pub(super) type Point = (f64, f64);

/// Index of the point that dominates the point at `index`. `None` if none does, or if the point has no cost.
pub(super) fn dominator(points: &[Option<Point>], index: usize) -> Option<usize> {
    let (accuracy, cost) = points[index]?;
    let dominates = |(_, (other, cost_of_other)): &(usize, Point)| {
        *other >= accuracy && *cost_of_other <= cost && (*other > accuracy || *cost_of_other < cost)
    };
    let others = points.iter().enumerate().filter_map(|(by, point)| Some((by, (*point)?)));
    let best = others.filter(dominates).min_by(|(_, (one, cost_one)), (_, (other, cost_other))| {
        other.total_cmp(one).then(cost_one.total_cmp(cost_other))
    });
    best.map(|(by, _)| by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dominating_points_are_as_good_in_both_and_better_in_one() {
        let points = [(0.5, 10.0), (0.5, 12.0), (0.7, 12.0), (0.7, 12.0), (0.6, 12.0), (0.4, 0.0), (0.3, 11.0)];
        let points: Vec<Option<Point>> = points.into_iter().map(Some).collect();
        let found: Vec<Option<usize>> = (0..points.len()).map(|index| dominator(&points, index)).collect();
        // Equal points do not dominate each other. If several dominate, the most accurate one is named, then the
        // cheapest, then the first.
        assert_eq!(found, [None, Some(2), None, None, Some(2), None, Some(0)]);
    }

    #[test]
    fn points_without_cost_neither_dominate_nor_are_dominated() {
        let points = [None, Some((0.1, 1.0)), None];
        assert_eq!([0, 1, 2].map(|index| dominator(&points, index)), [None, None, None]);
    }
}
