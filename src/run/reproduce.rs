//! Reproduction of a paper: its tables over a family of experiments, and verdicts on its claims.

mod listing;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::anyhow;

pub use self::listing::Listing;
pub use self::tables::ReproductionTables;
use super::ablate::PreparedAblation;
use super::error::RunError;
use super::left_out::not_recorded;
use super::progress::Progress;
use super::shards::runs::{RunsReport, RunsShard};
use super::{Prepared, Run, RunLocation, Sources};
use crate::backend::raw::BackendKind;
use crate::config::reproduction::{Ablation, Experiment, Family, Paper, Table};
use crate::dataset::catalogue::Catalogue;
use crate::report::folder::JOURNAL;
use crate::report::reproduction::Shows;
use crate::types::shard::Shard;

/// Name of the folder with the experiments' runs.
const RUNS: &str = "runs";

/// Options of a reproduction.
#[derive(Debug, Clone)]
pub struct ReproduceOptions {
    /// Names of tables and ablations; empty for all tables.
    pub tables: Vec<String>,
    /// Name of the family of experiments.
    pub family: String,
    /// Name of an alternative data set of the family; `None` for the experiments' own data.
    pub dataset: Option<String>,
    /// Output folder.
    pub out: PathBuf,
    /// True if recordings are ignored and models are called.
    pub recompute: bool,
    /// True if existing outputs of the experiments are moved aside first.
    pub fresh: bool,
    /// True if experiments are only listed. Their models need not be callable.
    pub list_only: bool,
    /// Sources of answers besides recordings.
    pub sources: Sources,
}

impl ReproduceOptions {
    /// Folder name of an experiment. It contains the name of an alternative data set.
    fn folder_name(&self, name: &str) -> String {
        self.dataset.as_ref().map_or(name.to_owned(), |dataset| format!("{name}, {dataset}"))
    }

    /// Folder of an experiment's run.
    fn folder_of(&self, experiment: &Experiment) -> PathBuf {
        self.out.join(RUNS).join(self.folder_name(&experiment.name))
    }
}

/// Sources of answers of an experiment or an ablation.
struct AnswerSources<'a> {
    /// Recording that answers every call; `None` if it is missing or ignored.
    recording: Option<&'a Path>,
    /// Path of the recording that is required but missing.
    missing: Option<&'a Path>,
    /// All sources, including the recording.
    sources: Sources,
}

impl<'a> AnswerSources<'a> {
    fn new(recording: Option<&'a Path>, options: &ReproduceOptions) -> Self {
        // A recording applies only to the experiment's own data set.
        let expected = recording.filter(|_| !options.recompute && options.dataset.is_none());
        let recording = expected.filter(|path| path.exists());
        let sources = match recording {
            Some(path) => options.sources.replaying(path),
            // A listing needs no callable models.
            None if options.list_only => options.sources.without_models(),
            None => options.sources.clone(),
        };
        Self { recording, missing: expected.filter(|_| recording.is_none()), sources }
    }

    /// True unless a required recording is missing; then the listener gets a message. Models are never called in place
    /// of a missing recording.
    fn is_available(&self, name: &str, progress: &Progress) -> bool {
        if let Some(path) = self.missing {
            progress.message(&format!(
                "{name} is left out: {} is missing. Add --recompute to call the models",
                path.display()
            ));
        }
        self.missing.is_none()
    }
}

/// A checked experiment, ready to run.
struct PreparedExperiment<'a> {
    experiment: &'a Experiment,
    run: Prepared,
    answers: AnswerSources<'a>,
}

impl<'a> PreparedExperiment<'a> {
    /// Checks an experiment. The overrides `data` apply last.
    fn new(experiment: &'a Experiment, data: &[String], options: &ReproduceOptions) -> Result<Self, RunError> {
        let answers = AnswerSources::new(experiment.recording.as_deref(), options);
        let set = [&experiment.set, data].concat();
        let run = Run::new(&experiment.config, set, answers.sources.clone()).prepare();
        Ok(Self { experiment, run: run.map_err(|error| error.context(experiment.name.clone()))?, answers })
    }

