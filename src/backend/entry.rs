//! A model entry of a config: the settings that all models share, and the settings of its backend.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::custom::{CustomModel, CustomSettings};
use super::gguf::settings::GgufSettings;
use super::llama_server::Servers;
use super::llama_server::settings::{LlamaServerSettings, check_shared};
use super::openai::OpenAi;
use super::openai::settings::OpenAiSettings;
use super::raw::{BackendKind, RawEntry};
use super::reference::ReferenceSettings;
use super::replay::{self, Recording, ReplaySettings};
use super::settings::{BackendSettings, Caller, Data, EntryError};
use super::simulated::SimulatedSettings;
use crate::fetch::weights::Catalogue;
use crate::types::model::{Capabilities, Identity, Model};
use crate::types::price::Price;
use crate::types::queue::{QueueSettings, Retries, ServerSettings};
use crate::types::recorded::RecordedCalls;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Keys that cannot change an answer. They are excluded from the identity of a run.
const NOT_IDENTITY: [&str; 18] = [
    "preset",
    "from_preset",
    "path",
    "price",
    "retired",
    "substitute",
    "api_key_env",
    "headers_env",
    "ca_file",
    "timeout_s",
    "max_retries",
    "longest_wait_s",
    "concurrency",
    "requests_per_minute",
    "tokens_per_minute",
    "resolve_all",
    "prefix_margin",
    "batch_api",
];

/// A checked `[[model]]` entry. It serializes in the form of a [`RawEntry`].
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEntry {
    /// Name used in `levels` and outputs.
    pub name: String,
    /// Sampling temperature, in [0, 2]; 0 is greedy.
    pub temperature: f64,
    /// Maximum number of tokens in an answer, at least 1.
    pub max_tokens: u32,
    /// Maximum number of retries of a failed call.
    pub max_retries: usize,
    /// Longest duration of one attempt, in seconds. `None` selects the backend's default.
    pub timeout_s: Option<f64>,
    /// Name of the prompt. `None` selects the backend's default.
    pub prompt: Option<String>,
    /// Price of the model's tokens. `None` leaves fees empty.
    pub price: Option<Price>,
    /// Date on which the provider retired the model, as written in the config. `None` if the model is in service.
    pub retired: Option<String>,
    /// Name of the model to use instead of a retired one.
    pub substitute: Option<String>,
    /// Backend that answers, with its settings.
    pub backend: Backend,
}

/// A backend with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Backend {
    /// Any OpenAI-compatible chat-completions server.
    Openai(Box<OpenAiSettings>),
    /// A llama.cpp server that this program runs.
    LlamaServer(LlamaServerSettings),
    /// Weights that run in this process.
    Gguf(GgufSettings),
    /// The worked solutions of the data set: the upper bound of a strong level.
    Reference(ReferenceSettings),
    /// Recorded responses.
    Replay(ReplaySettings),
    /// A seeded simulation for tests.
    Simulated(SimulatedSettings),
    /// A model that the user of the library registers.
    Custom(CustomSettings),
}

/// Keys that a backend accepts besides the common keys, in the order in which messages name them.
fn keys(kind: BackendKind) -> &'static [&'static str] {
    match kind {
        BackendKind::Openai => OpenAiSettings::KEYS,
        BackendKind::LlamaServer => LlamaServerSettings::KEYS,
        BackendKind::Gguf => GgufSettings::KEYS,
        BackendKind::Reference => ReferenceSettings::KEYS,
        BackendKind::Replay => ReplaySettings::KEYS,
        BackendKind::Simulated => SimulatedSettings::KEYS,
        BackendKind::Custom => CustomSettings::KEYS,
    }
}

impl Backend {
    fn read(raw: &RawEntry) -> Result<Self, EntryError> {
        Ok(match raw.backend {
            BackendKind::Openai => Self::Openai(Box::new(OpenAiSettings::read(raw)?)),
            BackendKind::LlamaServer => Self::LlamaServer(LlamaServerSettings::read(raw)?),
            BackendKind::Gguf => Self::Gguf(GgufSettings::read(raw)?),
            BackendKind::Reference => Self::Reference(ReferenceSettings::read(raw)),
            BackendKind::Replay => Self::Replay(ReplaySettings::read(raw)),
            BackendKind::Simulated => Self::Simulated(SimulatedSettings::read(raw)?),
            BackendKind::Custom => Self::Custom(CustomSettings::read(raw)),
        })
    }

