//! Settings of an entry with backend `openai`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Url;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::servers::{self, Place, Servers};
use super::{OpenAi, Settings};
use crate::backend::preset::Preset;
use crate::backend::raw::RawEntry;
use crate::backend::settings::{BackendSettings, Caller, Data, EntryError};
use crate::fetch::http;
use crate::fetch::tls::Trusted;
use crate::fetch::weights::Catalogue;
use crate::task::prompt::Style;
use crate::types::model::Capabilities;
use crate::types::one_or_many::OneOrMany;
use crate::types::queue::{QueueSettings, ServerSettings};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// API key, and further headers with their values.
type Keys = (Option<SecretString>, Vec<(String, SecretString)>);

/// Settings of a server, read from its entry.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate key")]
pub struct OpenAiSettings {
    /// Preset whose settings are the defaults of the entry. `None` if the entry names none.
    pub preset: Option<Preset>,
    /// Names of the keys whose values come from the preset.
    pub from_preset: Vec<String>,
    /// Address of the server, or addresses of servers with the same model, without `/chat/completions`.
    pub base_url: OneOrMany<String>,
    /// True if each IP address of a host name is a server.
    pub resolve_all: bool,
    /// Name of the environment variable that holds the API key. `None` if no key is sent.
    pub api_key_env: Option<String>,
    /// Name of the model at the server. `None` selects the entry's name.
    pub model: Option<String>,
    /// False for models that refuse a temperature.
    pub send_temperature: bool,
    /// Name of the token limit in the request.
    pub token_limit_key: String,
    /// False for servers that refuse `stop`.
    pub send_stop: bool,
    /// False for models that refuse a system message. Its text is then prepended to the user's message.
    pub send_system: bool,
    /// Path of a PEM file with certificates that are trusted in addition to the default ones.
    pub ca_file: Option<PathBuf>,
    /// True if the server returns log-probabilities.
    pub logprobs: bool,
    /// Further headers, each with the name of the environment variable that holds its value.
    pub headers_env: BTreeMap<String, String>,
    /// Fields merged into the request.
    pub extra_body: Map<String, Value>,
    /// Longest wait before a retry, in seconds. `None` selects the default.
    pub longest_wait_s: Option<f64>,
    /// Maximum number of calls in flight at each server. `None` selects the limit of the run.
    pub concurrency: Option<NonZeroU32>,
    /// Maximum number of requests per minute at each server. `None` means no limit.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Maximum number of tokens per minute at each server. `None` means no limit. A call counts its prompt plus its
    /// answer's limit.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Number of calls in flight by which a request's preferred server may exceed the least busy one. `None` means no
    /// preference.
    pub prefix_margin: Option<u32>,
    /// True if the server has `OpenAI`'s batch API.
    pub batch_api: bool,
}

