//! Fee of an arm over the price ratio of the strong level to the weak level, for several shapes of prices. Token
//! counts stay fixed.

use super::changes::RESAMPLES;
use super::fees::{Prices, by_group, item_fee, token_fee};
use super::{Comparison, ItemOutcome, Slice};
use crate::analysis::stats::units::relative_change;
use crate::analysis::stats::{Draws, Estimate, FEWEST, Interval, Units};
use crate::types::level::Level;
use crate::types::price::{Fee, Price};
use crate::types::record::Purpose;

/// Price ratios at which curves are computed, in addition to the ratio of the configured prices.
const RATIOS: [f64; 9] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// Price of an output token in input tokens, in the two shapes that are always reported: 1, as in many nominal prices,
/// and 4, close to what providers charge.
const OUTPUT_TO_INPUT: [f64; 2] = [1.0, 4.0];

/// Shape of prices: the relation of input and output prices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// The configured prices, with recorded fees unchanged.
    Config,
    /// An output token costs this multiple of an input token, for every model that generates text. The output price
    /// stays as configured.
    Written(f64),
}

impl Shape {
    /// Name in reports.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Config => "as configured".to_owned(),
            Self::Written(times) => format!("1 : {times}"),
        }
    }

    /// Returns the shapes to report for a run: first the shape of its own prices, then the others of
    /// `OUTPUT_TO_INPUT`.
    #[must_use]
    pub fn reported(comparison: &Comparison) -> Vec<Self> {
        let own = own_shape(comparison);
        let others = OUTPUT_TO_INPUT.into_iter().map(Self::Written).filter(|shape| *shape != own);
        std::iter::once(own).chain(others).collect()
    }

    /// Returns the prices of this shape. `None` if the configured prices apply.
    pub(super) fn prices(self, prices: &Prices) -> Option<Prices> {
        let Self::Written(times) = self else { return None };
        let shaped = |price: &Price| {
            let read = price.output / times;
            if writes(price) { Price { input: read, cached_input: None, ..price.clone() } } else { price.clone() }
        };
        Some(prices.iter().map(|(model, price)| (model.clone(), price.as_ref().map(shaped))).collect())
    }
}

/// True for the price of a model that generates text, which an embedder does not.
fn writes(price: &Price) -> bool {
    price.output > 0.0
}

/// Determines the shape of a run's own prices: one of [`OUTPUT_TO_INPUT`] if it yields the same fees.
fn own_shape(comparison: &Comparison) -> Shape {
    let mut calls = comparison.slices.iter().flat_map(|slice| &slice.outcomes).flat_map(|outcome| outcome.calls());
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
    OUTPUT_TO_INPUT.into_iter().find(uniform).map_or(Shape::Config, Shape::Written)
}

/// Returns the ratios at which a curve is computed: fixed ones, and `own`, the ratio of the configured prices.
#[must_use]
pub fn ratios(own: f64) -> Vec<f64> {
    let mut ratios = RATIOS.to_vec();
    ratios.push(own);
    ratios.sort_by(f64::total_cmp);
    ratios.dedup_by(|one, other| (*one - *other).abs() < 1e-9);
    ratios
}

/// Change of an arm's fee over the price ratio. All of the strong level's prices are scaled by the same factor, and
/// the ratio is that of the output prices.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Shape of the prices.
    pub shape: Shape,
    /// Ratio of the configured output prices, strong level to weak level.
    pub own: f64,
    /// Break-even ratio: the arm is cheaper than its base above this ratio. `None` if the arm is cheaper at no ratio,
    /// as an arm that changes nothing.
    pub pays_from: Option<f64>,
    /// The 95 % interval of the break-even ratio. An end is infinite if the arm is cheaper at no ratio. `None` if the
    /// weak level's fee or the strong level's fee changes in fewer than three groups, or if more than 1 % of the
    /// resamples contain no change.
    pub interval: Option<Interval>,
    /// The relative change of the fee, as a share, at each requested ratio. `None` if undefined at a ratio.
    pub changes: Vec<Option<Estimate>>,
}

