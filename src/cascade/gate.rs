//! Deferral gate: the threshold λ, the checks, and the recalibration that maps a score to a probability.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::recalibration::Recalibration;
use crate::types::check::Check;
use crate::types::confidence::{Confidence, defers};
use crate::types::record::LevelAnswer;

/// Treatment of a query without a near enough example, in an arm that shows examples to the weak level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutExample {
    /// The weak level answers without an example.
    #[default]
    Ask,
    /// The query is deferred without a call of the weak level.
    Defer,
}

/// Deferral gate of one level in one cell. It accepts an answer if the confidence is at least λ and all checks pass.
#[derive(Debug, Clone, PartialEq)]
pub struct DeferralGate {
    /// Threshold λ in [0, 1]. A confidence below λ defers the query. Infinity defers every query.
    pub threshold: f64,
    /// Map from a score to a probability, fitted on the calibration items. `None` if the score is used unchanged.
    pub recalibration: Option<Recalibration>,
    /// Checks that an answer must pass to be accepted, whatever its confidence. May be empty.
    pub checks: Arc<[Check]>,
}

impl DeferralGate {
    /// Returns the answer with its score mapped to a probability.
    #[must_use]
    pub fn recalibrated(&self, answer: LevelAnswer) -> LevelAnswer {
        let mapped = |score: Confidence| {
            self.recalibration.as_ref().map_or(score, |map| Confidence::nearest(map.apply(score.value())))
        };
        LevelAnswer { confidence: answer.confidence.map(mapped), ..answer }
    }

    /// True if the answer passes all checks of the gate. A check that does not apply to the answer counts as failed.
    /// `None` if the gate has no checks.
    #[must_use]
    pub fn passes(&self, answer: &LevelAnswer) -> Option<bool> {
        let passes = || self.checks.iter().all(|check| answer.checks.of(*check) == Some(true));
        (!self.checks.is_empty()).then(passes)
    }

    /// True if the confidence is below λ or missing, or the answer fails a check.
    #[must_use]
    pub fn defers(&self, answer: &LevelAnswer) -> bool {
        defers(answer.gate_confidence(), self.threshold)
    }
}
