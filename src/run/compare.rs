//! Two finished runs side by side, paired item by item.

use std::path::Path;

use anyhow::anyhow;

use super::error::RunError;
use super::outputs::Kept;
use crate::report::compare::{differences, same_data, tables};

/// Two runs over the same data.
pub struct Compared {
    first: Kept,
    second: Kept,
    /// What differs between the runs, then what figures of one are missing.
    pub notes: Vec<String>,
}

/// Reads two runs.
///
/// # Errors
/// [`RunError::Output`] if a run cannot be read; [`RunError::Data`] if they took other data.
pub fn compare(first: &Path, second: &Path) -> Result<Compared, RunError> {
    let runs = [first, second].map(|folder| Kept::read(folder).map_err(RunError::Output));
    let [one, other] = runs;
    let runs = [(one?, first), (other?, second)];
    let [(one, _), (other, _)] = &runs;
    if !same_data(&one.manifest, &other.manifest) {
        return Err(RunError::Data(anyhow!(
            "the runs took other data sets, or other versions of one: no item is in both"
        )));
    }
    let mut notes = differences(&one.manifest, &other.manifest);
    for (run, folder) in &runs {
        notes.extend(run.lacking.iter().map(|lacking| format!("note: {}: {}", folder.display(), lacking.told())));
    }
    let [(first, _), (second, _)] = runs;
    Ok(Compared { first, second, notes })
}

impl Compared {
    /// The tables of both runs for a terminal of `width` columns.
    #[must_use]
    pub fn tables(&self, width: u16) -> String {
        tables(&self.first.comparison(), &self.second.comparison(), width)
    }
}
