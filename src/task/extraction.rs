//! The rules that read an answer out of a text, by name. A config gives them in an order; the first that finds an
//! answer is believed. Their versions are told in every output: a rule that comes to read otherwise gets a new one.

use serde::{Deserialize, Serialize};

use super::Task;

/// The rules by the names that stand in configs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extraction {
    /// The number in the first `#### N`, and nothing else in the line's place: as GSM8K's authors and lm-eval's strict
    /// match read it.
    Gsm8kStrict,
    /// The number behind the last `####` whatever words and units are around it; behind a bare one, the number before.
    HashMarks,
    /// Numbers: the one in the last `\boxed{…}`. Options: the letter, or the option's text, there.
    Boxed,
    /// Numbers: behind the last "answer is", "answer:" or "answer =". Options: the letter there.
    AnswerIs,
    /// The number in the last `**…**`.
    Bold,
    /// The last number of the text (lm-eval's flexible match).
    Gsm8kFlexible,
    /// That there is no answer: `None`, "cannot be determined" and the like in an answer's place, or in the last line.
    NoneStated,
    /// The option whose text is the likeliest, where options are scored (lm-eval's acc).
    OptionLikelihood,
    /// The option whose text is the likeliest per character (lm-eval's `acc_norm`).
    OptionLikelihoodNormalised,
    /// The letter that opens the text.
    Letter,
    /// The last letter in parentheses.
    LetterInParentheses,
    /// A text that is one of the options.
    OptionText,
}

impl Extraction {
    /// The rules for one kind of question, where a config says nothing.
    #[must_use]
    pub fn usual(task: Task) -> &'static [Self] {
        match task {
            // A box is where a model ends; small models also begin with `#### N`, and then reason to another number.
            Task::Math => &[Self::Boxed, Self::HashMarks, Self::AnswerIs, Self::Bold, Self::Gsm8kFlexible],
            Task::Choice => &[Self::AnswerIs, Self::Boxed, Self::Letter, Self::LetterInParentheses, Self::OptionText],
        }
    }

    /// The name used in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gsm8kStrict => "gsm8k-strict",
            Self::HashMarks => "hash-marks",
            Self::Boxed => "boxed",
            Self::AnswerIs => "answer-is",
            Self::Bold => "bold",
            Self::Gsm8kFlexible => "gsm8k-flexible",
            Self::NoneStated => "none-stated",
            Self::OptionLikelihood => "option-likelihood",
            Self::OptionLikelihoodNormalised => "option-likelihood-normalised",
            Self::Letter => "letter",
            Self::LetterInParentheses => "letter-in-parentheses",
            Self::OptionText => "option-text",
        }
    }

    /// Counts the changes of what the rule reads.
    #[must_use]
    pub fn version(self) -> u32 {
        match self {
            // 2: of a calculation in the answer's place, as in `#### 3 * 12 = 36`, the result and not its first number; a
            // minus sign apart from its number counts only where it opens the answer's place, else it is a dash.
            Self::HashMarks | Self::AnswerIs | Self::Boxed | Self::Bold | Self::Gsm8kFlexible => 2,
            _ => 1,
        }
    }

    /// Whether the rule reads a text, and not scores.
    #[must_use]
    pub fn reads_texts(self) -> bool {
        !matches!(self, Self::OptionLikelihood | Self::OptionLikelihoodNormalised)
    }

    /// Whether the rule reads answers to this kind of question.
    #[must_use]
    pub fn reads(self, task: Task) -> bool {
        match self {
            Self::AnswerIs | Self::Boxed => true,
            Self::Gsm8kStrict | Self::HashMarks | Self::Bold | Self::Gsm8kFlexible | Self::NoneStated => {
                task == Task::Math
            }
            Self::OptionLikelihood
            | Self::OptionLikelihoodNormalised
            | Self::Letter
            | Self::LetterInParentheses
            | Self::OptionText => task == Task::Choice,
        }
    }
}

/// Names and versions of some rules, in their order.
#[must_use]
pub fn told(rules: &[Extraction]) -> String {
    rules.iter().map(|rule| format!("{} v{}", rule.name(), rule.version())).collect::<Vec<_>>().join(", ")
}
