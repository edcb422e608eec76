//! Names of the label-free checks of an answer, and their outcomes. The checks are implemented in `task/checks/`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Checks, with their names in configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// All written calculations are correct, there are enough of them, and the last result is the answer.
    Calculations,
    /// Every number that the question states in digits occurs in a calculation, unchanged or in an equivalent form.
    AllNumbersUsed,
    /// Every number in a calculation comes from the question, an earlier result or a known constant.
    GroundedNumbers,
    /// The answer results from the operations of an example, on operands from corresponding sources.
    FollowsExample,
    /// The calculations of an example on the question's numbers have the answer as their result.
    ExampleReplay,
    /// Letter and text of the option in the answer match.
    Conclusions,
}

impl Check {
    /// All checks.
    pub const ALL: [Self; 6] = [
        Self::Calculations,
        Self::AllNumbersUsed,
        Self::GroundedNumbers,
        Self::FollowsExample,
        Self::ExampleReplay,
        Self::Conclusions,
    ];

    /// Name in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Calculations => "calculations",
            Self::AllNumbersUsed => "all-numbers-used",
            Self::GroundedNumbers => "grounded-numbers",
            Self::FollowsExample => "follows-example",
            Self::ExampleReplay => "example-replay",
            Self::Conclusions => "conclusions",
        }
    }

    /// Name of the column with the outcomes in tables.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Calculations => "check_calculations",
            Self::AllNumbersUsed => "check_all_numbers_used",
            Self::GroundedNumbers => "check_grounded_numbers",
            Self::FollowsExample => "check_follows_example",
            Self::ExampleReplay => "check_example_replay",
            Self::Conclusions => "check_conclusions",
        }
    }

    /// True if the check is for questions with options. All other checks are for word problems.
    #[must_use]
    pub fn is_for_options(self) -> bool {
        self == Self::Conclusions
    }

    /// True if the check compares the answer with a retrieved example.
    #[must_use]
    pub fn needs_example(self) -> bool {
        matches!(self, Self::FollowsExample | Self::ExampleReplay)
    }
}

/// Outcomes of the checks for one answer: true if the answer passes, `None` if a check does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckOutcomes([Option<bool>; Check::ALL.len()]);

impl CheckOutcomes {
    /// Outcome of a check.
    #[must_use]
    pub fn of(self, check: Check) -> Option<bool> {
        self.0[check as usize]
    }

    /// Sets the outcome of a check.
    pub fn set(&mut self, check: Check, outcome: Option<bool>) {
        self.0[check as usize] = outcome;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_has_a_separate_outcome() {
        for check in Check::ALL {
            let mut outcomes = CheckOutcomes::default();
            outcomes.set(check, Some(false));
            assert!(Check::ALL.into_iter().all(|other| outcomes.of(other) == (other == check).then_some(false)));
        }
    }
}
