//! One thing that is wrong with a data set's file, with its place.

use std::fmt;

use crate::tables::Place;

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where the row stands.
    pub place: Place,
    /// The field, where the fault lies in one.
    pub field: Option<String>,
    /// What is wrong and what is wanted.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}: field `{field}`: {}", self.place, self.what),
            None => write!(f, "{}: {}", self.place, self.what),
        }
    }
}
