//! The unchecked form of a model in a config or in `models.toml`: one flat table with the keys of all backends.
//! [`ModelEntry`](super::entry::ModelEntry) is the checked form.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::preset::{Preset, WithPreset};
use crate::types::one_or_many::OneOrMany;
use crate::types::price::Price;

/// Kinds of backends, by the names used in configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// Any OpenAI-compatible chat-completions server.
    Openai,
    /// A llama.cpp server that this program runs.
    LlamaServer,
    /// Weights that run in this process.
    Gguf,
    /// The worked solutions of the data set: the upper bound of a strong level.
    Reference,
    /// Recorded responses.
    Replay,
    /// A seeded simulation for tests.
    Simulated,
    /// A model that the user of the library registers.
    Custom,
}

impl BackendKind {
    /// All kinds, in the order in which messages list them.
    pub const ALL: [Self; 7] =
        [Self::Openai, Self::LlamaServer, Self::Gguf, Self::Reference, Self::Replay, Self::Simulated, Self::Custom];

    /// Name used in configs and outputs.
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

/// One `[[model]]` entry as written, completed by the values of its preset and by the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, remote = "Self")]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate key")]
pub struct RawEntry {
    /// Name used in `levels` and outputs.
    pub name: String,
    /// openai: the server whose known settings are the defaults of the entry, including `backend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Names of the keys whose values come from the preset. Written by the program, for manifests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_preset: Vec<String>,
    /// Kind of the backend.
    pub backend: BackendKind,
    /// openai: the address of the server, without `/chat/completions`; a list names several servers with the same
    /// model, among which the calls are distributed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<OneOrMany<String>>,
    /// openai: true if each IP address of a host name in `base_url` is a server; names are looked up once, at the start.
    #[serde(default, skip_serializing_if = "is_no")]
    pub resolve_all: bool,
    /// openai: the name of the environment variable that holds the API key; absent: no key is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// openai: the name of the model at the server; absent: `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Sampling temperature, in [0, 2]; 0 is greedy.
    #[serde(default)]
    pub temperature: f64,
    /// openai: false for models that refuse a temperature.
    #[serde(default = "yes")]
    pub send_temperature: bool,
    /// Maximum number of tokens in an answer.
    #[serde(default = "max_tokens")]
    pub max_tokens: u32,
    /// openai: the request's field for `max_tokens`.
    #[serde(default = "token_limit_key")]
    pub token_limit_key: String,
    /// openai: false for servers that refuse `stop`.
    #[serde(default = "yes")]
    pub send_stop: bool,
    /// openai: false for models that refuse a system message; its text is then prepended to the user's message.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub send_system: bool,
    /// openai: a PEM file with certificates that are trusted in addition to the default ones, of a server or of an
    /// authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// openai, custom: true if the model returns log-probabilities.
    #[serde(default = "yes")]
    pub logprobs: bool,
    /// openai: further headers, each with the name of the environment variable that holds its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers_env: BTreeMap<String, String>,
    /// openai: fields merged into the request.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra_body: serde_json::Map<String, Value>,
    /// openai, llama-server: the longest duration of an attempt in seconds, after which the call is retried; absent:
    /// 120, or 600 for a local server, which is slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<f64>,
    /// openai, llama-server: the maximum number of retries of a failed call.
    #[serde(default = "max_retries")]
    pub max_retries: usize,
    /// openai: the longest wait before a retry in seconds, even if the server asks for a longer one; absent: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_wait_s: Option<f64>,
    /// openai: the maximum number of calls in flight at each server; absent: `limits.concurrency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<NonZeroU32>,
    /// openai: the maximum number of requests per minute at each server; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<NonZeroU32>,
    /// openai: the maximum number of tokens per minute at each server; absent: no limit. A call counts its prompt plus
    /// its answer's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<NonZeroU32>,
    /// openai: requests with the same beginning go to the same of several servers, which caches it, as long as that
    /// server has at most this number of calls in flight more than the least busy one; absent: no server is preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_margin: Option<u32>,
    /// openai: true if the server has `OpenAI`'s batch API, so that `--batch` can use it.
    #[serde(default, skip_serializing_if = "is_no")]
    pub batch_api: bool,
    /// gguf, llama-server: the name of the weights in `models list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// llama-server: a GGUF file, instead of `weights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// llama-server: the SHA-256 of the file at `path`, in hex; absent: computed from the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// llama-server: the context of each slot in tokens, prompt and answer together; absent: 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<NonZeroU32>,
    /// llama-server: the number of parallel sequences, and the maximum number of calls in flight; absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<NonZeroU32>,
    /// llama-server: the number of compute threads; absent: the number of cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZeroUsize>,
    /// Name of the prompt in `prompts list`; absent: `plain` for weights in this process, otherwise `chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// reference: the tokenizer for token counts, a name of `models list` or `words`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// replay: a table of recorded answers (.jsonl, .csv, .parquet); absent: the answers of journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<PathBuf>,
    /// simulated: the behaviour of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Behaviour>,
    /// Price of the model's tokens; absent: fees stay empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Date on which the provider retired the model. A run with a retired model is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<String>,
    /// Name of the model to use instead of a retired one.
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

/// Behaviour of a simulated model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// Probability of a correct answer without a strategy, in [0, 1].
    pub accuracy: f64,
    /// Increase of the probability if the prompt contains a strategy from the item's group.
    #[serde(default)]
    pub gain: f64,
    /// Share of the strategies that cannot be parsed, in [0, 1].
    #[serde(default)]
    pub unreadable: f64,
}

impl RawEntry {
    /// Returns an entry with a name and a backend, and defaults for all other keys.
    #[must_use]
    pub fn bare(name: String, backend: BackendKind) -> Self {
        Self {
            name,
            preset: None,
            from_preset: Vec::new(),
            backend,
            base_url: None,
            resolve_all: false,
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
            prefix_margin: None,
            batch_api: false,
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

    /// Returns the names of the keys whose values differ from the default.
    #[must_use]
    pub fn non_default_keys(&self) -> BTreeSet<String> {
        let fields = |entry: &Self| match serde_json::to_value(entry) {
            Ok(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        let defaults = fields(&Self::bare(String::new(), self.backend));
        fields(self).into_iter().filter(|(key, value)| defaults.get(key) != Some(value)).map(|(key, _)| key).collect()
    }

    /// Name of the model at the server.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.model.as_deref().unwrap_or(&self.name)
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "signature required by serde")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "signature required by serde")]
fn is_no(value: &bool) -> bool {
    !*value
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
