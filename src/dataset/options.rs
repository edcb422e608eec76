//! The options of a question: in separate columns (`A…`, `choice0…`, `option_a…`, `opa…`, `ending0…`), or in one
//! field as a list, a list of texts with labels, or an object by labels. No option is dropped silently.

use super::fault::Fault;
use super::row::{Row, number_text};
use crate::tables::Value;
use crate::tables::fields::{same_name, significant};
use crate::task::choice;

/// Largest number of options: the number of letters.
pub(super) use crate::task::choice::MOST_OPTIONS as MOST;

/// Fields that hold all options of a question.
pub(super) const LISTS: [&str; 3] = ["choices", "options", "endings"];
/// Prefixes of an option's column before its number or letter, the longer ones first; empty for a single letter.
const PREFIXES: [&str; 10] =
    ["alternative", "candidate", "answer", "choice", "option", "ending", "opt", "sol", "op", ""];
/// Prefixes of a wrong option's column before its number.
const WRONG: [&str; 5] = ["incorrectanswer", "wronganswer", "distractor", "incorrect", "wrong"];
/// Names of columns that only look like an option's column.
const OTHER: [&str; 8] = ["answers", "choices", "options", "endings", "candidates", "alternatives", "ops", "opt"];

/// The options of a question, in the row's order.
pub(super) struct Options {
    /// Texts of the options.
    pub(super) texts: Vec<String>,
    /// Labels by which a key may name the options besides letter and number; as many as texts, or none.
    pub(super) labels: Vec<String>,
    /// Accepted form of a key.
    pub(super) form: Form,
    /// Number of the first option.
    pub(super) base: usize,
}

/// Form of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A letter.
    Letter,
    /// A number.
    Number,
    /// A letter or a number.
    Either,
}

/// Columns with the same prefix that belong together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family<'a> {
    prefix: &'static str,
    lettered: bool,
    /// Numbers and names of the columns, in order of the numbers.
    members: Vec<(usize, &'a str)>,
}

impl Family<'_> {
    /// Returns the number of the first column.
    fn base(&self) -> usize {
        usize::from(self.members.first().is_some_and(|(number, _)| *number == 1))
    }

    /// Returns true if the first two columns exist, without which the columns do not count as options.
    fn is_whole(&self) -> bool {
        matches!(self.members[..], [(first, _), (second, _), ..] if first <= 1 && second == first + 1 && !(self.lettered && first == 1))
    }

    /// Returns true if the columns are options although the first ones are missing: if several are consecutive, or
    /// if no other column would have this name.
    fn is_incomplete(&self) -> bool {
        let unmistakable = ["alternative", "candidate", "choice", "option", "ending"].contains(&self.prefix);
        !self.is_whole() && (unmistakable || self.members.windows(2).any(|pair| pair[1].0 == pair[0].0 + 1))
    }

    /// Returns the name of the column with this number.
    fn name(&self, number: usize) -> String {
        match (self.lettered, self.prefix) {
            (true, "") => choice::letter(number).to_string(),
            (true, prefix) => format!("{prefix}{}", choice::letter(number).to_ascii_lowercase()),
            (false, prefix) => format!("{prefix}{number}"),
        }
    }

    /// Returns the first number that is missing before a later one.
    fn gap(&self) -> Option<usize> {
        let base = self.base();
        self.members
            .iter()
            .enumerate()
            .find(|(index, (number, _))| *number != base + index)
            .map(|(index, _)| base + index)
    }
}

/// Returns the prefix of an option's column, true if it ends in a letter, and its number; `None` if the column is
/// not an option.
fn column(name: &str, prefixes: &[&'static str]) -> Option<(&'static str, bool, usize)> {
    if name.len() > 24 {
        return None;
    }
    let plain: String = significant(name).collect();
    if OTHER.contains(&plain.as_str()) {
        return None;
    }
    prefixes.iter().find_map(|prefix| {
        let sign = plain.strip_prefix(prefix)?;
        match sign.as_bytes() {
            [letter] if letter.is_ascii_lowercase() => Some((*prefix, true, usize::from(letter - b'a'))),
            [_] | [_, _] if !prefix.is_empty() => Some((*prefix, false, sign.parse().ok()?)),
            _ => None,
        }
    })
}

fn group_columns<'a>(names: impl Iterator<Item = &'a str>, prefixes: &[&'static str]) -> Vec<Family<'a>> {
    let mut families: Vec<Family> = Vec::new();
    for name in names {
        let Some((prefix, lettered, number)) = column(name, prefixes) else { continue };
        let index = families.iter().position(|family| family.prefix == prefix && family.lettered == lettered);
        match index {
            Some(index) => families[index].members.push((number, name)),
            None => families.push(Family { prefix, lettered, members: vec![(number, name)] }),
        }
    }
    for family in &mut families {
        family.members.sort_unstable();
    }
    families
}

/// Returns the families of option columns among these names.
fn of_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Family<'a>> {
    let mut families = group_columns(names, &PREFIXES);
    families.retain(Family::is_whole);
    families
}

/// Returns the families of columns in which a row has options.
pub(super) fn families<'a>(row: &Row<'a, '_>) -> Vec<Family<'a>> {
    let mut families = of_names(row.fields.names());
    families.retain(|family| family.members.iter().any(|(_, name)| row.has(name)));
    families
}

/// Returns a non-empty column that looks like an option although the first options are missing, and the name of the
/// missing first column.
fn incomplete<'a>(row: &Row<'a, '_>) -> Option<(String, &'a str)> {
    let families = group_columns(row.fields.names(), &PREFIXES);
    families.iter().filter(|family| family.is_incomplete()).find_map(|family| {
        let (_, name) = family.members.iter().find(|(_, name)| row.has(name))?;
        Some((family.name(0), *name))
    })
}

