//! The keys of an entry of backend `llama-server`.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{LlamaServer, Place, Servers};
use crate::backend::raw::RawEntry;
use crate::backend::settings::{BackendSettings, Caller, Data, EntryError};
use crate::fetch::weights::{self, Catalogue};
use crate::types::model::Capabilities;
use crate::types::queue::QueueSettings;

/// Tokens that a slot holds if the entry does not say.
const CONTEXT: u32 = 4096;

/// The settings of a local server, as its entry gives them.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaServerSettings {
    /// What it serves.
    pub weights: Served,
    /// Tokens that each slot holds, the prompt's and the answer's; `None` for 4096.
    pub context: Option<NonZeroU32>,
    /// Sequences at once, and the most calls in flight; `None` for 1.
    pub slots: Option<NonZeroU32>,
    /// Threads that compute; `None` for the machine's cores.
    pub threads: Option<NonZeroUsize>,
}

/// Weights that a local server loads.
#[derive(Debug, Clone, PartialEq)]
pub enum Served {
    /// Weights of the catalogue, by name.
    Named(String),
    /// A GGUF file.
    File {
        /// Where it is.
        path: PathBuf,
        /// Hex sha256 of the file.
        sha256: String,
    },
}

impl LlamaServerSettings {
    /// The keys of this backend.
    pub const KEYS: &'static [&'static str] = &["weights", "path", "sha256", "context", "slots", "threads"];

    /// The settings of an entry; a file is read for its checksum.
    ///
    /// # Errors
    /// [`EntryError::Missing`] without weights or with two of them, [`EntryError::Value`] if the file cannot be read or
    /// has another checksum.
    pub fn read(raw: &RawEntry) -> Result<Self, EntryError> {
        let weights = match (&raw.weights, &raw.path) {
            (Some(_), None) if raw.sha256.is_some() => {
                let what = "the key `sha256` goes with `path`: weights of the catalogue have theirs";
                return Err(EntryError::Value(what.to_owned()));
            }
            (Some(name), None) => Served::Named(name.clone()),
            (None, Some(path)) => Served::File { path: path.clone(), sha256: checksum(path, raw.sha256.as_deref())? },
            _ => {
                let key = "`weights` or the key `path`, and not both".to_owned();
                return Err(EntryError::Missing { backend: raw.backend.name(), key });
            }
        };
        Ok(Self { weights, context: raw.context, slots: raw.slots, threads: raw.threads })
    }

    /// The model, on a server that models with the same weights share; nothing is started.
    ///
    /// # Errors
    /// If the weights are not known by their name.
    pub fn model(&self, caller: Caller<'_>, data: Data<'_>, servers: &Servers) -> Result<LlamaServer> {
        Ok(servers.model(caller.name, self.place(data.weights)?, data.style, caller.timeout))
    }

    /// The checksum of the weights.
    fn sha256(&self, weights: &Catalogue) -> Result<String> {
        match &self.weights {
            Served::Named(name) => Ok(weights.find(name)?.files[0].sha256.clone()),
            Served::File { sha256, .. } => Ok(sha256.clone()),
        }
    }

    /// The weights, and how they are served.
    fn place(&self, weights: &Catalogue) -> Result<Place> {
        let sha256 = self.sha256(weights)?;
        let (label, weights) = match &self.weights {
            Served::Named(name) => (name.clone(), weights.path(name)?),
            Served::File { path, .. } => {
                (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path.clone())
            }
        };
        Ok(Place { label, weights, sha256, context: self.context(), slots: self.slots(), threads: self.threads() })
    }

    fn context(&self) -> u32 {
        self.context.map_or(CONTEXT, NonZeroU32::get)
    }

    fn slots(&self) -> u32 {
        self.slots.map_or(1, NonZeroU32::get)
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(cores, NonZeroUsize::get)
    }
}

/// The checksum of a file, which must be the one that the entry says. A file that is not there is believed to have it, so that
/// recorded answers can be used without it.
fn checksum(path: &Path, wanted: Option<&str>) -> Result<String, EntryError> {
    if let Some(wanted) = wanted.filter(|_| !path.exists()) {
        return Ok(wanted.to_owned());
    }
    let found = weights::checksum(path)
        .map_err(|error| EntryError::Value(format!("cannot read the weights {}: {error}", path.display())))?;
    match wanted {
        Some(wanted) if wanted != found => {
            Err(EntryError::Value(format!("the checksum of {} is {found} instead of {wanted}", path.display())))
        }
        _ => Ok(found),
    }
}

/// Two entries with the same weights share one server, so they must want the same of it.
///
/// # Errors
/// Names both, the key and the values.
pub fn check_shared(entries: [(&str, &LlamaServerSettings); 2], weights: &Catalogue) -> Result<()> {
    let [(name, mine), (other, theirs)] = entries;
    if mine.sha256(weights)? != theirs.sha256(weights)? {
        return Ok(());
    }
    let numbers = |one: &LlamaServerSettings| [u64::from(one.context()), one.slots().into(), one.threads() as u64];
    let mut wanted = ["context", "slots", "threads"].into_iter().zip(numbers(mine)).zip(numbers(theirs));
    match wanted.find(|((_, mine), theirs)| mine != theirs) {
        None => Ok(()),
        Some(((key, mine), theirs)) => bail!(
            "models `{name}` and `{other}` have the same weights and share one server: give both the same {key} ({mine} and {theirs} now)"
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

    /// Neither the engine's build nor its port: what it answered is the journal's to keep.
    fn identity(&self, _caller: Caller<'_>, data: Data<'_>) -> Result<Value> {
        Ok(json!({ "weights": self.sha256(data.weights)?, "prompt": data.style }))
    }

    fn line(&self, _concurrency: usize) -> QueueSettings {
        QueueSettings { cap: usize::try_from(self.slots()).unwrap_or(usize::MAX), local: true, probed: false }
    }

    /// A server that has died is started once more, and the call repeated.
    fn least_retries(&self) -> usize {
        1
    }

    fn usual_timeout_s(&self) -> f64 {
        600.0
    }

    fn needed_weights(&self, _caller: Caller<'_>) -> BTreeSet<String> {
        match &self.weights {
            Served::Named(name) => BTreeSet::from([name.clone()]),
            Served::File { .. } => BTreeSet::new(),
        }
    }

    fn describe(&self, _caller: Caller<'_>) -> String {
        match &self.weights {
            Served::Named(name) => format!("{name}, in a llama.cpp server of its own"),
            Served::File { path, .. } => format!("{}, in a llama.cpp server of its own", path.display()),
        }
    }

    fn write(&self, raw: &mut RawEntry) {
        match self.weights.clone() {
            Served::Named(name) => raw.weights = Some(name),
            Served::File { path, sha256 } => {
                raw.path = Some(path);
                raw.sha256 = Some(sha256);
            }
        }
        raw.context = self.context;
        raw.slots = self.slots;
        raw.threads = self.threads;
    }
}
