//! What a kind of question asks for: how an answer is read from a model's text and compared with the target.

pub mod choice;
pub mod confidence;
pub mod math;
pub mod prompt;

use serde::{Deserialize, Serialize};

use crate::types::chat::Response;
use crate::types::item::{Item, Target};
use crate::types::record::{Graded, Score};

/// The kinds of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A word problem whose answer is one number.
    Math,
    /// A question with options, of which one is right.
    Choice,
}

impl Task {
    /// The versioned name of the rule that reads answers, for the manifest.
    #[must_use]
    pub fn extraction(self) -> &'static str {
        match self {
            Self::Math => math::EXTRACTION,
            Self::Choice => choice::EXTRACTION,
        }
    }

    /// Reads the answer to `item` from `response` and compares it with the target. `text` is the part of the
    /// response's text that holds the answer.
    #[must_use]
    pub fn grade(item: &Item, response: &Response, text: &str) -> Graded {
        let (answer, correct) = match &item.target {
            Target::Number(target) => {
                let answer = math::extract(text);
                let correct = answer.is_some() && answer == math::parse(target);
                (answer.map(|number| number.to_string()), correct)
            }
            Target::Choice(target) => {
                let answer =
                    choice::likeliest(&response.option_logprobs).or_else(|| choice::extract(text, &item.options));
                (answer.map(|index| choice::letter(index).to_string()), answer == Some(*target))
            }
        };
        let score = match (&answer, correct) {
            (None, _) => Score::NoAnswer,
            (Some(_), true) => Score::Correct,
            (Some(_), false) => Score::Incorrect,
        };
        Graded { answer, score }
    }
}
