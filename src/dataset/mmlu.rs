//! Questions with options in the shapes in which they are published, told apart by their fields:
//!
//! - MMLU: CSV without a header, `question,A,B,C,D,answer letter` (github.com/hendrycks/test); with a header `question,
//!   choice0,choice1,choice2,choice3,answer` and the answer from 0 to 3; or `question`, a list `choices` and `answer`;
//! - MMLU-Pro: `question`, a list `options` of up to ten, `answer` as a letter;
//! - ARC: `question`, `choices` with `text` and `label`, `answerKey`; or AI2's own `question` with `stem` and `choices`;
//! - NASA-History-MCQ: `question`, `correct_answer`, `incorrect_answer_1` and so on, put into an order by seed.

use rand::seq::SliceRandom;

use super::row::{Fault, Row};
use super::rows::{FirstLine, Value};
use crate::task::choice;
use crate::types::item::{Item, Target};
use crate::types::seed::Seed;

/// The columns of a file with a header, in the order in which this program writes them.
pub const COLUMNS: [&str; 6] = ["question", "choice0", "choice1", "choice2", "choice3", "answer"];
/// The columns that may follow.
pub const OPTIONAL_COLUMNS: [&str; 3] = ["id", "group", "explanation"];
/// The columns of a file without a header.
const BARE: [&str; 6] = ["question", "A", "B", "C", "D", "answer"];

/// What the first line of a CSV may be.
pub(super) const FIRST_LINE: FirstLine = FirstLine { bare: Some(&BARE), fault: lacking };

/// The columns that a header lacks; other shapes' rows are judged one by one.
fn lacking(header: &[String]) -> Option<String> {
    let has = |name: &str| header.iter().any(|column| column == name);
    if ["choices", "options", "correct_answer", "A"].iter().any(|name| has(name)) {
        return None;
    }
    let name = COLUMNS.iter().find(|name| !has(name))?;
    Some(format!("field `{name}`: is missing from the header; it must hold {}", COLUMNS.join(",")))
}

/// How an answer is written.
#[derive(Clone, Copy)]
enum Answer {
    Letter,
    Number,
    Either,
}

/// The item that a row holds; the order of options that come without one is drawn from `seed`.
///
/// # Errors
/// What is wrong with the row.
pub(super) fn item(row: &Row, seed: Seed) -> Result<Item, Fault> {
    let id = match row.name("id")? {
        Some(id) => Some(id),
        None => row.name("question_id")?,
    };
    let id = id.unwrap_or_else(|| row.default_id());
    let (query, options, target) = if row.has("correct_answer") {
        let (options, target) = drawn(row, seed, &id)?;
        (row.text("question")?, options, target)
    } else if row.has("answerKey") {
        labelled(row)?
    } else {
        let query = row.text("question")?;
        let (options, form) =
            if let Some((field, list)) = ["choices", "options"].iter().find_map(|field| listed(row, field)) {
                (texts(row, field, list.iter())?, Answer::Either)
            } else {
                let (columns, form) = if row.has("A") { (&BARE, Answer::Letter) } else { (&COLUMNS, Answer::Number) };
                let texts = columns[1..=4].iter().map(|column| Ok(row.text(column)?.trim().to_owned()));
                (texts.collect::<Result<_, Fault>>()?, form)
            };
        let target = target(row, options.len(), form)?;
        (query, options, target)
    };
    if options.len() < 2 {
        return Err(row.fault("question", "has fewer than two options"));
    }
    let mut solution = None;
    for field in ["explanation", "solution", "cot_content"] {
        solution = solution.or(row.name(field)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()));
    }
    Ok(Item {
        group: row.group(&[], &id)?,
        subject: row.subject(&["subject", "category"])?,
        id: id.into(),
        query: query.trim().to_owned(),
        options,
        target: Target::Choice(target),
        solution,
    })
}

