//! Estimates of the two constants of the paper's theorem: the effect of strategies on the weak level at one threshold.

use super::stats::units::differ;
use super::stats::{Draws, Estimate, Units};

/// Fewest accepted answers for a ratio. With two answers, the error could only be 0, 1/2 or 1.
const FEWEST_ACCEPTED: usize = 10;

/// The weak level's answer to one item at the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakOutcome {
    /// True if the confidence reached λ.
    pub accepted: bool,
    /// True if the answer is correct.
    pub right: bool,
}

/// The weak level's outcomes for the same item and order, with and without strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taught {
    /// Outcome with strategies.
    pub with: WeakOutcome,
    /// Outcome without strategies.
    pub without: WeakOutcome,
}

/// The theorem's constants, each with a BCa interval over groups.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Constants {
    /// Number of accepted answers with strategies, and of wrong answers among them.
    pub with: [usize; 2],
    /// Number of accepted answers without strategies, and of wrong answers among them.
    pub without: [usize; 2],
    /// ε: the ratio of the error rates among accepted answers, with strategies to without. `None` if fewer than ten
    /// answers are accepted on either side, or if no accepted answer without strategies is wrong.
    pub error_ratio: Option<Estimate>,
    /// b: the ratio of the coverages, with strategies to without. `None` if fewer than ten answers are accepted
    /// without strategies.
    pub coverage_ratio: Option<Estimate>,
}

/// Estimates both constants from paired answers, one row per item and order. Resamples groups.
pub fn constants<K: Ord>(rows: impl IntoIterator<Item = (K, Taught)>, draws: Draws) -> Constants {
    let (mut with, mut without) = ([0; 2], [0; 2]);
    let counted = |sums: &mut [usize; 2], WeakOutcome { accepted, right }: WeakOutcome| {
        let counts = [accepted, accepted && !right];
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += usize::from(count));
        counts.map(|count| f64::from(u8::from(count)))
    };
    let units = Units::by_group(rows.into_iter().map(|(group, taught)| {
        let [accepted, errors] = counted(&mut with, taught.with);
        let [base_accepted, base_errors] = counted(&mut without, taught.without);
        (group, [errors, accepted, base_errors, base_accepted])
    }));
    let error_ratio = |[errors, accepted, base_errors, base_accepted]: [f64; 4]| {
        (accepted > 0.0 && base_errors > 0.0).then(|| (errors / accepted) / (base_errors / base_accepted))
    };
    let coverage_ratio =
        |[_, accepted, _, base_accepted]: [f64; 4]| (base_accepted > 0.0).then(|| accepted / base_accepted);
    let coverages = units.clone().contributing(|[_, accepted, _, base_accepted]| differ([accepted, base_accepted]));
    let errors = units.contributing(|[errors, accepted, base_errors, base_accepted]| {
        differ([errors, base_errors]) || differ([accepted, base_accepted])
    });
    let enough = |[accepted, _]: [usize; 2]| accepted >= FEWEST_ACCEPTED;
    let coverage_ratio = if enough(without) { coverages.bca(draws, coverage_ratio) } else { None };
    let error_ratio = if enough(without) && enough(with) { errors.bca(draws, error_ratio) } else { None };
    Constants { with, without, error_ratio, coverage_ratio }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::close;
    use crate::types::seed::Seed;

    const DRAWS: Draws = Draws { seed: Seed(8), labels: &["test"], count: 2000 };

    fn outcome(accepted: bool, right: bool) -> WeakOutcome {
        WeakOutcome { accepted, right }
    }

    #[test]
    fn ratios_are_of_selective_risk_and_of_coverage() {
        // Without: 100 of 200 accepted, 20 of them wrong. With: 150 accepted, 15 of them wrong.
        let row = |i: usize| Taught {
            with: outcome(i < 150, !(85..100).contains(&i)),
            without: outcome(i < 100, !(80..100).contains(&i)),
        };
        let found = constants((0..200).map(|i| (i, row(i))), DRAWS);
        let (error, coverage) = (found.error_ratio.expect("defined"), found.coverage_ratio.expect("defined"));
        close(error.value, 0.5, 1e-12);
        close(coverage.value, 1.5, 1e-12);
        let interval = coverage.interval.expect("200 groups");
        // The delta method: the ratio's logarithm has variance (1 - 100/150) / 100.
        let half = 1.96 * (1.0_f64 / 300.0).sqrt();
        close(interval.low.ln(), 1.5_f64.ln() - half, 0.02);
        close(interval.high.ln(), 1.5_f64.ln() + half, 0.02);
        let interval = error.interval.expect("200 groups");
        assert!(interval.low < 0.5 && interval.high < 1.0, "{interval:?}");
    }

    #[test]
    fn a_ratio_to_zero_is_undefined() {
        let row = Taught { with: outcome(true, true), without: outcome(false, true) };
        let found = constants([(0, row), (1, row)], DRAWS);
        assert_eq!((found.error_ratio, found.coverage_ratio), (None, None));
    }

    #[test]
    fn ratios_of_fewer_than_ten_accepted_answers_are_withheld() {
        // Of 100 answers with strategies 60 are accepted and 6 of them wrong; without, as many as named and one of them wrong.
        let found = |accepted: usize| {
            let row = |i: usize| Taught { with: outcome(i < 60, i >= 6), without: outcome(i < accepted, i > 0) };
            constants((0..100).map(|i| (i, row(i))), DRAWS)
        };
        let few = found(9);
        assert_eq!((few.without, few.error_ratio, few.coverage_ratio), ([9, 1], None, None));
        let enough = found(10);
        close(enough.error_ratio.expect("defined").value, 1.0, 1e-12);
        close(enough.coverage_ratio.expect("defined").value, 6.0, 1e-12);
        // Few with strategies: the coverage fell, and of the error nothing can be said.
        let row = |i: usize| Taught { with: outcome(i < 2, i > 0), without: outcome(i < 40, i >= 4) };
        let fell = constants((0..100).map(|i| (i, row(i))), DRAWS);
        assert_eq!((fell.error_ratio, fell.coverage_ratio.map(|ratio| ratio.value)), (None, Some(0.05)));
    }
}
