//! Client of servers with `OpenAI`'s chat completions, or text completions for plain prompts: `OpenAI` itself,
//! Gemini's compatible endpoint, vLLM, Ollama, llama.cpp and others. Each known difference between servers is a
//! setting.

mod answer;
pub mod batch;
mod body;
mod ending;
mod fault;
mod headers;
mod hint;
pub mod probe;
mod refusal;
mod server_error;
pub mod servers;
pub mod settings;
mod tokens;
mod usage;
mod wait;
mod wire;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use self::answer::ReadOptions;
use self::body::BodyError;
use self::fault::Fault;
use self::server_error::ServerError;
use crate::backend::preset::Preset;
use crate::fetch::http;
use crate::fetch::tls::Trusted;
use crate::task::prompt::{Style, continued};
use crate::types::chat::{Finish, Generation, Message, Mode, Request, Response, Role};
use crate::types::model::{Model, ModelError};

/// Maximum number of stop texts in a request, which is the limit of `OpenAI`. Further stop texts are applied to the
/// answer.
const MAX_STOPS: usize = 4;

/// Keys of the request that `extra_body` cannot set, because they would change the form of the answer.
const RESERVED_KEYS: [&str; 6] = ["best_of", "messages", "model", "n", "prompt", "stream"];

/// Minimum length in bytes of a header's word that is treated as a secret. `Bearer` is shorter.
const MIN_SECRET_LEN: usize = 8;

/// Names of query fields that hold keys. An address must not contain them.
const KEY_FIELDS: [&str; 9] =
    ["key", "token", "secret", "password", "signature", "sig", "code", "auth", "authorization"];

/// Names of the token limit that servers accept.
const TOKEN_LIMIT_KEYS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// Settings of one model behind a server.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of an entry")]
pub struct Settings {
    /// Name of the model in the config.
    pub name: String,
    /// Address of the server, without `/chat/completions`. A query in the address is sent with every request.
    pub base_url: String,
    /// Name of the address in error texts: `base_url`, or `entry 2 of base_url`.
    pub address_name: String,
    /// IP address that is called in place of the host name's. `None` leaves the choice to the system.
    pub ip: Option<IpAddr>,
    /// Name of the model at the server.
    pub model: String,
    /// Preset of the entry. `None` if the entry has none.
    pub preset: Option<Preset>,
    /// Chat completions, or text completions for plain prompts.
    pub style: Style,
    /// API key, sent as a bearer token. `None` if no key is sent.
    pub api_key: Option<SecretString>,
    /// Environment variable that the key comes from, for error texts.
    pub api_key_env: Option<String>,
    /// Further headers: name and value.
    pub headers: Vec<(String, SecretString)>,
    /// True if the temperature is sent. Some models refuse it.
    pub send_temperature: bool,
    /// True if the server returns log-probabilities.
    pub logprobs: bool,
    /// Name of the token limit at the server: `max_tokens` or `max_completion_tokens`.
    pub token_limit_key: String,
    /// True if stop texts are sent. Otherwise the client cuts the answers.
    pub send_stop: bool,
    /// True if the system text is a separate message. Otherwise it is prepended to the user's message.
    pub send_system: bool,
    /// Certificates that are trusted in addition to the default ones.
    pub trusted: Trusted,
    /// Keys that are merged last into the body of every request.
    pub extra_body: Map<String, Value>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest duration of one attempt, from the connection to the last byte of the answer.
    pub timeout: Duration,
}

impl Settings {
    /// Texts that no message may contain: the values of the key and the headers, and each long word in them.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().map(|(_, value)| value);
        self.api_key.iter().chain(headers).flat_map(|secret| {
            let whole = secret.expose_secret().trim();
            std::iter::once(whole).chain(whole.split_whitespace().filter(|word| word.len() >= MIN_SECRET_LEN))
        })
    }
}

