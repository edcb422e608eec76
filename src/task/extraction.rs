//! The rules that read an answer out of a text, by name. A config gives them in an order, and the first that finds an
//! answer is read; of a box, hash marks and "the answer is" the last in the text. Their versions are in every output: a
//! rule that comes to read otherwise gets a new one.

use serde::{Deserialize, Serialize};

use super::Task;

/// The rules by the names that stand in configs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extraction {
    /// The number in the first `#### N`, and nothing else in the line's place: as GSM8K's authors and lm-eval's strict
    /// match read it.
    Gsm8kStrict,
    /// The number behind the last `####`, whatever words and units are around it; of a bare one, the number before.
    HashMarks,
    /// The number, or the option's letter or text, in the last `\boxed{…}` that is not empty.
    Boxed,
    /// The number, or the option's letter or text, in the clause behind the last "answer is", "answer:" or the like.
    AnswerIs,
    /// The number in the last `**…**` that is no heading and no label.
    Bold,
    /// The last number of the text, read whole (lm-eval's flexible match reads its digits).
    Gsm8kFlexible,
    /// That there is no answer: `None`, "cannot be determined" and the like in an answer's place, or in the last line.
    NoneStated,
    /// The option whose text is the likeliest, where options are scored (lm-eval's acc).
    OptionLikelihood,
    /// The option whose text is the likeliest per character (lm-eval's `acc_norm`).
    OptionLikelihoodNormalised,
    /// The letter that the last line is or concludes with, else the one that opens the text.
    Letter,
    /// The last letter in brackets.
    LetterInParentheses,
    /// A text, or its last line, that is one of the options.
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
            // 3: one grammar of numbers, each read whole or not at all; the last final marker whatever the rules' order,
            // with what corrects it; the clause behind it and no later one; no headings in bold; nothing of reasoning
            // blocks, of a new question behind the answer, or, without a final marker, of a text that was cut off at the
            // limit, by a filter, or for an unknown reason.
            Self::HashMarks | Self::AnswerIs | Self::Boxed | Self::Bold | Self::Gsm8kFlexible => 3,
            // 2: a letter by itself in any markup, on the last line, or as its conclusion; the option's own text on the
            // last line; of several letters, or of a list of the options, none. The same parts of a text are left out.
            // Of the rules below: not of reasoning blocks, and of a text so cut off only in a final marker's place.
            Self::Letter | Self::LetterInParentheses | Self::OptionText | Self::NoneStated | Self::Gsm8kStrict => 2,
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
pub fn describe(rules: &[Extraction]) -> String {
    rules.iter().map(|rule| format!("{} v{}", rule.name(), rule.version())).collect::<Vec<_>>().join(", ")
}
