//! Runs as library calls: from a config to records, reports and files. Sweep, ablation, reproduction, report and
//! comparison are also here. No module here prints or depends on the command line.

pub mod ablate;
pub mod audit;
mod batch;
pub mod calibrate;
pub mod compare;
pub mod data_sets;
pub mod dataset_check;
mod embed;
mod error;
pub mod execute;
pub mod export;
pub mod init;
pub mod judge;
mod left_out;
pub mod matrix;
pub mod model_check;
pub mod money;
pub mod outputs;
pub mod page;
mod progress;
mod project;
mod provenance;
pub mod report;
pub mod reproduce;
pub mod resources;
mod session;
pub mod shards;
pub mod shown_prompt;
mod sources;
mod status;
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

use anyhow::anyhow;
use serde_json::Value;

pub use self::error::RunError;
pub use self::execute::RunReport;
pub use self::progress::{Listener, Progress, Task, Unit};
use self::shards::partition::Partition;
pub use self::sources::Sources;
pub use self::status::{ArmStatus, FeeStatus, ModelStatus, Pace, RunStatus};
pub use self::stop::Stop;
use self::sweep::Thresholds;
use crate::backend::custom::CustomModel;
use crate::backend::raw::BackendKind;
use crate::backend::settings::EntryError;
use crate::config::forecast::{self, Flow};
use crate::config::resolved::ResolvedConfig;
use crate::config::schema::Config;
use crate::dataset::catalogue::Catalogue;
use crate::fetch::shipped;
use crate::types::model::Model;
use crate::types::shard::Shard;

/// A config to run, with overrides of its values.
///
/// The default folder of a run is `results/<name>`. It holds the journal, so an interrupted run resumes when it is run
/// again. If the folder lies below the working folder, the run also uses the journals of the runs in neighbouring
/// folders: no call is paid for twice.
#[derive(Clone)]
pub struct Run {
    config: PathBuf,
    overrides: Vec<String>,
    sources: Sources,
    models: BTreeMap<String, CustomModel>,
    folder: Option<PathBuf>,
    fresh: bool,
    shard: Shard,
    batch: bool,
}

impl Run {
    /// Reads and checks a config (TOML).
    ///
    /// # Errors
    /// [`RunError::Config`] with file, line and key.
    pub fn load(config: impl AsRef<Path>) -> Result<Self, RunError> {
        Self::new(config, Vec::new(), Sources::default()).checked()
    }

    /// A run of `config` with overrides (`key.path=value`) and sources of answers. The config is read by
    /// [`Run::prepare`].
    #[must_use]
    pub fn new(config: impl AsRef<Path>, overrides: Vec<String>, sources: Sources) -> Self {
        let config = config.as_ref().to_owned();
        let (models, folder, shard) = (BTreeMap::new(), None, Shard::WHOLE);
        Self { config, overrides, sources, models, folder, fresh: false, shard, batch: false }
    }

    /// Overrides a value of the config, as `--set` does: `key.path=value`, or `key.path=` to remove a key.
    ///
    /// # Errors
    /// [`RunError::Config`] if the key is unknown or the value is invalid.
    pub fn set(mut self, value: &str) -> Result<Self, RunError> {
        self.overrides.push(value.to_owned());
        self.checked()
    }

    fn checked(self) -> Result<Self, RunError> {
        Config::load(&self.config, &self.overrides)?;
        Ok(self)
    }

    /// Adds a source of answers: another run's journal, an export, or a folder of exports.
    #[must_use]
    pub fn with_journal(mut self, journal: impl AsRef<Path>) -> Self {
        self.sources.journals.push(journal.as_ref().to_owned());
        self
    }

    /// Restricts the run to answers in journals: no model, no weights, no network.
    #[must_use]
    pub fn offline(mut self) -> Self {
        self.sources.offline = true;
        self
    }

