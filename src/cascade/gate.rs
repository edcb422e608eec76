//! The deferral gate: its threshold λ and the recalibration that makes a probability of a score.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::analysis::recalibration::Recalibration;
use crate::types::check::Check;
use crate::types::confidence::{Confidence, defers};
use crate::types::record::LevelAnswer;

/// What becomes of a query for which no example is near enough, in an arm that shows examples to the weak level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutExample {
    /// The weak level answers it alone.
    #[default]
    Ask,
    /// It is deferred, and the weak level is not asked.
    Defer,
}

/// The gate of a level in one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct DeferralGate {
    /// λ: the query is deferred if the confidence is below it; infinite if every query is.
    pub threshold: f64,
    /// The map from a score to a probability, fitted on the calibration items; `None` if the score is used as it is.
    pub recalibration: Option<Recalibration>,
    /// The checks that an answer must pass to stand, whatever its confidence; empty if it need not pass any.
    pub checks: Arc<[Check]>,
}

impl DeferralGate {
    /// The answer with its score mapped to a probability.
    #[must_use]
    pub fn recalibrated(&self, answer: LevelAnswer) -> LevelAnswer {
        let mapped = |score: Confidence| {
            self.recalibration.as_ref().map_or(score, |map| Confidence::nearest(map.apply(score.value())))
        };
        LevelAnswer { confidence: answer.confidence.map(mapped), ..answer }
    }

    /// Whether the answer passes the gate's checks, of which one that has no meaning for it is not passed; `None` if there are none.
    #[must_use]
    pub fn passes(&self, answer: &LevelAnswer) -> Option<bool> {
        let passes = || self.checks.iter().all(|check| answer.checks.of(*check) == Some(true));
        (!self.checks.is_empty()).then(passes)
    }

    /// Whether the answer is not sure enough to stand, or fails a check.
    #[must_use]
    pub fn defers(&self, answer: &LevelAnswer) -> bool {
        defers(answer.gate_confidence(), self.threshold)
    }
}
