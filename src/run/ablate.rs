//! An ablation: one config, taken through with one change after the other over one journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::error::RunError;
use super::outputs::{FinishedRun, SetAside};
use super::progress::Progress;
use super::{Place, Prepared, Run, Sources};
use crate::analysis::metrics::Comparison;
use crate::config::ablation::{self, Ablation};
use crate::report::ablation::{Row, Variant, latex, markdown, table, terminal};
use crate::report::folder::{JOURNAL, replace};
use crate::report::left_out;
use crate::report::summary::{LATEX, SUMMARY};
use crate::types::left_out::{LeftOut, Unrecorded};

/// An ablation that can be run: every variant is checked before the first call is made.
pub struct PreparedAblation {
    ablation: Ablation,
    /// Its runs, in its order, with how they are called.
    runs: Vec<(String, Prepared)>,
}

impl PreparedAblation {
    /// Reads an ablation's file, with `more` laid over every config last.
    ///
    /// # Errors
    /// [`RunError`] names the variant and what is wrong with it.
    pub fn load(file: &Path, more: &[String], sources: &Sources) -> Result<Self, RunError> {
        let ablation = Ablation::load(file)?;
        let mut runs = Vec::new();
        for (title, variant) in ablation.runs() {
            let called = format!("{title}: {}", variant.name);
            let set = [&ablation.set, &variant.set, more].concat();
            let prepared = Run::new(&ablation.config, set, sources.clone()).prepare();
            runs.push((called.clone(), prepared.map_err(|error| error.context(called))?));
        }
        let folders: Vec<PathBuf> =
            ablation.runs().iter().map(|(title, run)| folder_of(Path::new(""), title, run)).collect();
        if let Some(second) = (1..folders.len()).find(|at| folders[..*at].contains(&folders[*at])) {
            return Err(RunError::Config(anyhow!(
                "{}: {}: its folder would be another run's; its name must differ in letters or digits",
                file.display(),
                runs[second].0
            )));
        }
        for (_, variant) in ablation.variants() {
            if !runs[place(&ablation, variant)].1.resolved.config.arms.contains(&variant.arm) {
                return Err(RunError::Config(anyhow!(
                    "{}: `{}`: `arms` does not name {}",
                    file.display(),
                    variant.name,
                    variant.arm.name()
                )));
            }
        }
        Ok(Self { ablation, runs })
    }

    /// Its name, which is that of its usual folder too.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.ablation.name
    }

    /// Its runs.
    pub fn runs(&self) -> impl Iterator<Item = &Prepared> {
        self.runs.iter().map(|(_, prepared)| prepared)
    }

    /// Lines that say what would run, and the calls, tokens and fee to expect, run by run.
    #[must_use]
    pub fn forecast(&self) -> Vec<String> {
        let of_run = |(called, run): &(String, Prepared)| [vec![format!("\n{called}")], run.forecast()].concat();
        self.runs.iter().flat_map(of_run).collect()
    }

    /// Takes all variants through and writes the tables into `out`; gives them for a terminal of `width` columns. `fresh`
    /// sets outputs of the variants that are there aside first.
    ///
    /// # Errors
    /// [`RunError`]; what was answered until then is in the journal.
    pub async fn execute(
        &self,
        out: &Path,
        fresh: bool,
        width: u16,
        progress: &Progress,
    ) -> Result<AblationReport, RunError> {
        let folders = self.ablation.runs().into_iter().map(|(title, variant)| folder_of(out, title, variant));
        let mut ended = Vec::new();
        for (at, (folder, (called, run))) in folders.zip(&self.runs).enumerate() {
            progress.message(&format!("{} of {}: {called}", at + 1, self.runs.len()));
            let place = Place { folder, shared: Some(out.join(JOURNAL)), fresh };
            ended.push(match run.execute_shared(place, progress).await {
                Ok(left_out) => Ok(left_out),
                Err(RunError::NotRecorded { lacks, .. }) => Err(lacks),
                Err(error) => return Err(error),
            });
        }
        let left_out = rows_left_out(&self.ablation, &ended);
        if let (true, Some(first)) = (left_out.len() == self.ablation.variants().count(), left_out.first()) {
            return Err(RunError::NotRecorded { what: "no row can be shown".to_owned(), lacks: first.lacks.clone() });
        }
        let (shown, aside) = report(&self.ablation, &ended, &left_out, out, width).map_err(RunError::Output)?;
        if let Some(aside) = aside {
            progress.message(&aside.message());
        }
        Ok(AblationReport { shown, left_out })
    }
}

/// What came of an ablation.
#[derive(Debug)]
pub struct AblationReport {
    /// The tables, for a terminal.
    pub shown: String,
    /// The rows that were left out, since not all of their calls were recorded.
    pub left_out: Vec<LeftOutRow>,
}

