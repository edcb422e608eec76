//! Figures computed from sums (a mean, a relative change, a ratio of ratios), resampled over the units that are
//! summed. BCa is Efron's (1987) bias-corrected and accelerated interval, for ratios with skewed resamples.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::bootstrap::{LANES, Population};
use super::resamples::{ascending, bca_interval, quantile};
use super::{Draws, Estimate, FEWEST, Interval};

/// Mean number of units per kind from which on drawing kinds is faster than drawing units.
const WORTH_MERGING: usize = 8;

/// Contributions of each unit (an item or a group) to `D` sums.
#[derive(Debug, Clone, PartialEq)]
pub struct Units<const D: usize> {
    /// Contribution of each kind of unit to each sum, stored by sum, because adding whole rows took three times as
    /// long.
    columns: [Vec<f64>; D],
    population: Population,
    /// Number of units that contribute to the figures.
    contributing: usize,
}

impl<const D: usize> Units<D> {
    /// Creates units of one row each.
    ///
    /// # Panics
    /// With 2^32 rows or more.
    #[must_use]
    pub fn new(rows: impl IntoIterator<Item = [f64; D]>) -> Self {
        let mut rows: Vec<[f64; D]> = rows.into_iter().collect();
        // Sorted, so that the order of items changes no figure.
        rows.sort_by(lexicographic);
        Self::of(&rows)
    }

    /// Creates units from groups: the rows of a group are summed. If no kinds are drawn, units are in the order of
    /// their groups, so that figures of the same groups use the same resamples, whatever they sum.
    ///
    /// # Panics
    /// With 2^32 groups or more.
    #[must_use]
    pub fn by_group<K: Ord>(rows: impl IntoIterator<Item = (K, [f64; D])>) -> Self {
        let mut groups: BTreeMap<K, [f64; D]> = BTreeMap::new();
        for (group, row) in rows {
            let sums = groups.entry(group).or_insert([0.0; D]);
            *sums = std::array::from_fn(|i| sums[i] + row[i]);
        }
        Self::of(&groups.into_values().collect::<Vec<_>>())
    }

    fn of(rows: &[[f64; D]]) -> Self {
        let mut sorted = rows.to_vec();
        sorted.sort_by(lexicographic);
        let kinds: Vec<&[[f64; D]]> = sorted.chunk_by(|a, b| lexicographic(a, b).is_eq()).collect();
        let size = |rows: &[[f64; D]]| u32::try_from(rows.len()).expect("fewer than 2^32 units");
        let columns = |rows: &[[f64; D]]| std::array::from_fn(|i| rows.iter().map(|row| row[i]).collect());
        if kinds.len() * WORTH_MERGING <= rows.len() {
            let heads: Vec<[f64; D]> = kinds.iter().map(|kind| kind[0]).collect();
            let sizes = kinds.iter().map(|kind| size(kind)).collect();
            Self { columns: columns(&heads), population: Population::of_kinds(sizes), contributing: rows.len() }
        } else {
            Self { columns: columns(rows), population: Population::distinct(size(rows)), contributing: rows.len() }
        }
    }

    /// Sets the number of units that contribute to the figures: without contributing units, the figure has a value
    /// that is known beforehand, such as no change. Figures with fewer than [`FEWEST`] contributing units have no
    /// interval. After several calls, the least number counts.
    #[must_use]
    pub fn contributing(self, contributes: impl Fn([f64; D]) -> bool) -> Self {
        Self { contributing: self.contributing.min(self.count(contributes)), ..self }
    }

    /// Counts the units that meet a condition.
    #[must_use]
    pub fn count(&self, holds: impl Fn([f64; D]) -> bool) -> usize {
        let row = |kind: usize| std::array::from_fn(|i| self.columns[i][kind]);
        let sizes = self.population.sizes().iter().enumerate();
        sizes.filter(|(kind, _)| holds(row(*kind))).map(|(_, size)| *size as usize).sum()
    }

