//! Comparison of two finished runs, paired by item.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::error::RunError;
use super::outputs::{FinishedRun, SetAside};
use crate::report::compare::{SideBySide, differences, prices, same_data};
use crate::report::folder::replace_outputs;
use crate::report::manifest;

/// Two runs over the same data.
pub struct RunPair {
    first: FinishedRun,
    second: FinishedRun,
    folders: [PathBuf; 2],
    /// Notes on differences between the runs, then on columns that a run lacks.
    notes: Vec<String>,
    /// True if a model of both runs has different prices in them.
    repriced: bool,
}

/// Reads two runs.
///
/// # Errors
/// [`RunError::Output`] if a run cannot be read; [`RunError::Data`] if the runs use different data.
pub fn compare(first: &Path, second: &Path) -> Result<RunPair, RunError> {
    let runs = [first, second].map(|folder| FinishedRun::read(folder).map_err(RunError::Output));
    let [one, other] = runs;
    let runs = [(one?, first), (other?, second)];
    let [(one, _), (other, _)] = &runs;
    if !same_data(&one.manifest, &other.manifest) {
        return Err(RunError::Data(anyhow!(
            "the runs use different data sets or versions of a data set, so they share no item. Compare runs of one data set"
        )));
    }
    let mut notes = differences(&one.manifest, &other.manifest);
    let price_notes = prices(&one.manifest, &other.manifest);
    let repriced = !price_notes.is_empty();
    notes.extend(price_notes);
    for (run, folder) in &runs {
        notes.extend(
            run.missing_columns.iter().map(|missing| format!("note: {}: {}", folder.display(), missing.note())),
        );
    }
    let [(one, _), (other, _)] = runs;
    Ok(RunPair { first: one, second: other, folders: [first, second].map(Path::to_owned), notes, repriced })
}

/// Tables and notes of a comparison.
#[derive(Debug)]
pub struct RunComparison {
    /// Notes on differences between the runs and on omitted arms, one line each.
    pub notes: Vec<String>,
    /// Tables for a terminal; empty if the runs share no cell.
    pub tables: String,
    /// Name and bytes of each output file.
    files: Vec<(String, Vec<u8>)>,
}

impl RunPair {
    /// Compares the arms of both runs, for a terminal of `width` columns and for files.
    ///
    /// # Errors
    /// [`RunError::Output`] if a table cannot be made.
    pub fn tables(&self, width: u16) -> Result<RunComparison, RunError> {
        let (first, second) = (self.first.comparison(), self.second.comparison());
        let side_by_side = SideBySide::new(&first, &second, self.repriced);
        let notes = [&self.notes[..], &side_by_side.left_out()].concat();
        let names = [0, 1].map(|run| self.folders[run].display().to_string());
        let files = side_by_side.files([&names[0], &names[1]], &notes).map_err(RunError::Output)?;
        Ok(RunComparison { tables: side_by_side.terminal(width), notes, files })
    }
}

impl RunComparison {
    /// Writes the tables into a folder as CSV, parquet, Markdown and LaTeX. Existing files that differ are moved aside.
    ///
    /// # Errors
    /// [`RunError::Folder`] if the folder holds a run; [`RunError::Output`] with the file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Option<SetAside>, RunError> {
        if folder.join(manifest::FILE).exists() {
            return Err(RunError::Folder(anyhow!(
                "{}: this folder holds a run. Name another folder with --out",
                folder.display()
            )));
        }
        std::fs::create_dir_all(folder).map_err(|error| RunError::Folder(error.into()))?;
        SetAside::of(replace_outputs(folder, self.files.clone()))
    }
}
