//! Word problems in their published shapes, recognised by their fields:
//!
//! - GSM8K, GSM-Symbolic and our own: `question`, and `answer`, a worked solution that ends in `#### N`
//!   (github.com/openai/grade-school-math);
//! - GSM-Plus: `question`, `solution`, `answer`, which may be `None`; `seed_question` makes the group;
//! - MATH: `problem`, `solution`, `answer` in `LaTeX`;
//! - `MetaMathQA`: `query`, and `response`, which ends in `The answer is: N`; its backward questions: `question`, `answer`
//!   and `original_question`, which makes the group.

use serde::Serialize;

use super::fault::Fault;
use super::options;
use super::row::Row;
use crate::tables::Value;
use crate::task::math;
use crate::types::item::{Item, Target};

/// A row of a generated file.
#[derive(Debug, Serialize)]
pub struct Written<'a> {
    /// Unique name of the row.
    pub id: &'a str,
    /// Variants of one problem share a group.
    pub group: &'a str,
    /// The problem.
    pub question: &'a str,
    /// The worked solution, ending in `#### N`.
    pub answer: &'a str,
}

/// Text that `MetaMathQA` writes before the answer.
const ANSWER: &str = "The answer is:";

/// Returns the item in a row.
///
/// # Errors
/// The fault of the row.
pub(super) fn item(row: &Row) -> Result<Item, Fault> {
    let (query, solution, target) = if row.has("query") && row.has("response") {
        let response = row.text("response")?;
        let (_, answer) =
            response.rsplit_once(ANSWER).ok_or_else(|| row.fault("response", format!("must end in `{ANSWER} N`")))?;
        (row.text("query")?, Some(response), stated(answer))
    } else if row.has("problem") {
        let solution = row.has("solution").then(|| row.text("solution")).transpose()?;
        (row.text("problem")?, solution, stated(row.text("answer")?))
    } else if row.has("solution") {
        let answer = row.text("answer")?.trim();
        let target = if answer.eq_ignore_ascii_case("none") {
            Target::Unanswerable
        } else {
            number(answer)
                .ok_or_else(|| row.fault("answer", "must be a number, or None if the problem has no answer"))?
        };
        (row.text("question")?, Some(row.text("solution")?), target)
    } else {
        let answer = row.text("answer")?;
        let bare = row.has("original_question").then(|| number(answer.trim())).flatten();
        match (bare, answer.rsplit_once("####")) {
            (Some(target), _) => (row.text("question")?, None, target),
            (None, marked) => {
                let Some((_, marked)) = marked else {
                    return Err(row.fault("answer", "must end in `#### N` with a number N"));
                };
                let wrong = || format!("must end in `#### N` with one number N, not `{}`", marked.trim());
                let target = number(marked.trim()).ok_or_else(|| row.fault("answer", wrong()))?;
                (row.text("question")?, Some(answer), target)
            }
        }
    };
    // The 50 instances of a template of GSM-Symbolic share its id.
    let id = match (row.name("id")?, row.name("instance")?) {
        (Some(id), Some(instance)) => Some(format!("{id}-{instance}")),
        (Some(id), None) => Some(id),
        (None, _) => row.name("unique_id")?,
    };
    let id = id.unwrap_or_else(|| row.default_id());
    let made_from =
        if row.has("instance") { &["original_id", "id"][..] } else { &["seed_question", "original_question"] };
    Ok(Item {
        group: row.group(made_from, &id)?,
        subject: row.subject(&["subject", "perturbation_type", "type"])?,
        id: id.into(),
        query: query.trim().to_owned(),
        options: Vec::new(),
        target,
        solution: solution.map(str::to_owned),
    })
}

/// Returns a numeric target. `None` if the whole text is not one number, as in `3, 4`.
fn number(text: &str) -> Option<Target> {
    math::gold(text).map(|_| Target::Number(text.to_owned()))
}

/// Returns a target that may be any expression. `3,4` is a list here, not a number.
fn stated(text: &str) -> Target {
    let text = text.trim();
    match math::whole(text) {
        Some(_) => Target::Number(text.to_owned()),
        None => Target::Expression(text.to_owned()),
    }
}

/// Returns true if a row looks like a word problem rather than a question with options.
pub(super) fn is_problem(row: &Row) -> bool {
    let choices = ["choices", "options", "endings", "correct_answer", "answerKey"];
    !choices.iter().any(|field| row.has(field))
        && options::families(row).is_empty()
        && !matches!(row.fields.get("question"), Ok(Some(Value::Object(_))))
}
