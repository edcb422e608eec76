//! The fee over the price ratio of the strong level to the weak one, at several shapes of prices: prices move, tokens stay.

use super::changes::RESAMPLES;
use super::fees::{Prices, by_group, item_fee, token_fee};
use super::{Comparison, ItemOutcome, Slice};
use crate::analysis::stats::units::relative_change;
use crate::analysis::stats::{Draws, Estimate, FEWEST, Interval, Units};
use crate::types::level::Level;
use crate::types::price::{Fee, Price};
use crate::types::record::Purpose;

/// The ratios at which curves are told, beside that of the prices at hand.
const RATIOS: [f64; 9] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// What a written token costs in read ones, in the two shapes that are always shown: as nominal prices often have it, and about
/// as providers charge.
const WRITTEN: [f64; 2] = [1.0, 4.0];

/// How the prices of read and of written tokens stand to each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// As the config has them, with recorded fees as they are.
    Config,
    /// A written token costs so many times a read one, for every model that writes; its price stays the config's.
    Written(f64),
}

impl Shape {
    /// How reports call it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Config => "as configured".to_owned(),
            Self::Written(times) => format!("1 : {times}"),
        }
    }

    /// The shapes that are shown of a run: that of its own prices first, then those of `WRITTEN` that differ from it.
    #[must_use]
    pub fn shown(comparison: &Comparison) -> Vec<Self> {
        let own = own_shape(comparison);
        let others = WRITTEN.into_iter().map(Self::Written).filter(|shape| *shape != own);
        std::iter::once(own).chain(others).collect()
    }

    /// The prices of this shape; none where the config's stand.
    fn prices(self, prices: &Prices) -> Option<Prices> {
        let Self::Written(times) = self else { return None };
        let shaped = |price: &Price| {
            let read = price.output / times;
            if writes(price) { Price { input: read, cached_input: None, ..price.clone() } } else { price.clone() }
        };
        Some(prices.iter().map(|(model, price)| (model.clone(), price.as_ref().map(shaped))).collect())
    }
}

/// Whether a price is one of a model that writes; an embedder's is not.
fn writes(price: &Price) -> bool {
    price.output > 0.0
}

/// The shape of a run's own prices: one of [`WRITTEN`] where it gives the same fees.
fn own_shape(comparison: &Comparison) -> Shape {
    let mut calls = comparison.slices.iter().flat_map(|slice| &slice.taken).flat_map(|taken| taken.calls());
    if calls.any(|(call, _)| call.recorded_fee_usd.is_some()) {
        return Shape::Config;
    }
    let mut prices = comparison.prices.values().flatten().filter(|price| writes(price)).peekable();
    if prices.peek().is_none() {
        return Shape::Config;
    }
    let is = |price: &Price, times: f64| {
        let same = |read: f64| (read * times - price.output).abs() <= 1e-9 * price.output;
        same(price.input) && price.cached_input.is_none_or(same)
    };
    let prices: Vec<&Price> = prices.collect();
    let uniform = |times: &f64| prices.iter().all(|price| is(price, *times));
    WRITTEN.into_iter().find(uniform).map_or(Shape::Config, Shape::Written)
}

/// The ratios at which a curve is told: fixed ones, and the ratio in the prices at hand.
#[must_use]
pub fn ratios(own: f64) -> Vec<f64> {
    let mut ratios = RATIOS.to_vec();
    ratios.push(own);
    ratios.sort_by(f64::total_cmp);
    ratios.dedup_by(|one, other| (*one - *other).abs() < 1e-9);
    ratios
}

/// What becomes of an arm's fee as prices move. All of the strong level's prices are scaled alike, so a ratio is that of the
/// prices of written tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The shape of the prices.
    pub shape: Shape,
    /// The ratio in the prices at hand.
    pub own: f64,
    /// The ratio from which on the arm is cheaper than its base. None if it is at none, as an arm that changes nothing.
    pub pays_from: Option<f64>,
    /// The interval of that ratio; an end is infinite where the arm is cheaper at none. None if the weak level's fee changes in fewer
    /// than three groups or the strong level's in fewer, or if more than 1 % of the resamples hold no change.
    pub interval: Option<Interval>,
    /// The relative change of the fee, as a share, at each ratio that was asked for. `None` if it is undefined there.
    pub changes: Vec<Option<Estimate>>,
}

