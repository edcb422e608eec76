//! Requests of a server check, and the optional settings of an entry.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;

use super::Fix;
use crate::backend::entry::ModelEntry;
use crate::backend::openai::OpenAi;
use crate::backend::openai::probe::Exchange;
use crate::backend::openai::servers::Place;
use crate::backend::openai::settings::OpenAiSettings;
use crate::backend::settings::Caller;
use crate::task::prompt::Style;
use crate::types::chat::{Alternatives, Generation, Message, Mode, Request, RequestKind, Response, Role, Usage};
use crate::types::model::{Model as _, ModelError};
use crate::types::one_or_many::OneOrMany;

/// Maximum number of tokens in an answer.
pub(super) const LIMIT: u32 = 16;
/// Number of alternatives per token in a request.
pub(super) const ALTERNATIVES: u32 = 5;
/// Stop text of the first request.
pub(super) const STOP: &str = "four";
/// Word in the expected answer directly before the stop text.
pub(super) const BEFORE_STOP: &str = "three";

const SYSTEM: &str = "You do what you are asked to do, and write nothing else.";
/// Question whose answer reaches the stop text.
const REPEAT: &str = "Repeat these words: one two three four five six";
/// Question whose answer exceeds the token limit.
const COUNT: &str = "Write the numbers from one to fifty in words, one after the other.";

/// Configuration of a probing request: an entry's settings, and those that the check chooses.
#[derive(Debug, Clone)]
pub(super) struct ProbeConfig {
    /// Name of the model in the config.
    pub(super) name: String,
    /// Settings of the server, with its address alone.
    pub(super) server: OpenAiSettings,
    /// IP address that is called in place of the host name's. `None` leaves the choice to the system.
    ip: Option<IpAddr>,
    temperature: f64,
    timeout: Duration,
    pub(super) style: Style,
    /// Number of alternatives per token in a request.
    pub(super) alternatives: u32,
}

/// Setting of an entry that some servers refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OptionalSetting {
    /// Name of the token limit.
    TokenLimit,
    /// Temperature.
    Temperature,
    /// More than one alternative.
    Alternatives,
    /// Log-probabilities.
    Logprobs,
    /// Stop texts.
    Stop,
    /// System role.
    System,
}

impl ProbeConfig {
    /// Configuration of requests to one server of an entry.
    pub(super) fn new(entry: &ModelEntry, server: &OpenAiSettings, style: Style, place: Place) -> Self {
        let base_url = OneOrMany::One(server.base_url.as_slice()[place.address].clone());
        Self {
            name: entry.name.clone(),
            server: OpenAiSettings { base_url, ..server.clone() },
            ip: place.ip,
            temperature: entry.temperature,
            timeout: Duration::from_secs_f64(entry.timeout_s()),
            style,
            alternatives: ALTERNATIVES,
        }
    }

    /// Address of the server.
    pub(super) fn base_url(&self) -> &str {
        self.server.base_url.as_slice().first().map_or("", String::as_str)
    }

    /// Name of the model at the server.
    pub(super) fn server_name(&self) -> &str {
        self.server.model.as_deref().unwrap_or(&self.name)
    }

    /// Returns a copy without the settings in `omitted`.
    pub(super) fn without(&self, omitted: &[OptionalSetting]) -> Self {
        let mut config = self.clone();
        for setting in omitted {
            setting.leave_out(&mut config);
        }
        config
    }

    /// Builds the model exactly as a run does.
    pub(super) fn model(&self) -> Result<OpenAi> {
        let caller = Caller { name: &self.name, timeout: self.timeout, weak_weights: None };
        self.server.model(caller, self.style, Place { address: 0, ip: self.ip })
    }

    fn request(&self, question: &str, stop: bool) -> Request {
        let message = |role, content: &str| Message { role, content: content.to_owned() };
        let messages = vec![message(Role::System, SYSTEM), message(Role::User, question)];
        let logprobs = self.server.logprobs;
        let most = if logprobs { self.alternatives } else { 0 };
        let generation = Generation {
            max_tokens: LIMIT,
            temperature: self.temperature,
            stop: if stop { vec![STOP.to_owned()] } else { Vec::new() },
            logprobs,
            calculator: false,
            alternatives: Alternatives { most, letters_only: false },
        };
        Request {
            item: "check".into(),
            messages,
            mode: Mode::Generate(generation),
            wanted: RequestKind::Answer,
            draw: 0,
            strategies: Vec::new(),
        }
    }
}

