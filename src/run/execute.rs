//! Execution of a config's arms over its stream, and the report of the run.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::batch::BatchedLevels;
use super::error::RunError;
use super::left_out::{Runnable, not_recorded};
use super::outputs::{Calibration, FinishedRun, Outputs, RunFacts, SetAside};
use super::page::{self, PageData, PageSources};
use super::progress::Progress;
use super::provenance::{answered_by, now, servers, spent};
use super::resources::{Models, calibration_plan, orders};
use super::session::Session;
use super::shards::partition::Partition;
use super::warnings::{AskedModel, StoredFacts};
use super::{Prepared, RunLocation, strategies, warnings};
use crate::analysis::metrics::Comparison;
use crate::cascade::experiment::{ExperimentOutcome, StoredStrategy};
use crate::config::resolved::ResolvedConfig;
use crate::config::schema::Config;
use crate::report::folder::write_outputs;
use crate::report::manifest::Manifest;
use crate::report::unparsed;
use crate::types::record::Record;
use crate::types::shard::Shard;

/// Number of calls that a run needed and that its own journal did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// Number of calls that were made.
    pub made: u64,
    /// Number of answers that were copied from other journals.
    pub imported: u64,
}

/// Records, figures and files of a finished run.
pub struct RunReport {
    finished: FinishedRun,
    strategies: Vec<StoredStrategy>,
    /// JSON lines of the answers that could not be read.
    unparsed: Vec<u8>,
    calls: Calls,
    folder: PathBuf,
    /// Data of the run's page. `None` if several runs share a journal or the run is a shard, so that no page is made.
    page: Option<PageData>,
}

impl RunReport {
    /// Returns one record per item and cell, sorted by order of the stream, threshold, arm and position.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.finished.records
    }

    /// Compares the arms with their cascade: figures, intervals and tests. Each call computes the comparison anew.
    #[must_use]
    pub fn comparison(&self) -> Comparison<'_> {
        self.finished.comparison()
    }

    /// Returns the manifest: identity, config, spending and warnings of the run.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.finished.manifest
    }

    /// Sets the accuracy loss, a share in (0, 1), that the recommendation accepts against strong-only. `None` changes
    /// nothing.
    #[must_use]
    pub fn allowing(mut self, margin: Option<f64>) -> Self {
        if let Some(margin) = margin {
            self.finished.set_margin(margin);
        }
        self
    }

    /// Returns the data from which all outputs are made.
    #[must_use]
    pub fn finished(&self) -> &FinishedRun {
        &self.finished
    }

    /// Number of calls that this execution made or copied.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.calls
    }

    /// Returns the folder of the run's journal and outputs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes summary, tables and manifest into a folder, all or none. Existing reports that differ are moved aside.
    ///
    /// # Errors
    /// [`RunError::Output`] with the file that cannot be written, or if the folder holds records that differ.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<Option<SetAside>, RunError> {
        self.write_outputs(&Outputs::new(&self.finished, &self.comparison()), folder.as_ref())
    }

    /// Writes outputs that the caller has already made, as [`RunReport::write`] does.
    ///
    /// # Errors
    /// As [`RunReport::write`].
    pub fn write_outputs(&self, outputs: &Outputs, folder: &Path) -> Result<Option<SetAside>, RunError> {
        let files = || {
            // A shard has no figures: they would pretend to be those of the run.
            let is_shard = self.finished.manifest.shard.is_some();
            let mut files = if is_shard { outputs.record_files()? } else { outputs.files()? };
            files.push((strategies::FILE.to_owned(), strategies::lines(&self.strategies, &self.finished.manifest)?));
            if !self.unparsed.is_empty() {
                files.push((unparsed::FILE.to_owned(), self.unparsed.clone()));
            }
            Ok(files)
        };
        let mut files = files().map_err(RunError::Output)?;
        if let Some(data) = &self.page {
            let sources = PageSources::default();
            files.push(page::of_run(&self.finished, outputs, &files, &self.folder, (data, &sources))?.file);
        }
        let aside = SetAside::of(write_outputs(folder, files))?;
        self.finished.manifest.write(folder).map_err(RunError::Output)?;
        Ok(aside)
    }
}

impl Prepared {
    /// Runs the config's arms.
    ///
    /// # Errors
    /// [`RunError`]. The journal holds every answer up to the error.
    pub async fn execute(&self, progress: &Progress) -> Result<RunReport, RunError> {
        self.execute_at(&self.location(""), progress).await
    }

