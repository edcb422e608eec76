//! The fee over the price ratio of the strong level to the weak one: prices move, tokens stay.

use super::changes::RESAMPLES;
use super::comparison::Change;
use super::fees::{by_group, item_fee};
use super::{Comparison, STRONG, Slice, Taken};
use crate::analysis::price::Fee;
use crate::analysis::stats::units::relative_change;
use crate::analysis::stats::{Draws, Interval, Resampled, Units};

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
        let share = added([part(slice, false)?, part(slice, true)?, part(base, false)?, part(base, true)?]);
        let pays_from = Some(own * odds(share)).filter(|ratio| ratio.is_finite());
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
    /// The interval of that ratio; an end is infinite where the arm is cheaper at none. None with fewer than two groups.
    pub pays_from: Option<Interval>,
    /// The change in percent at each ratio that was asked for, and its interval as a share.
    pub changes: Vec<Change>,
}

/// The curve of each arm against its base, at the ratios that `at` gives; none without prices, or where a level's is nothing.
#[must_use]
pub fn curves(comparison: &Comparison, arms: &[(&Slice, &Slice)], at: fn(Ratio) -> Vec<f64>) -> Vec<Option<Curve>> {
    let asked = |(slice, base): &(&Slice, &Slice)| {
        let ratio = Ratio::new(comparison, slice, base)?;
        let [apart, apart_base] = [slice, base].map(|slice| apart(comparison, slice, base));
        let apart = [apart[0], apart[1], apart_base[0], apart_base[1]];
        // At a ratio, or where the arm begins to be cheaper.
        let figure = |times: Option<f64>| {
            let factor = times.map(|times| times / ratio.own);
            move |items: [f64; 4]| {
                let all @ [weak, strong, weak_base, strong_base] = std::array::from_fn(|i| items[i] + apart[i]);
                match factor {
                    Some(factor) => relative_change([weak + factor * strong, weak_base + factor * strong_base]),
                    None => Some(added(all)),
                }
            }
        };
        let figures = std::iter::once(None).chain(at(ratio).into_iter().map(Some)).map(figure);
        Some((ratio, paid(comparison, slice, base)?, figures.collect::<Vec<_>>()))
    };
    let asked: Vec<_> = arms.iter().map(asked).collect();
    let figures: Vec<_> = asked.iter().flatten().map(|(_, units, figures)| (units, &figures[..])).collect();
    let draws = Draws { seed: comparison.seed, labels: &["fees"], count: RESAMPLES };
    let mut found = Units::bca_of_all(&figures, draws).into_iter();
    let percent = |found: Option<Resampled>| match found {
        Some(Resampled { value, interval }) => (Some(value * 100.0), interval),
        None => (None, None),
    };
    let mut told = |ratio: Ratio| {
        let mut found = found.next()?.into_iter();
        let end = |share| ratio.own * odds(share);
        let pays_from = found.next()?.and_then(|found| found.interval);
        let pays_from = pays_from.map(|Interval { low, high }| Interval { low: end(low), high: end(high) });
        Some(Curve { ratio, pays_from, changes: found.map(percent).collect() })
    };
    asked.iter().map(|asked| asked.as_ref().and_then(|(ratio, ..)| told(*ratio))).collect()
}

/// What an arm adds to the weak level's fee, as a share of that and of what it spares of the strong level's: 0 where it is cheaper
/// at any price ratio, 1 where at none. The arguments are as in [`paid`]. Unlike the ratio itself it is finite, so that quantiles
/// of resamples can be told.
fn added([weak, strong, weak_base, strong_base]: [f64; 4]) -> f64 {
    let (more, spared) = (weak - weak_base, strong_base - strong);
    match (more > 0.0, spared > 0.0) {
        (true, true) => more / (more + spared),
        (false, true) => 0.0,
        (false, false) if spared == 0.0 => 0.0,
        _ => 1.0,
    }
}

/// The odds of a share: infinite of 1.
fn odds(share: f64) -> f64 {
    share / (1.0 - share)
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

/// What a slice's threshold took in USD of the weak level, and of the strong one.
fn apart(comparison: &Comparison, slice: &Slice, base: &Slice) -> [f64; 2] {
    let strong = model_of(base, STRONG).map_or(0.0, |strong| comparison.calibration_fee(slice, Some(strong)));
    [comparison.calibration_fee(slice, None) - strong, strong]
}

/// The model that answers at a level.
fn model_of<'s>(slice: &'s Slice, level: usize) -> Option<&'s str> {
    let mut calls = slice.taken.iter().flat_map(|taken| taken.calls());
    calls.find_map(|(call, _)| (call.level == Some(level)).then_some(&*call.model))
}

#[cfg(test)]
mod tests {
    use super::{added, odds};

    #[test]
    fn an_arm_is_cheaper_from_where_what_it_spares_is_worth_what_it_adds() {
        // It adds 2 of the weak level's fee and spares 4 of the strong level's: half the prices at hand are enough.
        assert!((odds(added([3.0, 6.0, 1.0, 10.0])) - 0.5).abs() < 1e-12);
        assert!(added([1.0, 6.0, 1.0, 10.0]).abs() < 1e-12, "it adds nothing");
        assert!(added([1.0, 10.0, 1.0, 10.0]).abs() < 1e-12, "it is never dearer");
        for never in [[3.0, 10.0, 1.0, 10.0], [3.0, 11.0, 1.0, 10.0], [0.5, 11.0, 1.0, 10.0]] {
            assert!(odds(added(never)).is_infinite(), "{never:?}");
        }
    }
}
