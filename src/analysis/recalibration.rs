//! Maps from confidence to the probability of a correct answer, fitted on the calibration split alone: Platt scaling
//! (1999) or isotonic regression (Zadrozny and Elkan 2002). Both maps are non-decreasing, though they can make two
//! confidences equal: a decreasing map would defer the answers that the signal trusts most.

use serde::{Deserialize, Serialize};

use super::reliability::{Judged, ascending, right, tied};

/// Number of Newton steps after which Platt's fit has converged.
const STEPS: usize = 100;

/// A fitted map from confidence to probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum Recalibration {
    /// 1 / (1 + exp(-(slope · confidence + intercept))).
    Platt {
        /// Change of the log-odds from confidence 0 to 1, at least 0.
        slope: f64,
        /// The log-odds at confidence 0.
        intercept: f64,
    },
    /// Linear between knots and constant outside them.
    Isotonic {
        /// Confidence and mapped value, both ascending.
        knots: Vec<(f64, f64)>,
    },
}

impl Recalibration {
    /// Maps a confidence to a probability in [0, 1].
    #[must_use]
    pub fn apply(&self, confidence: f64) -> f64 {
        match self {
            Self::Platt { slope, intercept } => logistic(slope * confidence + intercept),
            Self::Isotonic { knots } => interpolate(knots, confidence),
        }
    }

    /// True if all confidences map to the same value: among the fitted items, a greater confidence was not more often
    /// correct.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        match self {
            Self::Platt { slope, .. } => *slope == 0.0,
            Self::Isotonic { knots } => knots.windows(2).all(|pair| pair[0].1.total_cmp(&pair[1].1).is_eq()),
        }
    }
}

/// Fits Platt scaling: the maximum-likelihood logistic curve for targets (right + 1) / (right + 2) and 1 / (wrong +
/// 2), which exclude 0 and 1, so that separable answers yield no infinite slope. Uses Newton's method with step
/// halving (Lin, Lin and Weng 2007), restricted to non-decreasing curves: the loss is convex, so if the unrestricted
/// optimum decreases, the restricted optimum is constant at the mean of the targets. `None` unless two confidences
/// differ.
#[must_use]
pub fn platt(answers: &[Judged]) -> Option<Recalibration> {
    if ascending(answers).chunk_by(tied).count() < 2 {
        return None;
    }
    let points = smoothed_targets(answers);
    let loss = |[slope, intercept]: [f64; 2]| -> f64 {
        points.iter().map(|(x, target)| cross_entropy(slope * x + intercept, *target)).sum()
    };
    let mut fit = [0.0, 0.0];
    for _ in 0..STEPS {
        let Some(step) = newton_step(&points, fit) else { break };
        let along = |share: f64| [fit[0] - share * step[0], fit[1] - share * step[1]];
        let now = loss(fit);
        let Some(better) = (0..40).map(|halvings| along(0.5_f64.powi(halvings))).find(|next| loss(*next) < now) else {
            break;
        };
        fit = better;
    }
    if fit[0] <= 0.0 {
        return Some(Recalibration::Platt { slope: 0.0, intercept: mean_log_odds(&points) });
    }
    Some(Recalibration::Platt { slope: fit[0], intercept: fit[1] })
}

/// The log-odds of the targets' mean.
#[expect(clippy::cast_precision_loss, reason = "a count of items")]
fn mean_log_odds(points: &[(f64, f64)]) -> f64 {
    let mean = points.iter().map(|(_, target)| target).sum::<f64>() / points.len() as f64;
    (mean / (1.0 - mean)).ln()
}

/// Fits isotonic regression: the non-decreasing curve with the least squared distance from right (1) and wrong (0), by
/// pooling adjacent violators. Tied confidences are one point. `None` without answers.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of items")]
pub fn isotonic(answers: &[Judged]) -> Option<Recalibration> {
    struct Block {
        low: f64,
        high: f64,
        right: f64,
        n: f64,
    }
    let mut blocks: Vec<Block> = Vec::new();
    for tie in ascending(answers).chunk_by(tied) {
        let at = tie[0].confidence;
        let mut block = Block { low: at, high: at, right: right(tie) as f64, n: tie.len() as f64 };
        while let Some(below) = blocks.pop_if(|below| below.right * block.n >= block.right * below.n) {
            block = Block { low: below.low, high: at, right: below.right + block.right, n: below.n + block.n };
        }
        blocks.push(block);
    }
    let knots: Vec<(f64, f64)> = blocks
        .iter()
        .flat_map(|block| {
            let ends = if block.low < block.high { vec![block.low, block.high] } else { vec![block.low] };
            ends.into_iter().map(|at| (at, block.right / block.n))
        })
        .collect();
    (!knots.is_empty()).then_some(Recalibration::Isotonic { knots })
}

/// Pairs each confidence with Platt's smoothed target.
#[expect(clippy::cast_precision_loss, reason = "counts of items")]
fn smoothed_targets(answers: &[Judged]) -> Vec<(f64, f64)> {
    let right = right(answers) as f64;
    let wrong = answers.len() as f64 - right;
    let (high, low) = ((right + 1.0) / (right + 2.0), 1.0 / (wrong + 2.0));
    answers.iter().map(|answer| (answer.confidence, if answer.right { high } else { low })).collect()
}

