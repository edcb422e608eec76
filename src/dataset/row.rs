//! One row of a data set's file: its fields as texts, names and groups, and its faults.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::noticed::FileObservations;
use crate::tables::{Fields, Location, Value};

/// Longest name of a group in bytes. For a longer text, or one with spaces, the group is named by its hash.
const NAME: usize = 40;

/// A row as seen by the readers of both formats.
pub(super) struct Row<'a, 'b> {
    /// Location of the row.
    pub(super) location: Location,
    /// Number of the row in its file, from 0.
    pub(super) number: usize,
    /// Fields of the row.
    pub(super) fields: &'a Fields<'b>,
    /// Subject in the name of the row's file; `None` if the data set does not have one file per subject.
    pub(super) file_subject: Option<&'a Arc<str>>,
    /// Field that determines the group; `None` for the default fields.
    pub(super) group_field: Option<&'a str>,
    /// True once the row's number was used as its id, because it has no id.
    pub(super) numbered: Cell<bool>,
    /// Observations about the whole file.
    pub(super) noticed: &'a RefCell<FileObservations>,
}

impl<'a, 'b> Row<'a, 'b> {
    /// Creates a fault in a field, which is named as in the file.
    pub(super) fn fault(&self, field: &str, what: impl Into<String>) -> Fault {
        let field = self.fields.spelling(field).unwrap_or(field).to_owned();
        Fault { location: self.location, field: Some(field), what: what.into() }
    }

    /// Returns a field's value; `None` if it is absent or null.
    pub(super) fn get(&self, field: &str) -> Result<Option<&'a Value<'b>>, Fault> {
        self.fields.get(field).map_err(|error| self.fault(field, error.to_string()))
    }

    /// Returns true if a field is not empty. A text of spaces is empty.
    pub(super) fn has(&self, field: &str) -> bool {
        let not_empty = |value: &Value| value.as_str().is_none_or(|text| !text.trim().is_empty());
        self.fields.get(field).map_or(true, |value| value.is_some_and(not_empty))
    }

    /// Returns the text of a field that must hold one.
    pub(super) fn text(&self, field: &str) -> Result<&'a str, Fault> {
        match self.get(field)? {
            Some(Value::Str(text)) if !text.trim().is_empty() => Ok(text),
            Some(Value::Str(_)) => Err(self.fault(field, "is empty")),
            Some(other) => Err(self.fault(field, format!("must be a text, not {other}"))),
            None => Err(self.fault(field, "is missing")),
        }
    }

    /// Returns a field that may hold a text or a number. A whole number is formatted without a point.
    pub(super) fn name(&self, field: &str) -> Result<Option<String>, Fault> {
        match self.get(field)? {
            None => Ok(None),
            Some(Value::Str(text)) if text.is_empty() => Ok(None),
            Some(Value::Str(text)) => Ok(Some(text.clone().into_owned())),
            Some(number @ Value::Number(_)) => Ok(Some(number_text(number))),
            Some(other) => Err(self.fault(field, format!("must be a text or a number, not {other}"))),
        }
    }

    /// Returns the id of a row without one: its number, after the subject of its file.
    pub(super) fn default_id(&self) -> String {
        self.numbered.set(true);
        match self.file_subject {
            Some(subject) => format!("{subject}/{}", self.number),
            None => self.number.to_string(),
        }
    }

    /// Returns the group: from the configured field, otherwise from `group`, otherwise from the fields `made_from`
    /// that name the row's origin. A row without any of them is its own group.
    pub(super) fn group(&self, made_from: &[&str], id: &str) -> Result<Arc<str>, Fault> {
        if let Some(field) = self.group_field {
            let name = self.name(field)?;
            return name
                .map(group_name)
                .ok_or_else(|| self.fault(field, "is missing, but is set as the field of the groups"));
        }
        for field in ["group"].iter().chain(made_from) {
            if let Some(name) = self.name(field)? {
                return Ok(group_name(name));
            }
        }
        Ok(id.into())
    }

    /// Returns the subject, from the first existing field among `fields`, otherwise from the file's name.
    pub(super) fn subject(&self, fields: &[&str]) -> Result<Option<Arc<str>>, Fault> {
        for field in fields {
            if let Some(name) = self.name(field)? {
                return Ok(Some(name.into()));
            }
        }
        Ok(self.file_subject.cloned())
    }
}

/// Formats a number: `3` for 3.0, because tools without missing integers write floats.
pub(super) fn number_text(number: &Value) -> String {
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

/// Returns the name of a group. A question as a name would fill every output, so its hash is used.
fn group_name(name: String) -> Arc<str> {
    if name.len() > NAME || name.contains(char::is_whitespace) {
        hex::encode(&Sha256::digest(name.trim())[..6]).into()
    } else {
        name.into()
    }
}
