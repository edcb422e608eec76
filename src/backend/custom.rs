//! A model that the caller of the library registers under an entry's name: any implementation of
//! [`Model`].

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};

use super::raw::RawEntry;
use super::settings::{BackendSettings, Caller, Data};
use crate::types::model::{Capabilities, Model};

/// A model as its owner registers it.
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
    /// A model to register. Its answers are kept in the journal under the entry's name and keys: a model that comes to
    /// answer otherwise needs another name.
    #[must_use]
    pub fn new(model: Arc<dyn Model>) -> Self {
        Self { model }
    }

    /// What answers.
    #[must_use]
    pub fn model(&self) -> Arc<dyn Model> {
        Arc::clone(&self.model)
    }
}

/// The settings of a registered model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomSettings {
    /// Whether it gives log-probabilities.
    pub logprobs: bool,
    /// The name of the version that answers; `None` for the entry's.
    pub model: Option<String>,
}

impl CustomSettings {
    /// The keys of this backend.
    pub const KEYS: &'static [&'static str] = &["logprobs", "model"];

    /// The settings of an entry.
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
