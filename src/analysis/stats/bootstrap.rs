//! The bootstrap (Efron 1979): n units drawn with replacement, many times, and the quantiles of what comes out.
//! Units that are alike are drawn together, as one multinomial count: the same distribution, at a fraction of the work.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Binomial, Distribution};

use super::resamples::{ascending, bca_interval, quantile};
use super::{Draws, Estimate, FEWEST, Interval};

/// Resamples that are told from together, so that what is added up is read once for all of them.
pub(super) const LANES: usize = 8;

/// The units that are resampled, by kind: an item or a group each.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// Units of each kind.
    sizes: Vec<u32>,
    /// Units.
    n: u32,
}

impl Population {
    /// `n` units that all differ.
    #[must_use]
    pub fn distinct(n: u32) -> Self {
        Self { sizes: vec![1; n as usize], n }
    }

    /// As many units of each kind as `sizes` says: fewer kinds than units.
    #[must_use]
    pub(super) fn of_kinds(sizes: Vec<u32>) -> Self {
        Self { n: sizes.iter().sum(), sizes }
    }

    /// Units of each kind.
    #[must_use]
    pub(super) fn sizes(&self) -> &[u32] {
        &self.sizes
    }

    /// A figure with its percentile interval. `figure` reads how often each kind is in a resample, and says none where
    /// it is undefined there. None where it is undefined on the population itself.
    pub fn percentile(&self, draws: Draws, figure: impl Fn(&[u32]) -> Option<f64> + Sync) -> Option<Estimate> {
        let value = figure(&self.sizes)?;
        let interval = self
            .replicates(draws, figure)
            .map(|sorted| Interval { low: quantile(&sorted, 0.025), high: quantile(&sorted, 0.975) });
        Some(Estimate::new(value, interval))
    }

    /// Several figures of the same resamples, each with its bias-corrected percentile interval (Efron 1981: BCa without
    /// acceleration), for figures that a resample moves to one side. `figures` gives the same number of them every time.
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
        let interval = |place: usize, value: f64| {
            let sorted = ascending(resamples.as_ref()?.iter().map(|figures| figures[place]))?;
            bca_interval(&sorted, value, 0.0)
        };
        let told =
            |(place, value): (usize, Option<f64>)| value.map(|value| Estimate::new(value, interval(place, value)));
        sample.into_iter().enumerate().map(told).collect()
    }

    /// Whether there are enough units for an interval.
    fn has_enough(&self) -> bool {
        self.n as usize >= FEWEST
    }

    /// The figure on each resample, ascending. None with too few units, or undefined too often.
    fn replicates(&self, draws: Draws, figure: impl Fn(&[u32]) -> Option<f64> + Sync) -> Option<Vec<f64>> {
        let counts = || vec![0; self.sizes.len()];
        let on_one = |counts: &mut Vec<u32>, rng: &mut ChaCha8Rng| {
            self.resample(counts, rng);
            figure(counts)
        };
        self.has_enough().then(|| ascending(draws.map("bootstrap", counts, on_one).into_iter()))?
    }

    /// What is told from resamples, [`LANES`] of them at a time. None with too few units.
    pub(super) fn in_lanes<T: Send>(
        &self,
        draws: Draws,
        told: impl Fn(&[[f64; LANES]]) -> [T; LANES] + Sync,
    ) -> Option<Vec<T>> {
        let kinds = self.sizes.len();
        let on_some = |(counts, lanes): &mut (Vec<u32>, Vec<[f64; LANES]>), rng: &mut ChaCha8Rng| {
            for lane in 0..LANES {
                self.resample(counts, rng);
                lanes.iter_mut().zip(&*counts).for_each(|(lanes, count)| lanes[lane] = f64::from(*count));
            }
            told(lanes)
        };
        let blocks = Draws { count: draws.count.div_ceil(LANES), ..draws };
        let told = self
            .has_enough()
            .then(|| blocks.map("bootstrap", || (vec![0; kinds], vec![[0.0; LANES]; kinds]), on_some))?;
        Some(told.into_iter().flatten().take(draws.count).collect())
    }

    /// One resample: how often each kind is drawn in n draws.
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

/// Multinomial counts of `n` draws from kinds of these sizes, each kind's count being binomial given those before it.
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
    fn too_many_undefined_resamples_leave_no_interval() {
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