/// Computes the curves of each arm against its base, one for each shape, at the ratios that `at` returns for the
/// configured ratio. Empty for an arm without prices, or if a level's price is 0.
#[must_use]
pub fn curves(
    comparison: &Comparison,
    arms: &[(&Slice, &Slice)],
    shapes: &[Shape],
    at: fn(f64) -> Vec<f64>,
) -> Vec<Vec<Curve>> {
    let tariffs: Vec<Tariff> = shapes.iter().map(|shape| Tariff::new(comparison, *shape)).collect();
    let each = || arms.iter().flat_map(|(slice, base)| tariffs.iter().map(move |tariff| (*slice, *base, tariff)));
    let request = |(slice, base, tariff): (&Slice, &Slice, &Tariff)| {
        let own = own_ratio(comparison, slice, base)?;
        let apart = tariff.apart(slice, base);
        // The change at a ratio, or, without one, the share from which the break-even ratio follows.
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
        // The break-even ratio depends on two changes, and needs enough groups for both.
        let enough = units.count(|row| row[0] != 0.0) >= FEWEST
            && units.count(|[_, strong_more, ..]| strong_more != 0.0) >= FEWEST;
        Some((own, units, figures.collect::<Vec<_>>(), enough))
    };
    let requests: Vec<_> = each().map(request).collect();
    let figures: Vec<_> = requests.iter().flatten().map(|(_, units, figures, _)| (units, &figures[..])).collect();
    let draws = Draws { seed: comparison.seed, labels: &["fees"], count: RESAMPLES };
    let mut found = Units::bca_of_all(&figures, draws).into_iter();
    let mut curve = |own: f64, shape: Shape, enough: bool| {
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
    let curves = requests.iter().zip(shapes.iter().cycle());
    let curves: Vec<Option<Curve>> = curves
        .map(|(request, shape)| request.as_ref().and_then(|(own, .., enough)| curve(*own, *shape, *enough)))
        .collect();
    curves.chunks(shapes.len().max(1)).map(|curves| curves.iter().flatten().cloned().collect()).collect()
}

impl<'a> Comparison<'a> {
    /// The curves of each learning arm against its cascade at the usual ratios, one for each reported shape. Arms
    /// without a cascade and arms without prices are left out.
    pub fn price_curves(&self) -> impl Iterator<Item = (&Slice<'a>, &[Curve])> {
        let compute = || {
            let learners = self.slices.iter().enumerate().filter(|(_, slice)| slice.cell.arm.learning().is_some());
            let (indices, arms): (Vec<usize>, Vec<(&Slice, &Slice)>) =
                learners.filter_map(|(index, slice)| Some((index, (slice, self.base(slice)?)))).unzip();
            let found = curves(self, &arms, &Shape::reported(self), ratios);
            indices.into_iter().zip(found).filter(|(_, curves)| !curves.is_empty()).collect()
        };
        let found = self.price_curves.get_or_init(compute);
        found.iter().map(|(index, curves)| (&self.slices[*index], &curves[..]))
    }
}

/// Ratio of the output prices, strong level to weak level. `None` without prices, or if a level's price is 0.
fn own_ratio(comparison: &Comparison, slice: &Slice, base: &Slice) -> Option<f64> {
    let price = |model: &str| comparison.prices.get(model).and_then(Option::as_ref);
    let weak = model_of(slice, Level::FIRST).or_else(|| model_of(base, Level::FIRST))?;
    let own = price(model_of(base, base.top)?)?.output / price(weak)?.output;
    Some(own).filter(|own| own.is_finite() && *own > 0.0)
}

/// added / (added + saved). *Added* is the increase of the weak level's fee, *saved* the reduction of the strong
/// level's fee. 0: cheaper at every price ratio; 1: cheaper at none. `None` if the arm changes neither fee, so that it
/// costs the same at every ratio. The share is finite even if the break-even ratio is not, so it can be resampled.
fn added(more: f64, saved: f64) -> Option<f64> {
    match (more > 0.0, saved > 0.0) {
        (true, true) => Some(more / (more + saved)),
        (false, true) => Some(0.0),
        (false, false) if saved == 0.0 => (more < 0.0).then_some(0.0),
        _ => Some(1.0),
    }
}

/// Odds of a share, infinite for 1.
fn odds(share: f64) -> f64 {
    share / (1.0 - share)
}

/// Prices of one shape, and fees by these prices.
struct Tariff<'c, 'a> {
    comparison: &'c Comparison<'a>,
    /// `None` if the configured prices and recorded fees apply.
    shaped: Option<Prices>,
}

impl<'c, 'a> Tariff<'c, 'a> {
    fn new(comparison: &'c Comparison<'a>, shape: Shape) -> Self {
        Self { comparison, shaped: shape.prices(comparison.prices) }
    }

    /// Computes what each group pays in USD: the arm's increase of the weak level's fee (the embedder's included) and
    /// of the strong level's fee, then both fees of the base. Groups that pay the same in both arms add exactly 0.
    fn paid(&self, slice: &Slice, base: &Slice) -> Option<Units<4>> {
        let strong = Some((model_of(base, base.top)?, None));
        let fee = |outcome: ItemOutcome, row| match &self.shaped {
            Some(prices) => token_fee(outcome, row, prices),
            None => item_fee(outcome, row, self.comparison.prices),
        };
        let parts = |outcome: ItemOutcome| {
            let of_strong = fee(outcome, strong)?;
            Some([fee(outcome, None)? - of_strong, of_strong])
        };
        let units = by_group(&slice.paired(base), |one, other| {
            let ([weak, strong], [weak_base, strong_base]) = (parts(one)?, parts(other)?);
            Some([weak - weak_base, strong - strong_base, weak_base, strong_base])
        })?;
        Some(units.contributing(|[weak_more, strong_more, ..]| weak_more != 0.0 || strong_more != 0.0))
    }

    /// Fee in USD of calibrating thresholds, in the order of [`Self::paid`].
    fn apart(&self, slice: &Slice, base: &Slice) -> [f64; 4] {
        let strong = model_of(base, base.top);
        let of = |slice: &Slice| {
            let of_strong = strong.map_or(0.0, |strong| self.calibration_fee(slice, Some(strong)));
            [self.calibration_fee(slice, None) - of_strong, of_strong]
        };
        let ([weak, strong], [weak_base, strong_base]) = (of(slice), of(base));
        [weak - weak_base, strong - strong_base, weak_base, strong_base]
    }

    /// Fee in USD of calibrating a slice's threshold, for one model or for all.
    fn calibration_fee(&self, slice: &Slice, model: Option<&str>) -> f64 {
        let Some(prices) = &self.shaped else { return self.comparison.calibration_fee(slice, model) };
        let rows = self.comparison.fees(slice).iter().filter(|row| row.purpose == Some(Purpose::Calibrate));
        let rows = rows.filter(|row| model.is_none_or(|model| row.model == model));
        rows.filter_map(|row| Some(prices.get(&row.model)?.as_ref()?.fee(row.usage))).map(Fee::usd).sum()
    }
}

/// Name of the model that answers at a level.
fn model_of<'s>(slice: &'s Slice, level: Level) -> Option<&'s str> {
    let mut calls = slice.outcomes.iter().flat_map(|outcome| outcome.calls());
    calls.find_map(|(call, _)| (call.level == Some(level)).then_some(&*call.model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn break_even_is_where_the_saved_fee_equals_the_added_fee() {
        // The arm adds 2 to the weak level's fee and saves 4 of the strong level's: it pays from half of the
        // configured ratio on.
        assert_eq!(added(2.0, 4.0).map(|share| (odds(share) * 1e9).round()), Some(0.5e9));
        assert_eq!((added(0.0, 4.0), added(-2.0, 4.0)), (Some(0.0), Some(0.0)), "it adds nothing");
        assert_eq!(added(-2.0, 0.0), Some(0.0), "it saves at the weak level alone");
        for (more, saved) in [(2.0, 0.0), (2.0, -1.0), (-0.5, -1.0), (0.0, -1.0)] {
            assert!(added(more, saved).is_some_and(|share| odds(share).is_infinite()), "{more} {saved}");
        }
    }

    #[test]
    fn an_arm_that_changes_nothing_is_cheaper_at_no_price() {
        assert_eq!(added(0.0, 0.0), None);
    }

    #[test]
    fn a_shape_changes_the_input_price() {
        let price =
            |input, output| Price { input, cached_input: Some(0.01), output, batch: None, read: None, nominal: true };
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