impl OptionalSetting {
    /// All settings, in the order in which they are tried.
    pub(super) const ALL: [Self; 6] =
        [Self::TokenLimit, Self::Temperature, Self::Alternatives, Self::Logprobs, Self::Stop, Self::System];

    /// Returns true if the setting is sent.
    pub(super) fn is_sent(self, config: &ProbeConfig) -> bool {
        match self {
            Self::TokenLimit => true,
            Self::Temperature => config.server.send_temperature,
            Self::Alternatives => config.server.logprobs && config.alternatives > 1,
            Self::Logprobs => config.server.logprobs,
            Self::Stop => config.server.send_stop,
            Self::System => config.server.send_system && config.style == Style::Chat,
        }
    }

    fn leave_out(self, config: &mut ProbeConfig) {
        match self {
            Self::TokenLimit => other_limit(&config.server).clone_into(&mut config.server.token_limit_key),
            Self::Temperature => config.server.send_temperature = false,
            Self::Alternatives => config.alternatives = 1,
            Self::Logprobs => config.server.logprobs = false,
            Self::Stop => config.server.send_stop = false,
            Self::System => config.server.send_system = false,
        }
    }

    /// Words of a refusal that can refer to the setting, in lower case.
    pub(super) fn keywords(self) -> &'static [&'static str] {
        match self {
            Self::TokenLimit => &["max_tokens", "max_completion_tokens", "max tokens"],
            Self::Temperature => &["temperature"],
            Self::Alternatives => &["top_logprobs"],
            Self::Logprobs => &["logprob", "log prob"],
            Self::Stop => &["stop"],
            Self::System => &["system", "role"],
        }
    }

    /// Topic of the finding on the setting.
    pub(super) fn topic(self) -> &'static str {
        match self {
            Self::TokenLimit => "token limit",
            Self::Temperature => "temperature",
            Self::Alternatives => "alternatives",
            Self::Logprobs => "log-probabilities",
            Self::Stop => "stop texts",
            Self::System => "system role",
        }
    }

    /// Change of the entry that leaves the setting out. `None` if no key does.
    pub(super) fn fix(self, config: &ProbeConfig) -> Option<Fix> {
        match self {
            Self::TokenLimit => Some(Fix::set("token_limit_key", other_limit(&config.server))),
            Self::Temperature => Some(Fix::set("send_temperature", false)),
            Self::Alternatives => None,
            Self::Logprobs => Some(Fix::set("logprobs", false)),
            Self::Stop => Some(Fix::set("send_stop", false)),
            Self::System => Some(Fix::set("send_system", false)),
        }
    }
}

/// Returns the other name of the token limit.
fn other_limit(server: &OpenAiSettings) -> &'static str {
    if server.token_limit_key == "max_tokens" { "max_completion_tokens" } else { "max_tokens" }
}

/// Sends requests and counts calls and tokens.
pub(super) struct Prober {
    timeout: Duration,
    pub(super) calls: usize,
    pub(super) usage: Usage,
}

impl Prober {
    pub(super) fn new(timeout_s: f64) -> Self {
        Self { timeout: Duration::from_secs_f64(timeout_s), calls: 0, usage: Usage::default() }
    }

    /// Sends a question whose answer reaches the stop text.
    pub(super) async fn ask(&mut self, config: &ProbeConfig) -> Result<Exchange, ModelError> {
        self.exchange(config, &config.request(REPEAT, true)).await
    }

    /// Sends a question whose answer exceeds the token limit.
    pub(super) async fn ask_long(&mut self, config: &ProbeConfig) -> Result<Exchange, ModelError> {
        self.exchange(config, &config.request(COUNT, false)).await
    }

    /// Sends the long question and reads the answer exactly as a run does.
    pub(super) async fn call(&mut self, config: &ProbeConfig) -> Result<Response, ModelError> {
        self.calls += 1;
        let answer = model(config)?.call(&config.request(COUNT, false)).await?;
        self.usage = self.usage.plus(answer.usage);
        Ok(answer)
    }

    /// Returns the names of the models that the server lists. `None` if it has no such list.
    pub(super) async fn listed(&self, config: &ProbeConfig) -> Option<Vec<String>> {
        model(config).ok()?.list_models(self.timeout).await
    }

    async fn exchange(&mut self, config: &ProbeConfig, request: &Request) -> Result<Exchange, ModelError> {
        self.calls += 1;
        let exchange = model(config)?.exchange(request, self.timeout).await?;
        self.usage = self.usage.plus(exchange.usage);
        Ok(exchange)
    }
}

fn model(config: &ProbeConfig) -> Result<OpenAi, ModelError> {
    config.model().map_err(|error| ModelError::Refused(format!("{error:#}")))
}
