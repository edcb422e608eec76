//! The rows of the pair matrix: answers to each item alone and with one example of its group.

use super::check::CheckOutcomes;
use super::confidence::Confidence;
use super::level::Level;
use super::record::{Call, Graded};

/// One answer to an item: of the strong level, or of the weak level alone or with one example.
#[derive(Debug)]
pub struct Row {
    /// The index of the item in the stream.
    pub item: usize,
    /// The level that answered.
    pub level: Level,
    /// The index of the item whose solution was the example. `None` without an example.
    pub example: Option<usize>,
    /// The cosine similarity of the two queries, in [-1, 1]. `None` without an example or without embeddings.
    pub similarity: Option<f64>,
    /// The answer and its score.
    pub graded: Graded,
    /// The confidence in [0, 1], before any recalibration. `None` for the strong level, or if no arm is gated.
    pub confidence: Option<Confidence>,
    /// What the checks of the answer's work found.
    pub checks: CheckOutcomes,
    /// The calls that the answer took.
    pub calls: Vec<Call>,
}