impl OpenAiSettings {
    /// Keys of this backend.
    pub const KEYS: &'static [&'static str] = &[
        "preset",
        "base_url",
        "resolve_all",
        "model",
        "send_temperature",
        "send_stop",
        "send_system",
        "ca_file",
        "longest_wait_s",
        "logprobs",
        "token_limit_key",
        "api_key_env",
        "headers_env",
        "extra_body",
        "concurrency",
        "requests_per_minute",
        "tokens_per_minute",
        "prefix_margin",
        "batch_api",
    ];

    /// Reads the settings of an entry.
    ///
    /// # Errors
    /// [`EntryError::Missing`] if the entry has no address.
    pub fn read(raw: &RawEntry) -> Result<Self, EntryError> {
        let raw = raw.clone();
        let Some(base_url) = raw.base_url else {
            let form = raw.preset.and_then(|preset| preset.dialect().address.as_deref());
            let key = form.map_or("`base_url`".to_owned(), |form| format!("`base_url`: \"{form}\""));
            return Err(EntryError::Missing { backend: raw.backend.name(), key });
        };
        Ok(Self {
            preset: raw.preset,
            from_preset: raw.from_preset,
            base_url,
            resolve_all: raw.resolve_all,
            api_key_env: raw.api_key_env,
            model: raw.model,
            send_temperature: raw.send_temperature,
            token_limit_key: raw.token_limit_key,
            send_stop: raw.send_stop,
            send_system: raw.send_system,
            ca_file: raw.ca_file,
            logprobs: raw.logprobs,
            headers_env: raw.headers_env,
            extra_body: raw.extra_body,
            longest_wait_s: raw.longest_wait_s,
            concurrency: raw.concurrency,
            requests_per_minute: raw.requests_per_minute,
            tokens_per_minute: raw.tokens_per_minute,
            prefix_margin: raw.prefix_margin,
            batch_api: raw.batch_api,
        })
    }

    /// Builds the model with its servers. A host name is looked up if `resolve_all`; nothing else is sent.
    ///
    /// # Errors
    /// Returns an error if an environment variable is not set, a certificate file cannot be read, an address or header
    /// is invalid, or a host name has no address.
    pub fn servers(&self, caller: Caller<'_>, style: Style) -> Result<Servers> {
        let clients = self.places()?.into_iter().map(|place| self.model(caller, style, place));
        Ok(Servers::new(clients.collect::<Result<_>>()?)?)
    }

    /// Builds the model at one server. Nothing is sent.
    ///
    /// # Errors
    /// Returns an error if an environment variable is not set, a certificate file cannot be read, or an address or
    /// header is invalid.
    pub fn model(&self, caller: Caller<'_>, style: Style, place: Place) -> Result<OpenAi> {
        Ok(OpenAi::new(self.connection(caller, style, place)?)?)
    }

    /// Returns the servers, in the order of the addresses. A host name is looked up if `resolve_all`.
    ///
    /// # Errors
    /// [`EntryError::Value`] if a host name has no address.
    pub fn places(&self) -> Result<Vec<Place>, EntryError> {
        servers::places(self.base_url.as_slice(), self.resolve_all)
    }

    /// Address of a server, with its IP address if that was looked up.
    #[must_use]
    pub fn address(&self, place: Place) -> String {
        let address = &self.base_url.as_slice()[place.address];
        place.ip.map_or_else(|| address.clone(), |ip| format!("{address} at {ip}"))
    }

    /// True if the entry has a list of addresses.
    fn has_list(&self) -> bool {
        matches!(self.base_url, OneOrMany::Many(_))
    }

    /// Checks that no proxy is in front of a server whose IP address is to be looked up here.
    fn check_direct(&self) -> Result<(), EntryError> {
        let urls = self.base_url.as_slice().iter().filter(|_| self.resolve_all).map(|address| Url::parse(address));
        match urls.flatten().find_map(|url| http::proxy(&url)) {
            Some(proxy) => Err(EntryError::Value(format!(
                "resolve_all needs direct connections, but the proxy {proxy} is in front of a server: name its host in \
                 NO_PROXY, or remove resolve_all"
            ))),
            None => Ok(()),
        }
    }

    /// Returns the settings of the connection to a server, including the keys from the environment.
    fn connection(&self, caller: Caller<'_>, style: Style, place: Place) -> Result<Settings> {
        let (api_key, headers) = self.keys()?;
        Ok(Settings {
            name: caller.name.to_owned(),
            base_url: self.base_url.as_slice()[place.address].clone(),
            address_name: servers::name(place.address, self.has_list()),
            ip: place.ip,
            model: self.model.as_deref().unwrap_or(caller.name).to_owned(),
            preset: self.preset,
            style,
            api_key,
            api_key_env: self.api_key_env.clone(),
            headers,
            send_temperature: self.send_temperature,
            logprobs: self.logprobs,
            token_limit_key: self.token_limit_key.clone(),
            send_stop: self.send_stop,
            send_system: self.send_system,
            trusted: self.ca_file.as_deref().map(Trusted::read).transpose()?.unwrap_or_default(),
            extra_body: self.extra_body.clone(),
            connect_timeout: CONNECT_TIMEOUT,
            timeout: caller.timeout,
        })
    }

    /// Reads the API key and the secret headers from the environment.
    fn keys(&self) -> Result<Keys, EntryError> {
        let read = |key: &'static str, variable: &String| {
            let value = std::env::var(variable).ok().filter(|value| !value.trim().is_empty());
            value.map(SecretString::from).ok_or_else(|| EntryError::Variable { key, variable: variable.clone() })
        };
        let api_key = self.api_key_env.as_ref().map(|variable| read("api_key_env", variable)).transpose()?;
        let headers = self
            .headers_env
            .iter()
            .map(|(header, variable)| Ok((header.clone(), read("headers_env", variable)?)))
            .collect::<Result<_, EntryError>>()?;
        Ok((api_key, headers))
    }
}

