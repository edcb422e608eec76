//! Any server that speaks `OpenAI`'s chat completions, and text completions for plain prompts: `OpenAI` itself, Gemini's compatible endpoint, vLLM, Ollama,
//! llama.cpp and others. What they disagree on is a setting.

mod answer;
mod body;
mod complaint;
mod ending;
mod fault;
mod hint;
pub mod probe;
mod refusal;
pub mod settings;
mod tokens;
mod usage;
mod wait;
mod wire;

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use self::answer::ReadOptions;
use self::body::BodyError;
use self::complaint::Complaint;
use self::fault::Fault;
use crate::backend::preset::Preset;
use crate::fetch::http;
use crate::fetch::tls::Trusted;
use crate::task::prompt::{Style, continued};
use crate::types::chat::{Finish, Generation, Message, Mode, Request, Response, Role};
use crate::types::model::{Model, ModelError};

/// How many stop texts are sent: `OpenAI` takes no more. The others are looked for in the answer.
const STOPS_SENT: usize = 4;

/// Keys of the request that `extra_body` cannot set, because the answer could then not be read.
const OWN_KEYS: [&str; 6] = ["best_of", "messages", "model", "n", "prompt", "stream"];

/// A word of a header that is as long may be a key: `Bearer` is none.
const SECRET_WORD: usize = 8;

/// Names of a query's fields that hold keys, which an address must not carry.
const KEY_FIELDS: [&str; 9] =
    ["key", "token", "secret", "password", "signature", "sig", "code", "auth", "authorization"];

/// Names under which servers take the token limit.
const TOKEN_LIMITS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// A model's entry, as far as this backend goes by it.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of an entry")]
pub struct Settings {
    /// The model's name in the config.
    pub name: String,
    /// The address up to and without `/chat/completions`; a query in it is sent with every request.
    pub base_url: String,
    /// The server's name for the model.
    pub model: String,
    /// The preset of its entry; `None` if it has none.
    pub preset: Option<Preset>,
    /// Chat completions, or text completions for plain prompts.
    pub style: Style,
    /// The key that is sent as a bearer token; without one, none is sent.
    pub api_key: Option<SecretString>,
    /// The variable that the key is read from; only for error texts.
    pub api_key_env: Option<String>,
    /// Further headers, name and value.
    pub headers: Vec<(String, SecretString)>,
    /// Whether the temperature is sent; some models refuse it.
    pub send_temperature: bool,
    /// Whether the server gives log-probabilities.
    pub logprobs: bool,
    /// The server's name for the token limit: `max_tokens`, `max_completion_tokens`.
    pub token_limit_key: String,
    /// Whether stop texts are sent; where they are not, answers are cut here.
    pub send_stop: bool,
    /// Whether the system text is a message of its own; else it is put in front of the user's.
    pub send_system: bool,
    /// Certificates that are accepted besides the usual ones.
    pub trusted: Trusted,
    /// Merged last into the body of every request.
    pub extra_body: Map<String, Value>,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest time of an attempt, from the connection to the last byte of the answer.
    pub timeout: Duration,
}

impl Settings {
    /// Everything that must not be shown: keys as they are sent, and what may be one in a header of several words.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().map(|(_, value)| value);
        self.api_key.iter().chain(headers).flat_map(|secret| {
            let whole = secret.expose_secret().trim();
            std::iter::once(whole).chain(whole.split_whitespace().filter(|word| word.len() >= SECRET_WORD))
        })
    }
}

