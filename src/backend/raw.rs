//! A model as it is written in a config or in `models.toml`: one flat table with the keys of all backends, unchecked.
//! [`ModelEntry`](super::entry::ModelEntry) is what it means.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::preset::{Preset, WithPreset};
use crate::types::price::Price;

/// The backends, by the names that stand in configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// Any OpenAI-compatible chat-completions server.
    Openai,
    /// A llama.cpp server that this program runs.
    LlamaServer,
    /// Weights in this process.
    Gguf,
    /// The data set's own worked solutions: the upper bound of a strong level.
    Reference,
    /// Recorded responses only.
    Replay,
    /// A seeded stand-in for tests.
    Simulated,
    /// A model that the caller of the library registers.
    Custom,
}

impl BackendKind {
    /// All of them, in the order in which messages list them.
    pub const ALL: [Self; 7] =
        [Self::Openai, Self::LlamaServer, Self::Gguf, Self::Reference, Self::Replay, Self::Simulated, Self::Custom];

    /// The name used in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::LlamaServer => "llama-server",
            Self::Gguf => "gguf",
            Self::Reference => "reference",
            Self::Replay => "replay",
            Self::Simulated => "simulated",
            Self::Custom => "custom",
        }
    }
}

/// One `[[model]]` as written, with its preset's values and the defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct RawEntry {
    /// The name used in `levels` and outputs.
    pub name: String,
    /// openai: the server whose known settings fill in what the entry does not say, `backend` included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The names of the keys that the preset filled in; written by the program, for manifests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_preset: Vec<String>,
    /// What answers.
    pub backend: BackendKind,
    /// openai: the address up to and without `/chat/completions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// openai: the name of the environment variable that holds the key; absent: no key is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// openai: the server's name for the model; absent: `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Sampling temperature; 0 is greedy.
    #[serde(default)]
    pub temperature: f64,
    /// openai: false for models that refuse a temperature.
    #[serde(default = "yes")]
    pub send_temperature: bool,
    /// The most tokens of an answer.
    #[serde(default = "max_tokens")]
    pub max_tokens: u32,
    /// openai: the request's field for `max_tokens`.
    #[serde(default = "token_limit_key")]
    pub token_limit_key: String,
    /// openai: false for servers that refuse `stop`.
    #[serde(default = "yes")]
    pub send_stop: bool,
    /// openai: false for models that refuse a system message; its text then stands in front of the user's.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub send_system: bool,
    /// openai: a PEM file with certificates that are accepted besides the usual ones: a server's own, or an authority's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// openai, custom: whether the model gives log-probabilities.
    #[serde(default = "yes")]
    pub logprobs: bool,
    /// openai: further headers, each with the name of the environment variable that holds its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers_env: BTreeMap<String, String>,
    /// openai: fields merged into the request.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra_body: serde_json::Map<String, Value>,
    /// openai, llama-server: the longest time of an attempt in seconds, after which the call is tried again; absent: 120,
    /// and 600 for a local server, which is slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<f64>,
    /// openai, llama-server: how often a call that failed is tried again.
    #[serde(default = "max_retries")]
    pub max_retries: usize,
    /// openai: the longest wait before a call is tried again, in seconds, also if the server asks for more; absent: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_wait_s: Option<f64>,
    /// openai: the most calls in flight; absent: as many as `limits.concurrency` allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<NonZeroU32>,
    /// openai: the most requests a minute; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<NonZeroU32>,
    /// openai: the most tokens a minute, counted as the prompt's and the answer's limit; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<NonZeroU32>,
    /// gguf, llama-server: the weights by their name in `models list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// llama-server: a GGUF file in the place of `weights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// llama-server: the checksum of the file at `path`, hexadecimal; absent: taken from the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// llama-server: tokens that each slot holds, the prompt's and the answer's; absent: 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<NonZeroU32>,
    /// llama-server: sequences at once, and the most calls in flight; absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<NonZeroU32>,
    /// llama-server: threads that compute; absent: the machine's cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZeroUsize>,
    /// The words that are put to the model, by their name in `prompts list`; absent: `plain` for weights in this process,
    /// `chat` for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// reference: what its tokens are counted with; a name of `models list`, or `words`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// replay: a table of recorded answers (.jsonl, .csv, .parquet); absent: the answers of journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<PathBuf>,
    /// simulated: how it behaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Behaviour>,
    /// What it charges; absent: fees stay empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The day on which the provider ended the model: a run is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<String>,
    /// What to use instead of a retired model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substitute: Option<String>,
}

impl<'de> Deserialize<'de> for RawEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut filled = Vec::new();
        let entry = Self::deserialize(WithPreset { inner: deserializer, filled: &mut filled })?;
        filled.extend_from_slice(&entry.from_preset);
        filled.sort_unstable();
        filled.dedup();
        Ok(Self { from_preset: filled, ..entry })
    }
}

impl Serialize for RawEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// How a simulated model behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// Probability of a right answer.
    pub accuracy: f64,
    /// Added to it where a strategy from the item's own group is shown.
    #[serde(default)]
    pub gain: f64,
    /// Share of its strategies that cannot be read.
    #[serde(default)]
    pub unreadable: f64,
}

impl RawEntry {
    /// An entry with a name and a backend alone.
    #[must_use]
    pub fn bare(name: String, backend: BackendKind) -> Self {
        Self {
            name,
            preset: None,
            from_preset: Vec::new(),
            backend,
            base_url: None,
            api_key_env: None,
            model: None,
            temperature: 0.0,
            send_temperature: yes(),
            max_tokens: max_tokens(),
            token_limit_key: token_limit_key(),
            send_stop: yes(),
            send_system: yes(),
            ca_file: None,
            logprobs: yes(),
            headers_env: BTreeMap::new(),
            extra_body: serde_json::Map::new(),
            timeout_s: None,
            max_retries: max_retries(),
            longest_wait_s: None,
            concurrency: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            weights: None,
            path: None,
            sha256: None,
            context: None,
            slots: None,
            threads: None,
            prompt: None,
            tokenizer: None,
            recording: None,
            simulated: None,
            price: None,
            retired: None,
            substitute: None,
        }
    }

    /// The names of the keys with another value than their default.
    #[must_use]
    pub fn given(&self) -> BTreeSet<String> {
        let fields = |entry: &Self| match serde_json::to_value(entry) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let usual = fields(&Self::bare(String::new(), self.backend));
        fields(self).into_iter().filter(|(key, value)| usual.get(key) != Some(value)).map(|(key, _)| key).collect()
    }

    /// The server's name for the model.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.model.as_deref().unwrap_or(&self.name)
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_yes(value: &bool) -> bool {
    *value
}

fn max_tokens() -> u32 {
    512
}

fn token_limit_key() -> String {
    "max_tokens".to_owned()
}

fn max_retries() -> usize {
    5
}
