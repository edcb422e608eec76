//! Comparison of finished runs with a baseline, paired by item if the runs share items.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::error::RunError;
use super::outputs::{FinishedRun, SetAside};
use crate::analysis::metrics::Comparison;
pub use crate::report::compare::condition::{Condition, Verdict};
use crate::report::compare::{RunsCompared, Side};
use crate::report::folder::replace_outputs;
use crate::report::manifest;
use crate::report::read::Lacking;

/// Runs that are to be compared; the first is the baseline.
pub struct ComparedRuns {
    runs: Vec<NamedRun>,
}

/// A run with its name in tables.
struct NamedRun {
    name: String,
    run: FinishedRun,
}

/// Reads a baseline and the runs that are to be compared with it.
///
/// # Errors
/// [`RunError::Output`] if a run cannot be read.
pub fn compare(baseline: &Path, others: &[PathBuf]) -> Result<ComparedRuns, RunError> {
    let folders: Vec<&Path> = std::iter::once(baseline).chain(others.iter().map(PathBuf::as_path)).collect();
    let read = |(folder, name): (&&Path, String)| {
        Ok(NamedRun { name, run: FinishedRun::read(folder).map_err(RunError::Output)? })
    };
    Ok(ComparedRuns { runs: folders.iter().zip(names(&folders)).map(read).collect::<Result<_, RunError>>()? })
}

/// Names runs by their folders: the last part of each path, or the whole paths if two last parts are equal.
fn names(folders: &[&Path]) -> Vec<String> {
    let short: Vec<String> = folders.iter().filter_map(|path| Some(path.file_name()?.display().to_string())).collect();
    let distinct: std::collections::HashSet<&String> = short.iter().collect();
    if distinct.len() == folders.len() {
        short
    } else {
        folders.iter().map(|path| path.display().to_string()).collect()
    }
}

/// Tables, notes and verdicts of a comparison.
#[derive(Debug)]
pub struct RunComparison {
    /// Notes on differences between the runs and on omitted items and arms, one line each.
    pub notes: Vec<String>,
    /// Tables for a terminal.
    pub tables: String,
    /// Verdict on each condition, or the reason why it cannot be judged.
    pub verdicts: Vec<Result<Verdict, String>>,
    /// Name and bytes of each output file.
    files: Vec<(String, Vec<u8>)>,
}

impl ComparedRuns {
    /// Compares the arms of the runs, for a terminal of `width` columns and for files, and judges conditions.
    ///
    /// # Errors
    /// [`RunError::Data`] if no run has an arm in common with the baseline; [`RunError::Output`] if a table cannot be
    /// made.
    pub fn tables(&self, width: u16, conditions: &[Condition]) -> Result<RunComparison, RunError> {
        let comparisons: Vec<Comparison> = self.runs.iter().map(|named| named.run.comparison()).collect();
        let side = |(named, comparison)| side(named, comparison);
        let sides: Vec<Side> = self.runs.iter().zip(&comparisons).map(side).collect();
        let (baseline, others) =
            sides.split_first().ok_or_else(|| RunError::Data(anyhow!("there is no run. Name two or more")))?;
        let compared = RunsCompared::new(*baseline, others);
        if compared.is_empty() {
            return Err(RunError::Data(nothing_in_common(&sides)));
        }
        let lacking = self.lacking();
        let files = compared.files(&lacking).map_err(RunError::Output)?;
        let verdicts = conditions.iter().map(|condition| compared.judge(condition)).collect();
        let notes = [compared.notes(), lacking].concat();
        Ok(RunComparison { tables: compared.terminal(width), notes, verdicts, files })
    }

    /// Notes on columns that a run lacks.
    fn lacking(&self) -> Vec<String> {
        let of_run = |named: &NamedRun| {
            let notes = named.run.missing_columns.iter().map(Lacking::note);
            notes.map(|note| format!("note: {}: {note}", named.name)).collect::<Vec<_>>()
        };
        self.runs.iter().flat_map(of_run).collect()
    }
}

fn side<'c>(named: &'c NamedRun, comparison: &'c Comparison<'c>) -> Side<'c> {
    Side { name: &named.name, manifest: &named.run.manifest, comparison }
}

fn nothing_in_common(sides: &[Side]) -> anyhow::Error {
    let arms = |side: &Side| {
        let arms = side.comparison.arms();
        let names: Vec<&str> = arms.iter().map(|arm| arm.name()).collect();
        format!("{} has {}", side.name, names.join(", "))
    };
    let arms: Vec<String> = sides.iter().map(arms).collect();
    anyhow!(
        "the runs have no arm in common with the baseline: {}. Compare runs that have an arm in common",
        arms.join("; ")
    )
}

impl RunComparison {
    /// Writes the comparison into a folder as CSV, parquet, Markdown, LaTeX and HTML, and its figure as SVG. Existing
    /// files that differ are moved aside.
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