fn listed<'a, 'b, 'f>(row: &Row<'a, 'b>, field: &'f str) -> Option<(&'f str, &'a [Value<'b>])> {
    match row.fields.get(field)? {
        Value::Array(list) => Some((field, list)),
        _ => None,
    }
}

/// The texts of a list of options.
fn texts<'a>(row: &Row, field: &str, list: impl Iterator<Item = &'a Value<'a>>) -> Result<Vec<String>, Fault> {
    let text = |(place, value): (usize, &Value)| match value {
        Value::Str(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Value::Number(_) => Ok(value.to_string()),
        other => Err(row.fault(field, format!("option {} must be a text, not {other}", choice::letter(place)))),
    };
    list.enumerate().map(text).collect()
}

/// Which option is right, by `answer`, or by `answer_index` where that is all there is.
fn target(row: &Row, options: usize, form: Answer) -> Result<usize, Fault> {
    let field = if row.has("answer") { "answer" } else { "answer_index" };
    let Some(answer) = row.name(if row.has(field) { field } else { "answer" })? else {
        return Err(row.fault("answer", if row.has("answer") { "is empty" } else { "is missing" }));
    };
    let answer = answer.trim();
    let last = options.saturating_sub(1);
    let (letters, numbers) =
        (format!("a letter from A to {}", choice::letter(last)), format!("a number from 0 to {last}"));
    let letter = || answer.parse().ok().and_then(choice::index);
    let number = || answer.parse().ok();
    let (index, wanted) = match form {
        Answer::Letter => (letter(), letters),
        Answer::Number => (number(), numbers),
        Answer::Either => (letter().or_else(number), format!("{letters} or {numbers}")),
    };
    index
        .filter(|index| *index < options)
        .ok_or_else(|| row.fault("answer", format!("must be {wanted}, not `{answer}`")))
}

/// A question whose options have labels, and the label of the right one.
fn labelled<'a>(row: &Row<'a, '_>) -> Result<(&'a str, Vec<String>, usize), Fault> {
    let key = row.name("answerKey")?.unwrap_or_default();
    let wrong = |what: &str| row.fault("choices", what);
    let (query, texts_and_labels) = if let Some(Value::Object(question)) = row.fields.get("question") {
        let stem =
            question.get("stem").and_then(Value::as_str).ok_or_else(|| row.fault("question", "has no `stem`"))?;
        let choices = question.get("choices").and_then(Value::as_array).ok_or_else(|| wrong("is no list"))?;
        let pair = |choice: &'a Value| Some((choice.as_object()?.get("text")?, choice.as_object()?.get("label")?));
        (stem, choices.iter().map(pair).collect::<Option<Vec<_>>>())
    } else {
        let choices = row.fields.get("choices").and_then(Value::as_object);
        let list = |name| choices.and_then(|choices| choices.get(name)).and_then(Value::as_array);
        let pairs = list("text").zip(list("label")).filter(|(texts, labels)| texts.len() == labels.len());
        (row.text("question")?, pairs.map(|(texts, labels)| texts.iter().zip(labels).collect()))
    };
    let pairs = texts_and_labels.ok_or_else(|| wrong("must hold `text` and `label` of every option"))?;
    let target = pairs.iter().position(|(_, label)| label.as_str() == Some(&key));
    let target = target.ok_or_else(|| row.fault("answerKey", format!("`{key}` is the label of no option")))?;
    Ok((query, texts(row, "choices", pairs.into_iter().map(|(text, _)| text))?, target))
}

/// One right and some wrong answers, in an order drawn by the item's id.
fn drawn(row: &Row, seed: Seed, id: &str) -> Result<(Vec<String>, usize), Fault> {
    let right = row.text("correct_answer")?.trim();
    let mut options = vec![right.to_owned()];
    for field in (1..).map(|number| format!("incorrect_answer_{number}")).take_while(|field| row.has(field)) {
        options.push(row.text(&field)?.trim().to_owned());
    }
    if options[1..].iter().any(|wrong| wrong == right) {
        return Err(row.fault("correct_answer", "stands among the incorrect ones too"));
    }
    options.shuffle(&mut seed.stream(&["options", id]));
    let target = options.iter().position(|option| option == right).unwrap_or_default();
    Ok((options, target))
}