/// A model behind a chat-completions server.
pub struct OpenAi {
    settings: Settings,
    endpoint: Url,
    headers: HeaderMap,
    /// The proxy before the server, for errors; `None` if there is none.
    proxy: Option<String>,
    client: OnceLock<Result<Client, ClientError>>,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl OpenAi {
    /// Checks the settings; nothing is sent, and no TLS is set up before the first call.
    ///
    /// # Errors
    /// [`ModelError::Refused`] for an address that is not http or https or that carries a key, for a key or header
    /// that cannot be sent, and for an `extra_body` that would change the form of the answer.
    pub fn new(mut settings: Settings) -> Result<Self, ModelError> {
        let refused = |what: String| ModelError::Refused(format!("model {:?}: {what}", settings.name));
        let (address, query) = match settings.base_url.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (settings.base_url.as_str(), None),
        };
        let trimmed = address.trim_end_matches('/').to_owned();
        let path = match settings.style {
            Style::Chat => "chat/completions",
            Style::Plain => "completions",
        };
        let mut endpoint = Url::parse(&format!("{trimmed}/{path}"))
            .map_err(|error| refused(format!("base_url is not an address: {error}")))?;
        if !matches!(endpoint.scheme(), "http" | "https") {
            return Err(refused("base_url must begin with http:// or https://".into()));
        }
        let carries_key = !endpoint.username().is_empty() || endpoint.password().is_some();
        endpoint.set_query(query);
        let is_key = |name: &str| {
            let name = name.to_lowercase();
            KEY_FIELDS.iter().any(|field| name.split(['-', '_', '.']).any(|part| part == *field))
                || name.contains("apikey")
        };
        if carries_key || endpoint.query_pairs().any(|(name, _)| is_key(&name)) || settings.base_url.contains('#') {
            return Err(refused(
                "base_url must carry no key, no name and no `#`; a key belongs into the variable that api_key_env names".into(),
            ));
        }
        if let Some(key) = OWN_KEYS.iter().find(|key| settings.extra_body.contains_key(**key)) {
            return Err(refused(format!("extra_body cannot set {key:?}")));
        }
        let limits = [&TOKEN_LIMITS[..], &[&settings.token_limit_key]].concat();
        if let Some(key) = limits.iter().find(|key| settings.extra_body.contains_key(**key)) {
            return Err(refused(format!(
                "extra_body cannot set {key:?}: a fee limit goes by the entry's `max_tokens`"
            )));
        }
        let headers = header_map(&settings).map_err(|error| refused(error.to_string()))?;
        settings.base_url = query.map_or(trimmed.clone(), |query| format!("{trimmed}?{query}"));
        let proxy = http::proxy(&endpoint);
        Ok(Self { settings, endpoint, headers, proxy, client: OnceLock::new() })
    }

    /// `text` with the model's name in front, for errors.
    fn named(&self, text: &str) -> String {
        let Settings { name, model, .. } = &self.settings;
        if name == model { format!("model {name:?}: {text}") } else { format!("model {name:?} ({model}): {text}") }
    }

    fn client(&self) -> Result<&Client, ModelError> {
        let made = self.client.get_or_init(|| {
            let client = http::client_builder(&self.endpoint, &self.settings.trusted)?
                .default_headers(self.headers.clone())
                .connect_timeout(self.settings.connect_timeout)
                // A redirected POST would become a GET, and the key could go elsewhere.
                .redirect(Policy::none())
                .build()?;
            Ok(client)
        });
        made.as_ref()
            .map_err(|error| ModelError::Refused(self.named(&format!("no HTTP client could be made: {error}"))))
    }

    /// The body of the request.
    fn body(&self, request: &Request) -> Result<Value, ModelError> {
        let refused = |what: &str| Err(ModelError::Refused(self.named(what)));
        let Mode::Generate(generation) = &request.mode else {
            return refused("a chat server cannot score given options");
        };
        let Generation { max_tokens, temperature, stop, logprobs, calculator, alternatives } = generation;
        if *calculator {
            return refused("the calculator needs a model that runs in this process");
        }
        if *logprobs && !self.settings.logprobs {
            return refused(
                "log-probabilities are wanted, but its entry says logprobs = false: take another model or another signal",
            );
        }
        let mut body = Map::new();
        body.insert("model".into(), json!(self.settings.model));
        match self.settings.style {
            Style::Chat if self.settings.send_system => body.insert("messages".into(), json!(request.messages)),
            Style::Chat => body.insert("messages".into(), json!(without_system(&request.messages))),
            Style::Plain => body.insert("prompt".into(), json!(continued(&request.messages))),
        };
        body.insert(self.settings.token_limit_key.clone(), json!(max_tokens));
        if self.settings.send_temperature {
            body.insert("temperature".into(), json!(temperature));
        }
        if self.settings.send_stop && !stop.is_empty() {
            let sent = &stop[..stop.len().min(STOPS_SENT)];
            body.insert("stop".into(), json!(sent));
        }
        if *logprobs && self.settings.style == Style::Plain {
            // Text completions have one key for both.
            body.insert("logprobs".into(), json!(alternatives.most.max(1)));
        } else if *logprobs {
            body.insert("logprobs".into(), json!(true));
            // One, though none is read: llama.cpp gives nothing for 0 and twenty where it is absent, and early
            // versions of vLLM fail where it is absent.
            body.insert("top_logprobs".into(), json!(alternatives.most.max(1)));
        }
        body.extend(self.settings.extra_body.clone());
        Ok(Value::Object(body))
    }

    /// The request as it is sent.
    fn sent(&self, request: &Request) -> Result<RequestBuilder, ModelError> {
        let body = self.body(request)?;
        Ok(self.client()?.post(self.endpoint.clone()).json(&body))
    }

