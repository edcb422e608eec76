//! The trait [`BackendSettings`], which the settings of every backend implement, and its errors.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::raw::RawEntry;
use crate::fetch::weights::Catalogue;
use crate::task::prompt::Style;
use crate::types::item::Item;
use crate::types::model::Capabilities;
use crate::types::queue::{QueueSettings, ServerSettings};
use crate::types::seed::Seed;

/// Error in a `[[model]]` entry of a config.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// A key that the backend needs is missing.
    #[error("backend `{backend}` needs the key {key}")]
    Missing {
        /// Name of the entry's backend.
        backend: &'static str,
        /// The key in backquotes, and further words if several keys are possible.
        key: String,
    },
    /// A key belongs to other backends.
    #[error("the key `{key}` is for backend {owners}, but the entry has backend `{backend}`: remove the key")]
    Foreign {
        /// The key.
        key: &'static str,
        /// Names of the backends that accept the key, in backquotes.
        owners: String,
        /// Name of the entry's backend.
        backend: &'static str,
    },
    /// A value is out of range or contradicts another value.
    #[error("{0}")]
    Value(String),
    /// An environment variable is not set.
    #[error("{key} names the environment variable {variable}, which is not set: export {variable}=…")]
    Variable {
        /// The key that names the variable.
        key: &'static str,
        /// Name of the variable.
        variable: String,
    },
    /// The provider has retired the model.
    #[error("its provider ended it on \
        {day}{}", .substitute.as_ref().map(|name| format!(": use `{name}` instead")).unwrap_or_default())]
    Retired {
        /// Date of the retirement, as written in the entry.
        day: String,
        /// Name of the model to use instead. `None` if the entry names none.
        substitute: Option<String>,
    },
    /// No model is registered for an entry of backend `custom`.
    #[error(
        "backend `custom` needs a model that a program registers with the library, and none is registered under \
        this name"
    )]
    Unregistered,
}

/// Data of a run from which model identities and models are built.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// Items of the data set.
    pub items: &'a [Item],
    /// SHA-256 of the data set's file, in hex.
    pub sha256: &'a str,
    /// Seed of the run.
    pub seed: Seed,
    /// Catalogue of weights that an entry can name.
    pub weights: &'a Catalogue,
    /// Form of the prompt: chat messages or plain text.
    pub style: Style,
}

/// Parts of an entry and its run that backend settings may use besides their own keys.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Name of the model in the config.
    pub name: &'a str,
    /// Longest duration of one attempt.
    pub timeout: Duration,
    /// Catalogue name of the weak level's weights. `None` if the weak level does not run in this process.
    pub weak_weights: Option<&'a str>,
}

/// Settings of a backend, read from a config entry.
pub trait BackendSettings {
    /// Checks value ranges, and that the catalogue has the named weights.
    ///
    /// # Errors
    /// Returns an error that names the key and a remedy.
    fn check(&self, _weights: &Catalogue) -> Result<()> {
        Ok(())
    }

    /// Checks, without sending anything, that the model can be called in the present environment.
    ///
    /// # Errors
    /// Returns an error that names the key and a remedy.
    fn check_callable(&self, _caller: Caller<'_>) -> Result<()> {
        Ok(())
    }

    /// Capabilities of the backend, known before the model is built.
    fn capabilities(&self) -> Capabilities;

    /// Returns the settings that determine the model's answers, as a JSON object without the backend's name. Needs no
    /// API key, weights file or server.
    ///
    /// # Errors
    /// Returns an error if the catalogue lacks the weights.
    fn identity(&self, caller: Caller<'_>, data: Data<'_>) -> Result<Value>;

    /// Returns true if answers depend on the item as well as on the messages.
    fn is_per_item(&self) -> bool {
        false
    }

    /// Queue settings of the model if up to `concurrency` calls may be in flight over all models.
    fn queue_settings(&self, concurrency: usize) -> QueueSettings {
        QueueSettings { cap: concurrency, local: false, probed: false }
    }

    /// Limits of each server if the model has `count` of them.
    fn server_settings(&self, count: usize) -> ServerSettings {
        ServerSettings { count, ..ServerSettings::default() }
    }

    /// Addresses of the servers for descriptions, if the entry names more than one address or a name that may stand for
    /// several. Empty otherwise.
    fn described_servers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Lower bound on the number of retries of a call, whatever the entry sets.
    fn min_retries(&self) -> usize {
        0
    }

    /// Longest wait before a retry. `None` selects the default.
    fn max_retry_wait(&self) -> Option<Duration> {
        None
    }

    /// Default for the longest duration of one attempt, in seconds.
    fn default_timeout_s(&self) -> f64 {
        120.0
    }

    /// Name of the default prompt.
    fn default_prompt(&self) -> &'static str {
        "chat"
    }

    /// Name of the model at the server or in the recording. `None` if the entry's name is used.
    fn server_name(&self) -> Option<&str> {
        None
    }

    /// Names of the weights that must be on disk.
    fn required_weights(&self, _caller: Caller<'_>) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// Describes the source of the answers in a few words.
    fn describe(&self, caller: Caller<'_>) -> String;

    /// Writes the settings into the flat form of an entry.
    fn write(&self, raw: &mut RawEntry);
}
