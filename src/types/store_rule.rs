//! Rules that a strategy must pass before it is stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;

/// Condition for storing a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreRule {
    /// No condition.
    Always,
    /// The mean token probability of the strong level's answer is high enough.
    Confident,
    /// The written calculations are correct when recomputed, and the answer is the last result. For questions with
    /// options: letter and text of the option match. Needs no call.
    Checked,
    /// The written calculations are correct when recomputed, the answer is the last result, and every number in them
    /// comes from the question, an earlier result or a known constant. Needs no call.
    Grounded,
    /// Every number that the question states in digits occurs in a calculation. Needs no call.
    AllNumbersUsed,
    /// The solution and the retrieved solutions do not contradict each other: neither the solution's calculations on a
    /// retrieved question's numbers nor the retrieved solution's calculations on the query's numbers result in a
    /// different answer. Needs no call.
    Unconflicted,
    /// A second sample has the same answer.
    Verified,
    /// More than half of several samples have the same answer.
    Majority,
    /// The answer is correct. An oracle, because the rule reads the target.
    CorrectOnly,
}

impl StoreRule {
    /// All rules.
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

    /// True if the rule reads calculations, which answers to questions with options do not have.
    #[must_use]
    pub fn needs_calculations(self) -> bool {
        self == Self::Unconflicted || !self.checks().is_empty()
    }

    /// True if the rule samples the strong level again.
    #[must_use]
    pub fn needs_draws(self) -> bool {
        matches!(self, Self::Verified | Self::Majority)
    }

    /// Checks that the solution must pass.
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

    /// Name in configs and outputs.
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