/// Computes the Newton step: the inverse Hessian times the gradient of the loss. `None` if the Hessian is singular.
fn newton_step(points: &[(f64, f64)], [slope, intercept]: [f64; 2]) -> Option<[f64; 2]> {
    let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
    for (x, target) in points {
        let p = logistic(slope * x + intercept);
        let (error, weight) = (p - target, p * (1.0 - p));
        gradient = [gradient[0] + error * x, gradient[1] + error];
        hessian = [hessian[0] + weight * x * x, hessian[1] + weight * x, hessian[2] + weight];
    }
    let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
    (determinant > 0.0).then(|| {
        [
            (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
            (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
        ]
    })
}

fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Computes -target ln p - (1 - target) ln(1 - p) without overflow.
fn cross_entropy(log_odds: f64, target: f64) -> f64 {
    (-log_odds.abs()).exp().ln_1p() + log_odds.max(0.0) - target * log_odds
}

/// Interpolates linearly at `x` between ascending points, constant outside them.
fn interpolate(knots: &[(f64, f64)], x: f64) -> f64 {
    let above = knots.partition_point(|(at, _)| *at <= x);
    match (above.checked_sub(1).map(|below| knots[below]), knots.get(above)) {
        (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some((_, y)), None) | (None, Some(&(_, y))) => y,
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::analysis::fixtures::{close, fixture};

    #[derive(Deserialize)]
    struct Line {
        slope: f64,
        intercept: f64,
    }

    #[derive(Deserialize)]
    struct Case {
        confidence: Vec<f64>,
        right: Vec<bool>,
        platt: Line,
        /// Fit for the same confidences with right and wrong exchanged, among non-decreasing curves.
        platt_turned: Line,
        at: Vec<f64>,
        isotonic: Vec<f64>,
    }

    impl Case {
        fn answers(&self) -> Vec<Judged> {
            self.confidence.iter().zip(&self.right).map(|(c, r)| Judged { confidence: *c, right: *r }).collect()
        }
    }

    #[test]
    fn platt_matches_statsmodels() {
        let case: Case = fixture("reliability");
        let Some(Recalibration::Platt { slope, intercept }) = platt(&case.answers()) else { panic!("a fit") };
        close(slope, case.platt.slope, 1e-6);
        close(intercept, case.platt.intercept, 1e-6);
    }

    #[test]
    fn maps_never_reverse_the_order_of_confidences() {
        let case: Case = fixture("reliability");
        let turned: Vec<Judged> = case.answers().iter().map(|a| Judged { right: !a.right, ..*a }).collect();
        let flat = platt(&turned).expect("a fit");
        let Recalibration::Platt { slope, intercept } = flat else { panic!("a line") };
        close(slope, case.platt_turned.slope, 0.0);
        close(intercept, case.platt_turned.intercept, 1e-4);
        assert!(flat.is_flat() && flat.apply(0.9) >= flat.apply(0.5));
        // Two of twelve right at 0.9, ten of twelve at 0.5.
        let ties = |at, right: usize| (0..12).map(move |i| Judged { confidence: at, right: i < right });
        let answers: Vec<Judged> = ties(0.9, 2).chain(ties(0.5, 10)).collect();
        for map in [platt(&answers), isotonic(&answers)].map(|map| map.expect("a fit")) {
            assert!(map.is_flat(), "{map:?}");
            close(map.apply(0.9), map.apply(0.5), 1e-12);
            close(map.apply(0.9), 0.5, 1e-12);
        }
        assert!(
            !platt(&case.answers()).expect("a fit").is_flat() && !isotonic(&case.answers()).expect("answers").is_flat()
        );
    }

    #[test]
    fn isotonic_matches_scikit_learn() {
        let case: Case = fixture("reliability");
        let map = isotonic(&case.answers()).expect("answers");
        for (at, theirs) in case.at.iter().zip(&case.isotonic) {
            close(map.apply(*at), *theirs, 1e-12);
        }
        let written = serde_json::to_string(&map).expect("JSON");
        assert_eq!(serde_json::from_str::<Recalibration>(&written).expect("JSON"), map);
    }

    #[test]
    fn extreme_sets_still_map_into_the_unit_interval() {
        let judged = |confidence, right| Judged { confidence, right };
        let split = [judged(0.1, false), judged(0.2, false), judged(0.9, true)];
        let steep = platt(&split).expect("a fit");
        assert!(steep.apply(0.1) > 0.0 && steep.apply(0.9) < 1.0 && steep.apply(0.1) < steep.apply(0.9));
        assert_eq!(platt(&[judged(0.5, true), judged(0.5, false)]), None);
        let one = isotonic(&[judged(0.5, true), judged(0.5, false)]).expect("answers");
        assert_eq!((one.apply(0.0), one.apply(1.0)), (0.5, 0.5));
        assert_eq!(isotonic(&[]), None);
    }
}
