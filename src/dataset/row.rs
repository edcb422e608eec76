//! One row of a data set's file: its fields read as texts, names and groups, and what can be wrong with them.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::noticed::FileSurvey;
use crate::tables::{Fields, Place, Value};

/// A text that is longer, or holds spaces, names a group by its hash.
const NAME: usize = 40;

/// A row as the readers of both formats look at it.
pub(super) struct Row<'a, 'b> {
    /// Where it stands.
    pub(super) place: Place,
    /// Its zero-based number in its file.
    pub(super) number: usize,
    /// Its fields.
    pub(super) fields: &'a Fields<'b>,
    /// The subject that its file is named by, where a data set has a file for each.
    pub(super) file_subject: Option<&'a Arc<str>>,
    /// The field that makes the group, where the reader was told one.
    pub(super) group_field: Option<&'a str>,
    /// Whether it was given its number as id, since it has none of its own.
    pub(super) numbered: Cell<bool>,
    /// What is noticed of the file that no row shows by itself.
    pub(super) noticed: &'a RefCell<FileSurvey>,
}

impl<'a, 'b> Row<'a, 'b> {
    /// A fault in a field, under the name that the file gives it.
    pub(super) fn fault(&self, field: &str, what: impl Into<String>) -> Fault {
        let field = self.fields.spelled(field).unwrap_or(field).to_owned();
        Fault { place: self.place, field: Some(field), what: what.into() }
    }

    /// A field's value; `None` if it is absent or null.
    pub(super) fn get(&self, field: &str) -> Result<Option<&'a Value<'b>>, Fault> {
        self.fields.get(field).map_err(|error| self.fault(field, error.to_string()))
    }

    /// Whether there is anything in a field; a text without a character is nothing.
    pub(super) fn has(&self, field: &str) -> bool {
        let something = |value: &Value| value.as_str().is_none_or(|text| !text.trim().is_empty());
        self.fields.get(field).map_or(true, |value| value.is_some_and(something))
    }

    /// A field that must hold a text.
    pub(super) fn text(&self, field: &str) -> Result<&'a str, Fault> {
        match self.get(field)? {
            Some(Value::Str(text)) if !text.trim().is_empty() => Ok(text),
            Some(Value::Str(_)) => Err(self.fault(field, "is empty")),
            Some(other) => Err(self.fault(field, format!("must be a text, not {other}"))),
            None => Err(self.fault(field, "is missing")),
        }
    }

    /// A field that may hold a text or a number; a whole number is written without a point.
    pub(super) fn name(&self, field: &str) -> Result<Option<String>, Fault> {
        match self.get(field)? {
            None => Ok(None),
            Some(Value::Str(text)) if text.is_empty() => Ok(None),
            Some(Value::Str(text)) => Ok(Some(text.clone().into_owned())),
            Some(number @ Value::Number(_)) => Ok(Some(number_text(number))),
            Some(other) => Err(self.fault(field, format!("must be a text or a number, not {other}"))),
        }
    }

    /// The id of a row that has none of its own: its number, behind its file's subject.
    pub(super) fn default_id(&self) -> String {
        self.numbered.set(true);
        match self.file_subject {
            Some(subject) => format!("{subject}/{}", self.number),
            None => self.number.to_string(),
        }
    }

    /// The group: by the field that the reader was told, else by `group`, else by what the row says it was made from;
    /// a row that says nothing is its own group.
    pub(super) fn group(&self, made_from: &[&str], id: &str) -> Result<Arc<str>, Fault> {
        if let Some(field) = self.group_field {
            let name = self.name(field)?;
            return name
                .map(group_name)
                .ok_or_else(|| self.fault(field, "is missing, and groups are to be made by it"));
        }
        for field in ["group"].iter().chain(made_from) {
            if let Some(name) = self.name(field)? {
                return Ok(group_name(name));
            }
        }
        Ok(id.into())
    }

    /// The subject, by the first of these fields that is there, else by the file's name.
    pub(super) fn subject(&self, fields: &[&str]) -> Result<Option<Arc<str>>, Fault> {
        for field in fields {
            if let Some(name) = self.name(field)? {
                return Ok(Some(name.into()));
            }
        }
        Ok(self.file_subject.cloned())
    }
}

/// A number as a text: `3` for 3.0, since tools that know no missing integers write floats.
pub(super) fn number_text(number: &Value) -> String {
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

/// A question as a group's name would fill every output: its hash does as well.
fn group_name(name: String) -> Arc<str> {
    if name.len() > NAME || name.contains(char::is_whitespace) {
        hex::encode(&Sha256::digest(name.trim())[..6]).into()
    } else {
        name.into()
    }
}