    /// Sends a request, and takes in what comes back.
    async fn receive(&self, request: RequestBuilder) -> Result<Received, ModelError> {
        let transport = |error| self.transport(error);
        let mut answer = request.send().await.map_err(transport)?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(transport)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > body::LONGEST {
                return Err(ModelError::Unusable(self.named(&BodyError::TooLong.to_string())));
            }
        }
        let text = body::text(&headers, &bytes).map_err(|what| self.broken(&format!("{status}: {what}")))?;
        Ok(Received { status, headers, text })
    }

    /// The JSON of an answer; whatever else stands in its place is a fault.
    fn opened(&self, received: &Received) -> Result<Value, Fault> {
        let Received { status, headers, text } = received;
        if !status.is_success() {
            return Err(self.fault(*status, headers, text, &Complaint::read(text)));
        }
        if text.trim().is_empty() {
            return Err(Fault::Failed(self.broken(&format!("{status} with an empty body"))));
        }
        let value = body::json(text).map_err(|error| {
            let cut = error.is_eof() && text.trim_start().starts_with('{');
            Fault::Failed(if cut {
                self.broken(&format!("the answer was cut off: {}", self.excerpt(text)))
            } else {
                self.something_else(&error, text)
            })
        })?;
        match Complaint::in_answer(&value) {
            Some(complaint) => Err(self.fault(*status, headers, text, &complaint)),
            None => Ok(value),
        }
    }

    fn something_else(&self, error: &serde_json::Error, text: &str) -> ModelError {
        ModelError::Unusable(self.named(&format!(
            "{} answered with something else than a chat completion ({error}): {}",
            self.settings.base_url,
            self.excerpt(text)
        )))
    }
}

/// What came back from an attempt.
struct Received {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

/// The messages with the system's text in front of the first user's.
fn without_system(messages: &[Message]) -> Vec<Message> {
    let (system, mut rest): (Vec<Message>, Vec<Message>) =
        messages.iter().cloned().partition(|message| message.role == Role::System);
    let system: Vec<String> = system.into_iter().map(|message| message.content).collect();
    match rest.first_mut() {
        Some(first) if !system.is_empty() => first.content = format!("{}\n\n{}", system.join("\n\n"), first.content),
        Some(_) => {}
        None => rest.push(Message { role: Role::User, content: system.join("\n\n") }),
    }
    rest
}

/// Why no HTTP client can be made.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// Why a header cannot be sent; the header's name, or the variable of the key.
#[derive(Debug, thiserror::Error)]
enum HeaderError {
    #[error("the key in {0} cannot be sent")]
    Key(String),
    #[error("{0:?} is not a header's name")]
    Name(String),
    #[error("the value for header {0:?} cannot be sent")]
    Value(String),
}

/// The headers of every request.
fn header_map(settings: &Settings) -> Result<HeaderMap, HeaderError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let secret = |value: &str| {
        let mut value = HeaderValue::from_str(value.trim()).ok()?;
        value.set_sensitive(true);
        Some(value)
    };
    if let Some(key) = &settings.api_key {
        let variable = settings.api_key_env.as_deref().unwrap_or("api_key_env");
        let value = secret(&format!("Bearer {}", key.expose_secret().trim()));
        let value = value.ok_or_else(|| HeaderError::Key(variable.to_owned()))?;
        headers.insert(AUTHORIZATION, value);
    }
    for (name, value) in &settings.headers {
        let key = HeaderName::from_bytes(name.as_bytes());
        let key = key.map_err(|_| HeaderError::Name(name.clone()))?;
        let value = secret(value.expose_secret());
        let value = value.ok_or_else(|| HeaderError::Value(name.clone()))?;
        headers.insert(key, value);
    }
    Ok(headers)
}

#[async_trait]
impl Model for OpenAi {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let sent = self.sent(request)?;
        let settings = &self.settings;
        let started = Instant::now();
        let received = tokio::time::timeout(settings.timeout, self.receive(sent)).await;
        let received = received.unwrap_or_else(|_| Err(self.timed_out()))?;
        let latency_ms = started.elapsed().as_secs_f64() * 1e3;
        let pause = wait::used_up(&received.headers, OffsetDateTime::now_utc());

        let value = match self.opened(&received) {
            Ok(value) => value,
            Err(Fault::Refused(words)) => {
                let (refusal, model) = (Some(words), settings.model.clone());
                return Ok(Response {
                    finish: Finish::Refused,
                    refusal,
                    model,
                    latency_ms,
                    pause,
                    ..Response::default()
                });
            }
            Err(Fault::Failed(error)) => return Err(error),
        };
        let completion = serde_json::from_value(value).map_err(|error| self.something_else(&error, &received.text))?;
        let response = self.read(completion, &ReadOptions::of(request))?;
        Ok(Response { latency_ms, pause, ..response })
    }
}
