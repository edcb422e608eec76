//! A paper's tables over a family of experiments, and its claims judged by what comes out.

mod listing;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::anyhow;

pub use self::listing::Listing;
pub use self::tables::ReproductionTables;
use super::ablate::PreparedAblation;
use super::error::RunError;
use super::left_out::nothing;
use super::progress::Progress;
use super::{Place, Prepared, Run, Sources};
use crate::backend::raw::BackendKind;
use crate::config::reproduction::{Ablation, Experiment, Family, Paper, Table};
use crate::dataset::catalogue::Catalogue;
use crate::report::folder::JOURNAL;
use crate::report::reproduction::Shows;

/// What is reproduced, and how.
#[derive(Debug, Clone)]
pub struct ReproduceOptions {
    /// The tables and ablations, by name; empty for all tables.
    pub tables: Vec<String>,
    /// The family of experiments.
    pub family: String,
    /// The name of other data that the family is run on; `None` for its own.
    pub dataset: Option<String>,
    /// The folder of the outputs.
    pub out: PathBuf,
    /// Whether recordings are left aside and the models asked.
    pub recompute: bool,
    /// Whether experiments' outputs that are there are set aside first.
    pub fresh: bool,
    /// Whether experiments are only listed, so that their models need not be callable.
    pub only_listed: bool,
    /// Where answers may come from besides recordings.
    pub sources: Sources,
}

impl ReproduceOptions {
    /// The name of an experiment's folder: of another on other data.
    fn on_data(&self, name: &str) -> String {
        self.dataset.as_ref().map_or(name.to_owned(), |dataset| format!("{name}, {dataset}"))
    }

    /// The folder of an experiment's run.
    fn folder_of(&self, experiment: &Experiment) -> PathBuf {
        self.out.join("runs").join(self.on_data(&experiment.name))
    }
}

/// Where the answers of an experiment or an ablation come from.
struct ReadOnlyJournals<'a> {
    /// What answers everything, if it is there and not left aside.
    recording: Option<&'a Path>,
    /// The recording that it should be made from and that is not there.
    lacking: Option<&'a Path>,
    /// All that may be asked, the recording among it.
    sources: Sources,
}

impl<'a> ReadOnlyJournals<'a> {
    fn new(recording: Option<&'a Path>, options: &ReproduceOptions) -> Self {
        // A recording is of the experiment's own data.
        let wanted = recording.filter(|_| !options.recompute && options.dataset.is_none());
        let recording = wanted.filter(|path| path.exists());
        let sources = match recording {
            Some(path) => options.sources.replay(path),
            // What is only listed need not be callable.
            None if options.only_listed => options.sources.unasked(),
            None => options.sources.clone(),
        };
        Self { recording, lacking: wanted.filter(|_| recording.is_none()), sources }
    }

    /// Whether it can be made here. Nobody who asks for recorded tables expects models to be started.
    fn there(&self, name: &str, progress: &Progress) -> bool {
        if let Some(path) = self.lacking {
            progress
                .message(&format!("{name} is left out: there is no {}; --recompute asks its models", path.display()));
        }
        self.lacking.is_none()
    }
}

/// An experiment that can be run.
struct PreparedExperiment<'a> {
    experiment: &'a Experiment,
    run: Prepared,
    answers: ReadOnlyJournals<'a>,
}

impl<'a> PreparedExperiment<'a> {
    /// `data` is laid over its config last.
    fn new(experiment: &'a Experiment, data: &[String], options: &ReproduceOptions) -> Result<Self, RunError> {
        let answers = ReadOnlyJournals::new(experiment.recording.as_deref(), options);
        let set = [&experiment.set, data].concat();
        let run = Run::new(&experiment.config, set, answers.sources.clone()).prepare();
        Ok(Self { experiment, run: run.map_err(|error| error.context(experiment.name.clone()))?, answers })
    }

    /// Why a verdict on it is none on the paper.
    fn yardstick(&self) -> anyhow::Result<Option<&'static str>> {
        let resolved = &self.run.resolved;
        if resolved.strong.backend.kind() == BackendKind::Reference {
            return Ok(Some("the teacher is no model"));
        }
        if resolved.config.dataset.path.is_some() {
            return Ok(None);
        }
        let catalogue = Catalogue::find(Some(&self.experiment.config))?;
        let entry = catalogue.entries.iter().find(|entry| entry.name == resolved.dataset);
        let written_here = entry.is_some_and(|entry| entry.source.is_none());
        Ok(written_here.then_some("the data set is our own"))
    }
}

