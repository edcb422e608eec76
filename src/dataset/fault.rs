//! One fault of a data set's file, with its location.

use std::fmt;

use crate::tables::Location;

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Location of the row.
    pub location: Location,
    /// Name of the field; `None` if the fault concerns the whole row or file.
    pub field: Option<String>,
    /// Fault and remedy.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}: field `{field}`: {}", self.location, self.what),
            None => write!(f, "{}: {}", self.location, self.what),
        }
    }
}
