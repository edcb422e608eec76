//! Rules that a strategy must pass before it is stored.

use serde::{Deserialize, Serialize};

use super::check::Check;

/// What must hold for a strategy to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreRule {
    /// Nothing.
    Always,
    /// The strong level's mean token probability in its answer is high enough.
    Confident,
    /// Its calculations are written out and right when computed again, and its answer is the last result; of options,
    /// letter and text agree. It needs no call.
    Checked,
    /// Its calculations are written out and right when computed again, its answer is the last result, and every number in them
    /// comes from the question, an earlier result or a known constant. It needs no call.
    Grounded,
    /// Every number that the question gives in digits stands in a calculation. It needs no call.
    AllNumbersUsed,
    /// A second draw gives the same answer.
    Verified,
    /// The answer is right: an oracle, for it looks at the target.
    CorrectOnly,
}

impl StoreRule {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Always,
        Self::Confident,
        Self::Checked,
        Self::Grounded,
        Self::AllNumbersUsed,
        Self::Verified,
        Self::CorrectOnly,
    ];

    /// The checks of the solution's work that it asks for. None of them has a meaning for questions with options.
    #[must_use]
    pub fn checks(self) -> &'static [Check] {
        match self {
            Self::Grounded => &[Check::Calculations, Check::GroundedNumbers],
            Self::AllNumbersUsed => &[Check::AllNumbersUsed],
            Self::Always | Self::Confident | Self::Checked | Self::Verified | Self::CorrectOnly => &[],
        }
    }

    /// The name used in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Confident => "confident",
            Self::Checked => "checked",
            Self::Grounded => "grounded",
            Self::AllNumbersUsed => "all-numbers-used",
            Self::Verified => "verified",
            Self::CorrectOnly => "correct-only",
        }
    }
}
