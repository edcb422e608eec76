//! Rows of the pair matrix: answers to each item without an example and with one example.

use super::check::CheckOutcomes;
use super::confidence::Confidence;
use super::level::Level;
use super::record::{Call, Graded};

/// Answer to an item: by the strong level, or by the weak level without or with one example.
#[derive(Debug)]
pub struct Row {
    /// Index of the item in the stream.
    pub item: usize,
    /// Level that answered.
    pub level: Level,
    /// Index of the example's source item. `None` without an example.
    pub example: Option<usize>,
    /// Cosine similarity of the two queries, in [-1, 1]. `None` without an example or without embeddings.
    pub similarity: Option<f64>,
    /// Answer and its score.
    pub graded: Graded,
    /// Confidence in [0, 1], before any recalibration. `None` for the strong level, or if no arm is gated.
    pub confidence: Option<Confidence>,
    /// Outcomes of the checks on the answer.
    pub checks: CheckOutcomes,
    /// Calls that the answer needed.
    pub calls: Vec<Call>,
}
