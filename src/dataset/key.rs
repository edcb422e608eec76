//! The right option of a question. Every field that names it is read, and all must agree.

use super::fault::Fault;
use super::options::{Form, Options};
use super::row::Row;
use crate::task::choice;

/// Fields that name the right option.
pub(super) const ANSWERS: [&str; 5] = ["answer", "answer_index", "answer_idx", "answerKey", "target"];
/// Fields that name the right option if none of [`ANSWERS`] exists.
const FALLBACK_ANSWERS: [&str; 7] =
    ["correct_answer", "correct_option", "correct_index", "correct_answer_index", "cop", "label", "gold"];

/// Returns true for a field that contains an index of options, whatever the names of their columns.
fn is_index(field: &str) -> bool {
    ["answer_index", "answer_idx", "correct_index", "correct_answer_index", "cop", "label"].contains(&field)
}

/// Returns the index of the right option.
pub(super) fn target(row: &Row, options: &Options) -> Result<usize, Fault> {
    let fields: Vec<&str> = ANSWERS.into_iter().filter(|field| row.has(field)).collect();
    let fields = if fields.is_empty() {
        FALLBACK_ANSWERS.into_iter().find(|field| row.has(field)).into_iter().collect()
    } else {
        fields
    };
    let mut found: Option<(&str, usize)> = None;
    for field in fields {
        let index = of_field(row, field, options)?;
        match found {
            Some((first, other)) if other != index => {
                let what = format!(
                    "names option {}, and `{first}` names option {}: correct one of the two",
                    choice::letter(index),
                    choice::letter(other)
                );
                return Err(row.fault(field, what));
            }
            _ => found = found.or(Some((field, index))),
        }
    }
    let what =
        if row.fields.spelling("answer").is_some_and(|name| row.fields.get(name).is_ok_and(|value| value.is_some())) {
            "is empty"
        } else {
            "is missing"
        };
    found.map(|(_, index)| index).ok_or_else(|| row.fault("answer", what))
}

/// Returns the index of the option that a field names.
///
/// # Errors
/// The values that the field may have.
pub(super) fn of_field(row: &Row, field: &str, options: &Options) -> Result<usize, Fault> {
    let answer = row.name(field)?.unwrap_or_default();
    let answer = answer.trim();
    let read = read(answer, options, is_index(field));
    if let Some(number) = read.number.filter(|_| options.base == 0) {
        row.noticed.borrow_mut().key(row.location, number, options.texts.len());
    }
    read.index.map_err(|error| row.fault(field, error.to_string()))
}

/// The reason why a key names none of the options.
#[derive(Debug, thiserror::Error)]
enum NoOption {
    #[error("must be {expected}, not `{answer}`")]
    Key { answer: String, expected: String },
    #[error("`{answer}` is the label of no option; it must be {expected}")]
    Label { answer: String, expected: String },
}

/// Interpretation of a key.
struct Read {
    index: Result<usize, NoOption>,
    /// The key as a number, if it is one that counts options.
    number: Option<usize>,
}

fn read(answer: &str, options: &Options, is_index: bool) -> Read {
    let Options { texts, labels, base, .. } = options;
    let form = if is_index { Form::Either } else { options.form };
    let by_label = |label: &String| label == answer || label.len() == 1 && label.eq_ignore_ascii_case(answer);
    if let Some(index) = labels.iter().position(by_label) {
        return Read { index: Ok(index), number: None };
    }
    let mut number = None;
    let index = letter(answer).filter(|_| form != Form::Number);
    let index = index.or_else(|| {
        number = whole(answer).filter(|_| form != Form::Letter && labels.is_empty());
        number.and_then(|number| number.checked_sub(*base))
    });
    let index = index.filter(|index| *index < texts.len()).or_else(|| by_text(answer, texts, labels.is_empty()));
    let last = texts.len().saturating_sub(1);
    let index = index.ok_or_else(|| {
        let letters = format!("a letter from A to {}", choice::letter(last));
        let numbers = format!("a number from {base} to {}", base + last);
        let expected = match form {
            _ if !labels.is_empty() => format!("the label of an option ({})", labels.join(", ")),
            Form::Letter => letters,
            Form::Number => numbers,
            Form::Either => format!("{letters} or {numbers}"),
        };
        let answer = answer.to_owned();
        if labels.is_empty() { NoOption::Key { answer, expected } } else { NoOption::Label { answer, expected } }
    });
    Read { index, number }
}

/// Returns the option of a letter, with or without punctuation: `B`, `b`, `(B)`, `B.`.
fn letter(answer: &str) -> Option<usize> {
    let bare = answer.trim_matches(|c: char| matches!(c, '(' | ')' | '[' | ']' | '.' | ':') || c.is_whitespace());
    let mut chars = bare.chars();
    let letter = chars.next().filter(|_| chars.next().is_none())?;
    choice::index(letter.to_ascii_uppercase())
}

/// Parses a whole number, which may be written as a float.
fn whole(answer: &str) -> Option<usize> {
    let digits = answer.split_once('.').map_or(answer, |(whole, part)| {
        if !part.is_empty() && part.bytes().all(|byte| byte == b'0') { whole } else { answer }
    });
    digits.parse().ok()
}

/// Returns the only option whose text equals the answer. `None` if the answer is a number or a letter that could be
/// a wrong key.
fn by_text(answer: &str, texts: &[String], could_be_key: bool) -> Option<usize> {
    if could_be_key && (answer.chars().count() < 2 || answer.parse::<f64>().is_ok()) {
        return None;
    }
    let mut found = texts.iter().enumerate().filter(|(_, text)| text.trim() == answer);
    let (index, _) = found.next()?;
    found.next().is_none().then_some(index)
}

/// Returns the option that a file gives as a correction of its own key, if the file calls the key wrong and the
/// correction can be read.
pub(super) fn corrected(row: &Row, options: &Options, error: &str) -> Option<usize> {
    if error != "wrong_groundtruth" || !row.has("correct_answer") {
        return None;
    }
    let answer = row.name("correct_answer").ok()??;
    read(answer.trim(), options, true).index.ok()
}
