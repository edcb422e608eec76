//! A gate told from a calibration set: the records of its items, the threshold, and what can be said for it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::analysis::calibration::{
    Candidate, Grid, Guarantee, Outcome, Tested, calibrate, certifiable, smallest_certifiable_alpha,
};
use crate::analysis::recalibration::{Recalibration, isotonic, platt};
use crate::analysis::reliability::Judged;
use crate::types::arm::Arm;
use crate::types::record::{Record, Score};

/// What makes a probability of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recalibrate {
    /// A logistic curve.
    Platt,
    /// A non-decreasing step curve.
    Isotonic,
}

/// What is asked of a calibration set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationTask {
    /// The guarantee; none: only the recalibration is fitted, and the threshold stands in the config.
    pub guarantee: Option<(Guarantee, Grid)>,
    /// The recalibration; none: scores stand.
    pub recalibrate: Option<Recalibrate>,
}

impl CalibrationTask {
    /// Whether anything is.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.guarantee.is_some() || self.recalibrate.is_some()
    }

    /// Of so many items, those that tell the threshold: where a recalibration is fitted too, it takes the first half.
    #[must_use]
    pub fn n_for_threshold(&self, items: usize) -> usize {
        if self.recalibrate.is_some() { items - items / 2 } else { items }
    }

    /// The answers that a recalibration is fitted on, and those that tell the threshold.
    fn parts(self, answers: &[Judged]) -> (&[Judged], &[Judged]) {
        match (self.recalibrate, self.guarantee) {
            (None, _) => (&[], answers),
            (Some(_), None) => (answers, &[]),
            (Some(_), Some(_)) => answers.split_at(answers.len() - self.n_for_threshold(answers.len())),
        }
    }
}

/// The gate of one arm, told from items that no stream holds.
#[derive(Debug, Clone)]
pub struct Calibrated {
    /// The arm.
    pub arm: Arm,
    /// The calibration items' records, in the order in which they were drawn. Arms share them where the weak level
    /// answered without strategies.
    pub records: Arc<[Record]>,
    /// Whether the records are of this arm itself, strategies included.
    pub own: bool,
    /// What was asked.
    pub wanted: CalibrationTask,
    /// What the first half of the items makes of a score; the threshold then comes from the second half alone.
    pub recalibration: Option<Recalibration>,
    /// What the items say of the threshold; none where it stands in the config.
    pub outcome: Option<Outcome>,
}

impl Calibrated {
    /// Tells the gate of `arm`.
    #[must_use]
    pub fn new(arm: Arm, records: Arc<[Record]>, own: bool, wanted: CalibrationTask) -> Self {
        let answers = judged(&records);
        let (fitted_on, told_from) = wanted.parts(&answers);
        // Answers that fail a check are never accepted, so the map is fitted without them.
        let fitted_on: Vec<Judged> = fitted_on.iter().copied().filter(|answer| answer.confidence >= 0.0).collect();
        let recalibration = wanted.recalibrate.and_then(|method| match method {
            Recalibrate::Platt => platt(&fitted_on),
            Recalibrate::Isotonic => isotonic(&fitted_on),
        });
        let told_from = mapped(told_from, recalibration.as_ref());
        let outcome = wanted.guarantee.map(|(guarantee, grid)| calibrate(&told_from, grid, guarantee));
        Self { arm, records, own, wanted, recalibration, outcome }
    }

    /// What the answers that tell the threshold say of each λ of the grid, whatever α is asked for. Empty if the threshold
    /// stands in the config.
    #[must_use]
    pub fn certifiable(&self) -> Vec<Candidate> {
        let Some((Guarantee { delta, min_accepted, .. }, grid)) = self.wanted.guarantee else { return Vec::new() };
        certifiable(&self.told(), grid, delta, min_accepted)
    }

    /// The loosest λ that is certified at an α. `None` if there is none, or the threshold stands in the config.
    #[must_use]
    pub fn at(&self, alpha: f64) -> Option<Tested> {
        let (guarantee, grid) = self.wanted.guarantee?;
        match calibrate(&self.told(), grid, Guarantee { alpha, ..guarantee }) {
            Outcome::Certified(tested) => Some(tested),
            Outcome::NothingCertified(_) | Outcome::Impossible { .. } => None,
        }
    }

    /// The answers that tell the threshold, their scores recalibrated.
    fn told(&self) -> Vec<Judged> {
        let answers = judged(&self.records);
        let (_, told_from) = self.wanted.parts(&answers);
        mapped(told_from, self.recalibration.as_ref())
    }

    /// The one of this arm; none where its threshold stands in the config.
    #[must_use]
    pub fn of(arms: &[Self], arm: Arm) -> Option<&Self> {
        arms.iter().find(|calibrated| calibrated.arm == arm)
    }

    /// Whose answers told it, as reports call them.
    #[must_use]
    pub fn answer_source(&self) -> &'static str {
        if self.own { "own answers" } else { "answers without strategies" }
    }

    /// What can be said of the guarantee; none where none was asked for.
    #[must_use]
    pub fn guaranteed(&self) -> Option<Guaranteed> {
        let (guarantee, _) = self.wanted.guarantee?;
        let told_from = self.wanted.n_for_threshold(judged(&self.records).len());
        let outcome = self.outcome?;
        Some(Guaranteed {
            guarantee,
            certified: outcome.threshold().is_some(),
            told_from,
            tested: match outcome {
                Outcome::Certified(tested) | Outcome::NothingCertified(tested) => Some(tested),
                Outcome::Impossible { .. } => None,
            },
            smallest_alpha: smallest_certifiable_alpha(told_from, guarantee.delta),
        })
    }

    /// λ: infinite where nothing was certified, so that everything is deferred; none where the config has it.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        self.outcome.map(|outcome| outcome.threshold().unwrap_or(f64::INFINITY))
    }
}

/// A guarantee, and what the calibration items say of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guaranteed {
    /// What is to hold.
    pub guarantee: Guarantee,
    /// Whether a threshold was found for which it does.
    pub certified: bool,
    /// The number of answers that the threshold is told from.
    pub told_from: usize,
    /// The last candidate that passed, or the first that failed; none where too few answers could be tested.
    pub tested: Option<Tested>,
    /// The smallest α that so many answers could ever certify.
    pub smallest_alpha: f64,
}

/// Answers with their scores recalibrated; those that are never accepted keep theirs.
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

/// Below every threshold: the score of an answer that fails a check of the gate or was not asked for, and is never accepted.
const NEVER: f64 = -1.0;

/// The weak level's score of each record, and whether its answer is right. An item that was deferred without asking the weak level is
/// never accepted.
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
