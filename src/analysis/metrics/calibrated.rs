//! The deferral gate calibrated on a calibration set: the records of its items, the threshold λ, and its guarantee.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::calibration::{
    Candidate, Grid, Guarantee, Outcome, Tested, calibrate, certifiable, smallest_certifiable_alpha,
};
use crate::analysis::recalibration::{Recalibration, isotonic, platt};
use crate::analysis::reliability::Judged;
use crate::types::arm::Arm;
use crate::types::record::{Record, Score};

/// Method that maps a confidence to a probability of a correct answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recalibrate {
    /// A logistic curve.
    Platt,
    /// A non-decreasing step curve.
    Isotonic,
}

/// Uses of a calibration set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationTask {
    /// The guarantee and the grid of candidate thresholds. `None` if the config states λ, so that at most the
    /// recalibration is fitted.
    pub guarantee: Option<(Guarantee, Grid)>,
    /// The recalibration method. `None` if confidences stay unchanged.
    pub recalibrate: Option<Recalibrate>,
}

impl CalibrationTask {
    /// True if the calibration set is needed for a guarantee, a recalibration or both.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.guarantee.is_some() || self.recalibrate.is_some()
    }

    /// Number of items out of `items` that calibrate the threshold. If a recalibration is fitted too, it uses the
    /// first half.
    #[must_use]
    pub fn n_for_threshold(&self, items: usize) -> usize {
        if self.recalibrate.is_some() { items - items / 2 } else { items }
    }

    /// The answers that the recalibration is fitted on, and the answers that calibrate the threshold.
    fn parts(self, answers: &[Judged]) -> (&[Judged], &[Judged]) {
        match (self.recalibrate, self.guarantee) {
            (None, _) => (&[], answers),
            (Some(_), None) => (answers, &[]),
            (Some(_), Some(_)) => answers.split_at(answers.len() - self.n_for_threshold(answers.len())),
        }
    }
}

/// The deferral gate of one arm, calibrated on items that no stream contains.
#[derive(Debug, Clone)]
pub struct Calibrated {
    /// The arm.
    pub arm: Arm,
    /// Records of the calibration items, in the order in which they were drawn. Arms share the records if the weak
    /// level answered without strategies.
    pub records: Arc<[Record]>,
    /// True if the records are this arm's own, strategies included.
    pub own: bool,
    /// Uses of the calibration set.
    pub task: CalibrationTask,
    /// The map fitted on the first half of the items. The threshold then comes from the second half alone. `None` if
    /// none was requested or fitted.
    pub recalibration: Option<Recalibration>,
    /// Outcome of the calibration. `None` if the config states λ.
    pub outcome: Option<Outcome>,
}

impl Calibrated {
    /// Calibrates the deferral gate of `arm` on `records`.
    #[must_use]
    pub fn new(arm: Arm, records: Arc<[Record]>, own: bool, task: CalibrationTask) -> Self {
        let answers = judged(&records);
        let (fitted_on, threshold_answers) = task.parts(&answers);
        // Answers that fail a check are never accepted, so the map is fitted without them.
        let fitted_on: Vec<Judged> = fitted_on.iter().copied().filter(|answer| answer.confidence >= 0.0).collect();
        let recalibration = task.recalibrate.and_then(|method| match method {
            Recalibrate::Platt => platt(&fitted_on),
            Recalibrate::Isotonic => isotonic(&fitted_on),
        });
        let threshold_answers = mapped(threshold_answers, recalibration.as_ref());
        let outcome = task.guarantee.map(|(guarantee, grid)| calibrate(&threshold_answers, grid, guarantee));
        Self { arm, records, own, task, recalibration, outcome }
    }

    /// Computes what can be certified at each λ of the grid, for any α. Empty if the config states λ.
    #[must_use]
    pub fn certifiable(&self) -> Vec<Candidate> {
        let Some((Guarantee { delta, min_accepted, .. }, grid)) = self.task.guarantee else { return Vec::new() };
        certifiable(&self.threshold_answers(), grid, delta, min_accepted)
    }

