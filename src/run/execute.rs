//! The run itself: a config's arms over its stream, and the report that comes of them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::error::RunError;
use super::left_out::{Runnable, nothing};
use super::outputs::{Calibration, FinishedRun, Outputs, RunFacts, SetAside};
use super::progress::Progress;
use super::provenance::{answered_by, now, spent};
use super::resources::{Models, gates, orders};
use super::session::Session;
use super::{Place, Prepared, strategies, warnings};
use crate::analysis::metrics::Comparison;
use crate::cascade::experiment::{ExperimentOutcome, StoredStrategy};
use crate::report::folder::place;
use crate::report::manifest::Manifest;
use crate::report::unparsed;
use crate::types::record::Record;

/// Calls that a run needed and its own journal did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// Calls that were really made.
    pub made: u64,
    /// Answers that were copied from further journals.
    pub imported: u64,
}

/// What came of a run.
pub struct RunReport {
    kept: FinishedRun,
    strategies: Vec<StoredStrategy>,
    /// The lines of the answers that could not be read.
    unparsed: Vec<u8>,
    calls: Calls,
    folder: PathBuf,
}

impl RunReport {
    /// One record per item and cell: by order of the stream, then threshold, then arm, then position.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.kept.records
    }

    /// The arms compared with their cascade: figures, intervals and tests. Computed with each call.
    #[must_use]
    pub fn comparison(&self) -> Comparison<'_> {
        self.kept.comparison()
    }

    /// What the run was: its identity, its config, what was spent, and what a reader must know.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.kept.manifest
    }

    /// The same report with a recommendation that may lose so much accuracy against the strong level alone, a share.
    #[must_use]
    pub fn allowing(mut self, margin: Option<f64>) -> Self {
        if let Some(margin) = margin {
            self.kept.allow(margin);
        }
        self
    }

    /// All that the outputs are made from.
    #[must_use]
    pub fn kept(&self) -> &FinishedRun {
        &self.kept
    }

    /// The calls that were made for it now.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.calls
    }

    /// The run's folder, where its journal lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes summary, tables and manifest into a folder, all or none. Reports that are there and differ are set aside.
    ///
    /// # Errors
    /// [`RunError::Output`] names the file, also if records are there that differ.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<Option<SetAside>, RunError> {
        self.write_outputs(&Outputs::new(&self.kept, &self.comparison()), folder.as_ref())
    }

    /// The same with outputs that are made already.
    ///
    /// # Errors
    /// As [`RunReport::write`].
    pub fn write_outputs(&self, outputs: &Outputs, folder: &Path) -> Result<Option<SetAside>, RunError> {
        let files = || {
            let mut files = outputs.files()?;
            files.push((strategies::FILE.to_owned(), strategies::lines(&self.strategies, &self.kept.manifest)?));
            if !self.unparsed.is_empty() {
                files.push((unparsed::FILE.to_owned(), self.unparsed.clone()));
            }
            place(folder, files)
        };
        let aside = SetAside::of(files())?;
        self.kept.manifest.write(folder).map_err(RunError::Output)?;
        Ok(aside)
    }
}

impl Prepared {
    /// Runs the config's arms.
    ///
    /// # Errors
    /// [`RunError`]; what was answered until then is in the journal.
    pub async fn execute(&self, progress: &Progress) -> Result<RunReport, RunError> {
        self.execute_at(&self.place(""), progress).await
    }

    /// The same in another place.
    pub(super) async fn execute_at(&self, place: &Place, progress: &Progress) -> Result<RunReport, RunError> {
        let (session, manifest) = Session::begin(self, place, self.identity(), progress, |manifest| manifest)?;
        let config = &self.resolved.config;
        let models = session.models().await?;
        let gates = gates(&self.resolved);
        let Runnable { gates, calibration, left_out } = session.runnable(&models, &gates).await?;
        let stated: Vec<f64> = config.deferral.stated().into_iter().collect();
        let cells = gates.cells(&calibration.arms, &stated, orders(&self.resolved));
        let outcome = session.run_cells(&models, &cells, &config.name).await?.without(left_out);
        if let (true, Some(first)) = (outcome.records.is_empty(), outcome.left_out.first()) {
            return Err(nothing("no arm can be shown", first));
        }
        let of_gates = warnings::of_gates(&outcome.records);
        Ended { session: &session, models: &models, manifest, outcome, calibration, of_gates }.report().await
    }
}

/// A run whose calls are made.
pub(super) struct Ended<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) models: &'a Models,
    pub(super) manifest: Manifest,
    pub(super) outcome: ExperimentOutcome,
    pub(super) calibration: Calibration,
    /// Warnings about the gates.
    pub(super) of_gates: Vec<String>,
}

impl Ended<'_> {
    /// Completes the manifest.
    pub(super) async fn report(self) -> Result<RunReport, RunError> {
        let Self { session, models, mut manifest, outcome, calibration, of_gates } = self;
        let (resolved, journal) = (session.resolved, &session.means.journal);
        let answered_by = answered_by(outcome.records.iter().chain(&calibration.records));
        let shared = session.leakage(models).into_iter().collect();
        let shown = warnings::of_records(resolved, &outcome, &calibration.records, &answered_by);
        manifest.warnings = [resolved.warnings(), shared, of_gates, shown].concat();
        if manifest.swept.is_none() && resolved.config.dataset.choose.is_some() {
            manifest
                .warnings
                .push("dataset.choose is for `sweep`: this run has one λ, and nothing was chosen.".to_owned());
        }
        manifest.left_out.clone_from(&outcome.left_out);
        manifest.calls_made = Some(journal.calls_made());
        manifest.spent = spent(resolved, journal).map_err(RunError::Journal)?;
        manifest.answered_by = json!(answered_by);
        manifest.ended = Some(now());
        let unparsed = unparsed::lines(&outcome.records, journal).await.map_err(RunError::Journal)?;
        let facts = RunFacts::of(resolved, manifest.swept.clone());
        let ExperimentOutcome { records, strategies, .. } = outcome;
        let calls = Calls { made: journal.calls_made(), imported: journal.calls_imported() };
        let kept = FinishedRun { manifest, facts, records, calibration, lacking: Vec::new() };
        Ok(RunReport { kept, strategies, unparsed, calls, folder: session.place().folder.clone() })
    }
}