/// A model behind a chat-completions server.
pub struct OpenAi {
    settings: Settings,
    endpoint: Url,
    /// Host and port of the server.
    server: String,
    headers: HeaderMap,
    /// Proxy in front of the server, for error texts. `None` if no proxy is configured.
    proxy: Option<String>,
    client: OnceLock<Result<Client, ClientError>>,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl OpenAi {
    /// Checks the settings and builds the model. Nothing is sent, and TLS is set up at the first call.
    ///
    /// # Errors
    /// [`ModelError::Refused`] for an address that is not http or https or that contains a key, for a key or header
    /// that cannot be sent, and for an `extra_body` that would change the form of the answer.
    pub fn new(mut settings: Settings) -> Result<Self, ModelError> {
        let refused = |reason: String| ModelError::Refused(format!("model {:?}: {reason}", settings.name));
        let (address, query) = match settings.base_url.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (settings.base_url.as_str(), None),
        };
        let trimmed = address.trim_end_matches('/').to_owned();
        let path = match settings.style {
            Style::Chat => "chat/completions",
            Style::Plain => "completions",
        };
        let address_name = &settings.address_name;
        let mut endpoint = Url::parse(&format!("{trimmed}/{path}"))
            .map_err(|error| refused(format!("{address_name} is not an address: {error}")))?;
        if !matches!(endpoint.scheme(), "http" | "https") {
            return Err(refused(format!("{address_name} must begin with http:// or https://")));
        }
        let carries_key = !endpoint.username().is_empty() || endpoint.password().is_some();
        endpoint.set_query(query);
        let is_key = |name: &str| {
            let name = name.to_lowercase();
            KEY_FIELDS.iter().any(|field| name.split(['-', '_', '.']).any(|part| part == *field))
                || name.contains("apikey")
        };
        if carries_key || endpoint.query_pairs().any(|(name, _)| is_key(&name)) || settings.base_url.contains('#') {
            return Err(refused(format!(
                "{address_name} must carry no key, no name and no `#`: put the key into the variable that api_key_env \
                names"
            )));
        }
        if let Some(key) = RESERVED_KEYS.iter().find(|key| settings.extra_body.contains_key(**key)) {
            return Err(refused(format!("extra_body cannot set {key:?}: remove it")));
        }
        let limits = [&TOKEN_LIMIT_KEYS[..], &[&settings.token_limit_key]].concat();
        if let Some(key) = limits.iter().find(|key| settings.extra_body.contains_key(**key)) {
            return Err(refused(format!(
                "extra_body cannot set {key:?}, because a fee limit relies on `max_tokens`: set `max_tokens` in \
                the entry"
            )));
        }
        let headers = headers::of(&settings).map_err(|error| refused(error.to_string()))?;
        settings.base_url = query.map_or(trimmed.clone(), |query| format!("{trimmed}?{query}"));
        let proxy = http::proxy(&endpoint).filter(|_| settings.ip.is_none());
        let server = server(&endpoint, settings.ip);
        Ok(Self { settings, endpoint, server, headers, proxy, client: OnceLock::new() })
    }

    /// Prepends the model's name to the text of an error.
    fn named(&self, text: &str) -> String {
        let Settings { name, model, .. } = &self.settings;
        if name == model { format!("model {name:?}: {text}") } else { format!("model {name:?} ({model}): {text}") }
    }

    fn client(&self) -> Result<&Client, ModelError> {
        let client = self.client.get_or_init(|| {
            let mut builder = http::client_builder(&self.endpoint, &self.settings.trusted)?;
            if let (Some(host), Some(ip)) = (self.endpoint.domain(), self.settings.ip) {
                // The port is that of the URL, whatever this one is.
                builder = builder.no_proxy().resolve(host, SocketAddr::new(ip, 0));
            }
            let client = builder
                .default_headers(self.headers.clone())
                .connect_timeout(self.settings.connect_timeout)
                // A redirected POST would become a GET, and the key could go elsewhere.
                .redirect(Policy::none())
                .build()?;
            Ok(client)
        });
        client
            .as_ref()
            .map_err(|error| ModelError::Refused(self.named(&format!("the HTTP client could not be set up: {error}"))))
    }

