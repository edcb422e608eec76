//! Exact and near-exact inference for binomial counts: the tail, its upper confidence bound (Clopper and Pearson
//! 1934), the score interval (Wilson 1927), the test of paired answers (McNemar 1947) and the interval of their
//! difference (Newcombe 1998).
#![expect(clippy::cast_precision_loss, reason = "counts of items")]

use statrs::function::factorial::ln_binomial;

use super::{Interval, Z};

/// Number of halvings after which a bound in [0, 1] has converged.
const HALVINGS: u32 = 60;

/// Computes P(Bin(n, p) <= k).
#[must_use]
pub fn lower_tail(k: usize, n: usize, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    if k as f64 > n as f64 * p {
        return 1.0 - lower_tail(n - k - 1, n, 1.0 - p);
    }
    let of_k = ln_binomial(n as u64, k as u64) + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p();
    // From k down, each probability is a multiple of the one before: no cancellation, and few terms in the tail.
    let odds = (1.0 - p) / p;
    let (mut term, mut sum) = (1.0, 1.0);
    for i in (1..=k).rev() {
        term *= i as f64 / (n - i + 1) as f64 * odds;
        sum += term;
        if term < sum * f64::EPSILON / 16.0 {
            break;
        }
    }
    (of_k.exp() * sum).min(1.0)
}

