//! Ablations: runs of one config with different overrides over one shared journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::error::RunError;
use super::outputs::{FinishedRun, SetAside};
use super::progress::Progress;
use super::shards::runs::{RunsReport, RunsShard};
use super::{Prepared, Run, RunLocation, Sources};
use crate::analysis::metrics::Comparison;
use crate::config::ablation::{self, Ablation};
use crate::report::ablation::{Row, Variant, latex, markdown, table, terminal};
use crate::report::folder::{JOURNAL, replace_outputs};
use crate::report::left_out;
use crate::report::summary::{LATEX, SUMMARY};
use crate::types::left_out::{LeftOut, Unrecorded};
use crate::types::shard::Shard;

/// A checked ablation, ready to run. Every variant is checked before the first call.
pub struct PreparedAblation {
    ablation: Ablation,
    /// Runs in the order of the ablation, each with its label `title: variant`.
    runs: Vec<(String, Prepared)>,
}

impl PreparedAblation {
    /// Reads and checks an ablation's file. `overrides` apply last, to the config of every variant.
    ///
    /// # Errors
    /// [`RunError`] with the variant and its fault.
    pub fn load(file: &Path, overrides: &[String], sources: &Sources) -> Result<Self, RunError> {
        let ablation = Ablation::load(file)?;
        let mut runs = Vec::new();
        for (title, variant) in ablation.runs() {
            let label = format!("{title}: {}", variant.name);
            let set = [&ablation.set, &variant.set, overrides].concat();
            let prepared = Run::new(&ablation.config, set, sources.clone()).prepare();
            runs.push((label.clone(), prepared.map_err(|error| error.context(label))?));
        }
        let folders: Vec<PathBuf> =
            ablation.runs().iter().map(|(title, run)| folder_of(Path::new(""), title, run)).collect();
        if let Some(second) = (1..folders.len()).find(|index| folders[..*index].contains(&folders[*index])) {
            return Err(RunError::Config(anyhow!(
                "{}: {}: another run has the same folder name. Choose a name that differs in letters or digits",
                file.display(),
                runs[second].0
            )));
        }
        for (_, variant) in ablation.variants() {
            if !runs[run_index(&ablation, variant)].1.resolved.config.arms.contains(&variant.arm) {
                return Err(RunError::Config(anyhow!(
                    "{}: `{}`: `arms` does not contain {}. Add the arm to `arms`",
                    file.display(),
                    variant.name,
                    variant.arm.name()
                )));
            }
        }
        Ok(Self { ablation, runs })
    }

