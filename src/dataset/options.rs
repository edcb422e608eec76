//! The options of a question, wherever a row has them: in columns of their own (`A…`, `choice0…`, `option_a…`, `opa…`,
//! `ending0…`), or in one field as a list, a list of texts with labels, or an object by labels. No option is left out
//! without a word.

use super::fault::Fault;
use super::row::{Row, number_text};
use crate::tables::Value;
use crate::tables::fields::{same, significant};
use crate::task::choice;

/// As many options as there are letters.
pub(super) use crate::task::choice::MOST_OPTIONS as MOST;

/// The fields that hold all options of a question.
pub(super) const LISTS: [&str; 3] = ["choices", "options", "endings"];
/// What stands before the number or letter of an option's column, the longer ones first; a bare letter is one too.
const PREFIXES: [&str; 10] =
    ["alternative", "candidate", "answer", "choice", "option", "ending", "opt", "sol", "op", ""];
/// What stands before the number of a wrong option's column.
const WRONG: [&str; 5] = ["incorrectanswer", "wronganswer", "distractor", "incorrect", "wrong"];
/// Names that only look like an option's.
const OTHER: [&str; 8] = ["answers", "choices", "options", "endings", "candidates", "alternatives", "ops", "opt"];

/// Options in the row's order.
pub(super) struct Options {
    /// Their texts.
    pub(super) texts: Vec<String>,
    /// What a key may name them by, besides letter and number; as many as texts, or none.
    pub(super) labels: Vec<String>,
    /// How a key may be written.
    pub(super) form: Form,
    /// The number of the first one.
    pub(super) base: usize,
}

/// How a key is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A letter.
    Letter,
    /// A number.
    Number,
    /// Either.
    Either,
}

/// Columns that belong together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family<'a> {
    prefix: &'static str,
    lettered: bool,
    /// Numbers, in order, and names.
    members: Vec<(usize, &'a str)>,
}

impl Family<'_> {
    /// The number of its first column.
    fn base(&self) -> usize {
        usize::from(self.members.first().is_some_and(|(number, _)| *number == 1))
    }

    /// Whether it has its first two columns, so that it is one at all.
    fn is_whole(&self) -> bool {
        matches!(self.members[..], [(first, _), (second, _), ..] if first <= 1 && second == first + 1 && !(self.lettered && first == 1))
    }

    /// Whether its columns are options for all that the first ones are missing: several in a row, or one that no other name
    /// would be given.
    fn is_torn(&self) -> bool {
        let said = ["alternative", "candidate", "choice", "option", "ending"].contains(&self.prefix);
        !self.is_whole() && (said || self.members.windows(2).any(|pair| pair[1].0 == pair[0].0 + 1))
    }

    /// The name of the column of this number.
    fn name(&self, number: usize) -> String {
        match (self.lettered, self.prefix) {
            (true, "") => choice::letter(number).to_string(),
            (true, prefix) => format!("{prefix}{}", choice::letter(number).to_ascii_lowercase()),
            (false, prefix) => format!("{prefix}{number}"),
        }
    }

    /// The number that is lacking before a later one.
    fn gap(&self) -> Option<usize> {
        let base = self.base();
        self.members
            .iter()
            .enumerate()
            .find(|(place, (number, _))| *number != base + place)
            .map(|(place, _)| base + place)
    }
}

/// The prefix of an option's column, whether it has a letter, and its number; `None` if it is no option's.
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

fn gathered<'a>(names: impl Iterator<Item = &'a str>, prefixes: &[&'static str]) -> Vec<Family<'a>> {
    let mut families: Vec<Family> = Vec::new();
    for name in names {
        let Some((prefix, lettered, number)) = column(name, prefixes) else { continue };
        let place = families.iter().position(|family| family.prefix == prefix && family.lettered == lettered);
        match place {
            Some(place) => families[place].members.push((number, name)),
            None => families.push(Family { prefix, lettered, members: vec![(number, name)] }),
        }
    }
    for family in &mut families {
        family.members.sort_unstable();
    }
    families
}

/// The families of columns that hold options among these names.
fn of_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Family<'a>> {
    let mut families = gathered(names, &PREFIXES);
    families.retain(Family::is_whole);
    families
}

/// The families of columns in which a row has options.
pub(super) fn families<'a>(row: &Row<'a, '_>) -> Vec<Family<'a>> {
    let mut families = of_names(row.fields.names());
    families.retain(|family| family.members.iter().any(|(_, name)| row.has(name)));
    families
}

/// The columns with something in them that look like options, though no question could have only these.
fn torn<'a>(row: &Row<'a, '_>) -> Option<(String, &'a str)> {
    let families = gathered(row.fields.names(), &PREFIXES);
    families.iter().filter(|family| family.is_torn()).find_map(|family| {
        let (_, name) = family.members.iter().find(|(_, name)| row.has(name))?;
        Some((family.name(0), *name))
    })
}