/// An ablation that can be run.
struct RecordedAblation<'a> {
    name: &'a str,
    prepared: PreparedAblation,
    answers: ReadOnlyJournals<'a>,
}

impl<'a> RecordedAblation<'a> {
    /// `data` is laid over its configs last.
    fn new(ablation: &'a Ablation, data: &[String], options: &ReproduceOptions) -> Result<Self, RunError> {
        let answers = ReadOnlyJournals::new(ablation.recording.as_deref(), options);
        let prepared = PreparedAblation::load(&ablation.file, data, &answers.sources)?;
        Ok(Self { name: &ablation.name, prepared, answers })
    }
}

/// A family of experiments that can be run.
pub struct Reproduction<'a> {
    paper: &'a Paper,
    options: &'a ReproduceOptions,
    family: &'a Family,
    tables: Vec<&'a Table>,
    experiments: Vec<PreparedExperiment<'a>>,
    ablations: Vec<RecordedAblation<'a>>,
}

/// Reads a paper's folder.
///
/// # Errors
/// [`RunError::Config`] names file, line and key.
pub fn paper(folder: &Path) -> Result<Paper, RunError> {
    Ok(Paper::load(folder)?)
}

impl<'a> Reproduction<'a> {
    /// Checks all experiments and ablations that the options ask for.
    ///
    /// # Errors
    /// [`RunError`] names the experiment and what is wrong with it.
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

    /// Runs what the tables need, and makes them; ablations are given for a terminal of `width` columns.
    ///
    /// # Errors
    /// [`RunError`]; what was answered until then is in the journals.
    pub async fn execute(&self, width: u16, progress: &Progress) -> Result<ReproductionTables, RunError> {
        let ReproduceOptions { out, fresh, .. } = self.options;
        let asked = |ready: &&PreparedExperiment| self.tables.iter().any(|table| asks(table, ready));
        let mut needed: Vec<&PreparedExperiment> = self.experiments.iter().filter(asked).collect();
        needed.retain(|ready| ready.answers.there(&ready.experiment.name, progress));
        let mut compared: Vec<&RecordedAblation> = self.ablations.iter().collect();
        compared.retain(|compared| compared.answers.there(compared.name, progress));
        if needed.is_empty() && compared.is_empty() {
            return Err(RunError::Config(anyhow!(
                "no experiment that can be told here makes what is asked for; `intercascade reproduce --list` says what there is"
            )));
        }
        for (at, PreparedExperiment { experiment, run, answers }) in needed.iter().enumerate() {
            let how =
                answers.recording.map_or("its models are asked".to_owned(), |path| format!("from {}", path.display()));
            progress.message(&format!("{} of {}: {}, {how}", at + 1, needed.len(), experiment.name));
            let folder = self.options.folder_of(experiment);
            let place = Place { folder, shared: Some(out.join(JOURNAL)), fresh: *fresh };
            let left_out = run.execute_shared(place, progress).await?;
            // A table of the paper's with an arm less would judge its claims by something else.
            if let Some(first) = left_out.first() {
                return Err(nothing(&format!("{}: not all arms can be shown", experiment.name), first));
            }
        }
        let mut made = ReproductionTables::default();
        for RecordedAblation { name, prepared, .. } in compared {
            let report = prepared.execute(&out.join(self.options.on_data(name)), *fresh, width, progress).await?;
            if let Some(row) = report.left_out.into_iter().next() {
                return Err(RunError::NotRecorded { what: format!("{name}: {}", row.variant), lacks: row.lacks });
            }
            if self.options.tables.iter().any(|table| table == name) {
                made.ablations.push(report.shown);
            }
        }
        if !needed.is_empty() {
            self.make(&needed, &mut made).map_err(RunError::Output)?;
        }
        Ok(made)
    }
}

/// Whether a table is made from an experiment: the headline from those that it judges, the others from all.
fn asks(table: &Table, ready: &PreparedExperiment) -> bool {
    table.shows != Shows::Headline || table.claims.iter().any(|claim| claim.experiment == ready.experiment.name)
}