    /// Reason why a verdict on this experiment does not apply to the paper; `None` if it does apply.
    fn yardstick(&self) -> anyhow::Result<Option<&'static str>> {
        let resolved = &self.run.resolved;
        if resolved.strong.backend.kind() == BackendKind::Reference {
            return Ok(Some("the teacher is not a model"));
        }
        if resolved.config.dataset.path.is_some() {
            return Ok(None);
        }
        let catalogue = Catalogue::find(Some(&self.experiment.config))?;
        let entry = catalogue.entries.iter().find(|entry| entry.name == resolved.dataset);
        let is_own = entry.is_some_and(|entry| entry.source.is_none());
        Ok(is_own.then_some("the data set is our own"))
    }
}

/// A checked ablation of a family, ready to run.
struct RecordedAblation<'a> {
    name: &'a str,
    prepared: PreparedAblation,
    answers: AnswerSources<'a>,
}

impl<'a> RecordedAblation<'a> {
    /// Checks an ablation. The overrides `data` apply last, to every config.
    fn new(ablation: &'a Ablation, data: &[String], options: &ReproduceOptions) -> Result<Self, RunError> {
        let answers = AnswerSources::new(ablation.recording.as_deref(), options);
        let prepared = PreparedAblation::load(&ablation.file, data, &answers.sources)?;
        Ok(Self { name: &ablation.name, prepared, answers })
    }
}

/// A checked family of experiments, ready to run.
pub struct Reproduction<'a> {
    paper: &'a Paper,
    options: &'a ReproduceOptions,
    family: &'a Family,
    tables: Vec<&'a Table>,
    experiments: Vec<PreparedExperiment<'a>>,
    ablations: Vec<RecordedAblation<'a>>,
}

/// Reads the folder that describes a paper.
///
/// # Errors
/// [`RunError::Config`] with file, line and key.
pub fn paper(folder: &Path) -> Result<Paper, RunError> {
    Ok(Paper::load(folder)?)
}

impl<'a> Reproduction<'a> {
    /// Checks all experiments and ablations that the options select.
    ///
    /// # Errors
    /// [`RunError`] with the experiment and its fault.
    pub fn prepare(paper: &'a Paper, options: &'a ReproduceOptions) -> Result<Self, RunError> {
        let family = paper.family(&options.family)?;
        let (tables, ablations) = paper.chosen(family, &options.tables)?;
        let data = family.other_data(options.dataset.as_deref())?;
        let experiments = family.experiments.iter().filter(|one| options.dataset.is_none() || !one.own_data_only);
        let experiments = experiments
            .map(|experiment| PreparedExperiment::new(experiment, data, options))
            .collect::<Result<_, _>>()?;
        let ablations = ablations.into_iter().map(|ablation| RecordedAblation::new(ablation, data, options));
        Ok(Self { paper, options, family, tables, experiments, ablations: ablations.collect::<Result<_, _>>()? })
    }

