//! Questions with options in their published shapes, recognised by their fields:
//!
//! - MMLU: CSV without a header, `question,A,B,C,D,answer letter` (github.com/hendrycks/test); with a header and a column
//!   for each option (`A…`, `choice0…`, `option_a…`, `opa…`) and the answer as letter or number; or `question`, a list
//!   `choices` and `answer`; MMLU-Redux adds `error_type` and `correct_answer`;
//! - MMLU-Pro: `question`, a list `options` of up to ten, `answer` as a letter, `answer_index`;
//! - ARC: `question`, `choices` with `text` and `label`, `answerKey`; or AI2's own `question` with `stem` and `choices`;
//! - NASA-History-MCQ: `question`, `correct_answer`, `incorrect_answer_1` and so on, put into an order by seed.

use rand::seq::SliceRandom;

use super::fault::Fault;
use super::key::{self, ANSWERS};
use super::options::{self, Form, LISTS, MOST, Options};
use super::row::Row;
use crate::tables::fields::same_name;
use crate::tables::{FirstLine, Value};
use crate::types::item::{Item, Target};
use crate::types::seed::Seed;

/// The columns of a file with a header, in the order in which this program writes them.
pub const COLUMNS: [&str; 6] = ["question", "choice0", "choice1", "choice2", "choice3", "answer"];
/// The optional columns that may follow.
pub const OPTIONAL_COLUMNS: [&str; 3] = ["id", "group", "explanation"];
/// The columns of a file without a header.
const BARE: [&str; 6] = ["question", "A", "B", "C", "D", "answer"];
/// Fields that hold the question, the default first.
const QUESTIONS: [&str; 4] = ["question", "question_stem", "query", "input"];

/// Rules for the first line of a CSV.
pub(super) const FIRST_LINE: FirstLine =
    FirstLine { bare: Some(&BARE), lead: &QUESTIONS, known: is_known, fault: lacking };

/// Returns true for a column of an option or of the answer.
fn is_known(column: &str) -> bool {
    options::is_option(column) || ANSWERS.iter().chain(&["correct_answer"]).any(|name| same_name(name, column))
}

/// Returns the fault of a header without required columns. Rows of other shapes are checked one by one.
fn lacking(header: &[String]) -> Option<String> {
    let has = |name: &str| header.iter().any(|column| same_name(column, name));
    let missing =
        |name: &str| Some(format!("field `{name}`: is missing from the header; it must hold {}", COLUMNS.join(",")));
    match options::of_header(header) {
        (Some(gap), _) => missing(&gap),
        (None, true) => None,
        (None, false) if LISTS.iter().chain(&["correct_answer"]).any(|name| has(name)) => None,
        (None, false) => missing(COLUMNS.iter().find(|name| !has(name)).unwrap_or(&"choice0")),
    }
}

/// Returns the item in a row. The order of options that have no order is drawn from `seed`.
///
/// # Errors
/// The fault of the row.
pub(super) fn item(row: &Row, seed: Seed) -> Result<Item, Fault> {
    let id = match row.name("id")? {
        Some(id) => Some(id),
        None => row.name("question_id")?,
    };
    let id = id.unwrap_or_else(|| row.default_id());
    let (query, texts, target) = question(row, seed, &id)?;
    if texts.len() < 2 {
        return Err(row.fault("question", "has fewer than two options"));
    }
    if texts.len() > MOST {
        let what =
            format!("has {} options, but an answer is a letter: at most {MOST} options are possible", texts.len());
        return Err(row.fault("question", what));
    }
    row.noticed.borrow_mut().options(row.location, &texts, target);
    let mut solution = None;
    for field in ["explanation", "solution", "cot_content"] {
        solution = solution.or(row.name(field)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()));
    }
    Ok(Item {
        group: row.group(&[], &id)?,
        subject: row.subject(&["subject", "category"])?,
        id: id.into(),
        query: query.trim().to_owned(),
        options: texts,
        target: Target::Choice(target),
        solution,
    })
}

/// Returns a question, its options and the index of the right one.
fn question<'a>(row: &Row<'a, '_>, seed: Seed, id: &str) -> Result<(&'a str, Vec<String>, usize), Fault> {
    if let Some(Value::Object(_)) = row.get("question")? {
        return nested(row);
    }
    let field = QUESTIONS.into_iter().find(|field| row.has(field)).unwrap_or(QUESTIONS[0]);
    let Some(options) = options::of_row(row)? else {
        if !row.has("correct_answer") {
            return Err(row.fault("choice0", "is missing"));
        }
        let (options, target) = drawn(row, seed, id)?;
        return Ok((row.text(field)?, options, target));
    };
    if options.texts.len() < 2 || options.texts.len() > MOST {
        return Ok((row.text(field)?, options.texts, 0));
    }
    let target = keyed(row, &options)?;
    Ok((row.text(field)?, options.texts, target))
}

/// Returns the index of the right option, using the file's own correction of a key that it marks as wrong.
fn keyed(row: &Row, options: &Options) -> Result<usize, Fault> {
    let target = key::target(row, options)?;
    let error = row.name("error_type")?.filter(|error| !matches!(error.trim(), "" | "ok"));
    let Some(error) = error else { return Ok(target) };
    let corrected = key::corrected(row, options, error.trim());
    row.noticed.borrow_mut().error(error.trim(), corrected.is_some());
    Ok(corrected.unwrap_or(target))
}

/// Reads a question that is an object with its options inside.
fn nested<'a>(row: &Row<'a, '_>) -> Result<(&'a str, Vec<String>, usize), Fault> {
    let inside = row.get("question")?.and_then(Value::as_object);
    let field = |name| inside.and_then(|question| question.get(name));
    let stem = field("stem").and_then(Value::as_str).ok_or_else(|| row.fault("question", "has no `stem`"))?;
    let choices = field("choices").and_then(Value::as_array).ok_or_else(|| row.fault("choices", "is not a list"))?;
    let part = |name| choices.iter().map(|choice| choice.as_object()?.get(name)).collect::<Option<Vec<_>>>();
    let (texts, labels) = part("text")
        .zip(part("label"))
        .ok_or_else(|| row.fault("choices", "must hold `text` and `label` of every option"))?;
    let texts = options::texts(row, "choices", texts.into_iter())?;
    let labels = labels.into_iter().map(|label| label.as_str().unwrap_or_default().to_owned()).collect();
    let options = Options { texts, labels, form: Form::Either, base: 0 };
    let target = key::target(row, &options)?;
    Ok((stem, options.texts, target))
}

/// Returns one right and some wrong answers in an order drawn from the item's id, and the index of the right one.
fn drawn(row: &Row, seed: Seed, id: &str) -> Result<(Vec<String>, usize), Fault> {
    let right = row.text("correct_answer")?.trim();
    let mut options = vec![right.to_owned()];
    options.extend(options::wrong(row)?);
    if options[1..].iter().any(|wrong| wrong == right) {
        return Err(row.fault("correct_answer", "is also among the incorrect answers"));
    }
    options.shuffle(&mut seed.stream(&["options", id]));
    let target = options.iter().position(|option| option == right).unwrap_or_default();
    Ok((options, target))
}