    /// Returns the loosest λ that is certified at `alpha`. `None` if no λ is, or if the config states λ.
    #[must_use]
    pub fn at(&self, alpha: f64) -> Option<Tested> {
        let (guarantee, grid) = self.task.guarantee?;
        match calibrate(&self.threshold_answers(), grid, Guarantee { alpha, ..guarantee }) {
            Outcome::Certified(tested) => Some(tested),
            Outcome::NothingCertified(_) | Outcome::Impossible { .. } => None,
        }
    }

    /// Returns the answers that calibrate the threshold, with recalibrated confidences.
    fn threshold_answers(&self) -> Vec<Judged> {
        let answers = judged(&self.records);
        let (_, threshold_answers) = self.task.parts(&answers);
        mapped(threshold_answers, self.recalibration.as_ref())
    }

    /// Finds the calibration of `arm`. `None` if the config states its λ.
    #[must_use]
    pub fn of(arms: &[Self], arm: Arm) -> Option<&Self> {
        arms.iter().find(|calibrated| calibrated.arm == arm)
    }

    /// Describes, for reports, whose answers calibrated the threshold.
    #[must_use]
    pub fn answer_source(&self) -> &'static str {
        if self.own { "own answers" } else { "answers without strategies" }
    }

    /// Returns the guarantee with its evidence. `None` if no guarantee was requested.
    #[must_use]
    pub fn guaranteed(&self) -> Option<Guaranteed> {
        let (guarantee, _) = self.task.guarantee?;
        let threshold_answers = self.task.n_for_threshold(judged(&self.records).len());
        let outcome = self.outcome?;
        Some(Guaranteed {
            guarantee,
            certified: outcome.threshold().is_some(),
            threshold_answers,
            tested: match outcome {
                Outcome::Certified(tested) | Outcome::NothingCertified(tested) => Some(tested),
                Outcome::Impossible { .. } => None,
            },
            smallest_alpha: smallest_certifiable_alpha(threshold_answers, guarantee.delta),
        })
    }

    /// The calibrated λ. Infinite if nothing was certified, so that everything is deferred. `None` if the config
    /// states λ.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        self.outcome.map(|outcome| outcome.threshold().unwrap_or(f64::INFINITY))
    }
}

/// A guarantee with its evidence from the calibration items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guaranteed {
    /// The requested guarantee.
    pub guarantee: Guarantee,
    /// True if a λ was certified.
    pub certified: bool,
    /// Number of answers that calibrate the threshold.
    pub threshold_answers: usize,
    /// The last candidate λ that passed, or the first that failed. `None` if too few answers could be tested.
    pub tested: Option<Tested>,
    /// The smallest α that this number of answers could certify, with no error among them.
    pub smallest_alpha: f64,
}

/// Returns the answers with recalibrated confidences. Confidences below 0, of answers that are never accepted, stay
/// unchanged.
fn mapped(answers: &[Judged], recalibration: Option<&Recalibration>) -> Vec<Judged> {
    let mapped = |answer: &Judged| Judged {
        confidence: match recalibration {
            Some(map) if answer.confidence >= 0.0 => map.apply(answer.confidence),
            _ => answer.confidence,
        },
        ..*answer
    };
    answers.iter().map(mapped).collect()
}

/// A confidence below every threshold, for an answer that is never accepted: it fails a check of the gate, or the weak
/// level was not called.
const NEVER: f64 = -1.0;

/// Returns the weak level's confidence for each record, and its correctness. An item that was deferred without a call
/// of the weak level is never accepted.
fn judged(records: &[Record]) -> Vec<Judged> {
    let judged = |record: &Record| {
        let Some(weak) = record.first() else {
            return record.deferred.then_some(Judged { confidence: NEVER, right: false });
        };
        let confidence = weak.confidence?.value();
        let confidence = if weak.passes == Some(false) { NEVER } else { confidence };
        Some(Judged { confidence, right: weak.graded.score == Score::Correct })
    };
    records.iter().filter_map(judged).collect()
}
