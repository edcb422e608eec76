//! The bootstrap (Efron 1979): n units drawn with replacement, many times, and the quantiles of the resampled figures.
//! Equal units are drawn together as one multinomial count, which has the same distribution and costs a fraction of
//! the time.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Binomial, Distribution};

use super::resamples::{ascending, bca_interval, quantile};
use super::{Draws, Estimate, FEWEST, Interval};

/// Number of resamples that are evaluated together, so that the data is read once for all of them.
pub(super) const LANES: usize = 8;

/// Units of resampling by kind. A unit is an item or a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Number of units of each kind.
    sizes: Vec<u32>,
    /// Number of units.
    n: u32,
}

impl Population {
    /// Creates `n` distinct units.
    #[must_use]
    pub fn distinct(n: u32) -> Self {
        Self { sizes: vec![1; n as usize], n }
    }

    /// Creates `sizes[k]` units of each kind k. Fewer kinds than units.
    #[must_use]
    pub(super) fn of_kinds(sizes: Vec<u32>) -> Self {
        Self { n: sizes.iter().sum(), sizes }
    }

    /// Number of units of each kind.
    #[must_use]
    pub(super) fn sizes(&self) -> &[u32] {
        &self.sizes
    }

    /// Computes a figure with its percentile interval. `figure` receives the count of each kind in a resample, and
    /// returns `None` if it is undefined there. `None` if the figure is undefined on the population itself.
    pub fn percentile(&self, draws: Draws, figure: impl Fn(&[u32]) -> Option<f64> + Sync) -> Option<Estimate> {
        let value = figure(&self.sizes)?;
        let interval = self
            .replicates(draws, figure)
            .map(|sorted| Interval { low: quantile(&sorted, 0.025), high: quantile(&sorted, 0.975) });
        Some(Estimate::new(value, interval))
    }

    /// Computes a figure as [`Self::percentile`] does, and tests that it is 0: p is twice the share of resamples on the
    /// smaller side of 0, the sample counted as one of them. A resample on which the figure is 0 or undefined counts on
    /// both sides. `None` if the figure is undefined on the population itself.
    #[expect(clippy::cast_precision_loss, reason = "counts of resamples")]
    pub fn percentile_tested(&self, draws: Draws, figure: impl Fn(&[u32]) -> Option<f64> + Sync) -> Option<Estimate> {
        let value = figure(&self.sizes)?;
        if !self.has_enough() {
            return Some(Estimate::new(value, None));
        }
        let counts = || vec![0; self.sizes.len()];
        let on_one = |counts: &mut Vec<u32>, rng: &mut ChaCha8Rng| {
            self.resample(counts, rng);
            figure(counts)
        };
        let resamples = draws.map("bootstrap", counts, on_one);
        let side = |is: fn(f64) -> bool| 1 + resamples.iter().filter(|figure| figure.is_none_or(is)).count();
        let smaller = side(|figure| figure <= 0.0).min(side(|figure| figure >= 0.0));
        let p_value = (2.0 * smaller as f64 / (1 + resamples.len()) as f64).min(1.0);
        let interval = ascending(resamples.into_iter())
            .map(|sorted| Interval { low: quantile(&sorted, 0.025), high: quantile(&sorted, 0.975) });
        Some(Estimate::new(value, interval).tested(p_value))
    }

    /// Computes several figures of the same resamples, each with its bias-corrected percentile interval (Efron 1981:
    /// BCa without acceleration), for figures with biased resamples. `figures` must return the same number of values
    /// every time.
    pub fn bias_corrected(
        &self,
        draws: Draws,
        figures: impl Fn(&[u32]) -> Vec<Option<f64>> + Sync,
    ) -> Vec<Option<Estimate>> {
        let sample = figures(&self.sizes);
        let counts = || vec![0; self.sizes.len()];
        let on_one = |counts: &mut Vec<u32>, rng: &mut ChaCha8Rng| {
            self.resample(counts, rng);
            figures(counts)
        };
        let resamples = self.has_enough().then(|| draws.map("bootstrap", counts, on_one));
        let interval = |index: usize, value: f64| {
            let sorted = ascending(resamples.as_ref()?.iter().map(|figures| figures[index]))?;
            bca_interval(&sorted, value, 0.0)
        };
        let estimate =
            |(index, value): (usize, Option<f64>)| value.map(|value| Estimate::new(value, interval(index, value)));
        sample.into_iter().enumerate().map(estimate).collect()
    }

    /// True if there are enough units for an interval.
    fn has_enough(&self) -> bool {
        self.n as usize >= FEWEST
    }

    /// Computes the figure on each resample, ascending. `None` with too few units, or if undefined too often.
    fn replicates(&self, draws: Draws, figure: impl Fn(&[u32]) -> Option<f64> + Sync) -> Option<Vec<f64>> {
        let counts = || vec![0; self.sizes.len()];
        let on_one = |counts: &mut Vec<u32>, rng: &mut ChaCha8Rng| {
            self.resample(counts, rng);
            figure(counts)
        };
        self.has_enough().then(|| ascending(draws.map("bootstrap", counts, on_one).into_iter()))?
    }

