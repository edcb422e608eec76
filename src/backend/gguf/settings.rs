//! Settings of an entry with backend `gguf`.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Gguf, GgufConfig, KERNEL, LANES};
use crate::backend::raw::RawEntry;
use crate::backend::settings::{BackendSettings, Caller, Data, EntryError};
use crate::fetch::weights::Catalogue;
use crate::types::model::Capabilities;
use crate::types::queue::QueueSettings;

/// Settings of a model that runs in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufSettings {
    /// Catalogue name of the weights.
    pub weights: String,
}

impl GgufSettings {
    /// Keys of this backend.
    pub const KEYS: &'static [&'static str] = &["weights"];

    /// Reads the settings of an entry.
    ///
    /// # Errors
    /// [`EntryError::Missing`] if the entry has no weights.
    pub fn read(raw: &RawEntry) -> Result<Self, EntryError> {
        let missing = || EntryError::Missing { backend: raw.backend.name(), key: "`weights`".to_owned() };
        Ok(Self { weights: raw.weights.clone().ok_or_else(missing)? })
    }

    /// Builds the model. The weights file must exist. The weights are loaded at the first call.
    ///
    /// # Errors
    /// Returns an error if the file does not exist.
    pub fn model(&self, caller: Caller<'_>, data: Data<'_>) -> Result<Gguf> {
        let weights = data.weights.path(&self.weights)?;
        Ok(Gguf::new(GgufConfig { name: caller.name.to_owned(), weights, prompt: data.style })?)
    }
}

impl BackendSettings for GgufSettings {
    fn check(&self, weights: &Catalogue) -> Result<()> {
        Ok(weights.find(&self.weights).map(drop)?)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { logprobs: true, scores_options: true, calculator: true }
    }

    fn identity(&self, _caller: Caller<'_>, data: Data<'_>) -> Result<Value> {
        let sha256 = &data.weights.find(&self.weights)?.files[0].sha256;
        Ok(json!({ "weights": sha256, "kernel": KERNEL, "prompt": data.style }))
    }

    fn queue_settings(&self, _concurrency: usize) -> QueueSettings {
        QueueSettings { cap: LANES, local: true, probed: false }
    }

    fn default_prompt(&self) -> &'static str {
        "plain"
    }

    fn required_weights(&self, _caller: Caller<'_>) -> BTreeSet<String> {
        BTreeSet::from([self.weights.clone()])
    }

    fn describe(&self, _caller: Caller<'_>) -> String {
        format!("{}, in this process", self.weights)
    }

    fn write(&self, raw: &mut RawEntry) {
        raw.weights = Some(self.weights.clone());
    }
}