    fn settings(&self) -> (BackendKind, &dyn BackendSettings) {
        match self {
            Self::Openai(settings) => (BackendKind::Openai, &**settings),
            Self::LlamaServer(settings) => (BackendKind::LlamaServer, settings),
            Self::Gguf(settings) => (BackendKind::Gguf, settings),
            Self::Reference(settings) => (BackendKind::Reference, settings),
            Self::Replay(settings) => (BackendKind::Replay, settings),
            Self::Simulated(settings) => (BackendKind::Simulated, settings),
            Self::Custom(settings) => (BackendKind::Custom, settings),
        }
    }

    /// Kind of the backend, without its settings.
    #[must_use]
    pub fn kind(&self) -> BackendKind {
        self.settings().0
    }

    /// Settings of an OpenAI-compatible server. `None` for other backends.
    #[must_use]
    pub fn openai(&self) -> Option<&OpenAiSettings> {
        if let Self::Openai(settings) = self { Some(settings) } else { None }
    }

    /// Settings of a local llama.cpp server. `None` for other backends.
    #[must_use]
    pub fn llama_server(&self) -> Option<&LlamaServerSettings> {
        if let Self::LlamaServer(settings) = self { Some(settings) } else { None }
    }
}

/// Sources of stored answers, and resources that models share.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Content of the recording that the entry names. `None` if the entry names none.
    pub recording: Option<&'a Arc<Recording>>,
    /// Journal of the run.
    pub journal: &'a Arc<dyn RecordedCalls>,
    /// Local servers of the run.
    pub servers: &'a Servers,
    /// Model registered under the entry's name. `None` if none is registered.
    pub custom: Option<&'a CustomModel>,
}

impl ModelEntry {
    /// Checks an entry, even if no level uses it: missing and foreign keys, values, prices, weights.
    ///
    /// # Errors
    /// Returns an error that names the model, the key and a remedy.
    pub fn resolve(raw: RawEntry, weights: &Catalogue) -> Result<Self> {
        let name = raw.name.clone();
        Self::read(raw, weights).with_context(|| format!("model `{name}`"))
    }

    fn read(raw: RawEntry, weights: &Catalogue) -> Result<Self> {
        let backend = Backend::read(&raw)?;
        check_foreign(&raw)?;
        let RawEntry {
            name, temperature, max_tokens, max_retries, timeout_s, prompt, price, retired, substitute, ..
        } = raw;
        let entry =
            Self { name, temperature, max_tokens, max_retries, timeout_s, prompt, price, retired, substitute, backend };
        if max_tokens == 0 {
            return Err(EntryError::Value("max_tokens must be at least 1".to_owned()).into());
        }
        if !(0.0..=2.0).contains(&temperature) {
            return Err(EntryError::Value(format!("temperature must be from 0 to 2, not {temperature}")).into());
        }
        let timeout_s = entry.timeout_s();
        if !(timeout_s > 0.0 && timeout_s <= 86_400.0) {
            return Err(
                EntryError::Value(format!("timeout_s must be above 0 and at most a day, not {timeout_s}")).into()
            );
        }
        entry.settings().check(weights)?;
        if let Some(price) = &entry.price {
            price.check()?;
        }
        Ok(entry)
    }

    fn settings(&self) -> &dyn BackendSettings {
        self.backend.settings().1
    }

    /// Returns the entry's context in a run with the weak level `weak`.
    fn caller<'a>(&'a self, weak: &'a Self) -> Caller<'a> {
        let weak_weights = if let Backend::Gguf(settings) = &weak.backend { Some(&*settings.weights) } else { None };
        Caller { name: &self.name, timeout: Duration::from_secs_f64(self.timeout_s()), weak_weights }
    }

