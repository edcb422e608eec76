//! The difference between the means of two independent samples, by a bootstrap over the groups of each.

use super::resamples::{ascending, quantile};
use super::units::mean;
use super::{Draws, Estimate, Interval, Units};

/// Computes a figure of the means of two independent samples with its percentile interval: each sample is resampled
/// over its own groups, with random draws of its own. Units are pairs of a sum and a number of items. `figure` receives
/// the mean of the first sample and that of the second. No interval if either sample has fewer than
/// [`FEWEST`](super::FEWEST) contributing groups. `None` if the figure is undefined on the samples.
pub fn of_means(samples: [&Units<2>; 2], draws: Draws, figure: impl Fn([f64; 2]) -> Option<f64>) -> Option<Estimate> {
    let of_sums = |[one, other]: [[f64; 2]; 2]| figure([mean(one)?, mean(other)?]);
    let value = of_sums(samples.map(Units::totals))?;
    let resampled = |place: usize, which: &'static str| {
        let labels = [draws.labels, &[which]].concat();
        samples[place].resampled(Draws { labels: &labels, ..draws })
    };
    let interval = || {
        let pairs: Vec<_> = resampled(0, "first")?.into_iter().zip(resampled(1, "second")?).collect();
        let sorted = ascending(pairs.into_iter().map(|(one, other)| of_sums([one, other])))?;
        Some(Interval { low: quantile(&sorted, 0.025), high: quantile(&sorted, 0.975) })
    };
    Some(Estimate::new(value, interval()))
}

/// Computes the first mean minus the second.
#[must_use]
pub fn difference([one, other]: [f64; 2]) -> Option<f64> {
    Some(one - other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::close;
    use crate::analysis::stats::Z;
    use crate::analysis::stats::units::relative_change;
    use crate::types::seed::Seed;

    const DRAWS: Draws = Draws { seed: Seed(5), labels: &["test"], count: 100_000 };

    /// `right` of `n` answers are correct, in groups of `size` that agree.
    fn sample(right: u32, n: u32, size: u32) -> Units<2> {
        Units::by_group((0..n).map(|item| (item / size, [f64::from(u8::from(item < right)), 1.0])))
    }

    #[test]
    fn the_difference_of_two_shares_has_the_width_of_the_normal_interval() {
        // Shares 0.6 of 400 and 0.3 of 250: the standard error is sqrt(0.24 / 400 + 0.21 / 250) = 0.037947.
        let (one, other) = (sample(240, 400, 1), sample(75, 250, 1));
        let found = of_means([&one, &other], DRAWS, difference).expect("items");
        let interval = found.interval.expect("many groups");
        close(found.value, 0.3, 1e-12);
        close(interval.low, 0.3 - Z * 0.037_947, 2e-3);
        close(interval.high, 0.3 + Z * 0.037_947, 2e-3);
        assert_eq!(found.p_value, None, "nothing is tested");
    }

    #[test]
    fn groups_that_agree_count_as_one_unit() {
        // As if there were 40 and 25 items: the standard error is sqrt(10) times as large.
        let (one, other) = (sample(240, 400, 10), sample(80, 250, 10));
        let interval = of_means([&one, &other], DRAWS, difference).and_then(|found| found.interval).expect("groups");
        let expected = Z * (0.24_f64 / 40.0 + 0.32 * 0.68 / 25.0).sqrt();
        close(interval.half_width(), expected, 5e-3);
    }

    #[test]
    fn the_draws_of_both_samples_are_independent() {
        // Equal samples: were both resampled alike, every difference would be zero.
        let one = sample(50, 100, 1);
        let interval = of_means([&one, &one], DRAWS, difference).and_then(|found| found.interval).expect("groups");
        close(interval.half_width(), Z * (2.0_f64 * 0.25 / 100.0).sqrt(), 1e-2);
    }

    #[test]
    fn relative_changes_need_a_base_and_intervals_enough_groups() {
        let (one, none) = (sample(3, 10, 1), sample(0, 10, 1));
        assert_eq!(of_means([&one, &none], DRAWS, relative_change), None);
        let twice = of_means([&sample(6, 10, 1), &one], DRAWS, relative_change).expect("defined");
        close(twice.value, 1.0, 1e-12);
        let few = sample(10, 20, 10);
        assert_eq!(of_means([&few, &one], DRAWS, difference), Some(Estimate::new(0.2, None)));
    }
}
