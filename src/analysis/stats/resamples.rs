//! What a figure's ascending resamples say: quantiles, and the bias-corrected and accelerated interval.

use statrs::distribution::{ContinuousCDF, Normal};

use super::{Interval, Z};

/// Resamples on which the figure may be undefined, one in this many, before there is no interval.
const UNDEFINED: usize = 100;

/// Figures that differ by less, as a share of the largest, are alike: sums of a million terms in another order differ by up to a
/// tenth of this.
const ROUNDING: f64 = 1e-9;

/// The figures of resamples, ascending; none where too many are undefined, or where all are alike: a sample that has seen only
/// one value says nothing of how far the next one may lie.
pub(super) fn ascending(figures: impl ExactSizeIterator<Item = Option<f64>>) -> Option<Vec<f64>> {
    let all = figures.len();
    let mut defined: Vec<f64> = figures.flatten().filter(|value| value.is_finite()).collect();
    defined.sort_by(f64::total_cmp);
    let varied = |(least, most): (&f64, &f64)| most - least > ROUNDING * most.abs().max(least.abs());
    (defined.first().zip(defined.last()).is_some_and(varied) && (all - defined.len()) * UNDEFINED <= all)
        .then_some(defined)
}

/// The quantile of ascending values, interpolated linearly between neighbours; NaN where there are none.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    let below = place.floor() as usize;
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(low), Some(high)) => low + (high - low) * (place - below as f64),
        (Some(last), None) => *last,
        _ => f64::NAN,
    }
}

/// The interval from ascending resamples of a figure. Resamples that differ from it by rounding alone are equal to it, and count
/// half as below. None if all of them lie on one side.
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
    fn resamples_that_equal_the_figure_but_for_rounding_are_ties() {
        let value = 0.7_f64;
        let resamples = |ulp: f64| -> Vec<f64> {
            // Of 1000 resamples 370 are 0, 10 lie above, and the others are the value, half of them a rounding below it.
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