/// The curves of each arm against its base, one for each shape, at the ratios that `at` gives of the ratio at hand; none of an arm
/// without prices, or where a level's is nothing.
#[must_use]
pub fn curves(
    comparison: &Comparison,
    arms: &[(&Slice, &Slice)],
    shapes: &[Shape],
    at: fn(f64) -> Vec<f64>,
) -> Vec<Vec<Curve>> {
    let tariffs: Vec<Tariff> = shapes.iter().map(|shape| Tariff::new(comparison, *shape)).collect();
    let each = || arms.iter().flat_map(|(slice, base)| tariffs.iter().map(move |tariff| (*slice, *base, tariff)));
    let asked = |(slice, base, tariff): (&Slice, &Slice, &Tariff)| {
        let own = own_ratio(comparison, slice, base)?;
        let apart = tariff.apart(slice, base);
        // At a ratio, or where the arm begins to be cheaper.
        let figure = |times: Option<f64>| {
            let factor = times.map(|times| times / own);
            move |items: [f64; 4]| {
                let [weak_more, strong_more, weak_base, strong_base] = std::array::from_fn(|i| items[i] + apart[i]);
                match factor {
                    Some(factor) => {
                        let base = weak_base + factor * strong_base;
                        relative_change([base + weak_more + factor * strong_more, base])
                    }
                    None => added(weak_more, -strong_more),
                }
            }
        };
        let figures = std::iter::once(None).chain(at(own).into_iter().map(Some)).map(figure);
        let units = tariff.paid(slice, base)?;
        // The break-even ratio is of two changes, and needs enough groups for both.
        let enough = units.count(|row| row[0] != 0.0) >= FEWEST
            && units.count(|[_, strong_more, ..]| strong_more != 0.0) >= FEWEST;
        Some((own, units, figures.collect::<Vec<_>>(), enough))
    };
    let asked: Vec<_> = each().map(asked).collect();
    let figures: Vec<_> = asked.iter().flatten().map(|(_, units, figures, _)| (units, &figures[..])).collect();
    let draws = Draws { seed: comparison.seed, labels: &["fees"], count: RESAMPLES };
    let mut found = Units::bca_of_all(&figures, draws).into_iter();
    let mut told = |own: f64, shape: Shape, enough: bool| {
        let mut found = found.next()?.into_iter();
        let ratio = |share| own * odds(share);
        let share = found.next()?;
        let ends = |Interval { low, high }: Interval| Interval { low: ratio(low), high: ratio(high) };
        Some(Curve {
            shape,
            own,
            pays_from: share.map(|share| ratio(share.value)).filter(|ratio| ratio.is_finite()),
            interval: share.and_then(|share| share.interval).filter(|_| enough).map(ends),
            changes: found.collect(),
        })
    };
    let curves = asked.iter().zip(shapes.iter().cycle());
    let curves: Vec<Option<Curve>> =
        curves.map(|(asked, shape)| asked.as_ref().and_then(|(own, .., enough)| told(*own, *shape, *enough))).collect();
    curves.chunks(shapes.len().max(1)).map(|curves| curves.iter().flatten().cloned().collect()).collect()
}

/// The ratio of the prices of written tokens, strong level to weak; none without prices, or where a level's is nothing.
fn own_ratio(comparison: &Comparison, slice: &Slice, base: &Slice) -> Option<f64> {
    let price = |model: &str| comparison.prices.get(model).and_then(Option::as_ref);
    let weak = model_of(slice, Level::FIRST).or_else(|| model_of(base, Level::FIRST))?;
    let own = price(model_of(base, base.top)?)?.output / price(weak)?.output;
    Some(own).filter(|own| own.is_finite() && *own > 0.0)
}

/// What an arm adds to the weak level's fee, as a share of that and of what it spares of the strong level's: 0 where it is cheaper
/// at any price ratio, 1 where at none. None if it does neither, and costs the same at every ratio. Unlike the ratio itself it is
/// finite, so that quantiles of resamples can be told.
fn added(more: f64, spared: f64) -> Option<f64> {
    match (more > 0.0, spared > 0.0) {
        (true, true) => Some(more / (more + spared)),
        (false, true) => Some(0.0),
        (false, false) if spared == 0.0 => (more < 0.0).then_some(0.0),
        _ => Some(1.0),
    }
}

/// The odds of a share: infinite of 1.
fn odds(share: f64) -> f64 {
    share / (1.0 - share)
}

/// The prices of one shape, and what is paid by them.
struct Tariff<'c, 'a> {
    comparison: &'c Comparison<'a>,
    /// None where the config's prices and recorded fees stand.
    shaped: Option<Prices>,
}

