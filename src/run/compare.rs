//! Two finished runs side by side, paired item by item.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::error::RunError;
use super::outputs::{FinishedRun, SetAside};
use crate::report::compare::{SideBySide, differences, prices, same_data};
use crate::report::folder::replace;
use crate::report::manifest;

/// Two runs over the same data.
pub struct RunPair {
    first: FinishedRun,
    second: FinishedRun,
    folders: [PathBuf; 2],
    /// What differs between the runs, then what figures of one are missing.
    notes: Vec<String>,
    /// Whether a model of both has another price in the second.
    repriced: bool,
}

/// Reads two runs.
///
/// # Errors
/// [`RunError::Output`] if a run cannot be read; [`RunError::Data`] if they took other data.
pub fn compare(first: &Path, second: &Path) -> Result<RunPair, RunError> {
    let runs = [first, second].map(|folder| FinishedRun::read(folder).map_err(RunError::Output));
    let [one, other] = runs;
    let runs = [(one?, first), (other?, second)];
    let [(one, _), (other, _)] = &runs;
    if !same_data(&one.manifest, &other.manifest) {
        return Err(RunError::Data(anyhow!(
            "the runs took other data sets, or other versions of one: no item is in both"
        )));
    }
    let mut notes = differences(&one.manifest, &other.manifest);
    let of_prices = prices(&one.manifest, &other.manifest);
    let repriced = !of_prices.is_empty();
    notes.extend(of_prices);
    for (run, folder) in &runs {
        notes.extend(run.lacking.iter().map(|lacking| format!("note: {}: {}", folder.display(), lacking.note())));
    }
    let [(one, _), (other, _)] = runs;
    Ok(RunPair { first: one, second: other, folders: [first, second].map(Path::to_owned), notes, repriced })
}

/// Both runs as a reader sees them.
#[derive(Debug)]
pub struct RunComparison {
    /// What differs between the runs, and what is left out, a line each.
    pub notes: Vec<String>,
    /// The tables for a terminal; empty if nothing is in both.
    pub tables: String,
    /// The same as files: name and bytes.
    files: Vec<(String, Vec<u8>)>,
}

impl RunPair {
    /// Compares the arms of both, for a terminal of `width` columns and for files.
    ///
    /// # Errors
    /// [`RunError::Output`] if the table cannot be made.
    pub fn shown(&self, width: u16) -> Result<RunComparison, RunError> {
        let (first, second) = (self.first.comparison(), self.second.comparison());
        let side_by_side = SideBySide::new(&first, &second, self.repriced);
        let notes = [&self.notes[..], &side_by_side.left_out()].concat();
        let names = [0, 1].map(|run| self.folders[run].display().to_string());
        let files = side_by_side.files([&names[0], &names[1]], &notes).map_err(RunError::Output)?;
        Ok(RunComparison { tables: side_by_side.terminal(width), notes, files })
    }
}

impl RunComparison {
    /// Writes the tables into a folder as CSV, parquet, Markdown and LaTeX. Files that are there and differ are set aside.
    ///
    /// # Errors
    /// [`RunError::Folder`] if the folder holds a run, [`RunError::Output`] names the file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Option<SetAside>, RunError> {
        if folder.join(manifest::FILE).exists() {
            return Err(RunError::Folder(anyhow!(
                "{}: this folder holds a run; give --out a folder of its own",
                folder.display()
            )));
        }
        std::fs::create_dir_all(folder).map_err(|error| RunError::Folder(error.into()))?;
        SetAside::of(replace(folder, self.files.clone()))
    }
}
