//! Settings of an entry with backend `llama-server`.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{LlamaServer, ServedModel, Servers};
use crate::backend::raw::RawEntry;
use crate::backend::settings::{BackendSettings, Caller, Data, EntryError};
use crate::fetch::weights::{self, Catalogue};
use crate::types::model::Capabilities;
use crate::types::queue::QueueSettings;

/// Default context of a slot, in tokens.
const DEFAULT_CONTEXT: u32 = 4096;

/// Settings of a local server, read from its entry.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaServerSettings {
    /// Weights of the server.
    pub weights: WeightsSource,
    /// Context of each slot in tokens, prompt and answer together. `None` selects 4096.
    pub context: Option<NonZeroU32>,
    /// Number of parallel sequences, and maximum number of calls in flight. `None` selects 1.
    pub slots: Option<NonZeroU32>,
    /// Number of compute threads. `None` selects the number of cores.
    pub threads: Option<NonZeroUsize>,
}

/// Weights that a local server loads.
#[derive(Debug, Clone, PartialEq)]
pub enum WeightsSource {
    /// Weights of the catalogue, by name.
    Named(String),
    /// A GGUF file.
    File {
        /// Path of the file.
        path: PathBuf,
        /// SHA-256 of the file, in hex.
        sha256: String,
    },
}

impl LlamaServerSettings {
    /// Keys of this backend.
    pub const KEYS: &'static [&'static str] = &["weights", "path", "sha256", "context", "slots", "threads"];

    /// Reads the settings of an entry. A file is read to compute its checksum.
    ///
    /// # Errors
    /// [`EntryError::Missing`] if the entry has none or both of `weights` and `path`, [`EntryError::Value`] if the
    /// file cannot be read or has another checksum.
    pub fn read(raw: &RawEntry) -> Result<Self, EntryError> {
        let weights = match (&raw.weights, &raw.path) {
            (Some(_), None) if raw.sha256.is_some() => {
                let message =
                    "the key `sha256` belongs to `path`, and weights of the catalogue have a checksum: remove it";
                return Err(EntryError::Value(message.to_owned()));
            }
            (Some(name), None) => WeightsSource::Named(name.clone()),
            (None, Some(path)) => {
                WeightsSource::File { path: path.clone(), sha256: checksum(path, raw.sha256.as_deref())? }
            }
            _ => {
                let key = "`weights` or the key `path`, and not both".to_owned();
                return Err(EntryError::Missing { backend: raw.backend.name(), key });
            }
        };
        Ok(Self { weights, context: raw.context, slots: raw.slots, threads: raw.threads })
    }

    /// Builds the model on a server that all models with the same weights share. Nothing is started.
    ///
    /// # Errors
    /// Returns an error if the catalogue lacks the weights.
    pub fn model(&self, caller: Caller<'_>, data: Data<'_>, servers: &Servers) -> Result<LlamaServer> {
        Ok(servers.model(caller.name, self.served(data.weights)?, data.style, caller.timeout))
    }

    /// SHA-256 of the weights, in hex.
    fn sha256(&self, weights: &Catalogue) -> Result<String> {
        match &self.weights {
            WeightsSource::Named(name) => Ok(weights.find(name)?.files[0].sha256.clone()),
            WeightsSource::File { sha256, .. } => Ok(sha256.clone()),
        }
    }

    /// Returns the weights and the settings of their server.
    fn served(&self, weights: &Catalogue) -> Result<ServedModel> {
        let sha256 = self.sha256(weights)?;
        let (label, weights) = match &self.weights {
            WeightsSource::Named(name) => (name.clone(), weights.path(name)?),
            WeightsSource::File { path, .. } => {
                (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path.clone())
            }
        };
        Ok(ServedModel {
            label,
            weights,
            sha256,
            context: self.context(),
            slots: self.slots(),
            threads: self.threads(),
        })
    }

    fn context(&self) -> u32 {
        self.context.map_or(DEFAULT_CONTEXT, NonZeroU32::get)
    }

    fn slots(&self) -> u32 {
        self.slots.map_or(1, NonZeroU32::get)
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(cores, NonZeroUsize::get)
    }
}

/// Returns the checksum of a file. The checksum must equal `expected` if the entry has one. If the file does not
/// exist, `expected` is returned, which allows the use of recorded answers without the file.
fn checksum(path: &Path, expected: Option<&str>) -> Result<String, EntryError> {
    if let Some(expected) = expected.filter(|_| !path.exists()) {
        return Ok(expected.to_owned());
    }
    let found = weights::checksum(path)
        .map_err(|error| EntryError::Value(format!("cannot read the weights {}: {error}", path.display())))?;
    match expected {
        Some(expected) if expected != found => Err(EntryError::Value(format!(
            "the checksum of {} is {found} instead of {expected}: correct sha256, or fetch the file again",
            path.display()
        ))),
        _ => Ok(found),
    }
}

/// Checks that two entries with the same weights agree on the settings of the server that they share.
///
/// # Errors
/// Returns an error that names both models, the key and the values.
pub fn check_shared(entries: [(&str, &LlamaServerSettings); 2], weights: &Catalogue) -> Result<()> {
    let [(name, mine), (other, theirs)] = entries;
    if mine.sha256(weights)? != theirs.sha256(weights)? {
        return Ok(());
    }
    let numbers = |one: &LlamaServerSettings| [u64::from(one.context()), one.slots().into(), one.threads() as u64];
    let mut pairs = ["context", "slots", "threads"].into_iter().zip(numbers(mine)).zip(numbers(theirs));
    match pairs.find(|((_, mine), theirs)| mine != theirs) {
        None => Ok(()),
        Some(((key, mine), theirs)) => bail!(
            "models `{name}` and `{other}` have the same weights and share one server, but {key} is {mine} and \
            {theirs}: set it to the same value in both"
        ),
    }
}

impl BackendSettings for LlamaServerSettings {
    fn check(&self, weights: &Catalogue) -> Result<()> {
        self.sha256(weights).map(drop)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { logprobs: true, scores_options: false, calculator: false }
    }

    /// Excludes the engine's build and port. The journal stores the build with each answer.
    fn identity(&self, _caller: Caller<'_>, data: Data<'_>) -> Result<Value> {
        Ok(json!({ "weights": self.sha256(data.weights)?, "prompt": data.style }))
    }

    fn queue_settings(&self, _concurrency: usize) -> QueueSettings {
        QueueSettings { cap: usize::try_from(self.slots()).unwrap_or(usize::MAX), local: true, probed: false }
    }

    /// Allows the repetition of a call after a server has died and is restarted.
    fn min_retries(&self) -> usize {
        1
    }

    fn default_timeout_s(&self) -> f64 {
        600.0
    }

    fn required_weights(&self, _caller: Caller<'_>) -> BTreeSet<String> {
        match &self.weights {
            WeightsSource::Named(name) => BTreeSet::from([name.clone()]),
            WeightsSource::File { .. } => BTreeSet::new(),
        }
    }

    fn describe(&self, _caller: Caller<'_>) -> String {
        match &self.weights {
            WeightsSource::Named(name) => format!("{name}, in a separate llama.cpp server"),
            WeightsSource::File { path, .. } => format!("{}, in a separate llama.cpp server", path.display()),
        }
    }

    fn write(&self, raw: &mut RawEntry) {
        match self.weights.clone() {
            WeightsSource::Named(name) => raw.weights = Some(name),
            WeightsSource::File { path, sha256 } => {
                raw.path = Some(path);
                raw.sha256 = Some(sha256);
            }
        }
        raw.context = self.context;
        raw.slots = self.slots;
        raw.threads = self.threads;
    }
}