    /// Ignores the journals of neighbouring runs. Calls that they hold are made and paid for again.
    #[must_use]
    pub fn alone(self) -> Self {
        Self { sources: self.sources.alone(true), ..self }
    }

    /// Registers the model that answers for the `[[model]]` of this name and of backend `custom`. The journal stores
    /// answers under the entry's name and its key `model`. Change the key `model` if the model's behaviour changes.
    #[must_use]
    pub fn with_model(mut self, name: &str, model: Arc<dyn Model>) -> Self {
        self.models.insert(name.to_owned(), CustomModel::new(model));
        self
    }

    /// Sets the folder of the run; `None` selects the default, `results/<name>`.
    #[must_use]
    pub fn in_folder(self, folder: impl Into<Option<PathBuf>>) -> Self {
        Self { folder: folder.into(), ..self }
    }

    /// Restricts the run to a shard of its cells, in a folder of its own inside the folder of the run.
    #[must_use]
    pub fn in_shard(self, shard: Shard) -> Self {
        Self { shard, ..self }
    }

    /// If `fresh`, moves existing outputs aside and starts over. The journal stays in use.
    #[must_use]
    pub fn fresh(self, fresh: bool) -> Self {
        Self { fresh, ..self }
    }

    /// If `batch`, arms that do not learn, and the calibration, use the batch APIs of the models' providers first. Such
    /// an answer may take a day. The same command continues after an interruption.
    #[must_use]
    pub fn in_batches(self, batch: bool) -> Self {
        Self { batch, ..self }
    }

    /// Reads and checks the data and all files that the config names. Calls no model.
    ///
    /// # Errors
    /// [`RunError`] with the location of the fault and a remedy.
    pub fn prepare(&self) -> Result<Prepared, RunError> {
        let resolved = self.sources.load(&self.config, &self.overrides)?;
        let Self { models, folder, fresh, sources, shard, batch, .. } = self;
        if *batch && !shard.is_whole() {
            return Err(RunError::Config(anyhow!(
                "--batch makes calls of the whole run, so shards would pay for them several times: run it once without --shard, \
                 then the shards with --journal postgres://… or in the same folder"
            )));
        }
        for entry in [&resolved.weak, &resolved.strong].into_iter().filter(|_| !sources.offline) {
            if entry.backend.kind() == BackendKind::Custom && !models.contains_key(&entry.name) {
                let error = anyhow::Error::from(EntryError::Unregistered);
                let error = error.context(format!("{}: model `{}`", self.config.display(), entry.name));
                return Err(RunError::Config(error));
            }
        }
        let (sources, models, folder) = (sources.clone(), models.clone(), folder.clone());
        let (path, fresh, shard, batch) = (self.config.clone(), *fresh, *shard, *batch);
        Ok(Prepared { resolved, path, sources, models, folder, fresh, shard, batch })
    }

    /// Runs the config's arms.
    ///
    /// # Errors
    /// [`RunError`]. The journal holds every answer up to the error.
    pub async fn execute(&self, progress: &Progress) -> Result<RunReport, RunError> {
        self.prepare()?.execute(progress).await
    }
}

/// Names the files that a config is read from: its own, those of its models and the catalogue of its data set.
fn files(path: &Path, config: &Config) -> Result<String, RunError> {
    let mut named = vec![format!("config {}", shipped::described(path))];
    named.extend(config.shared_files(path)?.iter().map(|file| format!("models {}", shipped::described(file))));
    named.push(if let Some(data) = &config.dataset.path {
        format!("data {}", data.display())
    } else {
        let catalogue = Catalogue::find(Some(path)).map_err(RunError::Data)?;
        format!("data sets {}", shipped::described(&catalogue.file()))
    });
    Ok(format!("files: {}", named.join(", ")))
}

/// Location of a run's outputs and journal.
#[derive(Debug, Clone)]
pub(crate) struct RunLocation {
    /// The folder of the outputs.
    pub(crate) folder: PathBuf,
    /// Path of a journal that several runs share; `None` if the run's folder holds the journal.
    pub(crate) shared_journal: Option<PathBuf>,
    /// True if existing outputs are moved aside first.
    pub(crate) fresh: bool,
}