    /// Returns the entry in the flat form of a config, including the values from its preset and the defaults.
    #[must_use]
    pub fn raw(&self) -> RawEntry {
        let mut raw = RawEntry {
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            max_retries: self.max_retries,
            timeout_s: self.timeout_s,
            prompt: self.prompt.clone(),
            price: self.price.clone(),
            retired: self.retired.clone(),
            substitute: self.substitute.clone(),
            ..RawEntry::bare(self.name.clone(), self.backend.kind())
        };
        self.settings().write(&mut raw);
        raw
    }

    /// Returns the keys that can change an answer, with their values. Two runs with equal identity keys are the same
    /// run. `weak` is the weak level.
    #[must_use]
    pub fn identity_keys(&self, weak: &Self) -> Map<String, Value> {
        let Ok(Value::Object(mut keys)) = serde_json::to_value(self) else { return Map::new() };
        keys.retain(|key, _| !NOT_IDENTITY.contains(&key.as_str()));
        // Servers of a list can be added and removed during a run.
        if keys.get("base_url").is_some_and(Value::is_array) {
            keys.remove("base_url");
        }
        if let Backend::Reference(settings) = &self.backend {
            keys.insert("tokenizer".to_owned(), json!(settings.tokenizer_name(self.caller(weak))));
        }
        keys
    }

