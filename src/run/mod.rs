//! A run as a library call: from a config to records, reports and files. The other flows over runs (sweep, ablation,
//! reproduction, report, comparison) are here too; none of them prints anything or knows the command line.

pub mod ablate;
pub mod audit;
pub mod calibrate;
pub mod compare;
pub mod data_sets;
pub mod dataset_check;
mod embed;
mod error;
pub mod execute;
pub mod export;
mod left_out;
pub mod matrix;
pub mod model_check;
pub mod money;
pub mod outputs;
mod progress;
mod project;
mod provenance;
pub mod report;
pub mod reproduce;
pub mod resources;
mod session;
pub mod shown_prompt;
mod sources;
mod stop;
pub mod strategies;
pub mod sweep;
#[cfg(test)]
mod tests;
pub mod transfers;
pub mod waits;
mod warnings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

pub use self::error::RunError;
pub use self::execute::RunReport;
pub use self::progress::{Listener, Progress, Unit};
pub use self::sources::Sources;
pub use self::stop::Stop;
use self::sweep::Thresholds;
use crate::backend::custom::CustomModel;
use crate::backend::raw::BackendKind;
use crate::backend::settings::EntryError;
use crate::config::forecast::{self, Flow};
use crate::config::resolved::ResolvedConfig;
use crate::config::schema::Config;
use crate::types::model::Model;

/// A config that is to be run, with values laid over it.
///
/// The run has a folder, `results/<name>` unless another is named: its journal lies there, so that the same run goes on
/// where it was stopped. If the folder lies in the working folder, the run takes over what the runs beside it have paid for:
/// no call is paid for twice.
#[derive(Clone)]
pub struct Run {
    config: PathBuf,
    overrides: Vec<String>,
    sources: Sources,
    models: BTreeMap<String, CustomModel>,
    folder: Option<PathBuf>,
    fresh: bool,
}

impl Run {
    /// Reads a config (TOML).
    ///
    /// # Errors
    /// [`RunError::Config`] names file, line and key.
    pub fn load(config: impl AsRef<Path>) -> Result<Self, RunError> {
        Self::new(config, Vec::new(), Sources::default()).checked()
    }

    /// The run of a config that is read later, with its overrides (`key.path=value`) and sources of answers.
    #[must_use]
    pub fn new(config: impl AsRef<Path>, overrides: Vec<String>, sources: Sources) -> Self {
        let config = config.as_ref().to_owned();
        Self { config, overrides, sources, models: BTreeMap::new(), folder: None, fresh: false }
    }

    /// Lays a value over the config, as `--set` does: `key.path=value`, or `key.path=` to remove a key.
    ///
    /// # Errors
    /// [`RunError::Config`] if there is no such key, or the value does not fit.
    pub fn set(mut self, value: &str) -> Result<Self, RunError> {
        self.overrides.push(value.to_owned());
        self.checked()
    }

    fn checked(self) -> Result<Self, RunError> {
        Config::load(&self.config, &self.overrides)?;
        Ok(self)
    }

    /// Takes answers from another run's journal, an export, or a folder of exports too.
    #[must_use]
    pub fn with_journal(mut self, journal: impl AsRef<Path>) -> Self {
        self.sources.journals.push(journal.as_ref().to_owned());
        self
    }

    /// Allows answers of journals alone: no model, no weights, no network.
    #[must_use]
    pub fn offline(mut self) -> Self {
        self.sources.offline = true;
        self
    }

    /// Leaves the answers of the runs beside this one alone: what they paid for is asked and paid for again.
    #[must_use]
    pub fn alone(self) -> Self {
        Self { sources: self.sources.alone(true), ..self }
    }

    /// Registers the model that answers for the `[[model]]` of this name, which is of backend `custom`. Its answers are kept
    /// in the journal under the entry's name and its key `model`: a model that comes to answer otherwise needs another one.
    #[must_use]
    pub fn with_model(mut self, name: &str, model: Arc<dyn Model>) -> Self {
        self.models.insert(name.to_owned(), CustomModel::new(model));
        self
    }

    /// Gives the run another folder; `None` is the usual one.
    #[must_use]
    pub fn in_folder(self, folder: impl Into<Option<PathBuf>>) -> Self {
        Self { folder: folder.into(), ..self }
    }

    /// Sets outputs that are in the folder aside and starts over; the journal of calls stays in use.
    #[must_use]
    pub fn fresh(self, fresh: bool) -> Self {
        Self { fresh, ..self }
    }

    /// Reads the data and all else that the config names, and checks it. No model is called.
    ///
    /// # Errors
    /// Names the place and the remedy.
    pub fn prepare(&self) -> Result<Prepared, RunError> {
        let resolved = self.sources.load(&self.config, &self.overrides)?;
        let Self { models, folder, fresh, sources, .. } = self;
        for entry in [&resolved.weak, &resolved.strong].into_iter().filter(|_| !sources.offline) {
            if entry.backend.kind() == BackendKind::Custom && !models.contains_key(&entry.name) {
                let error = anyhow::Error::from(EntryError::Unregistered);
                let error = error.context(format!("{}: model `{}`", self.config.display(), entry.name));
                return Err(RunError::Config(error));
            }
        }
        let (sources, models, folder) = (sources.clone(), models.clone(), folder.clone());
        Ok(Prepared { resolved, sources, models, folder, fresh: *fresh })
    }

    /// Runs the config's arms.
    ///
    /// # Errors
    /// [`RunError`]; what was answered until then is in the journal.
    pub async fn execute(&self, progress: &Progress) -> Result<RunReport, RunError> {
        self.prepare()?.execute(progress).await
    }
}

/// Where a run's outputs and its journal lie.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The folder of the outputs.
    pub(crate) folder: PathBuf,
    /// A journal that several runs share; `None` for the folder's own. Of such runs only results are written.
    pub(crate) shared: Option<PathBuf>,
    /// Whether outputs that are there are set aside first.
    pub(crate) fresh: bool,
}

/// A config with all that it names, found right: it can be run.
pub struct Prepared {
    resolved: ResolvedConfig,
    sources: Sources,
    models: BTreeMap<String, CustomModel>,
    folder: Option<PathBuf>,
    fresh: bool,
}

impl Prepared {
    /// Where the run lies; `ending` is added to the name of the usual folder.
    fn place(&self, ending: &str) -> Place {
        let usual = || Path::new("results").join(format!("{}{ending}", self.resolved.config.name));
        Place { folder: self.folder.clone().unwrap_or_else(usual), shared: None, fresh: self.fresh }
    }

    /// Lines that say what would run, and the calls, tokens and fee to expect.
    #[must_use]
    pub fn forecast(&self) -> Vec<String> {
        forecast::lines(&self.resolved)
    }

    /// The same of a sweep at so many thresholds.
    #[must_use]
    pub fn forecast_sweep(&self, thresholds: &Thresholds) -> Vec<String> {
        forecast::lines_of(&self.resolved, Flow::Sweep(thresholds.most()))
    }

    /// The same of a calibration.
    #[must_use]
    pub fn forecast_calibration(&self) -> Vec<String> {
        forecast::lines_of(&self.resolved, Flow::Calibration)
    }

    /// What makes the run the same run.
    fn identity(&self) -> Value {
        self.resolved.identity()
    }
}