impl AblationReport {
    /// A sentence for each row that was left out, and last what to do. Empty if there is none.
    #[must_use]
    pub fn endings(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.left_out.iter().map(|row| format!("note: {}", row.line())).collect();
        if let rows @ 1.. = self.left_out.len() {
            lines.push(format!(
                "{rows} of the rows were left out, since not all of their calls were recorded; {}",
                left_out::REMEDY
            ));
        }
        lines
    }
}

/// A row of an ablation that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutRow {
    /// The table's title and the variant's name.
    pub variant: String,
    /// The first call that is not recorded.
    pub lacks: Unrecorded,
}

impl LeftOutRow {
    /// A sentence that says so.
    fn line(&self) -> String {
        left_out::row(&self.variant, &self.lacks)
    }
}

/// The arms that each run left out, or the call for which there is no run.
type Ended = Result<Vec<LeftOut>, Unrecorded>;

/// The rows without records.
fn rows_left_out(ablation: &Ablation, ended: &[Ended]) -> Vec<LeftOutRow> {
    let row = |(title, variant): (&str, &ablation::Variant)| {
        let lacks = match &ended[place(ablation, variant)] {
            Err(lacks) => lacks,
            Ok(left_out) => &left_out.iter().find(|cell| cell.arm == variant.arm)?.lacks,
        };
        Some(LeftOutRow { variant: format!("{title}: {}", variant.name), lacks: lacks.clone() })
    };
    ablation.variants().filter_map(row).collect()
}

impl Prepared {
    /// Runs the config over a journal that several runs share, and writes the outputs; gives the arms that were left out.
    pub(super) async fn execute_shared(&self, place: Place, progress: &Progress) -> Result<Vec<LeftOut>, RunError> {
        let report = self.execute_at(&place, progress).await?;
        let left_out = report.manifest().left_out.clone();
        if let Some(aside) = report.write(&place.folder)? {
            progress.message(&aside.message());
        }
        Ok(left_out)
    }
}

/// Writes the tables, from the variants' records alone; gives them for a terminal.
fn report(
    ablation: &Ablation,
    ended: &[Ended],
    left_out: &[LeftOutRow],
    out: &Path,
    width: u16,
) -> Result<(String, Option<SetAside>)> {
    let runs = ablation.runs();
    let kept = runs.iter().zip(ended).map(|((title, variant), ended)| {
        ended.is_ok().then(|| FinishedRun::read(&folder_of(out, title, variant))).transpose()
    });
    let kept = kept.collect::<Result<Vec<Option<FinishedRun>>>>()?;
    let comparisons: Vec<Option<Comparison>> =
        kept.iter().map(|kept| kept.as_ref().map(FinishedRun::comparison)).collect();
    let mut rows = Vec::new();
    for (title, variant) in ablation.variants() {
        let called = format!("{title}: {}", variant.name);
        let Some(comparison) = &comparisons[place(ablation, variant)] else { continue };
        if left_out.iter().any(|row| row.variant == called) {
            continue;
        }
        let shown = Variant { title, name: &variant.name, settings: &variant.set, arm: variant.arm };
        rows.push(Row::new(shown, comparison)?);
    }
    // What is said of some runs alone is said with their names.
    let shown: Vec<(&str, &FinishedRun)> =
        runs.iter().zip(&kept).filter_map(|((_, variant), kept)| Some((&*variant.name, kept.as_ref()?))).collect();
    let mut said: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, run) in &shown {
        let of_arms = left_out::lines(&run.manifest.left_out, |threshold| threshold);
        for note in of_arms.into_iter().chain(run.manifest.warnings.iter().chain(&run.manifest.price_notes).cloned()) {
            said.entry(note).or_default().push(name);
        }
    }
    let note = |(note, of): (String, Vec<&str>)| {
        if of.len() == shown.len() { note } else { format!("{}: {note}", of.join(", ")) }
    };
    let notes: Vec<String> = left_out.iter().map(LeftOutRow::line).chain(said.into_iter().map(note)).collect();
    let setting = shown.first().map_or(&[][..], |(_, kept)| &kept.manifest.setting);
    let summary = markdown(&ablation.name, setting, &notes, &rows);
    let mut files = vec![(SUMMARY.to_owned(), summary.into_bytes())];
    files.push((LATEX.to_owned(), latex(&ablation.name, &rows).into_bytes()));
    files.extend(table(&rows)?.files()?);
    let aside = replace(out, files)?.map(|(folder, names)| SetAside { folder, names });
    Ok((terminal(&rows, width), aside))
}

/// The place among the runs of the one that gives a variant's row.
fn place(ablation: &Ablation, variant: &ablation::Variant) -> usize {
    ablation.runs().iter().position(|(_, run)| run.set == variant.set).expect("every variant's settings are run")
}

/// The folder of one run.
fn folder_of(out: &Path, title: &str, variant: &ablation::Variant) -> PathBuf {
    let plain = |text: &str| {
        let name = text.replace(|c: char| !c.is_alphanumeric() && !"=.-".contains(c), "_");
        if name.chars().all(|c| c == '.') { name.replace('.', "_") } else { name }
    };
    out.join("runs").join(plain(title)).join(plain(&variant.name))
}
