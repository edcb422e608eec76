//! Figures of a learning arm along its stream: early costs, and the item from which on the arm is cheaper.

use std::collections::BTreeMap;

use super::fees::{Prices, item_fee};
use super::slices::{ItemOutcome, Slice};

/// Figures of an arm and its cascade after the first items of the stream, over all orders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Number of items so far, in each order.
    pub items: usize,
    /// Share of correct answers so far.
    pub accuracy: f64,
    /// The cascade's figure.
    pub base_accuracy: f64,
    /// Share of deferred items so far.
    pub deferred: f64,
    /// The cascade's figure.
    pub base_deferred: f64,
    /// Share of deferred items in the last tenth of the stream, counted back from here.
    pub deferred_lately: f64,
    /// Number of strategies in the repository when the last item was processed, averaged over the orders.
    pub repository: f64,
    /// Fee so far in USD, over all orders. `None` without prices.
    pub fee: Option<f64>,
    /// The cascade's figure.
    pub base_fee: Option<f64>,
}

/// Size of an arm's repository at one place of the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepositorySize {
    /// Number of items before this place, in each order.
    pub items: usize,
    /// Number of stored strategies, averaged over the orders.
    pub mean: f64,
    /// The smallest number in any order.
    pub least: usize,
    /// The greatest number in any order.
    pub most: usize,
}

/// Returns the size of the repository before each item of the stream, ascending.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of strategies")]
pub fn repository_sizes(slice: &Slice) -> Vec<RepositorySize> {
    let mut by_position: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for record in slice.outcomes.iter().map(|outcome| outcome.record()) {
        by_position.entry(record.position).or_default().push(record.repository_size);
    }
    let size = |(items, sizes): (usize, Vec<usize>)| RepositorySize {
        items,
        mean: sizes.iter().sum::<usize>() as f64 / sizes.len() as f64,
        least: sizes.iter().copied().min().unwrap_or(0),
        most: sizes.iter().copied().max().unwrap_or(0),
    };
    by_position.into_iter().map(size).collect()
}

/// Sums up to an item.
#[derive(Clone, Copy)]
struct Sums {
    pairs: usize,
    right: [usize; 2],
    deferred: [usize; 2],
    fee: [Option<f64>; 2],
}

/// Computes a point after each item of the stream.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of items")]
pub fn growth(slice: &Slice, base: &Slice, prices: &Prices) -> Vec<Point> {
    let mut by_position: BTreeMap<usize, Vec<(ItemOutcome, ItemOutcome)>> = BTreeMap::new();
    for pair in slice.paired(base) {
        by_position.entry(pair.0.record().position).or_default().push(pair);
    }
    let mut sums = Sums { pairs: 0, right: [0; 2], deferred: [0; 2], fee: [Some(0.0); 2] };
    let tenth = by_position.len().div_ceil(10).max(1);
    let mut lately: Vec<(usize, usize)> = Vec::new();
    let mut points = Vec::new();
    for pairs in by_position.into_values() {
        for (one, other) in &pairs {
            for (side, outcome) in [*one, *other].into_iter().enumerate() {
                sums.right[side] += usize::from(outcome.correct());
                sums.deferred[side] += usize::from(outcome.deferred());
                sums.fee[side] = sums.fee[side].zip(item_fee(outcome, None, prices)).map(|(sum, fee)| sum + fee);
            }
        }
        sums.pairs += pairs.len();
        lately.push((pairs.iter().filter(|(one, _)| one.deferred()).count(), pairs.len()));
        let last = &lately[lately.len().saturating_sub(tenth)..];
        let (deferred, of) = last.iter().fold((0, 0), |(some, all), (deferred, n)| (some + deferred, all + n));
        let share = |count: usize| count as f64 / sums.pairs as f64;
        let stored: usize = pairs.iter().map(|(one, _)| one.record().repository_size).sum();
        points.push(Point {
            items: points.len() + 1,
            accuracy: share(sums.right[0]),
            base_accuracy: share(sums.right[1]),
            deferred: share(sums.deferred[0]),
            base_deferred: share(sums.deferred[1]),
            deferred_lately: deferred as f64 / of as f64,
            repository: stored as f64 / pairs.len() as f64,
            fee: sums.fee[0],
            base_fee: sums.fee[1],
        });
    }
    points
}

/// Number of items from which on the arm's fee so far stays below the cascade's. `None` if the arm's fee is not below
/// at the end.
#[must_use]
pub fn break_even_item(along: &[Point]) -> Option<usize> {
    let cheaper = |point: &Point| point.fee.zip(point.base_fee).is_some_and(|(own, base)| own < base);
    let before = along.iter().rposition(|point| !cheaper(point)).map_or(0, |last| last + 1);
    along.get(before).map(|point| point.items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::metrics::slices;
    use crate::types::arm::Arm;
    use crate::types::record::{CellKey, Record};
    use crate::types::testing;

    #[test]
    fn break_even_is_the_item_from_which_the_fee_stays_below() {
        let point = |items, fee, base| Point {
            items,
            accuracy: 0.0,
            base_accuracy: 0.0,
            deferred: 0.0,
            base_deferred: 0.0,
            deferred_lately: 0.0,
            repository: 0.0,
            fee: Some(fee),
            base_fee: Some(base),
        };
        let along = |fees: &[(f64, f64)]| -> Vec<Point> {
            fees.iter().enumerate().map(|(at, (own, base))| point(at + 1, *own, *base)).collect()
        };
        assert_eq!(break_even_item(&along(&[(2.0, 1.0), (2.0, 3.0), (5.0, 4.0), (5.0, 6.0), (6.0, 8.0)])), Some(4));
        assert_eq!(break_even_item(&along(&[(1.0, 2.0), (2.0, 3.0)])), Some(1));
        assert_eq!(break_even_item(&along(&[(1.0, 2.0), (3.0, 3.0)])), None, "equal is not cheaper");
        assert_eq!(break_even_item(&[]), None);
    }

    #[test]
    fn repository_sizes_are_averaged_over_orders() {
        let record = |order, position, repository_size| {
            let cell = CellKey { dataset: "d".into(), arm: Arm::InterCascade, order, threshold: None };
            Record { repository_size, ..testing::record(&cell.into(), position) }
        };
        let records = [record(0, 0, 0), record(0, 1, 1), record(1, 0, 0), record(1, 1, 0)];
        let sizes = repository_sizes(&slices(&records)[0]);
        let size = |items, mean, least, most| RepositorySize { items, mean, least, most };
        assert_eq!(sizes, [size(0, 0.0, 0, 0), size(1, 0.5, 0, 1)]);
    }
}
