//! What a run that may use only recorded answers had to leave out, and the call that was not recorded.

use serde::{Deserialize, Serialize};

use super::arm::Arm;

/// A call that no recording holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrecorded {
    /// The item's id.
    pub item: String,
    /// The model's name in the config, or the embedder's.
    pub model: String,
    /// What the call is for, as records name it.
    pub purpose: String,
}

/// An arm at one λ over one order of the stream that was left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The arm.
    pub arm: Arm,
    /// Its λ. `None` if it has no gate, or if it was left out before its λ was known.
    pub threshold: Option<f64>,
    /// The order of the stream, from 0 on.
    pub order: usize,
    /// The first call that is not recorded.
    pub lacks: Unrecorded,
}

impl LeftOut {
    /// Whether another one is of the same arm at the same λ.
    #[must_use]
    pub fn is_of_same_row(&self, other: &Self) -> bool {
        self.arm == other.arm && self.threshold == other.threshold
    }
}