    /// Returns the name of the ablation and of its default folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.ablation.name
    }

    /// Returns the runs in the order of the ablation.
    pub fn runs(&self) -> impl Iterator<Item = &Prepared> {
        self.runs.iter().map(|(_, prepared)| prepared)
    }

    /// Lines on what each run of the shard would do, with expected calls, tokens and fee.
    ///
    /// # Errors
    /// As [`Prepared::forecast`].
    pub fn forecast(&self, shard: Shard) -> Result<Vec<String>, RunError> {
        let mut lines = Vec::new();
        let own_runs = self.runs_of(shard);
        for (_, (label, run)) in self.runs.iter().enumerate().filter(|(index, _)| own_runs.makes(*index)) {
            lines.push(format!("\n{label}"));
            lines.extend(run.forecast()?);
        }
        Ok(lines)
    }

    /// Runs of a shard, divided by their steps.
    fn runs_of(&self, shard: Shard) -> RunsShard {
        let runs: Vec<(String, usize)> = self.runs.iter().map(|(label, run)| (label.clone(), run.steps())).collect();
        RunsShard::new("ablate", shard, &runs)
    }

    /// Makes the runs of a shard, in a folder inside `out`. A run is never divided, and no table is made: the same
    /// ablation without a shard makes them.
    ///
    /// # Errors
    /// [`RunError`]. The journal holds every answer up to the error.
    pub async fn execute_shard(
        &self,
        out: &Path,
        fresh: bool,
        shard: Shard,
        progress: &Progress,
    ) -> Result<RunsReport, RunError> {
        let out = out.join(shard.folder_name());
        let own_runs = self.runs_of(shard);
        let locations = self.ablation.runs().into_iter().map(|(title, variant)| RunLocation {
            folder: folder_of(&out, title, variant),
            shared_journal: Some(out.join(JOURNAL)),
            fresh,
        });
        let own = locations.zip(&self.runs).enumerate().filter(|(index, _)| own_runs.makes(*index));
        let own: Vec<_> = own.map(|(_, (location, (label, run)))| (label.as_str(), run, location)).collect();
        own_runs.execute(&out, own, progress).await
    }

    /// Runs all variants and writes the tables into `out`. Returns the tables for a terminal of `width` columns.
    /// `fresh` moves existing outputs of the variants aside first.
    ///
    /// # Errors
    /// [`RunError`]. The journal holds every answer up to the error.
    pub async fn execute(
        &self,
        out: &Path,
        fresh: bool,
        width: u16,
        progress: &Progress,
    ) -> Result<AblationReport, RunError> {
        let folders = self.ablation.runs().into_iter().map(|(title, variant)| folder_of(out, title, variant));
        let mut outcomes = Vec::new();
        for (index, (folder, (label, run))) in folders.zip(&self.runs).enumerate() {
            progress.message(&format!("{} of {}: {label}", index + 1, self.runs.len()));
            let location = RunLocation { folder, shared_journal: Some(out.join(JOURNAL)), fresh };
            outcomes.push(match run.execute_shared(location, progress).await {
                Ok(left_out) => Ok(left_out),
                Err(RunError::NotRecorded { lacks, .. }) => Err(lacks),
                Err(error) => return Err(error),
            });
        }
        let left_out = rows_left_out(&self.ablation, &outcomes);
        if let (true, Some(first)) = (left_out.len() == self.ablation.variants().count(), left_out.first()) {
            return Err(RunError::NotRecorded {
                what: "no row has all of its calls recorded".to_owned(),
                lacks: first.lacks.clone(),
            });
        }
        let (tables, aside) =
            write_tables(&self.ablation, &outcomes, &left_out, out, width).map_err(RunError::Output)?;
        if let Some(aside) = aside {
            progress.message(&aside.message());
        }
        Ok(AblationReport { tables, left_out })
    }
}

/// Result of an ablation.
#[derive(Debug)]
pub struct AblationReport {
    /// Tables for a terminal.
    pub tables: String,
    /// Rows that were left out because some of their calls are not recorded.
    pub left_out: Vec<LeftOutRow>,
}

impl AblationReport {
    /// One sentence for each row that was left out, then a remedy. Empty if no row was left out.
    #[must_use]
    pub fn endings(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.left_out.iter().map(|row| format!("note: {}", row.line())).collect();
        if let rows @ 1.. = self.left_out.len() {
            lines.push(format!(
                "{rows} of the rows were left out because some of their calls are not recorded; {}",
                left_out::REMEDY
            ));
        }
        lines
    }
}

/// A row of an ablation that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutRow {
    /// Title of the table and name of the variant.
    pub variant: String,
    /// First call that is not recorded.
    pub lacks: Unrecorded,
}

impl LeftOutRow {
    /// Sentence for the user on the row and the missing call.
    fn line(&self) -> String {
        left_out::row(&self.variant, &self.lacks)
    }
}

/// Arms that a run left out, or the first missing call if the run has no result.
type VariantOutcome = Result<Vec<LeftOut>, Unrecorded>;

/// Rows of variants without records.
fn rows_left_out(ablation: &Ablation, outcomes: &[VariantOutcome]) -> Vec<LeftOutRow> {
    let row = |(title, variant): (&str, &ablation::Variant)| {
        let lacks = match &outcomes[run_index(ablation, variant)] {
            Err(lacks) => lacks,
            Ok(left_out) => &left_out.iter().find(|cell| cell.arm == variant.arm)?.lacks,
        };
        Some(LeftOutRow { variant: format!("{title}: {}", variant.name), lacks: lacks.clone() })
    };
    ablation.variants().filter_map(row).collect()
}