    /// Capabilities of the backend, known before the model is built.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.settings().capabilities()
    }

    /// Checks that the model can be called: it is not retired, its address is valid, its environment variables are set.
    /// Nothing is sent.
    ///
    /// # Errors
    /// Returns an error that names the model, the key and a remedy.
    pub fn check_callable(&self) -> Result<()> {
        if let Some(day) = &self.retired {
            let error = EntryError::Retired { day: day.clone(), substitute: self.substitute.clone() };
            return Err(error).with_context(|| format!("model `{}`", self.name));
        }
        self.settings().check_callable(self.caller(self))
    }

    /// Checks that two levels with the same weights agree on the settings of the server that they share.
    ///
    /// # Errors
    /// Returns an error that names both models, the key and the values.
    pub fn check_shared(&self, other: &Self, weights: &Catalogue) -> Result<()> {
        match (self.backend.llama_server(), other.backend.llama_server()) {
            (Some(mine), Some(theirs)) => check_shared([(&self.name, mine), (&other.name, theirs)], weights),
            _ => Ok(()),
        }
    }

    /// Names of the weights that the model needs. `weak` is the weak level, whose tokenizer the backend `reference`
    /// uses.
    #[must_use]
    pub fn required_weights(&self, weak: &Self) -> BTreeSet<String> {
        self.settings().required_weights(self.caller(weak))
    }

    /// Returns the settings that determine the model's answers. Needs no API key, weights file or server.
    ///
    /// # Errors
    /// Returns an error if the catalogue lacks the weights.
    pub fn identity(&self, weak: &Self, data: Data) -> Result<Identity> {
        let (kind, settings) = self.backend.settings();
        let mut fixed = settings.identity(self.caller(weak), data)?;
        fixed["backend"] = json!(kind.name());
        Ok(Identity { fixed, per_item: settings.is_per_item() })
    }

    /// Returns true if all answers come from a recording. Such a model needs no journal and no permission to call.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.backend.kind() == BackendKind::Replay
    }

    /// Builds the model. The weights that it needs must be on disk.
    ///
    /// # Errors
    /// Returns an error that names the model and the missing resource.
    pub fn make(&self, weak: &Self, data: Data, sources: Sources) -> Result<Arc<dyn Model>> {
        let caller = self.caller(weak);
        let build = || -> Result<Arc<dyn Model>> {
            Ok(match &self.backend {
                Backend::Openai(settings) => Arc::new(settings.servers(caller, data.style)?),
                Backend::LlamaServer(settings) => Arc::new(settings.model(caller, data, sources.servers)?),
                Backend::Gguf(settings) => Arc::new(settings.model(caller, data)?),
                Backend::Reference(settings) => Arc::new(settings.model(caller, data)?),
                Backend::Replay(_) => replay::model(&self.name, sources.recording, sources.journal)?,
                Backend::Simulated(settings) => Arc::new(settings.model(caller, data)),
                Backend::Custom(_) => sources.custom.ok_or(EntryError::Unregistered)?.model(),
            })
        };
        build().with_context(|| format!("model `{}`", self.name))
    }

    /// True if the model's server has a batch API.
    #[must_use]
    pub fn has_batch_api(&self) -> bool {
        self.backend.openai().is_some_and(|settings| settings.batch_api)
    }

    /// Builds the client of the model's batch API, at the first of several servers. `None` if the server has none.
    ///
    /// # Errors
    /// Returns an error that names the model and the missing resource.
    pub fn batch_client(&self, weak: &Self, data: Data) -> Result<Option<OpenAi>> {
        let build = || -> Result<Option<OpenAi>> {
            let Some(settings) = self.backend.openai().filter(|settings| settings.batch_api) else { return Ok(None) };
            let first = settings.places()?.into_iter().next();
            first.map(|place| settings.model(self.caller(weak), data.style, place)).transpose()
        };
        build().with_context(|| format!("model `{}`", self.name))
    }

    /// Retry settings of failed calls.
    #[must_use]
    pub fn retries(&self) -> Retries {
        let settings = self.settings();
        Retries {
            most: self.max_retries.max(settings.min_retries()),
            first_wait: FIRST_WAIT,
            longest_wait: settings.max_retry_wait().unwrap_or(LONGEST_WAIT),
        }
    }

    /// Queue settings of the model if up to `concurrency` calls may be in flight over all models.
    #[must_use]
    pub fn queue_settings(&self, concurrency: usize) -> QueueSettings {
        self.settings().queue_settings(concurrency)
    }

    /// Limits of each server if the model has `count` of them.
    #[must_use]
    pub fn server_settings(&self, count: usize) -> ServerSettings {
        self.settings().server_settings(count)
    }

    /// Describes the model's servers in one line. `None` if the entry names one server.
    #[must_use]
    pub fn describe_servers(&self) -> Option<String> {
        let servers = self.settings().described_servers();
        (!servers.is_empty()).then(|| format!("servers of {}: {}", self.name, servers.join(", ")))
    }

    /// Name of the prompt.
    #[must_use]
    pub fn prompt(&self) -> &str {
        self.prompt.as_deref().unwrap_or_else(|| self.settings().default_prompt())
    }

    /// Longest duration of one attempt, in seconds.
    #[must_use]
    pub fn timeout_s(&self) -> f64 {
        self.timeout_s.unwrap_or_else(|| self.settings().default_timeout_s())
    }

    /// Name of the model at the server or in the recording.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.settings().server_name().unwrap_or(&self.name)
    }

    /// Path of the table of recorded answers. `None` if the entry names no recording.
    #[must_use]
    pub fn recording(&self) -> Option<&Path> {
        if let Backend::Replay(settings) = &self.backend { settings.recording.as_deref() } else { None }
    }

    /// Describes the model and its backend in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        let (kind, settings) = self.backend.settings();
        format!("{} (backend {}: {})", self.name, kind.name(), settings.describe(self.caller(self)))
    }
}

impl Serialize for ModelEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw().serialize(serializer)
    }
}

/// Returns an error if the entry has a key that its backend does not accept.
fn check_foreign(raw: &RawEntry) -> Result<(), EntryError> {
    let present = raw.non_default_keys();
    let accepted = keys(raw.backend);
    let all = BackendKind::ALL.into_iter().flat_map(|kind| keys(kind).iter().copied());
    let Some(key) = all.into_iter().find(|key| present.contains(*key) && !accepted.contains(key)) else {
        return Ok(());
    };
    let owners = BackendKind::ALL.into_iter().filter(|kind| keys(*kind).contains(&key));
    let owners: Vec<String> = owners.map(|owner| format!("`{}`", owner.name())).collect();
    Err(EntryError::Foreign { key, owners: owners.join(" or "), backend: raw.backend.name() })
}

#[cfg(test)]
mod tests;