/// Returns two non-empty columns of the same option.
fn duplicate_columns<'a>(row: &Row<'a, '_>) -> Option<(&'a str, &'a str)> {
    group_columns(row.fields.names(), &PREFIXES).iter().find_map(|family| {
        let same_number =
            |pair: &&[(usize, &'a str)]| pair[0].0 == pair[1].0 && pair.iter().all(|(_, name)| row.has(name));
        family.members.windows(2).find(same_number).map(|pair| (pair[0].1, pair[1].1))
    })
}

/// Returns true if a column's name is that of an option.
pub(super) fn is_option(name: &str) -> bool {
    column(name, &PREFIXES).is_some()
        || column(name, &WRONG).is_some()
        || LISTS.iter().any(|list| same_name(list, name))
}

/// Returns the column that is missing between the option columns of a header, and true if the header has any option
/// columns.
pub(super) fn of_header(header: &[String]) -> (Option<String>, bool) {
    let families = of_names(header.iter().map(String::as_str));
    let gap = families.iter().find_map(|family| Some(family.name(family.gap()?)));
    let wrong = group_columns(header.iter().map(String::as_str), &WRONG);
    (gap, !families.is_empty() || !wrong.is_empty())
}

/// Returns the options of a row; `None` if the row has a right and some wrong answers, or no options.
pub(super) fn of_row(row: &Row) -> Result<Option<Options>, Fault> {
    if let Some((first, second)) = duplicate_columns(row) {
        return Err(row.fault(second, format!("is given twice, as `{first}` and as `{second}`: rename one of the two")));
    }
    let lists: Vec<&str> = LISTS.into_iter().filter(|field| row.has(field)).collect();
    let families = families(row);
    let wrong = wrong_columns(row);
    let second = match (lists.as_slice(), families.as_slice()) {
        ([_, second, ..], _) => Some((*second, lists[0])),
        ([list], [family, ..]) => Some((family.members[0].1, *list)),
        (_, [family, second, ..]) => Some((second.members[0].1, family.members[0].1)),
        _ => wrong
            .first()
            .zip(lists.first().copied().or(families.first().map(|family| family.members[0].1)))
            .map(|(wrong, first)| (wrong.1, first)),
    };
    if let Some((second, first)) = second {
        return Err(
            row.fault(second, format!("looks like an option, but options are also in `{first}`: rename or remove one"))
        );
    }
    if let Some((first, name)) = incomplete(row) {
        let what = match lists.first().copied().or(families.first().map(|family| family.members[0].1)) {
            Some(used) => format!("looks like an option, but options are in `{used}`: rename or remove one"),
            None => format!("looks like an option, but `{first}` is missing before it"),
        };
        return Err(row.fault(name, what));
    }
    match (lists.first(), families.first()) {
        (Some(list), _) => of_field(row, list).map(Some),
        (None, Some(family)) => of_columns(row, family).map(Some),
        (None, None) => Ok(None),
    }
}

/// Returns the non-empty columns of wrong options, in order.
fn wrong_columns<'a>(row: &Row<'a, '_>) -> Vec<(usize, &'a str)> {
    let families = group_columns(row.fields.names(), &WRONG);
    let members = families.into_iter().filter(|family| !family.lettered).flat_map(|family| family.members);
    members.filter(|(_, name)| row.has(name)).collect()
}

/// Returns the texts of the wrong options of a row with one right answer.
pub(super) fn wrong(row: &Row) -> Result<Vec<String>, Fault> {
    for list in ["incorrect_answers", "distractors"] {
        if let Some(Value::Array(values)) = row.get(list)? {
            return texts(row, list, values.iter());
        }
    }
    let columns = wrong_columns(row);
    let first = columns.first().map_or(0, |(number, _)| *number);
    for (index, (number, name)) in columns.iter().enumerate() {
        if *number != first + index || first > 1 {
            return Err(row.fault(
                name,
                format!("looks like an option, but the option before it is missing ({index} are present)"),
            ));
        }
    }
    columns.into_iter().map(|(_, name)| Ok(row.text(name)?.trim().to_owned())).collect()
}

