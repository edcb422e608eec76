//! Calibration of the threshold λ with a guarantee: P(wrong | accepted) <= α with probability at least 1 - δ over the
//! draw of the calibration set. Fixed-sequence testing with the exact binomial bound, as in Jung, Brahman and Choi,
//! "Trust or Escalate" (arXiv 2407.18370). Exact for exchangeable items whose risk does not fall as λ falls.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::reliability::Judged;
use super::stats::proportion::{lower_tail, upper_bound};

#[cfg(test)]
mod tests;

/// Number of steps of the logit grid.
const LOGIT_STEPS: u32 = 1000;

/// Distance of the logit grid's outermost candidates, other than 0 and 1, from 0 and 1.
const LOGIT_MARGIN: f64 = 1e-9;

/// Candidate thresholds. They are fixed before any answer is seen, since the guarantee needs hypotheses that do not
/// depend on the errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// i/n from 1 down to 0.
    Uniform(u32),
    /// 1, then a thousand steps with equal distances in ln(λ / (1 - λ)) from 1 - 10⁻⁹ to 10⁻⁹, then 0. For confidences
    /// concentrated near 1.
    Logit,
}

impl Grid {
    /// Returns the candidates, the strictest first.
    #[must_use]
    pub fn candidates(self) -> Vec<f64> {
        match self {
            Self::Uniform(n) => (0..=n).rev().map(|i| f64::from(i) / f64::from(n.max(1))).collect(),
            Self::Logit => {
                let edge = (1.0 / LOGIT_MARGIN - 1.0).ln();
                let logit = |i: u32| edge * (1.0 - 2.0 * f64::from(i) / f64::from(LOGIT_STEPS));
                let steps = (0..=LOGIT_STEPS).map(|i| 1.0 / (1.0 + (-logit(i)).exp()));
                std::iter::once(1.0).chain(steps).chain([0.0]).collect()
            }
        }
    }
}

/// Requested guarantee for the accepted answers of one level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guarantee {
    /// Tolerated risk: P(wrong | accepted), in [0, 1].
    pub alpha: f64,
    /// Probability that the calibration set misleads. With several levels: δ / (levels - 1) for each level but the
    /// top.
    pub delta: f64,
    /// Fewest accepted answers. Candidates that accept fewer are skipped, even if `alpha` would need fewer.
    pub min_accepted: usize,
}

impl Guarantee {
    /// Returns the fewest accepted answers that are tested: `min_accepted`, or the number that certifies α without an
    /// error, if greater.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; α = 0 needs more than all")]
    pub fn needed(&self) -> usize {
        let without_error = (self.delta.ln() / (-self.alpha).ln_1p()).ceil();
        self.min_accepted.max(without_error as usize).max(1)
    }
}

/// Computes the smallest α that `n` accepted answers without an error certify: 1 - δ^(1/n).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a count of items")]
pub fn smallest_certifiable_alpha(n: usize, delta: f64) -> f64 {
    if n == 0 { 1.0 } else { -(delta.ln() / n as f64).exp_m1() }
}

/// A candidate that was tested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tested {
    /// λ: the loosest of the candidates that accept the same answers.
    pub threshold: f64,
    /// Share of the calibration set that is accepted.
    pub coverage: f64,
    /// Number of accepted answers.
    pub n: usize,
    /// Number of wrong answers among the accepted ones.
    pub errors: usize,
    /// Share of wrong answers among the accepted ones.
    pub risk: f64,
    /// Upper confidence bound of the risk at level 1 - δ.
    pub bound: f64,
}

impl Tested {
    #[expect(clippy::cast_precision_loss, reason = "counts of items")]
    fn new(accepted: Accepted, errors: usize, items: usize, delta: f64) -> Self {
        let Accepted { threshold, n } = accepted;
        Self {
            threshold,
            coverage: n as f64 / items as f64,
            n,
            errors,
            risk: errors as f64 / n as f64,
            bound: upper_bound(errors, n, delta),
        }
    }
}

/// Outcome of a calibration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// The last candidate that passed.
    Certified(Tested),
    /// The first tested candidate, which failed. Everything is deferred.
    NothingCertified(Tested),
    /// No candidate accepts enough answers to certify α, even without an error. Known before any answer is scored.
    Impossible {
        /// Number of answers that the loosest candidate accepts.
        n: usize,
        /// Number of answers needed.
        needed: usize,
    },
}

impl Outcome {
    /// Returns the certified λ. `None` if everything is deferred.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        match self {
            Self::Certified(tested) => Some(tested.threshold),
            Self::NothingCertified(_) | Self::Impossible { .. } => None,
        }
    }
}