    /// Returns the JSON body of the request.
    fn body(&self, request: &Request) -> Result<Value, ModelError> {
        let refused = |reason: &str| Err(ModelError::Refused(self.named(reason)));
        let Mode::Generate(generation) = &request.mode else {
            return refused("a server cannot score given options: use a model that runs in this process");
        };
        let Generation { max_tokens, temperature, stop, logprobs, calculator, alternatives } = generation;
        if *calculator {
            return refused("the calculator needs a model that runs in this process");
        }
        if *logprobs && !self.settings.logprobs {
            return refused(
                "log-probabilities are needed, but its entry has logprobs = false: choose another model or \
                another signal",
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
            let sent = &stop[..stop.len().min(MAX_STOPS)];
            body.insert("stop".into(), json!(sent));
        }
        if *logprobs && self.settings.style == Style::Plain {
            // Text completions have one key for log-probabilities and alternatives.
            body.insert("logprobs".into(), json!(alternatives.most.max(1)));
        } else if *logprobs {
            body.insert("logprobs".into(), json!(true));
            // At least 1, even if no alternative is read: llama.cpp returns no log-probabilities for 0 and twenty
            // alternatives if the key is absent. Early versions of vLLM fail if the key is absent.
            body.insert("top_logprobs".into(), json!(alternatives.most.max(1)));
        }
        body.extend(self.settings.extra_body.clone());
        Ok(Value::Object(body))
    }

    /// Returns the HTTP request.
    fn http_request(&self, request: &Request) -> Result<RequestBuilder, ModelError> {
        let body = self.body(request)?;
        Ok(self.client()?.post(self.endpoint.clone()).json(&body))
    }

    /// Sends a request and reads the answer.
    async fn receive(&self, request: RequestBuilder) -> Result<Received, ModelError> {
        let transport_error = |error| self.transport_error(error);
        let mut answer = request.send().await.map_err(transport_error)?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(transport_error)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > body::MAX_BYTES {
                return Err(ModelError::Unusable(self.named(&BodyError::TooLong.to_string())));
            }
        }
        let text = body::text(&headers, &bytes).map_err(|error| self.broken(&format!("{status}: {error}")))?;
        Ok(Received { status, headers, text })
    }

    /// Parses the JSON of an answer. An error status or any other text is a fault.
    fn parse(&self, received: &Received) -> Result<Value, Fault> {
        let Received { status, headers, text } = received;
        if !status.is_success() {
            return Err(self.fault(*status, headers, text, &ServerError::read(text)));
        }
        if text.trim().is_empty() {
            return Err(Fault::Failed(self.broken(&format!("{status} with an empty body"))));
        }
        let value = body::json(text).map_err(|error| {
            let cut = error.is_eof() && text.trim_start().starts_with('{');
            Fault::Failed(if cut {
                self.broken(&format!("the answer was cut off: {}", self.excerpt(text)))
            } else {
                self.unexpected(&error, text)
            })
        })?;
        match ServerError::in_answer(&value) {
            Some(server_error) => Err(self.fault(*status, headers, text, &server_error)),
            None => Ok(value),
        }
    }

    /// Reads the answer to a request. A refusal of the provider is an answer.
    fn response(&self, received: &Received, request: &Request) -> Result<Response, ModelError> {
        let value = match self.parse(received) {
            Ok(value) => value,
            Err(Fault::Refused(message)) => {
                let (refusal, model) = (Some(message), self.settings.model.clone());
                let server = Some(self.server.clone());
                return Ok(Response { finish: Finish::Refused, refusal, model, server, ..Response::default() });
            }
            Err(Fault::Failed(error)) => return Err(error),
        };
        let completion = serde_json::from_value(value).map_err(|error| self.unexpected(&error, &received.text))?;
        let response = self.read(completion, &ReadOptions::for_request(request))?;
        Ok(Response { server: Some(self.server.clone()), ..response })
    }

    fn unexpected(&self, error: &serde_json::Error, text: &str) -> ModelError {
        ModelError::Unusable(self.named(&format!(
            "{} returned something other than a chat completion ({error}): {}",
            self.settings.base_url,
            self.excerpt(text)
        )))
    }
}

/// Answer of the server to one attempt.
struct Received {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

/// Returns the messages with the system text prepended to the first user message.
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

/// Error while the HTTP client is set up.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// Returns host and port of a server, with the IP address in place of the host name if one is given.
fn server(endpoint: &Url, ip: Option<IpAddr>) -> String {
    let port = endpoint.port_or_known_default().unwrap_or_default();
    match ip {
        Some(ip) => SocketAddr::new(ip, port).to_string(),
        None => format!("{}:{port}", endpoint.host_str().unwrap_or_default()),
    }
}

#[async_trait]
impl Model for OpenAi {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let http_request = self.http_request(request)?;
        let settings = &self.settings;
        let started = Instant::now();
        let received = tokio::time::timeout(settings.timeout, self.receive(http_request)).await;
        let received = received.unwrap_or_else(|_| Err(self.timed_out()))?;
        let latency_ms = started.elapsed().as_secs_f64() * 1e3;
        let pause = wait::exhausted_limit_wait(&received.headers, OffsetDateTime::now_utc());
        let response = self.response(&received, request)?;
        Ok(Response { latency_ms, pause, ..response })
    }
}
