//! Every arm by what it costs and how accurate it is, and which arms another one makes needless.

use super::{Comparison, Slice};
use crate::analysis::stats::Interval;
use crate::types::price::Fee;

/// An arm at a threshold among all others. What stands here are point estimates: that an arm is dominated is no test.
#[derive(Debug, Clone, Copy)]
pub struct Place<'c, 'a> {
    /// The arm at its threshold.
    pub slice: &'c Slice<'a>,
    /// Share of right answers, in [0, 1].
    pub accuracy: f64,
    /// The interval of the accuracy. `None` if too few groups have a right answer, or a wrong one.
    pub interval: Option<Interval>,
    /// Requests of the strong level for any purpose, over all orders.
    pub strong_requests: usize,
    /// What the arm would pay alone, in USD. `None` if a model has no price.
    pub fee: Option<f64>,
    /// The arm that dominates it by strong requests: at least as accurate with at most as many, and better in one of them. `None` if
    /// no arm does. Of several, the most accurate one, then the one with the fewest requests.
    pub dominated_by_requests: Option<&'c Slice<'a>>,
    /// The same by fee. `None` without prices too.
    pub dominated_by_fee: Option<&'c Slice<'a>>,
}

/// All arms at all thresholds, those with the fewest requests of the strong level first, then the most accurate ones.
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
    let dominator = |points: &[Option<Point>], place: usize| dominator(points, place).map(|by| &comparison.slices[by]);
    let intervals = comparison.accuracy_intervals();
    let place = |(place, slice)| Place {
        slice,
        accuracy: accuracies[place],
        interval: intervals[place],
        strong_requests: requests[place],
        fee: fees[place],
        dominated_by_requests: dominator(&by_requests, place),
        dominated_by_fee: dominator(&by_fee, place),
    };
    let mut places: Vec<Place> = slices().enumerate().map(place).collect();
    places.sort_by(|one, other| {
        let by_requests = one.strong_requests.cmp(&other.strong_requests);
        by_requests.then(other.accuracy.total_cmp(&one.accuracy))
    });
    places
}

/// Accuracy and cost.
type Point = (f64, f64);

/// The point that dominates the one at `place`. `None` if none does, or if it has no cost.
fn dominator(points: &[Option<Point>], place: usize) -> Option<usize> {
    let (accuracy, cost) = points[place]?;
    let dominates = |(_, (other, paid)): &(usize, Point)| {
        *other >= accuracy && *paid <= cost && (*other > accuracy || *paid < cost)
    };
    let others = points.iter().enumerate().filter_map(|(by, point)| Some((by, (*point)?)));
    let best = others
        .filter(dominates)
        .min_by(|(_, (one, paid)), (_, (other, also))| other.total_cmp(one).then(paid.total_cmp(also)));
    best.map(|(by, _)| by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_dominated_if_another_is_as_good_in_both_and_better_in_one() {
        let points = [(0.5, 10.0), (0.5, 12.0), (0.7, 12.0), (0.7, 12.0), (0.6, 12.0), (0.4, 0.0), (0.3, 11.0)];
        let points: Vec<Option<Point>> = points.into_iter().map(Some).collect();
        let found: Vec<Option<usize>> = (0..points.len()).map(|place| dominator(&points, place)).collect();
        // Equal points do not dominate each other; of several the most accurate one is named, then the cheapest, then the first.
        assert_eq!(found, [None, Some(2), None, None, Some(2), None, Some(0)]);
    }

    #[test]
    fn what_has_no_cost_neither_dominates_nor_is_dominated() {
        let points = [None, Some((0.1, 1.0)), None];
        assert_eq!([0, 1, 2].map(|place| dominator(&points, place)), [None, None, None]);
    }
}
