//! An ablation: one config, taken through with one change after the other over one journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::error::RunError;
use super::outputs::{Kept, SetAside};
use super::progress::Progress;
use super::{Place, Prepared, Run, Sources};
use crate::analysis::metrics::Comparison;
use crate::config::ablation::{self, Ablation};
use crate::report::ablation::{Row, Variant, markdown, table, terminal};
use crate::report::folder::{JOURNAL, replace};
use crate::report::summary::SUMMARY;

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
    pub async fn execute(&self, out: &Path, fresh: bool, width: u16, progress: &Progress) -> Result<String, RunError> {
        let folders = self.ablation.runs().into_iter().map(|(title, variant)| folder_of(out, title, variant));
        for (at, (folder, (called, run))) in folders.zip(&self.runs).enumerate() {
            progress.message(&format!("{} of {}: {called}", at + 1, self.runs.len()));
            run.execute_shared(Place { folder, shared: Some(out.join(JOURNAL)), fresh }, progress).await?;
        }
        let (shown, aside) = report(&self.ablation, out, width).map_err(RunError::Output)?;
        if let Some(aside) = aside {
            progress.message(&aside.message());
        }
        Ok(shown)
    }
}

impl Prepared {
    /// Runs the config over a journal that several runs share, and writes the outputs.
    pub(super) async fn execute_shared(&self, place: Place, progress: &Progress) -> Result<(), RunError> {
        let report = self.execute_at(&place, progress).await?;
        if let Some(aside) = report.write(&place.folder)? {
            progress.message(&aside.message());
        }
        Ok(())
    }
}

/// Writes the tables, from the variants' records alone; gives them for a terminal.
fn report(ablation: &Ablation, out: &Path, width: u16) -> Result<(String, Option<SetAside>)> {
    let runs = ablation.runs();
    let kept = runs.iter().map(|(title, variant)| Kept::read(&folder_of(out, title, variant)));
    let kept = kept.collect::<Result<Vec<Kept>>>()?;
    let comparisons: Vec<Comparison> = kept.iter().map(Kept::comparison).collect();
    let mut rows = Vec::new();
    for (title, variant) in ablation.variants() {
        let shown = Variant { title, name: &variant.name, settings: &variant.set, arm: variant.arm };
        rows.push(Row::new(shown, &comparisons[place(ablation, variant)])?);
    }
    // What is said of some runs alone is said with their names.
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for ((_, variant), run) in runs.iter().zip(&kept) {
        for note in run.manifest.warnings.iter().chain(&run.manifest.price_notes) {
            said.entry(note).or_default().push(&variant.name);
        }
    }
    let note = |(note, of): (&str, Vec<&str>)| {
        if of.len() == runs.len() { note.to_owned() } else { format!("{}: {note}", of.join(", ")) }
    };
    let notes: Vec<String> = said.into_iter().map(note).collect();
    let summary = markdown(&ablation.name, &kept[0].manifest.setting, &notes, &rows);
    let mut files = vec![(SUMMARY.to_owned(), summary.into_bytes())];
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
