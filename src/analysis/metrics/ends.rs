//! How the answers of a level ended: whole, cut at the token limit, without a text.

use super::{Slice, ratio};
use crate::types::chat::Finish;
use crate::types::level::Level;
use crate::types::record::Purpose;

/// The answers of one level in one arm, over all orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FinishCounts {
    /// Answers of which it is known how they ended; what was refused is none.
    pub answers: usize,
    /// Those that the token limit cut off.
    pub cut: usize,
    /// Those without a text.
    pub empty: usize,
}

impl FinishCounts {
    /// The ends of a level's answers.
    #[must_use]
    pub fn of(slice: &Slice, level: Level) -> Self {
        let calls = slice.taken.iter().flat_map(|taken| taken.calls()).map(|(call, _)| call);
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

    /// The share of answers without a text, in [0, 1].
    #[must_use]
    pub fn empty_share(&self) -> f64 {
        ratio(self.empty, self.answers)
    }
}