/// Two columns of one option that have something in them.
fn doubled<'a>(row: &Row<'a, '_>) -> Option<(&'a str, &'a str)> {
    gathered(row.fields.names(), &PREFIXES).iter().find_map(|family| {
        let same_number =
            |pair: &&[(usize, &'a str)]| pair[0].0 == pair[1].0 && pair.iter().all(|(_, name)| row.has(name));
        family.members.windows(2).find(same_number).map(|pair| (pair[0].1, pair[1].1))
    })
}

/// Whether a column's name is that of an option.
pub(super) fn is_option(name: &str) -> bool {
    column(name, &PREFIXES).is_some() || column(name, &WRONG).is_some() || LISTS.iter().any(|list| same(list, name))
}

/// The column that a header lacks between its options' columns, and whether it has any at all.
pub(super) fn of_header(header: &[String]) -> (Option<String>, bool) {
    let families = of_names(header.iter().map(String::as_str));
    let gap = families.iter().find_map(|family| Some(family.name(family.gap()?)));
    let wrong = gathered(header.iter().map(String::as_str), &WRONG);
    (gap, !families.is_empty() || !wrong.is_empty())
}

/// The options of a row; `None` if it has only one right and some wrong answers, or nothing.
pub(super) fn of_row(row: &Row) -> Result<Option<Options>, Fault> {
    if let Some((first, second)) = doubled(row) {
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
            row.fault(second, format!("looks like an option, and options are in `{first}` too: rename or remove one"))
        );
    }
    if let Some((first, name)) = torn(row) {
        let what = match lists.first().copied().or(families.first().map(|family| family.members[0].1)) {
            Some(used) => format!("looks like an option, and options are in `{used}`: rename or remove one"),
            None => format!("looks like an option, and there is no `{first}` before it"),
        };
        return Err(row.fault(name, what));
    }
    match (lists.first(), families.first()) {
        (Some(list), _) => of_field(row, list).map(Some),
        (None, Some(family)) => of_columns(row, family).map(Some),
        (None, None) => Ok(None),
    }
}

/// The wrong options' columns that have something in them, in order.
fn wrong_columns<'a>(row: &Row<'a, '_>) -> Vec<(usize, &'a str)> {
    let families = gathered(row.fields.names(), &WRONG);
    let members = families.into_iter().filter(|family| !family.lettered).flat_map(|family| family.members);
    members.filter(|(_, name)| row.has(name)).collect()
}

/// The texts of the wrong options of a row with one right answer.
pub(super) fn wrong(row: &Row) -> Result<Vec<String>, Fault> {
    for list in ["incorrect_answers", "distractors"] {
        if let Some(Value::Array(values)) = row.get(list)? {
            return texts(row, list, values.iter());
        }
    }
    let columns = wrong_columns(row);
    let first = columns.first().map_or(0, |(number, _)| *number);
    for (place, (number, name)) in columns.iter().enumerate() {
        if *number != first + place || first > 1 {
            return Err(
                row.fault(name, format!("looks like an option, and the one before it is missing ({place} are there)"))
            );
        }
    }
    columns.into_iter().map(|(_, name)| Ok(row.text(name)?.trim().to_owned())).collect()
}

/// Options in columns. The last ones may be empty: a table has as many columns as its longest question has options.
fn of_columns(row: &Row, family: &Family) -> Result<Options, Fault> {
    if let Some(gap) = family.gap() {
        let last = family.members.last().map_or("", |(_, name)| *name);
        return Err(row.fault(&family.name(gap), format!("is missing, and `{last}` looks like an option behind it")));
    }
    let there = family.members.iter().rposition(|(_, name)| row.has(name)).map_or(0, |last| last + 1);
    let shown = &family.members[..there.max(2)];
    let texts = shown.iter().map(|(_, name)| {
        let value = row.get(name)?;
        match value {
            Some(number @ Value::Number(_)) => Ok(number_text(number)),
            _ => Ok(row.text(name)?.trim().to_owned()),
        }
    });
    let form = if family.lettered { Form::Letter } else { Form::Number };
    Ok(Options { texts: texts.collect::<Result<_, Fault>>()?, labels: Vec::new(), form, base: family.base() })
}

/// Options in one field.
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
            Err(_) => Err(wrong("must be a list of texts: in a CSV give each option a column of its own (A, B, C, …)")),
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

/// Options as texts.
pub(super) fn texts<'v>(
    row: &Row,
    field: &str,
    list: impl Iterator<Item = &'v Value<'v>>,
) -> Result<Vec<String>, Fault> {
    let text = |(place, value): (usize, &Value)| match value {
        Value::Str(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Value::Number(_) => Ok(number_text(value)),
        other if place < MOST => {
            Err(row.fault(field, format!("option {} must be a text, not {other}", choice::letter(place))))
        }
        other => Err(row.fault(field, format!("option {} must be a text, not {other}", place + 1))),
    };
    list.enumerate().map(text).collect()
}
