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
    /// Neither its calculations on the numbers of a retrieved question nor that question's solution on its own numbers gives another
    /// answer than the one written. It needs no call.
    Unconflicted,
    /// A second draw gives the same answer.
    Verified,
    /// More than half of several draws give the same answer.
    Majority,
    /// The answer is right: an oracle, for it looks at the target.
    CorrectOnly,
}

impl StoreRule {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Always,
        Self::Confident,
        Self::Checked,
        Self::Grounded,
        Self::AllNumbersUsed,
        Self::Unconflicted,
        Self::Verified,
        Self::Majority,
        Self::CorrectOnly,
    ];

    /// Whether it looks at calculations, which answers to questions with options do not have.
    #[must_use]
    pub fn needs_calculations(self) -> bool {
        self == Self::Unconflicted || !self.checks().is_empty()
    }

    /// Whether it asks the strong level again.
    #[must_use]
    pub fn needs_draws(self) -> bool {
        matches!(self, Self::Verified | Self::Majority)
    }

    /// The checks of the solution's work that it needs to pass.
    #[must_use]
    pub fn checks(self) -> &'static [Check] {
        match self {
            Self::Grounded => &[Check::Calculations, Check::GroundedNumbers],
            Self::AllNumbersUsed => &[Check::AllNumbersUsed],
            Self::Always
            | Self::Confident
            | Self::Checked
            | Self::Unconflicted
            | Self::Verified
            | Self::Majority
            | Self::CorrectOnly => &[],
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
            Self::Unconflicted => "unconflicted",
            Self::Verified => "verified",
            Self::Majority => "majority",
            Self::CorrectOnly => "correct-only",
        }
    }
}