impl BackendSettings for OpenAiSettings {
    fn check(&self, _weights: &Catalogue) -> Result<()> {
        servers::check(self.base_url.as_slice())?;
        match self.longest_wait_s.filter(|wait| !(*wait >= 0.0 && *wait <= 86_400.0)) {
            Some(wait) => Err(EntryError::Value(format!("longest_wait_s must be from 0 to a day, not {wait}")).into()),
            None => Ok(()),
        }
    }

    fn check_callable(&self, caller: Caller<'_>) -> Result<()> {
        let of_model = || format!("model `{}`", caller.name);
        self.check_direct().with_context(of_model)?;
        for address in 0..self.base_url.as_slice().len() {
            let connection =
                self.connection(caller, Style::Chat, Place { address, ip: None }).with_context(of_model)?;
            // The error of `OpenAi::new` already names the model.
            OpenAi::new(connection)?;
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { logprobs: self.logprobs, scores_options: false, calculator: false }
    }

    fn identity(&self, caller: Caller<'_>, data: Data<'_>) -> Result<Value> {
        let address = self.base_url.as_slice().first().map_or("", String::as_str);
        let mut fixed = json!({
            "base_url": address.trim_end_matches('/'),
            "model": self.model.as_deref().unwrap_or(caller.name),
            "send_temperature": self.send_temperature,
            "send_stop": self.send_stop,
            "token_limit_key": self.token_limit_key,
            "extra_body": self.extra_body,
        });
        // Servers of a list can be added and removed during a run.
        if let (true, Some(fields)) = (self.has_list(), fixed.as_object_mut()) {
            fields.remove("base_url");
        }
        if data.style == Style::Plain {
            fixed["prompt"] = json!(Style::Plain);
        }
        if !self.send_system {
            fixed["send_system"] = json!(false);
        }
        Ok(fixed)
    }

    fn queue_settings(&self, concurrency: usize) -> QueueSettings {
        let to_usize = |cap: NonZeroU32| usize::try_from(cap.get()).unwrap_or(usize::MAX);
        QueueSettings { cap: self.concurrency.map_or(concurrency, to_usize), local: false, probed: true }
    }

    fn server_settings(&self, count: usize) -> ServerSettings {
        let Self { requests_per_minute, tokens_per_minute, prefix_margin, .. } = *self;
        ServerSettings { count, requests_per_minute, tokens_per_minute, prefix_margin }
    }

    fn described_servers(&self) -> Vec<String> {
        let all = if self.resolve_all { " (each IP address of its host name)" } else { "" };
        let addresses = self.base_url.as_slice().iter().filter(|_| self.has_list() || self.resolve_all);
        addresses.map(|address| format!("{address}{all}")).collect()
    }

    fn max_retry_wait(&self) -> Option<Duration> {
        self.longest_wait_s.map(Duration::from_secs_f64)
    }

    fn server_name(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn describe(&self, caller: Caller<'_>) -> String {
        self.model.as_deref().unwrap_or(caller.name).to_owned()
    }

    fn write(&self, raw: &mut RawEntry) {
        let settings = self.clone();
        raw.preset = settings.preset;
        raw.from_preset = settings.from_preset;
        raw.base_url = Some(settings.base_url);
        raw.resolve_all = settings.resolve_all;
        raw.api_key_env = settings.api_key_env;
        raw.model = settings.model;
        raw.send_temperature = settings.send_temperature;
        raw.token_limit_key = settings.token_limit_key;
        raw.send_stop = settings.send_stop;
        raw.send_system = settings.send_system;
        raw.ca_file = settings.ca_file;
        raw.logprobs = settings.logprobs;
        raw.headers_env = settings.headers_env;
        raw.extra_body = settings.extra_body;
        raw.longest_wait_s = settings.longest_wait_s;
        raw.concurrency = settings.concurrency;
        raw.requests_per_minute = settings.requests_per_minute;
        raw.tokens_per_minute = settings.tokens_per_minute;
        raw.prefix_margin = settings.prefix_margin;
        raw.batch_api = settings.batch_api;
    }
}
