//! Checks of an answer's work, by name, and what they found. What each means is in `task/checks/`.

use serde::{Deserialize, Serialize};

/// The checks by the names that stand in configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Every calculation that is written out is right, there are enough of them, and the last gives the answer.
    Calculations,
    /// Every number that the question gives in digits stands in a calculation, as it is or in one of its forms.
    AllNumbersUsed,
    /// Every number in a calculation is given by the question, an earlier result, or a known constant.
    GroundedNumbers,
    /// The answer comes from the same operations on operands of the same source as an example's.
    FollowsExample,
    /// An example's calculations on the question's numbers give the answer.
    ExampleReplay,
    /// The letter and the text of the option that the answer names belong together.
    Conclusions,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Calculations,
        Self::AllNumbersUsed,
        Self::GroundedNumbers,
        Self::FollowsExample,
        Self::ExampleReplay,
        Self::Conclusions,
    ];

    /// The name used in configs and outputs.
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

    /// The column of its outcomes in tables.
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

    /// Whether it is for questions with options; the others are for word problems.
    #[must_use]
    pub fn is_for_options(self) -> bool {
        self == Self::Conclusions
    }

    /// Whether it compares the answer with a retrieved example.
    #[must_use]
    pub fn needs_example(self) -> bool {
        matches!(self, Self::FollowsExample | Self::ExampleReplay)
    }
}

/// What the checks found of one answer: for each whether the answer passes. `None` if the check has no meaning for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckOutcomes([Option<bool>; Check::ALL.len()]);

impl CheckOutcomes {
    /// The outcome of a check.
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
    fn each_check_has_an_outcome_of_its_own() {
        for check in Check::ALL {
            let mut outcomes = CheckOutcomes::default();
            outcomes.set(check, Some(false));
            assert!(Check::ALL.into_iter().all(|one| outcomes.of(one) == (one == check).then_some(false)));
        }
    }
}