    /// Makes the runs of a shard: whole experiments that the tables need, and whole runs of the ablations. No table is
    /// made: the same reproduction without a shard makes them. Returns a report on the experiments, if there are any,
    /// and one on each ablation.
    ///
    /// # Errors
    /// [`RunError`]. The journals hold every answer up to the error.
    pub async fn execute_shard(&self, shard: Shard, progress: &Progress) -> Result<Vec<RunsReport>, RunError> {
        let ReproduceOptions { out, fresh, .. } = self.options;
        let mut reports = Vec::new();
        // The division must not depend on the recordings that this machine has.
        let needed: Vec<&PreparedExperiment> = self.experiments.iter().filter(|ready| self.is_used(ready)).collect();
        if !needed.is_empty() {
            let runs: Vec<(String, usize)> =
                needed.iter().map(|ready| (ready.experiment.name.clone(), ready.run.steps())).collect();
            let own_runs = RunsShard::new("reproduce", shard, &runs);
            let own = needed.iter().enumerate().filter(|(index, _)| own_runs.makes(*index)).map(|(_, ready)| ready);
            let own = own.filter(|ready| ready.answers.is_available(&ready.experiment.name, progress));
            let folder = out.join(shard.folder_name());
            let own = own.map(|ready| {
                let place = folder.join(RUNS).join(self.options.folder_name(&ready.experiment.name));
                let location = RunLocation { folder: place, shared_journal: Some(folder.join(JOURNAL)), fresh: *fresh };
                (ready.experiment.name.as_str(), &ready.run, location)
            });
            let own: Vec<_> = own.collect();
            reports.push(own_runs.execute(&folder, own, progress).await?);
        }
        for RecordedAblation { name, prepared, answers } in &self.ablations {
            if answers.is_available(name, progress) {
                let out = out.join(self.options.folder_name(name));
                reports.push(prepared.execute_shard(&out, *fresh, shard, progress).await?);
            }
        }
        Ok(reports)
    }

    /// True if a table uses an experiment.
    fn is_used(&self, ready: &PreparedExperiment) -> bool {
        self.tables.iter().any(|table| uses(table, ready))
    }

    /// Runs the experiments that the tables need, and makes the tables. Tables of ablations are for a terminal of
    /// `width` columns.
    ///
    /// # Errors
    /// [`RunError`]. The journals hold every answer up to the error.
    pub async fn execute(&self, width: u16, progress: &Progress) -> Result<ReproductionTables, RunError> {
        let ReproduceOptions { out, fresh, .. } = self.options;
        let mut needed: Vec<&PreparedExperiment> =
            self.experiments.iter().filter(|ready| self.is_used(ready)).collect();
        needed.retain(|ready| ready.answers.is_available(&ready.experiment.name, progress));
        let mut ablations: Vec<&RecordedAblation> = self.ablations.iter().collect();
        ablations.retain(|ablation| ablation.answers.is_available(ablation.name, progress));
        if needed.is_empty() && ablations.is_empty() {
            return Err(RunError::Config(anyhow!(
                "no available experiment produces the requested tables. Run `intercascade reproduce --list` to see what is available"
            )));
        }
        for (index, PreparedExperiment { experiment, run, answers }) in needed.iter().enumerate() {
            let source =
                answers.recording.map_or("calling its models".to_owned(), |path| format!("from {}", path.display()));
            progress.message(&format!("{} of {}: {}, {source}", index + 1, needed.len(), experiment.name));
            let folder = self.options.folder_of(experiment);
            let location = RunLocation { folder, shared_journal: Some(out.join(JOURNAL)), fresh: *fresh };
            let left_out = run.execute_shared(location, progress).await?;
            // Without an arm, a table could not support verdicts on the paper's claims.
            if let Some(first) = left_out.first() {
                return Err(not_recorded(&format!("{}: some arms cannot be computed", experiment.name), first));
            }
        }
        let mut output = ReproductionTables::default();
        for RecordedAblation { name, prepared, .. } in ablations {
            let report = prepared.execute(&out.join(self.options.folder_name(name)), *fresh, width, progress).await?;
            if let Some(row) = report.left_out.into_iter().next() {
                return Err(RunError::NotRecorded { what: format!("{name}: {}", row.variant), lacks: row.lacks });
            }
            if self.options.tables.iter().any(|table| table == name) {
                output.ablations.push(report.tables);
            }
        }
        if !needed.is_empty() {
            self.add_tables(&needed, &mut output).map_err(RunError::Output)?;
        }
        Ok(output)
    }
}

/// True if a table uses an experiment. The headline table uses only experiments of its claims; other tables use all.
fn uses(table: &Table, ready: &PreparedExperiment) -> bool {
    table.shows != Shows::Headline || table.claims.iter().any(|claim| claim.experiment == ready.experiment.name)
}
