//! The fee over the price ratio of the strong level to the weak one: prices move, tokens stay.

use super::changes::RESAMPLES;
use super::comparison::Change;
use super::fees::{by_group, item_fee};
use super::{Comparison, STRONG, Slice, Taken};
use crate::analysis::price::Fee;
use crate::analysis::stats::units::relative_change;
use crate::analysis::stats::{Draws, Resampled, Units};

/// The ratios at which curves are told, beside that of the prices at hand.
const RATIOS: [f64; 9] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// The two levels' parts of an arm's fee and of its base's. All of the strong level's prices are scaled alike, so a
/// ratio is that of the prices of written tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The ratio in the prices at hand.
    pub own: f64,
    /// The ratio from which on the arm is cheaper than its base; none where it is at none.
    pub pays_from: Option<f64>,
}

impl Ratio {
    /// Of an arm and its base; none without prices, or where a level's is nothing.
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
        (own.is_finite() && own > 0.0).then_some(Self { own, pays_from })
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
}

/// What becomes of an arm's fee as prices move.
pub struct Curve {
    /// The ratio of the prices at hand, and that from which on the arm is cheaper.
    pub ratio: Ratio,
    /// The change in percent at each ratio that was asked for, and its interval as a share.
    pub changes: Vec<Change>,
}

/// The curve of each arm against its base, at the ratios that `at` gives; none without prices, or where a level's is nothing.
#[must_use]
pub fn curves(comparison: &Comparison, arms: &[(&Slice, &Slice)], at: fn(Ratio) -> Vec<f64>) -> Vec<Option<Curve>> {
    let asked = |(slice, base): &(&Slice, &Slice)| {
        let ratio = Ratio::new(comparison, slice, base)?;
        let figure = |times: f64| {
            let factor = times / ratio.own;
            move |[weak, strong, weak_base, strong_base]: [f64; 4]| {
                relative_change([weak + factor * strong, weak_base + factor * strong_base])
            }
        };
        Some((ratio, paid(comparison, slice, base)?, at(ratio).into_iter().map(figure).collect::<Vec<_>>()))
    };
    let asked: Vec<_> = arms.iter().map(asked).collect();
    let figures: Vec<_> = asked.iter().flatten().map(|(_, units, figures)| (units, &figures[..])).collect();
    let draws = Draws { seed: comparison.seed, labels: &["fees"], count: RESAMPLES };
    let mut found = Units::bca_of_all(&figures, draws).into_iter();
    let percent = |found: Option<Resampled>| match found {
        Some(Resampled { value, interval }) => (Some(value * 100.0), interval),
        None => (None, None),
    };
    let mut told = |ratio| Some(Curve { ratio, changes: found.next()?.into_iter().map(percent).collect() });
    asked.iter().map(|asked| asked.as_ref().and_then(|(ratio, ..)| told(*ratio))).collect()
}

/// What each group pays in USD for the weak level and the strong one: with the arm, then with its base.
fn paid(comparison: &Comparison, slice: &Slice, base: &Slice) -> Option<Units<4>> {
    let strong = Some((model_of(base, STRONG)?, None));
    let parts = |taken: Taken| {
        let of_strong = item_fee(taken, strong, comparison.prices)?;
        Some([item_fee(taken, None, comparison.prices)? - of_strong, of_strong])
    };
    by_group(&slice.paired(base), |one, other| {
        let ([weak, strong], [weak_base, strong_base]) = (parts(one)?, parts(other)?);
        Some([weak, strong, weak_base, strong_base])
    })
}

/// The model that answers at a level.
fn model_of<'s>(slice: &'s Slice, level: usize) -> Option<&'s str> {
    let mut calls = slice.taken.iter().flat_map(|taken| taken.calls());
    calls.find_map(|(call, _)| (call.level == Some(level)).then_some(&*call.model))
}
