//! Cells that an offline run leaves out because a call is not recorded.

use serde::{Deserialize, Serialize};

use super::arm::Arm;

/// A call that no recording holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrecorded {
    /// Id of the item.
    pub item: String,
    /// Name of the model in the config, or of the embedder.
    pub model: String,
    /// Purpose of the call, by its name in records.
    pub purpose: String,
}

/// A cell that was left out: an arm at one λ over one order of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Arm.
    pub arm: Arm,
    /// Threshold λ. `None` if the arm has no threshold, or was left out before λ was known.
    pub threshold: Option<f64>,
    /// Zero-based order of the stream.
    pub order: usize,
    /// First call that is not recorded.
    pub lacks: Unrecorded,
}

impl LeftOut {
    /// True if the other cell has the same arm and λ.
    #[must_use]
    pub fn is_of_same_row(&self, other: &Self) -> bool {
        self.arm == other.arm && self.threshold == other.threshold
    }
}
