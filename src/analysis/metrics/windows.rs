//! An arm along its stream: weak accuracy and deferral rate in windows of the stream, and the fee so far.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use super::fees::{Prices, item_fee};
use super::slices::{ItemOutcome, Slice};
use crate::analysis::stats::units::mean;
use crate::analysis::stats::{Draws, Estimate, Units};
use crate::types::seed::Seed;

/// Greatest number of windows of a stream.
pub const WINDOWS: usize = 10;

/// Fewest outcomes, over all orders, in a window. A share of fewer says little.
const FEWEST: usize = 20;

/// Number of resamples for the intervals of a window.
const RESAMPLES: usize = 2000;

/// Figures of an arm in one window, over all orders. Intervals are bootstrap intervals over groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Number of items before the window, in each order.
    pub from: usize,
    /// Number of items up to the end of the window, in each order.
    pub to: usize,
    /// Accuracy of the weak level in the window, as a share. If the arm did not call the weak level for an item,
    /// weak-only's answer is used. `None` if an item has neither.
    pub weak_accuracy: Option<Estimate>,
    /// Share of the window's items that are deferred.
    pub deferred: Estimate,
    /// Mean fee of an order up to the end of the window, in USD, without the calibration. The interval covers the fee
    /// per item. `None` without prices.
    pub fee: Option<Estimate>,
}

/// Computes the figures of each window. Empty without items.
#[must_use]
pub fn windows(slice: &Slice, prices: &Prices, seed: Seed) -> Vec<Window> {
    let length = slice.outcomes.iter().map(|outcome| outcome.record().position + 1).max().unwrap_or(0);
    let count = (slice.outcomes.len() / FEWEST).clamp(1, WINDOWS).min(length);
    let fees: Option<Vec<f64>> = slice.outcomes.iter().map(|outcome| item_fee(*outcome, None, prices)).collect();
    let window = |index| window(slice, length * index / count, length * (index + 1) / count, fees.as_deref(), seed);
    (0..count).filter_map(window).collect()
}

/// A window of positions. `fees` are those of all outcomes. `None` if the window is empty.
#[expect(clippy::cast_precision_loss, reason = "a count of items")]
fn window<'a>(slice: &Slice<'a>, from: usize, to: usize, fees: Option<&[f64]>, seed: Seed) -> Option<Window> {
    let place = to.to_string();
    let inside: Vec<ItemOutcome<'a>> =
        slice.outcomes.iter().filter(|outcome| (from..to).contains(&outcome.record().position)).copied().collect();
    let share = |figure, is: fn(ItemOutcome) -> bool| {
        let row = |outcome: &ItemOutcome<'a>| (outcome.group(), [f64::from(u8::from(is(*outcome))), 1.0]);
        let units = Units::by_group(inside.iter().map(row)).contributing(|[is, _]| is > 0.0);
        let labels = [figure, slice.cell.arm.name(), &*place];
        let draws = Draws { seed, labels: &labels, count: RESAMPLES };
        units.contributing(|[is, all]| is < all).percentile(draws, mean)
    };
    let fee = |fees: &[f64]| {
        let so_far = slice.outcomes.iter().zip(fees).filter(|(outcome, _)| outcome.record().position < to);
        let units = Units::by_group(so_far.map(|(outcome, fee)| (outcome.group(), [*fee, 1.0])));
        let labels = ["window-fee", slice.cell.arm.name(), &*place];
        let draws = Draws { seed, labels: &labels, count: RESAMPLES };
        units.percentile(draws, |sums| Some(mean(sums)? * to as f64))
    };
    let known = inside.iter().all(|outcome| outcome.weak().is_some());
    Some(Window {
        from,
        to,
        weak_accuracy: known.then(|| share("window-weak", |outcome| outcome.weak_correct())).flatten(),
        deferred: share("window-deferred", |outcome| outcome.deferred())?,
        fee: fees.and_then(fee),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::metrics::slices;
    use crate::types::arm::Arm;
    use crate::types::chat::Usage;
    use crate::types::level::Level;
    use crate::types::price::Price;
    use crate::types::record::{Call, CellKey, Graded, LevelAnswer, Purpose, Record, Score};
    use crate::types::testing;

    /// 40 items of 20 groups in two orders: the weak level is right in the second half, and defers in the first.
    fn records() -> Vec<Record> {
        let of_order = |order: usize| {
            let cell = CellKey { dataset: "d".into(), arm: Arm::InterCascade, order, threshold: Some(0.5) };
            let cell = Arc::new(cell);
            (0..40).map(move |position: usize| {
                let score = if position >= 20 { Score::Correct } else { Score::Incorrect };
                let answer = LevelAnswer::new(Level::FIRST, Graded { answer: Some("1".into()), score });
                let usage = Usage { input: 1_000_000, cached_input: 0, output: 0 };
                let answered = Call { usage, ..testing::call(Level::FIRST, Purpose::Answer) };
                Record {
                    group: (position % 20).to_string().into(),
                    levels: vec![answer],
                    deferred: position < 20 + 10 * order,
                    calls: vec![answered],
                    ..testing::record(&cell, position)
                }
            })
        };
        of_order(0).chain(of_order(1)).collect()
    }

    #[test]
    fn windows_have_the_figures_of_their_items_and_the_fee_so_far() {
        let records = records();
        let price = Price { input: 2.0, cached_input: None, output: 2.0, batch: None, read: None, nominal: true };
        let found = windows(&slices(&records)[0], &Prices::from([("weak".into(), Some(price))]), Seed(1));
        assert_eq!(
            found.iter().map(|window| (window.from, window.to)).collect::<Vec<_>>(),
            [(0, 10), (10, 20), (20, 30), (30, 40)]
        );
        let weak: Vec<f64> = found.iter().map(|window| window.weak_accuracy.map_or(-1.0, |weak| weak.value)).collect();
        assert_eq!(weak, [0.0, 0.0, 1.0, 1.0]);
        let deferred: Vec<f64> = found.iter().map(|window| window.deferred.value).collect();
        assert_eq!(deferred, [1.0, 1.0, 0.5, 0.0]);
        let fees: Vec<f64> = found.iter().map(|window| window.fee.map_or(-1.0, |fee| fee.value)).collect();
        assert!((fees[0] - 20.0).abs() < 1e-9 && (fees[3] - 80.0).abs() < 1e-9, "the mean of two orders: {fees:?}");
    }

    #[test]
    fn few_items_have_one_window_and_no_price_is_no_fee() {
        let mut records = records();
        records.truncate(3);
        let found = windows(&slices(&records)[0], &Prices::new(), Seed(1));
        assert_eq!(found.iter().map(|window| (window.from, window.to)).collect::<Vec<_>>(), [(0, 3)]);
        assert!(found.iter().all(|window| window.fee.is_none()));
        records[0].levels.clear();
        assert_eq!(windows(&slices(&records)[0], &Prices::new(), Seed(1))[0].weak_accuracy, None);
        assert_eq!(windows(&slices(&records)[0].part(|_| false), &Prices::new(), Seed(1)), []);
    }
}
