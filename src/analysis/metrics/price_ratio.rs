//! The fee over the price ratio of the strong level to the weak one: prices move, tokens stay.

use std::collections::BTreeMap;

use super::changes::RESAMPLES;
use super::fees::{Prices, fee_change};
use super::{Comparison, STRONG, Slice};
use crate::analysis::price::{Fee, Price};
use crate::analysis::stats::{Draws, Interval};

/// The ratios at which curves are told, beside that of the prices at hand.
const RATIOS: [f64; 9] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// The two levels' parts of an arm's fee and of its cascade's. All of the strong level's prices are scaled alike, so a
/// ratio is that of the prices of written tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The ratio in the prices at hand.
    pub own: f64,
    /// The ratio from which on the arm is cheaper than the cascade; none where it is at none.
    pub pays_from: Option<f64>,
}

impl Ratio {
    /// Of a learning arm and its cascade; none without prices, or where the weak level's is nothing.
    #[must_use]
    pub fn new(comparison: &Comparison, slice: &Slice, base: &Slice) -> Option<Self> {
        let strong = model_of(base, STRONG)?;
        let price = |model: &str| comparison.prices.get(model).and_then(Option::as_ref);
        let own = price(strong)?.output / price(model_of(slice, 0)?)?.output;
        let part = |slice: &Slice, of_strong: bool| {
            let totals = comparison.fees(slice).iter().filter(|row| row.purpose.is_none());
            let some = totals.filter(|row| (row.model == strong) == of_strong);
            some.map(|row| row.fee.map(Fee::usd)).sum::<Option<f64>>()
        };
        let more = part(slice, false)? - part(base, false)?;
        let spared = part(base, true)? - part(slice, true)?;
        // Per unit of the own ratio the arm spares this much of the strong level's fee.
        let pays_from =
            if more <= 0.0 && spared >= 0.0 { Some(0.0) } else { (spared > 0.0).then(|| own * more / spared) };
        own.is_finite().then_some(Self { own, pays_from })
    }

    /// The ratios at which the arm's curve is told.
    #[must_use]
    pub fn curve(self) -> Vec<f64> {
        let mut ratios = RATIOS.to_vec();
        ratios.push(self.own);
        ratios.sort_by(f64::total_cmp);
        ratios.dedup_by(|one, other| (*one - *other).abs() < 1e-9);
        ratios
    }

    /// The change of the fee in percent where the strong level's prices are `times` the weak one's, with its interval as a
    /// share.
    #[must_use]
    pub fn change_at(
        self,
        comparison: &Comparison,
        slice: &Slice,
        base: &Slice,
        times: f64,
    ) -> (Option<f64>, Option<Interval>) {
        let factor = times / self.own;
        let scale = |price: &Price| Price {
            input: price.input * factor,
            cached_input: price.cached_input.map(|cached| cached * factor),
            output: price.output * factor,
            ..price.clone()
        };
        let mut prices: Prices = BTreeMap::clone(comparison.prices);
        if let Some(Some(price)) = model_of(base, STRONG).and_then(|strong| prices.get_mut(strong)) {
            *price = scale(price);
        }
        let labels = ["fees", &*slice.cell.arm, "", "total"];
        let draws = Draws { seed: comparison.seed, labels: &labels, count: RESAMPLES };
        let found = fee_change(slice, base, None, &prices, draws);
        (found.map(|found| found.value * 100.0), found.and_then(|found| found.interval))
    }
}

/// The model that answers at a level.
fn model_of<'s>(slice: &'s Slice, level: usize) -> Option<&'s str> {
    let mut calls = slice.taken.iter().flat_map(|taken| taken.calls());
    calls.find_map(|(call, _)| (call.level == Some(level)).then_some(&*call.model))
}
