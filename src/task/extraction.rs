//! Extraction rules by name. A config lists them in order, and the first that finds an answer applies. Of a box, hash
//! marks and "the answer is", the last in the text applies. Every output contains the versions of the rules: a rule
//! whose reading changes gets a new version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Task;

/// Extraction rules, by their names in configs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Extraction {
    /// The number in the first `#### N`, with nothing else in its place, as GSM8K's authors and lm-eval's strict match
    /// read it.
    Gsm8kStrict,
    /// The number after the last `####`, with any words and units around it. If nothing follows the marks, the number
    /// before them.
    HashMarks,
    /// The number, or the option's letter or text, in the last `\boxed{…}` that is not empty.
    Boxed,
    /// The number, or the option's letter or text, in the clause after the last "answer is", "answer:" or similar.
    AnswerIs,
    /// The number in the last `**…**` that is neither a heading nor a label.
    Bold,
    /// The last number of the text, read as a whole (lm-eval's flexible match reads its digits).
    Gsm8kFlexible,
    /// The statement that there is no answer: `None`, "cannot be determined" and similar, in an answer's place or in
    /// the last line.
    NoneStated,
    /// The option with the likeliest text, if options are scored (lm-eval's acc).
    OptionLikelihood,
    /// The option with the likeliest text per character (lm-eval's `acc_norm`).
    OptionLikelihoodNormalised,
    /// The letter that the last line is or concludes with, or else the letter that opens the text.
    Letter,
    /// The last letter in brackets.
    LetterInParentheses,
    /// A text, or a last line, that equals one of the options.
    OptionText,
}

impl Extraction {
    /// Returns the default rules for one kind of question.
    #[must_use]
    pub fn usual(task: Task) -> &'static [Self] {
        match task {
            // Models end with a box; small models also begin with `#### N` and then reason to another number.
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

    /// Version of the rule, increased whenever its reading changes.
    #[must_use]
    pub fn version(self) -> u32 {
        match self {
            // 2: a calculation in the answer's place, as in `#### 3 * 12 = 36`, is read as its result and not as its
            // first number. A minus sign apart from its number counts only if it opens the answer's place; otherwise
            // it is a dash.
            // 3: one grammar of numbers, each read as a whole or not at all. The last final marker is read in any
            // order of rules, with its correction, and only in its first clause. Bold headings are not read. Reasoning
            // blocks and new questions after the answer are not read. A text that was cut off at the limit, by a
            // filter, or for an unknown reason is read only at a final marker.
            Self::HashMarks | Self::AnswerIs | Self::Boxed | Self::Bold | Self::Gsm8kFlexible => 3,
            // 2: a letter by itself in any markup, on the last line, or as its conclusion; the option's own text on
            // the last line; no answer for several letters or a list of the options. The same parts of a text are left
            // out. The other rules: reasoning blocks are not read, and a cut text is read only at a final marker.
            Self::Letter | Self::LetterInParentheses | Self::OptionText | Self::NoneStated | Self::Gsm8kStrict => 2,
            _ => 1,
        }
    }

    /// True if the rule reads a text instead of scores.
    #[must_use]
    pub fn reads_texts(self) -> bool {
        !matches!(self, Self::OptionLikelihood | Self::OptionLikelihoodNormalised)
    }

    /// True if the rule reads answers to this kind of question.
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

/// Lists the names and versions of rules, in order.
#[must_use]
pub fn describe(rules: &[Extraction]) -> String {
    rules.iter().map(|rule| format!("{} v{}", rule.name(), rule.version())).collect::<Vec<_>>().join(", ")
}
