//! Statistics of a figure's resamples: quantiles, and the bias-corrected and accelerated interval.

use statrs::distribution::{ContinuousCDF, Normal};

use super::{Interval, Z};

/// One in this many resamples may be undefined before there is no interval.
const UNDEFINED: usize = 100;

/// Figures that differ by less than this share of the largest are equal. Sums of a million terms in another order
/// differ by up to a tenth of this.
const ROUNDING: f64 = 1e-9;

/// Sorts the figures of resamples. `None` if too many are undefined, or if all are equal: a sample with only one value
/// gives no information on the spread.
pub(super) fn ascending(figures: impl ExactSizeIterator<Item = Option<f64>>) -> Option<Vec<f64>> {
    let all = figures.len();
    let mut defined: Vec<f64> = figures.flatten().filter(|value| value.is_finite()).collect();
    defined.sort_by(f64::total_cmp);
    let varied = |(least, most): (&f64, &f64)| most - least > ROUNDING * most.abs().max(least.abs());
    (defined.first().zip(defined.last()).is_some_and(varied) && (all - defined.len()) * UNDEFINED <= all)
        .then_some(defined)
}

/// Computes the quantile of ascending values, interpolated linearly between neighbours. NaN without values.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    let below = index.floor() as usize;
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(low), Some(high)) => low + (high - low) * (index - below as f64),
        (Some(last), None) => *last,
        _ => f64::NAN,
    }
}

/// Computes the BCa interval from ascending resamples of a figure. Resamples that equal the figure except for rounding
/// count half as below. `None` if all resamples lie on one side.
#[expect(clippy::cast_precision_loss, reason = "counts of resamples")]
pub(super) fn bca_interval(sorted: &[f64], value: f64, acceleration: f64) -> Option<Interval> {
    let normal = Normal::standard();
    let largest = sorted.first().zip(sorted.last()).map_or(0.0, |(least, most)| least.abs().max(most.abs()));
    let below = sorted.partition_point(|x| *x < value - ROUNDING * largest);
    let not_above = sorted.partition_point(|x| *x <= value + ROUNDING * largest);
    let bias = normal.inverse_cdf((below + not_above) as f64 / (2 * sorted.len()) as f64);
    let end = |z: f64| quantile(sorted, normal.cdf(bias + (bias + z) / (1.0 - acceleration * (bias + z))));
    bias.is_finite().then(|| Interval { low: end(-Z), high: end(Z) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::close;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert!((quantile(&[1.0, 2.0, 4.0], 0.75) - 3.0).abs() < 1e-12);
        assert!((quantile(&[1.0, 2.0, 4.0], 1.0) - 4.0).abs() < 1e-12);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn resamples_equal_up_to_rounding_are_ties() {
        let value = 0.7_f64;
        let resamples = |ulp: f64| -> Vec<f64> {
            // Of 1000 resamples, 370 are 0, 10 lie above, and the others equal the value, half of them except for
            // rounding.
            let near = (0..620).map(|i| if i < 310 { value - ulp } else { value });
            (0..370).map(|_| 0.0).chain(near).chain((0..10).map(|_| 0.9)).collect()
        };
        let exact = bca_interval(&resamples(0.0), value, 0.01).expect("both sides");
        let rounded = bca_interval(&resamples(4.0 * f64::EPSILON), value, 0.01).expect("both sides");
        close(exact.low, 0.0, 1e-12);
        close(rounded.low, exact.low, 1e-9);
        close(rounded.high, exact.high, 1e-9);
    }
}