    /// Computes a figure of the sums with its percentile interval. `None` if the figure is undefined on the sample.
    pub fn percentile(&self, draws: Draws, figure: impl Fn([f64; D]) -> Option<f64> + Sync) -> Option<Estimate> {
        let ends = |sorted: &[f64]| Interval { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
        let found = of_all(&[(self, &[figure])], draws, |_, _, _, sorted| Some(ends(sorted)));
        found.into_iter().flatten().next()?
    }

    /// Computes a figure of the sums with its BCa interval. `None` if the figure is undefined on the sample.
    pub fn bca(&self, draws: Draws, figure: impl Fn([f64; D]) -> Option<f64> + Sync) -> Option<Estimate> {
        Self::bca_of_all(&[(self, &[figure])], draws).into_iter().flatten().next()?
    }

    /// Computes several figures of several sets of units with their BCa intervals. Sets with the same number of units
    /// share their resamples.
    pub fn bca_of_all<F>(requests: &[(&Self, &[F])], draws: Draws) -> Vec<Vec<Option<Estimate>>>
    where
        F: Fn([f64; D]) -> Option<f64> + Sync,
    {
        of_all(requests, draws, |units, figure, value, sorted| bca_interval(sorted, value, units.acceleration(figure)?))
    }

    /// Computes the sums on the sample.
    pub(super) fn totals(&self) -> [f64; D] {
        self.sums(&lanes(self.population.sizes()))[0]
    }

    /// Computes the sums on each resample. `None` with fewer than [`FEWEST`] units or contributing units.
    pub(super) fn resampled(&self, draws: Draws) -> Option<Vec<[f64; D]>> {
        if self.contributing < FEWEST {
            return None;
        }
        self.population.in_lanes(draws, |counts| self.sums(counts))
    }

    /// Computes the sums on each of [`LANES`] resamples.
    fn sums(&self, counts: &[[f64; LANES]]) -> [[f64; D]; LANES] {
        let by_column = self.columns.each_ref().map(|column| {
            let each = column.iter().zip(counts);
            each.fold([0.0; LANES], |sums, (value, counts)| {
                std::array::from_fn(|lane| sums[lane] + value * counts[lane])
            })
        });
        std::array::from_fn(|lane| by_column.map(|sums| sums[lane]))
    }

    /// Computes the acceleration: a sixth of the skewness of the figure with each unit left out in turn. `None` if one
    /// of these figures is undefined.
    fn acceleration(&self, figure: impl Fn([f64; D]) -> Option<f64>) -> Option<f64> {
        let sizes: Vec<f64> = self.population.sizes().iter().copied().map(f64::from).collect();
        let all = self.totals();
        let without = |unit: usize| figure(std::array::from_fn(|i| all[i] - self.columns[i][unit]));
        let left_out: Vec<f64> = (0..sizes.len()).map(without).collect::<Option<_>>()?;
        let weighted = |power: i32, centre: f64| -> f64 {
            left_out.iter().zip(&sizes).map(|(value, size)| size * (centre - value).powi(power)).sum()
        };
        let mean = -weighted(1, 0.0) / sizes.iter().sum::<f64>();
        let squares = weighted(2, mean);
        Some(if squares == 0.0 { 0.0 } else { weighted(3, mean) / (6.0 * squares.powf(1.5)) })
    }
}

/// Computes figures of several sets of units. `interval` computes each interval from the units, the figure, its value
/// on the sample and its ascending resamples.
fn of_all<const D: usize, F: Fn([f64; D]) -> Option<f64> + Sync>(
    requests: &[(&Units<D>, &[F])],
    draws: Draws,
    interval: impl Fn(&Units<D>, &F, f64, &[f64]) -> Option<Interval>,
) -> Vec<Vec<Option<Estimate>>> {
    let mut batches: Vec<(&Population, Vec<usize>)> = Vec::new();
    for (index, (units, _)) in requests.iter().enumerate() {
        match batches.iter_mut().find(|(population, _)| **population == units.population) {
            Some((_, indices)) => indices.push(index),
            None => batches.push((&units.population, vec![index])),
        }
    }
    let mut found = vec![Vec::new(); requests.len()];
    for (population, indices) in batches {
        let of_resamples = |counts: &[[f64; LANES]]| {
            let mut values: [Vec<Option<f64>>; LANES] = Default::default();
            for (units, figures) in indices.iter().map(|index| requests[*index]) {
                for (values, sums) in values.iter_mut().zip(units.sums(counts)) {
                    values.extend(figures.iter().map(|figure| figure(sums)));
                }
            }
            values
        };
        let [sample, ..] = of_resamples(&lanes(population.sizes()));
        let resamples = population.in_lanes(draws, of_resamples);
        let each = indices.iter().flat_map(|index| requests[*index].1.iter().map(move |figure| (*index, figure)));
        for (i, ((index, figure), value)) in each.zip(sample).enumerate() {
            let enough = requests[index].0.contributing >= FEWEST;
            let sorted = || ascending(resamples.as_ref().filter(|_| enough)?.iter().map(|figures| figures[i]));
            let interval = |value| interval(requests[index].0, figure, value, &sorted()?);
            found[index].push(value.map(|value| Estimate::new(value, interval(value))));
        }
    }
    found
}

/// Returns the sample itself in place of every resample.
fn lanes(sizes: &[u32]) -> Vec<[f64; LANES]> {
    sizes.iter().map(|size| [f64::from(*size); LANES]).collect()
}

fn lexicographic<const D: usize>(a: &[f64; D], b: &[f64; D]) -> Ordering {
    a.iter().zip(b).fold(Ordering::Equal, |order, (a, b)| order.then(a.total_cmp(b)))
}

/// Computes the mean of a value from its sum and the number of items.
#[must_use]
pub fn mean([sum, count]: [f64; 2]) -> Option<f64> {
    (count != 0.0).then(|| sum / count)
}

/// True if two sums differ.
#[must_use]
pub fn differ([one, other]: [f64; 2]) -> bool {
    one - other != 0.0
}

/// Computes the relative change from the second sum to the first: -0.2 is a fifth less. `None` if the second sum is 0.
#[must_use]
pub fn relative_change([new, base]: [f64; 2]) -> Option<f64> {
    (base != 0.0).then(|| new / base - 1.0)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::analysis::fixtures::{close, fixture};
    use crate::types::seed::Seed;

    const DRAWS: Draws = Draws { seed: Seed(2), labels: &["test"], count: 100_000 };

    #[derive(Deserialize)]
    struct Ends {
        low: f64,
        high: f64,
    }

    fn same(found: &Estimate, value: f64, ends: &Ends, tolerance: f64) {
        let interval = found.interval.expect("an interval");
        close(found.value, value, 1e-12);
        close(interval.low, ends.low, tolerance);
        close(interval.high, ends.high, tolerance);
    }

    #[test]
    fn intervals_of_a_relative_change_match_scipy() {
        #[derive(Deserialize)]
        struct Case {
            new: Vec<f64>,
            base: Vec<f64>,
            value: f64,
            bca: Ends,
            percentile: Ends,
        }
        let case: Case = fixture("ratio_change");
        let units = Units::new(case.new.iter().zip(&case.base).map(|(new, base)| [*new, *base]));
        same(&units.bca(DRAWS, relative_change).expect("defined"), case.value, &case.bca, 2e-3);
        same(&units.percentile(DRAWS, relative_change).expect("defined"), case.value, &case.percentile, 2e-3);
    }

    #[test]
    fn merging_like_units_changes_nothing_but_the_time() {
        let rows = |copies| (0..copies).flat_map(|_| [[0.0, 1.0], [1.0, 1.0], [1.0, 1.0]]);
        let merged = Units::new(rows(20));
        assert_eq!(merged.population.sizes(), [20, 40]);
        // A third sum that differs everywhere prevents merging.
        let apart = Units::new(rows(20).zip(1_u8..).map(|([a, n], i)| [a, n, f64::from(i)]));
        let unmerged = apart.bca(DRAWS, |[a, n, _]| mean([a, n])).expect("defined");
        let interval = unmerged.interval.expect("60 units");
        let ends = Ends { low: interval.low, high: interval.high };
        same(&merged.bca(DRAWS, mean).expect("defined"), unmerged.value, &ends, 1e-2);
    }

    #[test]
    fn figures_computed_together_equal_those_computed_alone() {
        let units = |n: u8| Units::new((1..=n).map(|i| [f64::from(i), f64::from(n - i + 1)]));
        let (some, as_many, others) = (units(40), Units::new((1..=40).map(|i| [1.0, f64::from(i * i)])), units(30));
        let figures: [fn([f64; 2]) -> Option<f64>; 2] = [relative_change, |[a, b]| Some(a - b)];
        let sets = [(&some, &figures[..]), (&others, &figures[..1]), (&as_many, &figures[..])];
        for (together, (units, figures)) in Units::bca_of_all(&sets, DRAWS).into_iter().zip(sets) {
            let alone: Vec<_> = figures.iter().map(|figure| units.bca(DRAWS, figure)).collect();
            assert!(together == alone && alone.iter().all(|found| found.is_some_and(|found| found.interval.is_some())));
        }
    }

    #[test]
    fn fewer_than_three_differing_groups_have_no_interval() {
        let found = |differ: u32| {
            let rows = (0..90).map(|group| (group, [f64::from(u8::from(group < differ)), 1.0]));
            Units::by_group(rows).contributing(|[change, _]| change != 0.0).percentile(DRAWS, mean).expect("rows")
        };
        for differ in [1, 2] {
            assert_eq!(found(differ), Estimate::new(f64::from(differ) / 90.0, None));
        }
        assert!(found(3).interval.is_some_and(|ends| ends.low < 3.0 / 90.0 && ends.high > 3.0 / 90.0));
    }

    #[test]
    fn a_figure_that_never_moves_has_no_interval() {
        let units = Units::new([[2.0, 4.0]; 9]);
        for found in [units.bca(DRAWS, relative_change), units.percentile(DRAWS, relative_change)] {
            assert_eq!(found, Some(Estimate::new(-0.5, None)));
        }
        assert_eq!(Units::new([[1.0, 0.0]; 9]).bca(DRAWS, relative_change), None);
    }
}
