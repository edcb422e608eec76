//! Exact and near-exact inference for binomial counts: the tail, its upper confidence bound (Clopper and Pearson
//! 1934), the score interval (Wilson 1927) and the test of paired answers (McNemar 1947).
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
    if n == 0 {
        return None;
    }
    let (n, rate) = (n as f64, k as f64 / n as f64);
    let shrink = 1.0 + Z * Z / n;
    let centre = (rate + Z * Z / (2.0 * n)) / shrink;
    let half = Z / shrink * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) })
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
