//! A model that the user of the library registers under an entry's name: any implementation of
//! [`Model`].

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::raw::RawEntry;
use super::settings::{BackendSettings, Caller, Data};
use crate::types::model::{Capabilities, Model};

/// A registered model.
#[derive(Clone)]
pub struct CustomModel {
    model: Arc<dyn Model>,
}

impl fmt::Debug for CustomModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomModel").finish_non_exhaustive()
    }
}

impl CustomModel {
    /// Creates a model to register. The journal stores its answers under the entry's name and keys, so a model with
    /// changed answers needs another name.
    #[must_use]
    pub fn new(model: Arc<dyn Model>) -> Self {
        Self { model }
    }

    /// Returns the model.
    #[must_use]
    pub fn model(&self) -> Arc<dyn Model> {
        Arc::clone(&self.model)
    }
}

/// Settings of a registered model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomSettings {
    /// True if the model returns log-probabilities.
    pub logprobs: bool,
    /// Name of the model's version. `None` selects the entry's name.
    pub model: Option<String>,
}

impl CustomSettings {
    /// Keys of this backend.
    pub const KEYS: &'static [&'static str] = &["logprobs", "model"];

    /// Reads the settings of an entry.
    #[must_use]
    pub fn read(raw: &RawEntry) -> Self {
        Self { logprobs: raw.logprobs, model: raw.model.clone() }
    }
}

impl BackendSettings for CustomSettings {
    fn capabilities(&self) -> Capabilities {
        Capabilities { logprobs: self.logprobs, scores_options: false, calculator: false }
    }

    fn identity(&self, caller: Caller<'_>, data: Data<'_>) -> Result<Value> {
        Ok(json!({ "name": caller.name, "model": self.model, "prompt": data.style, "dataset": data.sha256 }))
    }

    fn is_per_item(&self) -> bool {
        // The request names its item, so the answer may depend on it.
        true
    }

    fn server_name(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn describe(&self, caller: Caller<'_>) -> String {
        format!("{}, a model of the calling program", self.model.as_deref().unwrap_or(caller.name))
    }

    fn write(&self, raw: &mut RawEntry) {
        raw.logprobs = self.logprobs;
        raw.model.clone_from(&self.model);
    }
}