/// A checked config with all files that it names, ready to run.
pub struct Prepared {
    resolved: ResolvedConfig,
    /// Path of the config.
    path: PathBuf,
    sources: Sources,
    models: BTreeMap<String, CustomModel>,
    folder: Option<PathBuf>,
    fresh: bool,
    shard: Shard,
    /// True if the provider's batch API is used where it can be.
    batch: bool,
}

impl Prepared {
    /// Location of the run. `suffix` is appended to the name of the default folder. A shard has a folder inside the
    /// folder of the run.
    fn location(&self, suffix: &str) -> RunLocation {
        let default = || Path::new("results").join(format!("{}{suffix}", self.resolved.config.name));
        let whole = self.folder.clone().unwrap_or_else(default);
        let folder = if self.shard.is_whole() { whole } else { whole.join(self.shard.folder_name()) };
        RunLocation { folder, shared_journal: None, fresh: self.fresh }
    }

    /// Names of the weak and the strong model.
    #[must_use]
    pub fn models(&self) -> [&str; 2] {
        [&self.resolved.weak.name, &self.resolved.strong.name]
    }

    /// Lines on what a run would do, with expected calls, tokens and fee.
    ///
    /// # Errors
    /// [`RunError`] if a file that the config names cannot be read any more.
    pub fn forecast(&self) -> Result<Vec<String>, RunError> {
        let partition = execute::partition(&self.resolved, self.shard);
        self.with_files([forecast::lines(&self.resolved), self.share(&partition)].concat())
    }

    /// Lines on what a sweep over these thresholds would do, with expected calls, tokens and fee.
    ///
    /// # Errors
    /// As [`Self::forecast`].
    pub fn forecast_sweep(&self, thresholds: &Thresholds) -> Result<Vec<String>, RunError> {
        let flow = Flow::Sweep(thresholds.max_count());
        let partition = sweep::partition(&self.resolved, self.shard, thresholds);
        self.with_files([forecast::lines_of(&self.resolved, flow), self.share(&partition)].concat())
    }

    /// Lines on what a calibration would do, with expected calls, tokens and fee.
    ///
    /// # Errors
    /// As [`Self::forecast`].
    pub fn forecast_calibration(&self) -> Result<Vec<String>, RunError> {
        self.with_files(forecast::lines_of(&self.resolved, Flow::Calibration))
    }

    /// Number of steps of the run over all its cells.
    fn steps(&self) -> usize {
        resources::calibration_plan(&self.resolved).cells(&[], &[0.0], resources::orders(&self.resolved)).steps()
    }

    /// Lines on the share of a shard; empty for a whole run.
    fn share(&self, partition: &Partition) -> Vec<String> {
        if self.shard.is_whole() {
            return Vec::new();
        }
        let cells = |is_own: bool| {
            let mut arms = BTreeMap::new();
            let index = self.shard.index();
            for cell in partition.cells().iter().filter(|cell| (cell.shard == index) == is_own) {
                *arms.entry(cell.place.arm).or_insert(0) += 1;
            }
            // Every shard makes the calls of this arm, whichever shard has its cells.
            arms.extend(partition.everywhere().filter(|arm| !arms.contains_key(arm)).map(|arm| (arm, 0)));
            arms
        };
        let (own, others) = (cells(true), cells(false));
        forecast::of_shard(&self.resolved, self.shard, &own, &others)
    }

    fn with_files(&self, lines: Vec<String>) -> Result<Vec<String>, RunError> {
        Ok(std::iter::once(files(&self.path, &self.resolved.config)?).chain(lines).collect())
    }

    /// JSON of all settings that identify the run: a folder accepts only runs of one identity.
    fn identity(&self) -> Value {
        self.resolved.identity()
    }
}