/// Computes the exact one-sided upper bound of a rate, if `k` of `n` were observed: sup { r : P(Bin(n, r) <= k) >= δ
/// }.
#[must_use]
pub fn upper_bound(k: usize, n: usize, delta: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    let (mut low, mut high) = (k as f64 / n as f64, 1.0);
    for _ in 0..HALVINGS {
        let middle = low.midpoint(high);
        if lower_tail(k, n, middle) >= delta {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Computes Wilson's score interval of a rate, if `k` of `n` were observed. `None` if `n` is 0.
#[must_use]
pub fn wilson(k: usize, n: usize) -> Option<Interval> {
    (n > 0).then(|| score_interval(k as f64 / n as f64, n as f64))
}

/// Computes Wilson's interval of a rate that was observed in `n` > 0 trials.
fn score_interval(rate: f64, n: f64) -> Interval {
    let shrink = 1.0 + Z * Z / n;
    let centre = (rate + Z * Z / (2.0 * n)) / shrink;
    let half = Z / shrink * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// Computes the interval of the difference of two paired rates (Newcombe 1998, method 10), which also covers few
/// trials and differences of 0 and 1. The counts are of trials with both outcomes, the first only, the second only,
/// neither; they may be means and so need not be whole. `None` without trials.
#[must_use]
pub fn paired_difference([both, first, second, neither]: [f64; 4]) -> Option<Interval> {
    let n = both + first + second + neither;
    if n <= 0.0 {
        return None;
    }
    let rates = [(both + first) / n, (both + second) / n];
    let [one, other] = rates.map(|rate| score_interval(rate, n));
    let margins = (both + first) * (second + neither) * (both + second) * (first + neither);
    let product = both * neither - first * second;
    // The correlation is corrected towards 0 if it is positive, since a positive one narrows the interval.
    let product = if product > 0.0 { (product - n / 2.0).max(0.0) } else { product };
    let correlation = if margins > 0.0 { product / margins.sqrt() } else { 0.0 };
    let reach = |a: f64, b: f64| (a * a - 2.0 * correlation * a * b + b * b).max(0.0).sqrt();
    let difference = rates[0] - rates[1];
    Some(Interval {
        low: (difference - reach(rates[0] - one.low, other.high - rates[1])).max(-1.0),
        high: (difference + reach(one.high - rates[0], rates[1] - other.low)).min(1.0),
    })
}

/// Computes the exact two-sided p-value of paired answers, if `gained` became correct and `lost` became wrong.
#[must_use]
pub fn mcnemar(gained: usize, lost: usize) -> f64 {
    (2.0 * lower_tail(gained.min(lost), gained + lost, 0.5)).min(1.0)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::analysis::fixtures::{close, fixture};

    #[test]
    fn upper_bounds_match_the_beta_distribution() {
        #[derive(Deserialize)]
        struct Case {
            k: usize,
            n: usize,
            delta: f64,
            bound: f64,
        }
        for case in fixture::<Vec<Case>>("upper_bounds") {
            close(upper_bound(case.k, case.n, case.delta), case.bound, 1e-10);
        }
    }

    #[test]
    fn tails_are_right_on_both_sides_of_the_mean() {
        #[derive(Deserialize)]
        struct Case {
            k: usize,
            n: usize,
            p: f64,
            tail: f64,
        }
        for case in fixture::<Vec<Case>>("lower_tails") {
            close(lower_tail(case.k, case.n, case.p), case.tail, 1e-10);
        }
        assert_eq!((lower_tail(3, 3, 0.9), lower_tail(0, 3, 0.0), lower_tail(2, 3, 1.0)), (1.0, 1.0, 0.0));
    }

    #[test]
    fn wilson_matches_statsmodels() {
        #[derive(Deserialize)]
        struct Case {
            k: usize,
            n: usize,
            low: f64,
            high: f64,
        }
        for case in fixture::<Vec<Case>>("wilson") {
            let interval = wilson(case.k, case.n).expect("items");
            close(interval.low, case.low, 1e-12);
            close(interval.high, case.high, 1e-12);
        }
        assert_eq!(wilson(0, 0), None);
    }

    /// Probability that the interval of a paired difference covers the truth, over all outcomes of `n` trials.
    fn coverage(n: u32, rates: [f64; 3]) -> f64 {
        let truth = rates[1] - rates[2];
        let rates = [rates[0], rates[1], rates[2], 1.0 - rates.iter().sum::<f64>()];
        let ln_factorial = |k: u32| (1..=k).map(|i| f64::from(i).ln()).sum::<f64>();
        let mut covered = 0.0;
        for both in 0..=n {
            for first in 0..=n - both {
                for second in 0..=n - both - first {
                    let counts = [both, first, second, n - both - first - second];
                    let found = paired_difference(counts.map(f64::from)).expect("trials");
                    if found.low <= truth && truth <= found.high {
                        let terms = counts.iter().zip(rates).map(|(k, p)| f64::from(*k) * p.ln() - ln_factorial(*k));
                        covered += (ln_factorial(n) + terms.sum::<f64>()).exp();
                    }
                }
            }
        }
        covered
    }

    #[test]
    fn the_interval_of_a_paired_difference_covers_the_truth_with_few_trials() {
        for (n, least) in [(4, 0.89), (8, 0.93), (30, 0.93)] {
            for rates in [[0.2, 0.3, 0.3], [0.4, 0.3, 0.1], [0.1, 0.6, 0.05], [0.05, 0.85, 0.05], [0.7, 0.1, 0.1]] {
                let found = coverage(n, rates);
                assert!((least..=1.0).contains(&found), "{found} with {n} trials and {rates:?}");
            }
        }
    }

    #[test]
    fn the_interval_of_a_paired_difference_is_symmetric_and_bounded() {
        let all = paired_difference([0.0, 4.0, 0.0, 0.0]).expect("trials");
        assert!(all.low > 0.2 && (all.high - 1.0).abs() < 1e-12, "{all:?}");
        let (one, other) = (paired_difference([3.0, 5.0, 1.0, 2.0]), paired_difference([3.0, 1.0, 5.0, 2.0]));
        let (one, other) = one.zip(other).expect("trials");
        close(one.low, -other.high, 1e-12);
        close(one.high, -other.low, 1e-12);
        let none = paired_difference([5.0, 0.0, 0.0, 5.0]).expect("trials");
        assert!(none.low < 0.0 && none.high > 0.0);
        assert_eq!(paired_difference([0.0; 4]), None);
    }

    #[test]
    fn mcnemar_matches_statsmodels() {
        #[derive(Deserialize)]
        struct Case {
            gained: usize,
            lost: usize,
            p: f64,
        }
        for case in fixture::<Vec<Case>>("mcnemar") {
            close(mcnemar(case.gained, case.lost), case.p, 1e-10);
        }
    }
}
