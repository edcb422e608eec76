//! The deferral gate: its threshold λ and the recalibration that makes a probability of a score.

use crate::analysis::recalibration::Recalibration;
use crate::types::confidence::{Confidence, defers};
use crate::types::record::LevelAnswer;

/// The gate of a level in one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// λ: the query is deferred if the confidence is below it; infinite if every query is.
    pub threshold: f64,
    /// The map from a score to a probability, fitted on the calibration items; `None` if the score is used as it is.
    pub recalibration: Option<Recalibration>,
}

impl Gate {
    /// The answer with its score mapped to a probability.
    #[must_use]
    pub fn recalibrated(&self, answer: LevelAnswer) -> LevelAnswer {
        let mapped = |score: Confidence| {
            self.recalibration.as_ref().map_or(score, |map| Confidence::nearest(map.apply(score.value())))
        };
        LevelAnswer { confidence: answer.confidence.map(mapped), ..answer }
    }

    /// Whether the answer is not sure enough to stand.
    #[must_use]
    pub fn defers(&self, answer: &LevelAnswer) -> bool {
        defers(answer.confidence, self.threshold)
    }
}
