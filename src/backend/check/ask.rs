//! What is sent by the check of an entry, and the settings that can be left out of it.

use std::time::Duration;

use anyhow::Result;

use super::Fix;
use crate::backend::entry::ModelEntry;
use crate::backend::openai::OpenAi;
use crate::backend::openai::probe::Exchange;
use crate::backend::openai::settings::OpenAiSettings;
use crate::backend::settings::Caller;
use crate::task::prompt::Style;
use crate::types::chat::{Alternatives, Generation, Message, Mode, Request, RequestKind, Response, Role, Usage};
use crate::types::model::{Model as _, ModelError};

/// The most tokens of an answer.
pub(super) const LIMIT: u32 = 16;
/// Alternatives that are asked for.
pub(super) const ALTERNATIVES: u32 = 5;
/// The text that ends the first answer.
pub(super) const STOP: &str = "four";
/// A word that stands before it.
pub(super) const BEFORE_STOP: &str = "three";

const SYSTEM: &str = "You do what you are asked to do, and write nothing else.";
/// An answer that reaches the stop text.
const REPEAT: &str = "Repeat these words: one two three four five six";
/// An answer that is longer than the limit.
const COUNT: &str = "Write the numbers from one to fifty in words, one after the other.";

/// An entry as it is sent, and what the check itself decides.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// The model's name in the config.
    pub(super) name: String,
    /// How it is sent.
    pub(super) server: OpenAiSettings,
    temperature: f64,
    timeout: Duration,
    pub(super) style: Style,
    /// Alternatives that are asked for.
    pub(super) alternatives: u32,
}

/// A setting of an entry that some servers refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    /// The name of the token limit.
    TokenLimit,
    /// The temperature.
    Temperature,
    /// More than one alternative.
    Alternatives,
    /// Log-probabilities.
    Logprobs,
    /// Stop texts.
    Stop,
    /// The system role.
    System,
}

impl Sent {
    pub(super) fn of(entry: &ModelEntry, server: &OpenAiSettings, style: Style) -> Self {
        Self {
            name: entry.name.clone(),
            server: server.clone(),
            temperature: entry.temperature,
            timeout: Duration::from_secs_f64(entry.timeout_s()),
            style,
            alternatives: ALTERNATIVES,
        }
    }

    /// The server's name for the model.
    pub(super) fn server_name(&self) -> &str {
        self.server.model.as_deref().unwrap_or(&self.name)
    }

    /// The same with these settings left out.
    pub(super) fn without(&self, off: &[Switch]) -> Self {
        let mut sent = self.clone();
        for switch in off {
            switch.leave_out(&mut sent);
        }
        sent
    }

    /// The model as a run would make it.
    pub(super) fn model(&self) -> Result<OpenAi> {
        self.server.model(Caller { name: &self.name, timeout: self.timeout, weak_weights: None }, self.style)
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

impl Switch {
    /// All of them, in the order in which they are tried.
    pub(super) const ALL: [Self; 6] =
        [Self::TokenLimit, Self::Temperature, Self::Alternatives, Self::Logprobs, Self::Stop, Self::System];

    /// Whether it is sent.
    pub(super) fn is_on(self, sent: &Sent) -> bool {
        match self {
            Self::TokenLimit => true,
            Self::Temperature => sent.server.send_temperature,
            Self::Alternatives => sent.server.logprobs && sent.alternatives > 1,
            Self::Logprobs => sent.server.logprobs,
            Self::Stop => sent.server.send_stop,
            Self::System => sent.server.send_system && sent.style == Style::Chat,
        }
    }

    fn leave_out(self, sent: &mut Sent) {
        match self {
            Self::TokenLimit => other_limit(&sent.server).clone_into(&mut sent.server.token_limit_key),
            Self::Temperature => sent.server.send_temperature = false,
            Self::Alternatives => sent.alternatives = 1,
            Self::Logprobs => sent.server.logprobs = false,
            Self::Stop => sent.server.send_stop = false,
            Self::System => sent.server.send_system = false,
        }
    }

    /// Words of a refusal that may be meant for it, in lower case.
    pub(super) fn words(self) -> &'static [&'static str] {
        match self {
            Self::TokenLimit => &["max_tokens", "max_completion_tokens", "max tokens"],
            Self::Temperature => &["temperature"],
            Self::Alternatives => &["top_logprobs"],
            Self::Logprobs => &["logprob", "log prob"],
            Self::Stop => &["stop"],
            Self::System => &["system", "role"],
        }
    }

    /// Its question.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::TokenLimit => "token limit",
            Self::Temperature => "temperature",
            Self::Alternatives => "alternatives",
            Self::Logprobs => "log-probabilities",
            Self::Stop => "stop texts",
            Self::System => "system role",
        }
    }

    /// The change of the entry that leaves it out; `None` if no key does.
    pub(super) fn fix(self, sent: &Sent) -> Option<Fix> {
        match self {
            Self::TokenLimit => Some(Fix::set("token_limit_key", other_limit(&sent.server))),
            Self::Temperature => Some(Fix::set("send_temperature", false)),
            Self::Alternatives => None,
            Self::Logprobs => Some(Fix::set("logprobs", false)),
            Self::Stop => Some(Fix::set("send_stop", false)),
            Self::System => Some(Fix::set("send_system", false)),
        }
    }
}

/// The other of the two names of the token limit.
fn other_limit(server: &OpenAiSettings) -> &'static str {
    if server.token_limit_key == "max_tokens" { "max_completion_tokens" } else { "max_tokens" }
}

/// Sends requests and counts what they take.
pub(super) struct Asker {
    patience: Duration,
    pub(super) calls: usize,
    pub(super) usage: Usage,
}

impl Asker {
    pub(super) fn new(timeout_s: f64) -> Self {
        Self { patience: Duration::from_secs_f64(timeout_s), calls: 0, usage: Usage::default() }
    }

    /// One exchange with an answer that reaches the stop text.
    pub(super) async fn ask(&mut self, sent: &Sent) -> Result<Exchange, ModelError> {
        self.exchange(sent, &sent.request(REPEAT, true)).await
    }

    /// One exchange with an answer that is longer than the limit.
    pub(super) async fn ask_long(&mut self, sent: &Sent) -> Result<Exchange, ModelError> {
        self.exchange(sent, &sent.request(COUNT, false)).await
    }

    /// The same as a run makes its calls and reads their answers.
    pub(super) async fn call(&mut self, sent: &Sent) -> Result<Response, ModelError> {
        self.calls += 1;
        let answer = model(sent)?.call(&sent.request(COUNT, false)).await?;
        self.usage = self.usage.plus(answer.usage);
        Ok(answer)
    }

    /// The names of the models that the server lists; `None` if it lists none.
    pub(super) async fn listed(&self, sent: &Sent) -> Option<Vec<String>> {
        model(sent).ok()?.listed(self.patience).await
    }

    async fn exchange(&mut self, sent: &Sent, request: &Request) -> Result<Exchange, ModelError> {
        self.calls += 1;
        let exchange = model(sent)?.exchange(request, self.patience).await?;
        self.usage = self.usage.plus(exchange.usage);
        Ok(exchange)
    }
}

fn model(sent: &Sent) -> Result<OpenAi, ModelError> {
    sent.model().map_err(|error| ModelError::Refused(format!("{error:#}")))
}