impl Prepared {
    /// Runs the config over a shared journal and writes the outputs. Returns the arms that were left out.
    pub(super) async fn execute_shared(
        &self,
        location: RunLocation,
        progress: &Progress,
    ) -> Result<Vec<LeftOut>, RunError> {
        let report = self.execute_at(&location, progress).await?;
        let left_out = report.manifest().left_out.clone();
        if let Some(aside) = report.write(&location.folder)? {
            progress.message(&aside.message());
        }
        Ok(left_out)
    }
}

/// Writes the tables from the variants' records, and returns them for a terminal.
fn write_tables(
    ablation: &Ablation,
    outcomes: &[VariantOutcome],
    left_out: &[LeftOutRow],
    out: &Path,
    width: u16,
) -> Result<(String, Option<SetAside>)> {
    let runs = ablation.runs();
    let finished = runs.iter().zip(outcomes).map(|((title, variant), outcome)| {
        outcome.is_ok().then(|| FinishedRun::read(&folder_of(out, title, variant))).transpose()
    });
    let finished = finished.collect::<Result<Vec<Option<FinishedRun>>>>()?;
    let comparisons: Vec<Option<Comparison>> =
        finished.iter().map(|run| run.as_ref().map(FinishedRun::comparison)).collect();
    let mut rows = Vec::new();
    for (title, variant) in ablation.variants() {
        let label = format!("{title}: {}", variant.name);
        let Some(comparison) = &comparisons[run_index(ablation, variant)] else { continue };
        if left_out.iter().any(|row| row.variant == label) {
            continue;
        }
        let labelled = Variant { title, name: &variant.name, settings: &variant.set, arm: variant.arm };
        rows.push(Row::new(labelled, comparison)?);
    }
    // A note that applies to some runs only begins with their names.
    let named: Vec<(&str, &FinishedRun)> =
        runs.iter().zip(&finished).filter_map(|((_, variant), run)| Some((&*variant.name, run.as_ref()?))).collect();
    let mut runs_by_note: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, run) in &named {
        let omissions = left_out::lines(&run.manifest.left_out, |threshold| threshold);
        for note in omissions.into_iter().chain(run.manifest.warnings.iter().chain(&run.manifest.price_notes).cloned())
        {
            runs_by_note.entry(note).or_default().push(name);
        }
    }
    let note = |(note, names): (String, Vec<&str>)| {
        if names.len() == named.len() { note } else { format!("{}: {note}", names.join(", ")) }
    };
    let notes: Vec<String> = left_out.iter().map(LeftOutRow::line).chain(runs_by_note.into_iter().map(note)).collect();
    let setting = named.first().map_or(&[][..], |(_, run)| &run.manifest.setting);
    let summary = markdown(&ablation.name, setting, &notes, &rows);
    let mut files = vec![(SUMMARY.to_owned(), summary.into_bytes())];
    files.push((LATEX.to_owned(), latex(&ablation.name, &rows).into_bytes()));
    files.extend(table(&rows)?.files()?);
    let aside = replace_outputs(out, files)?.map(|(folder, names)| SetAside { folder, names });
    Ok((terminal(&rows, width), aside))
}

/// Index of the run that provides a variant's row.
fn run_index(ablation: &Ablation, variant: &ablation::Variant) -> usize {
    ablation.runs().iter().position(|(_, run)| run.set == variant.set).expect("every variant has a run")
}

/// Output folder of a variant's run.
fn folder_of(out: &Path, title: &str, variant: &ablation::Variant) -> PathBuf {
    let plain = |text: &str| {
        let name = text.replace(|c: char| !c.is_alphanumeric() && !"=.-".contains(c), "_");
        if name.chars().all(|c| c == '.') { name.replace('.', "_") } else { name }
    };
    out.join("runs").join(plain(title)).join(plain(&variant.name))
}
