//! What a kind of question asks for: how an answer is read from a model's text and compared with the target.

pub mod calculations;
pub mod choice;
pub mod confidence;
pub mod extraction;
pub mod math;
pub mod prompt;
pub mod strategy;
pub mod template;

use std::ops::Range;

use num_rational::BigRational;
use serde::{Deserialize, Serialize};

use self::extraction::Extraction;
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

/// How answers are read and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grader {
    /// The kind of question.
    pub task: Task,
    /// The rules that read a text, in their order.
    pub rules: Vec<Extraction>,
}

impl Grader {
    /// The usual rules for a kind of question.
    #[must_use]
    pub fn usual(task: Task) -> Self {
        Self { task, rules: Extraction::usual(task).to_vec() }
    }

    /// Reads the answer to `item` from `response` and compares it with the target. `text` is the part of the
    /// response's text that holds the answer.
    #[must_use]
    pub fn grade(&self, item: &Item, response: &Response, text: &str) -> Graded {
        match choice::likeliest(&response.option_logprobs) {
            Some(index) => graded(item, Some(Answer::Option(index))),
            None => graded(item, self.read(item, text).map(|(answer, _)| answer)),
        }
    }

    /// An answer that was given to another item, as an answer to this one.
    #[must_use]
    pub fn reuse(&self, item: &Item, answer: &str) -> Graded {
        let answer = match item.target {
            Target::Number(_) => math::parse(answer).map(Answer::Number),
            Target::Choice(_) => item.options.iter().position(|option| option == answer).map(Answer::Option),
        };
        graded(item, answer)
    }

    /// The option that a text answers with; none for a number.
    #[must_use]
    pub fn choice(&self, item: &Item, text: &str) -> Option<usize> {
        match self.read(item, text)?.0 {
            Answer::Option(index) => Some(index),
            Answer::Number(_) => None,
        }
    }

    /// The bytes of `text` in which the answer stands.
    #[must_use]
    pub fn place(&self, item: &Item, text: &str) -> Option<Range<usize>> {
        self.read(item, text).map(|(_, place)| place)
    }

    fn read(&self, item: &Item, text: &str) -> Option<(Answer, Range<usize>)> {
        match item.target {
            Target::Number(_) => {
                let (number, place) = math::extract(text, &self.rules)?;
                Some((Answer::Number(number), place))
            }
            Target::Choice(_) => {
                let (index, place) = choice::extract(text, &item.options, &self.rules)?;
                Some((Answer::Option(index), place))
            }
        }
    }
}

/// An answer as read.
enum Answer {
    Number(BigRational),
    Option(usize),
}

fn graded(item: &Item, answer: Option<Answer>) -> Graded {
    let correct = match (&answer, &item.target) {
        (Some(Answer::Number(number)), Target::Number(target)) => Some(number) == math::parse(target).as_ref(),
        (Some(Answer::Option(index)), Target::Choice(target)) => index == target,
        _ => false,
    };
    let score = match answer {
        None => Score::NoAnswer,
        Some(_) if correct => Score::Correct,
        Some(_) => Score::Incorrect,
    };
    let answer = answer.map(|answer| match answer {
        Answer::Number(number) => number.to_string(),
        Answer::Option(index) => choice::letter(index).to_string(),
    });
    Graded { answer, score }
}