    /// Evaluates `evaluate` on resamples, [`LANES`] of them at a time. `None` with too few units.
    pub(super) fn in_lanes<T: Send>(
        &self,
        draws: Draws,
        evaluate: impl Fn(&[[f64; LANES]]) -> [T; LANES] + Sync,
    ) -> Option<Vec<T>> {
        let kinds = self.sizes.len();
        let on_some = |(counts, lanes): &mut (Vec<u32>, Vec<[f64; LANES]>), rng: &mut ChaCha8Rng| {
            for lane in 0..LANES {
                self.resample(counts, rng);
                lanes.iter_mut().zip(&*counts).for_each(|(lanes, count)| lanes[lane] = f64::from(*count));
            }
            evaluate(lanes)
        };
        let blocks = Draws { count: draws.count.div_ceil(LANES), ..draws };
        let values = self
            .has_enough()
            .then(|| blocks.map("bootstrap", || (vec![0; kinds], vec![[0.0; LANES]; kinds]), on_some))?;
        Some(values.into_iter().flatten().take(draws.count).collect())
    }

    /// Draws one resample: the count of each kind in n draws.
    fn resample(&self, counts: &mut [u32], rng: &mut ChaCha8Rng) {
        if self.sizes.len() == self.n as usize {
            counts.fill(0);
            for _ in 0..self.n {
                counts[rng.random_range(0..self.n) as usize] += 1;
            }
        } else {
            multinomial(&self.sizes, self.n, counts, rng);
        }
    }
}

/// Draws multinomial counts of `n` draws from kinds of these sizes. Each kind's count is binomial given the counts
/// before it.
fn multinomial(sizes: &[u32], n: u32, counts: &mut [u32], rng: &mut ChaCha8Rng) {
    let (mut left, mut units) = (n, n);
    for (count, size) in counts.iter_mut().zip(sizes) {
        let share = f64::from(*size) / f64::from(units);
        let drawn = Binomial::new(u64::from(left), share).map_or(0, |binomial| binomial.sample(rng));
        *count = u32::try_from(drawn).unwrap_or(left);
        left -= *count;
        units -= size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::seed::Seed;

    const DRAWS: Draws = Draws { seed: Seed(1), labels: &["test"], count: 20_000 };

    #[test]
    fn kinds_are_drawn_with_the_mean_and_spread_of_single_units() {
        let kinds = Population::of_kinds(vec![30, 60, 10]);
        let single = Population::distinct(100);
        let moments = |population: &Population, count: fn(&[u32]) -> u32| {
            let drawn = population.replicates(DRAWS, |counts| Some(f64::from(count(counts)))).expect("defined");
            let mean = drawn.iter().sum::<f64>() / 20_000.0;
            (mean, drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0)
        };
        for (mean, variance) in
            [moments(&kinds, |counts| counts[0]), moments(&single, |counts| counts[..30].iter().sum())]
        {
            assert!((mean - 30.0).abs() < 0.15, "{mean}");
            assert!((variance - 21.0).abs() < 1.0, "{variance}");
        }
        assert!(
            kinds
                .replicates(DRAWS, |counts| Some(f64::from(counts.iter().sum::<u32>() * 1000 + counts[0])))
                .is_some_and(|sums| sums.iter().all(|sum| (100_000.0..=100_100.0).contains(sum)))
        );
    }

    #[test]
    fn a_tested_figure_has_the_p_value_of_its_resamples() {
        // The mean of 100 units, each 1 or -1: 60 to 40 lies two standard errors from 0.
        let mean = |counts: &[u32]| {
            let (up, down): (u32, u32) = (counts[..60].iter().sum(), counts[60..].iter().sum());
            Some((f64::from(up) - f64::from(down)) / 100.0)
        };
        let population = Population::distinct(100);
        let found = population.percentile_tested(DRAWS, mean).expect("defined");
        assert_eq!((found.value, found.interval), (0.2, population.percentile(DRAWS, mean).expect("defined").interval));
        // Twice P(at most 50 of 100 with 0.6): 0.054.
        let p = found.p_value.expect("tested");
        assert!((p - 0.054).abs() < 0.006, "{p}");
        let sometimes = |counts: &[u32]| (counts[0] > 0).then_some(1.0);
        let found = population.percentile_tested(DRAWS, sometimes).expect("defined on the sample");
        // Undefined in a share of exp(-1), which counts on the smaller side too.
        assert!(found.p_value.is_some_and(|p| (p - 2.0 * 0.366).abs() < 0.02), "{found:?}");
        assert_eq!(population.percentile_tested(DRAWS, |_| None), None);
        assert_eq!(Population::distinct(2).percentile_tested(DRAWS, |_| Some(1.0)), Some(Estimate::new(1.0, None)));
    }

    #[test]
    fn many_undefined_resamples_yield_no_interval() {
        // A unit is missing from a resample of n with probability about exp(-1).
        let needs_the_first = |counts: &[u32]| (counts[0] > 0).then_some(1.0);
        let found = Population::distinct(50).percentile(DRAWS, needs_the_first).expect("defined on the sample");
        assert_eq!(found, Estimate::new(1.0, None));
        assert_eq!(Population::distinct(50).percentile(DRAWS, |_| None), None);
        for few in 1..=2 {
            let first = |counts: &[u32]| Some(f64::from(counts[0]));
            let alone = Population::distinct(few).percentile(DRAWS, first).expect("defined on the sample");
            assert_eq!(alone.interval, None);
        }
        assert!(
            Population::distinct(3)
                .percentile(DRAWS, |counts| Some(f64::from(counts[0])))
                .is_some_and(|found| found.interval.is_some())
        );
    }
}