/// Reads options from columns. The last columns may be empty, because a table has as many columns as its longest
/// question has options.
fn of_columns(row: &Row, family: &Family) -> Result<Options, Fault> {
    if let Some(gap) = family.gap() {
        let last = family.members.last().map_or("", |(_, name)| *name);
        return Err(row.fault(&family.name(gap), format!("is missing, but `{last}` after it looks like an option")));
    }
    let count = family.members.iter().rposition(|(_, name)| row.has(name)).map_or(0, |last| last + 1);
    let members = &family.members[..count.max(2)];
    let texts = members.iter().map(|(_, name)| {
        let value = row.get(name)?;
        match value {
            Some(number @ Value::Number(_)) => Ok(number_text(number)),
            _ => Ok(row.text(name)?.trim().to_owned()),
        }
    });
    let form = if family.lettered { Form::Letter } else { Form::Number };
    Ok(Options { texts: texts.collect::<Result<_, Fault>>()?, labels: Vec::new(), form, base: family.base() })
}

/// Reads options from one field.
fn of_field(row: &Row, field: &str) -> Result<Options, Fault> {
    let wrong = |what: &str| row.fault(field, what);
    let plain = |texts, labels| Options { texts, labels, form: Form::Either, base: 0 };
    match row.get(field)? {
        Some(Value::Array(values)) if values.iter().all(|value| matches!(value, Value::Object(_))) => {
            let pair = |value: &Value| -> Option<(Value<'static>, String)> {
                let option = value.as_object()?;
                let text = option.get("text").or(option.get("content"))?.as_str()?.to_owned();
                Some((Value::from(text), label(option.get("label").or(option.get("key"))?)?))
            };
            let pairs = values.iter().map(pair).collect::<Option<Vec<_>>>();
            let pairs = pairs.ok_or_else(|| wrong("must hold `text` and `label` of every option"))?;
            let (values, labels): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            Ok(plain(texts(row, field, values.iter())?, labels))
        }
        Some(Value::Array(values)) => Ok(plain(texts(row, field, values.iter())?, Vec::new())),
        Some(Value::Object(object)) => {
            let list = |name| object.get(name).and_then(Value::as_array);
            if let (Some(values), Some(labels)) = (list("text"), list("label")) {
                let labels = labels.iter().map(label).collect::<Option<Vec<_>>>();
                let labels = labels.filter(|labels| labels.len() == values.len());
                let labels = labels.ok_or_else(|| wrong("must hold `text` and `label` of every option"))?;
                return Ok(plain(texts(row, field, values.iter())?, labels));
            }
            let mut pairs: Vec<(&str, &Value)> = object.iter().filter(|(_, value)| !value.is_null()).collect();
            if pairs.is_empty() || pairs.iter().any(|(name, _)| name.chars().count() > 2) {
                return Err(wrong("must hold `text` and `label` of every option"));
            }
            pairs.sort_by_key(|(name, _)| (name.len(), *name));
            let labels = pairs.iter().map(|(name, _)| (*name).to_owned()).collect();
            Ok(plain(texts(row, field, pairs.into_iter().map(|(_, value)| value))?, labels))
        }
        Some(Value::Str(text)) => match serde_json::from_str::<Vec<String>>(text) {
            Ok(values) => {
                let values: Vec<Value> = values.into_iter().map(Value::from).collect();
                Ok(plain(texts(row, field, values.iter())?, Vec::new()))
            }
            Err(_) => Err(wrong("must be a list of texts: in a CSV, give each option its own column (A, B, C, …)")),
        },
        other => {
            let other = other.map(ToString::to_string).unwrap_or_default();
            Err(wrong(&format!("must be a list of texts, not {other}")))
        }
    }
}

fn label(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.trim().to_owned()),
        Value::Number(_) => Some(number_text(value)),
        _ => None,
    }
}

/// Returns options as texts.
pub(super) fn texts<'v>(
    row: &Row,
    field: &str,
    list: impl Iterator<Item = &'v Value<'v>>,
) -> Result<Vec<String>, Fault> {
    let text = |(index, value): (usize, &Value)| match value {
        Value::Str(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Value::Number(_) => Ok(number_text(value)),
        other if index < MOST => {
            Err(row.fault(field, format!("option {} must be a text, not {other}", choice::letter(index))))
        }
        other => Err(row.fault(field, format!("option {} must be a text, not {other}", index + 1))),
    };
    list.enumerate().map(text).collect()
}