    /// Runs the config's arms at the given location.
    pub(super) async fn execute_at(&self, location: &RunLocation, progress: &Progress) -> Result<RunReport, RunError> {
        let notes = self.check_batches(BatchedLevels::Both)?;
        let mut partition = partition(&self.resolved, self.shard);
        let begun = |manifest| Manifest { shard: partition.begun(), ..manifest };
        let (session, manifest) = Session::begin(self, location, self.identity(), progress, begun)?;
        self.run_batches(&notes, &session, progress).await?;
        let config = &self.resolved.config;
        let models = session.models().await?;
        let plan = calibration_plan(&self.resolved).only(|arm| partition.has(*arm));
        let Runnable { plan, calibration, left_out } = session.runnable(&models, &plan).await?;
        let thresholds: Vec<f64> = config.deferral.fixed_threshold().into_iter().collect();
        let cells = plan.cells(&calibration.arms, &thresholds, orders(&self.resolved)).restricted(partition.own());
        partition.note_thresholds(&cells);
        let outcome = session.run_cells(&models, &cells, &config.name).await?.without(left_out);
        if let (true, true, Some(first)) = (self.shard.is_whole(), outcome.records.is_empty(), outcome.left_out.first())
        {
            return Err(not_recorded("no arm has all of its calls recorded", first));
        }
        let gate_warnings = warnings::of_gates(&outcome.records);
        let ended =
            Ended { session: &session, models: &models, manifest, outcome, calibration, gate_warnings, partition };
        ended.report().await
    }
}

/// Division of a run's cells. Each arm has one cell in each order, whose λ need not be known.
pub(super) fn partition(resolved: &ResolvedConfig, shard: Shard) -> Partition {
    let mut partition = Partition::of(shard);
    partition.add(&calibration_plan(resolved).cells(&[], &[0.0], orders(resolved)), None);
    partition
}

/// A run after its last call, before its report.
pub(super) struct Ended<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) models: &'a Models,
    pub(super) manifest: Manifest,
    pub(super) outcome: ExperimentOutcome,
    pub(super) calibration: Calibration,
    /// Warnings about deferral gates.
    pub(super) gate_warnings: Vec<String>,
    /// Division of the run's cells.
    pub(super) partition: Partition,
}

/// Warning of a run with one λ whose config asks for a choice of λ. `None` for other runs.
pub(super) fn of_choice(is_swept: bool, config: &Config) -> Option<String> {
    (!is_swept && config.dataset.choose.is_some())
        .then(|| "dataset.choose applies only to `sweep`. This run has one λ, so no λ was chosen.".to_owned())
}

impl Ended<'_> {
    /// Completes the manifest and returns the report.
    pub(super) async fn report(self) -> Result<RunReport, RunError> {
        let Self { session, models, mut manifest, outcome, calibration, gate_warnings, partition } = self;
        let (resolved, journal) = (session.resolved, &session.resources.journal);
        let answered_by = answered_by(outcome.records.iter().chain(&calibration.records));
        let before = [resolved.warnings(), session.leakage(models).into_iter().collect()].concat();
        let asked = [&resolved.weak, &resolved.strong].map(AskedModel::of);
        let stored: Vec<StoredFacts> =
            outcome.strategies.iter().map(|stored| StoredFacts::of(&stored.strategy)).collect();
        let record_warnings =
            warnings::of_records(asked, (&outcome.records, &stored), &calibration.records, &answered_by);
        manifest.warnings = [before.clone(), gate_warnings, record_warnings].concat();
        manifest.warnings.extend(of_choice(manifest.swept.is_some(), &resolved.config));
        manifest.shard = partition.part(before);
        manifest.left_out.clone_from(&outcome.left_out);
        manifest.calls_made = Some(journal.calls_made());
        manifest.spent = spent(resolved, journal).map_err(RunError::Journal)?;
        manifest.answered_by = json!(answered_by);
        manifest.servers = servers(outcome.records.iter().chain(&calibration.records));
        manifest.ended = Some(now());
        let unparsed = unparsed::lines(&outcome.records, journal).await.map_err(RunError::Journal)?;
        let facts = RunFacts::of(resolved, manifest.swept.clone());
        let ExperimentOutcome { records, strategies, .. } = outcome;
        let calls = Calls { made: journal.calls_made(), imported: journal.calls_imported() };
        let finished = FinishedRun { manifest, facts, records, calibration, missing_columns: Vec::new() };
        let location = session.location();
        let has_page = location.shared_journal.is_none() && finished.manifest.shard.is_none();
        let page = has_page.then(|| PageData::of(resolved));
        Ok(RunReport { finished, strategies, unparsed, calls, folder: location.folder.clone(), page })
    }
}
