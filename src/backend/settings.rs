//! What every backend's settings answer for, so that an entry never asks which backend it has.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::raw::RawEntry;
use crate::fetch::weights::Catalogue;
use crate::task::prompt::Style;
use crate::types::item::Item;
use crate::types::model::Capabilities;
use crate::types::queue::QueueSettings;
use crate::types::seed::Seed;

/// What is wrong with a `[[model]]`, whichever model it is.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// A key that the backend needs is missing; the key's name, in backquotes, and what to write there.
    #[error("backend `{backend}` needs the key {key}")]
    Missing {
        /// The backend's name.
        backend: &'static str,
        /// The key.
        key: String,
    },
    /// A key is for other backends than this one.
    #[error("the key `{key}` is for backend {owners}, and this is `{backend}`")]
    Foreign {
        /// The key.
        key: &'static str,
        /// The names of the backends that know it, in backquotes.
        owners: String,
        /// The backend's name.
        backend: &'static str,
    },
    /// A value is out of range, or does not go with another.
    #[error("{0}")]
    Value(String),
    /// The environment lacks a variable.
    #[error("{key} names the environment variable {variable}, which is not set: export {variable}=…")]
    Variable {
        /// The key that names it.
        key: &'static str,
        /// The variable.
        variable: String,
    },
    /// The provider ended the model.
    #[error("its provider ended it on {day}{}", .substitute.as_ref().map(|name| format!(": use `{name}` instead")).unwrap_or_default())]
    Retired {
        /// The day, as written in the entry.
        day: String,
        /// The name of another model; `None` if the entry names none.
        substitute: Option<String>,
    },
    /// Nobody registered a model for an entry of backend `custom`.
    #[error("backend `custom` is for models that a program registers with the library, and none is registered")]
    Unregistered,
}

/// The data that identities and models are made from.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// The items.
    pub items: &'a [Item],
    /// Hex sha256 of their file.
    pub sha256: &'a str,
    /// The run's seed.
    pub seed: Seed,
    /// The weights that can be named.
    pub weights: &'a Catalogue,
    /// How the model is addressed.
    pub style: Style,
}

/// The part of an entry and its run that settings of a backend may use besides their own keys.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The model's name in the config.
    pub name: &'a str,
    /// The longest time of an attempt.
    pub timeout: Duration,
    /// The weights of the weak level, by name; `None` if it does not run in this process.
    pub weak_weights: Option<&'a str>,
}

/// The settings of a backend, as an entry gives them.
pub trait BackendSettings {
    /// Finds values out of range and names that the catalogue of weights lacks.
    ///
    /// # Errors
    /// Names the key and what helps.
    fn check(&self, _weights: &Catalogue) -> Result<()> {
        Ok(())
    }

    /// Finds what keeps the model from being called here and now; nothing is sent.
    ///
    /// # Errors
    /// Names the key and what helps.
    fn check_callable(&self, _caller: Caller<'_>) -> Result<()> {
        Ok(())
    }

    /// What the backend can give, known before the model is made.
    fn capabilities(&self) -> Capabilities;

    /// What determines the model's answers, as a JSON object without the backend's name; known without a key, weights or a
    /// server.
    ///
    /// # Errors
    /// If the weights are not known by their name.
    fn identity(&self, caller: Caller<'_>, data: Data<'_>) -> Result<Value>;

    /// Whether answers depend on the item besides the messages.
    fn is_per_item(&self) -> bool {
        false
    }

    /// How the model is called if `concurrency` calls may be in flight over all models.
    fn line(&self, concurrency: usize) -> QueueSettings {
        QueueSettings { cap: concurrency, local: false, probed: false }
    }

    /// The most requests and the most tokens a minute; `None` without a limit.
    fn rates(&self) -> [Option<NonZeroU32>; 2] {
        [None, None]
    }

    /// The retries that a call gets whatever the entry says.
    fn least_retries(&self) -> usize {
        0
    }

    /// The longest wait before a retry; `None` for the usual one.
    fn longest_wait(&self) -> Option<Duration> {
        None
    }

    /// How long an attempt may take, in seconds, if the entry does not say.
    fn usual_timeout_s(&self) -> f64 {
        120.0
    }

    /// The name of the prompt, if the entry does not say.
    fn usual_prompt(&self) -> &'static str {
        "chat"
    }

    /// The server's, or the recording's, name for the model; `None` for the entry's own.
    fn server_name(&self) -> Option<&str> {
        None
    }

    /// The names of the weights that must be there.
    fn needed_weights(&self, _caller: Caller<'_>) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// What answers, in a few words.
    fn describe(&self, caller: Caller<'_>) -> String;

    /// Writes the keys back into the flat form.
    fn write(&self, raw: &mut RawEntry);
}