/// Tests the grid's candidates from the strictest down until one fails. The items of `answers` must be exchangeable:
/// one item of each group of variants ([`one_per_group`]).
#[must_use]
pub fn calibrate(answers: &[Judged], grid: Grid, guarantee: Guarantee) -> Outcome {
    let mut descending = answers.to_vec();
    descending.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let confidences: Vec<f64> = descending.iter().map(|answer| answer.confidence).collect();
    let sets = accepted_sets(&confidences, grid);
    let needed = guarantee.needed();
    let large = sets.partition_point(|set| set.n < needed);

    let errors = errors_among_first(&descending);
    // Equivalent to bound <= α, without the search for the bound.
    let passes = |set: &&Accepted| lower_tail(errors[set.n], set.n, guarantee.alpha) <= guarantee.delta;
    let tested = |set: &Accepted| Tested::new(*set, errors[set.n], answers.len(), guarantee.delta);
    match (sets[large..].iter().take_while(passes).last(), sets.get(large)) {
        (Some(last), _) => Outcome::Certified(tested(last)),
        (None, Some(first)) => Outcome::NothingCertified(tested(first)),
        (None, None) => Outcome::Impossible { n: sets.last().map_or(0, |set| set.n), needed },
    }
}

/// Certificate for one set of accepted answers, independent of the requested α.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The loosest λ that accepts these answers, with its test.
    pub tested: Tested,
    /// The smallest α at which [`calibrate`] tests this λ, and at which this λ and all stricter tested ones pass.
    /// `None` if this λ accepts too few answers.
    pub smallest_alpha: Option<f64>,
}

/// Computes what can be certified at each λ of the grid: one row for each distinct set of accepted answers, the
/// strictest λ first. An α is guaranteed only if it was chosen before the answers were seen, so picking one from these
/// rows is not covered.
#[must_use]
pub fn certifiable(answers: &[Judged], grid: Grid, delta: f64, min_accepted: usize) -> Vec<Candidate> {
    let mut descending = answers.to_vec();
    descending.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let confidences: Vec<f64> = descending.iter().map(|answer| answer.confidence).collect();
    let errors = errors_among_first(&descending);
    let sets = accepted_sets(&confidences, grid).into_iter().filter(|set| set.n > 0);
    let tested: Vec<Tested> = sets.map(|set| Tested::new(set, errors[set.n], answers.len(), delta)).collect();
    let mut smallest: Vec<Option<f64>> = vec![None; tested.len()];
    // Testing begins with the first set that is large enough for α, so each set may be the first.
    for first in 0..tested.len() {
        let before = first.checked_sub(1).map_or(0, |before| tested[before].n);
        let mut greatest = 0.0_f64;
        for (set, smallest) in tested.iter().zip(&mut smallest).skip(first) {
            greatest = greatest.max(set.bound);
            let is_first = before < Guarantee { alpha: greatest, delta, min_accepted }.needed();
            if is_first && tested[first].n >= min_accepted && smallest.is_none_or(|found| greatest < found) {
                *smallest = Some(greatest);
            }
        }
    }
    tested.into_iter().zip(smallest).map(|(tested, smallest_alpha)| Candidate { tested, smallest_alpha }).collect()
}

/// Answers that equivalent candidates accept.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Accepted {
    /// The loosest candidate that accepts these answers.
    threshold: f64,
    /// Number of accepted answers.
    n: usize,
}

/// Returns the distinct sets that the candidates accept, the smallest first. Reads only the confidences, so that
/// candidates are skipped before correctness is read.
fn accepted_sets(descending: &[f64], grid: Grid) -> Vec<Accepted> {
    let mut sets: Vec<Accepted> = Vec::new();
    for threshold in grid.candidates() {
        let n = descending.partition_point(|confidence| *confidence >= threshold);
        match sets.last_mut() {
            // Candidates that accept the same answers are one test.
            Some(set) if set.n == n => set.threshold = threshold,
            _ => sets.push(Accepted { threshold, n }),
        }
    }
    sets
}

/// Returns the number of wrong answers among the first 0, 1, 2, ... answers.
fn errors_among_first(answers: &[Judged]) -> Vec<usize> {
    let counted = answers.iter().scan(0, |errors, answer| {
        *errors += usize::from(!answer.right);
        Some(*errors)
    });
    std::iter::once(0).chain(counted).collect()
}

/// Draws one item of each group, as ascending indices. The guarantee then applies to an item drawn in this way.
#[must_use]
pub fn one_per_group<K: Ord>(groups: &[K], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut members: BTreeMap<&K, Vec<usize>> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(index);
    }
    let mut drawn: Vec<usize> = members.values().map(|group| group[rng.random_range(0..group.len())]).collect();
    drawn.sort_unstable();
    drawn
}