impl<'c, 'a> Tariff<'c, 'a> {
    fn new(comparison: &'c Comparison<'a>, shape: Shape) -> Self {
        Self { comparison, shaped: shape.prices(comparison.prices) }
    }

    /// What each group pays in USD: what the arm adds to the weak level's fee (and to the embedder's) and to the strong one's,
    /// then what its base pays for either. Groups that pay the same with both add nothing, exactly.
    fn paid(&self, slice: &Slice, base: &Slice) -> Option<Units<4>> {
        let strong = Some((model_of(base, base.top)?, None));
        let fee = |taken: ItemOutcome, row| match &self.shaped {
            Some(prices) => token_fee(taken, row, prices),
            None => item_fee(taken, row, self.comparison.prices),
        };
        let parts = |taken: ItemOutcome| {
            let of_strong = fee(taken, strong)?;
            Some([fee(taken, None)? - of_strong, of_strong])
        };
        let units = by_group(&slice.paired(base), |one, other| {
            let ([weak, strong], [weak_base, strong_base]) = (parts(one)?, parts(other)?);
            Some([weak - weak_base, strong - strong_base, weak_base, strong_base])
        })?;
        Some(units.contributing(|[weak_more, strong_more, ..]| weak_more != 0.0 || strong_more != 0.0))
    }

    /// What thresholds took in USD, in the order of [`Self::paid`].
    fn apart(&self, slice: &Slice, base: &Slice) -> [f64; 4] {
        let strong = model_of(base, base.top);
        let of = |slice: &Slice| {
            let of_strong = strong.map_or(0.0, |strong| self.calibration_fee(slice, Some(strong)));
            [self.calibration_fee(slice, None) - of_strong, of_strong]
        };
        let ([weak, strong], [weak_base, strong_base]) = (of(slice), of(base));
        [weak - weak_base, strong - strong_base, weak_base, strong_base]
    }

    /// What a slice's threshold took, of one model or of all.
    fn calibration_fee(&self, slice: &Slice, model: Option<&str>) -> f64 {
        let Some(prices) = &self.shaped else { return self.comparison.calibration_fee(slice, model) };
        let told = self.comparison.fees(slice).iter().filter(|row| row.purpose == Some(Purpose::Calibrate));
        let told = told.filter(|row| model.is_none_or(|model| row.model == model));
        told.filter_map(|row| Some(prices.get(&row.model)?.as_ref()?.fee(row.usage))).map(Fee::usd).sum()
    }
}

/// The model that answers at a level.
fn model_of<'s>(slice: &'s Slice, level: Level) -> Option<&'s str> {
    let mut calls = slice.taken.iter().flat_map(|taken| taken.calls());
    calls.find_map(|(call, _)| (call.level == Some(level)).then_some(&*call.model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_is_cheaper_from_where_what_it_spares_is_worth_what_it_adds() {
        // It adds 2 of the weak level's fee and spares 4 of the strong level's: half the prices at hand are enough.
        assert_eq!(added(2.0, 4.0).map(|share| (odds(share) * 1e9).round()), Some(0.5e9));
        assert_eq!((added(0.0, 4.0), added(-2.0, 4.0)), (Some(0.0), Some(0.0)), "it adds nothing");
        assert_eq!(added(-2.0, 0.0), Some(0.0), "it spares of the weak level alone");
        for (more, spared) in [(2.0, 0.0), (2.0, -1.0), (-0.5, -1.0), (0.0, -1.0)] {
            assert!(added(more, spared).is_some_and(|share| odds(share).is_infinite()), "{more} {spared}");
        }
    }

    #[test]
    fn an_arm_that_changes_nothing_is_cheaper_at_no_price() {
        assert_eq!(added(0.0, 0.0), None);
    }

    #[test]
    fn a_shape_moves_the_price_of_what_is_read() {
        let price = |input, output| Price { input, cached_input: Some(0.01), output, read: None, nominal: true };
        let prices = Prices::from([
            ("weak".into(), Some(price(0.1, 0.1))),
            ("embedder".into(), Some(price(0.02, 0.0))),
            ("free".into(), None),
        ]);
        let shaped = Shape::Written(4.0).prices(&prices).expect("other prices");
        let weak = shaped["weak"].as_ref().expect("a price");
        assert_eq!((weak.input, weak.cached_input, weak.output), (0.025, None, 0.1));
        assert_eq!((&shaped["embedder"], &shaped["free"]), (&prices["embedder"], &None));
        assert_eq!(Shape::Config.prices(&prices), None);
    }
}
