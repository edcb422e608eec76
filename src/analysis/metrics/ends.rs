//! Counts of how the answers of a level ended: complete, cut at the token limit, or without text.

use super::{Slice, ratio};
use crate::types::chat::Finish;
use crate::types::level::Level;
use crate::types::record::Purpose;

/// Answers of one level in one arm by how they ended, over all orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FinishCounts {
    /// Number of answers with a known finish reason, refused ones excluded.
    pub answers: usize,
    /// Number of answers that the token limit cut.
    pub cut: usize,
    /// Number of answers without text.
    pub empty: usize,
}

impl FinishCounts {
    /// Counts the answers of a level by how they ended.
    #[must_use]
    pub fn of(slice: &Slice, level: Level) -> Self {
        let calls = slice.outcomes.iter().flat_map(|outcome| outcome.calls()).map(|(call, _)| call);
        let answers = calls.filter(|call| call.level == Some(level) && call.purpose == Purpose::Answer);
        let known = answers.filter_map(|call| call.noted.as_ref()).filter(|noted| noted.finish != Finish::Refused);
        known.fold(Self::default(), |sum, noted| Self {
            answers: sum.answers + 1,
            cut: sum.cut + usize::from(noted.finish == Finish::Length),
            empty: sum.empty + usize::from(noted.empty),
        })
    }

    /// The share of cut answers, in [0, 1].
    #[must_use]
    pub fn cut_share(&self) -> f64 {
        ratio(self.cut, self.answers)
    }

    /// The share of answers without text, in [0, 1].
    #[must_use]
    pub fn empty_share(&self) -> f64 {
        ratio(self.empty, self.answers)
    }
}
