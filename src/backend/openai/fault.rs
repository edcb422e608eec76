//! Handling of requests without an answer: a retry, a refusal as the item's outcome, or an error with a remedy.

use std::io::ErrorKind;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use time::OffsetDateTime;

use super::OpenAi;
use super::hint::{hint, out_of_quota};
use super::refusal::Refusal;
use super::server_error::ServerError;
use super::wait;
use crate::backend::preset::Preset;
use crate::fetch::http;
use crate::types::escaped::escaped;
use crate::types::model::ModelError;

/// Maximum length of an excerpt of a server's message, in characters.
const MAX_EXCERPT: usize = 400;

/// Local servers: the preset if there is one, the default port, and the command that starts the server.
const LOCAL_SERVERS: [(Option<Preset>, u16, &str); 7] = [
    (Some(Preset::Ollama), 11434, "Ollama starts with: ollama serve"),
    (Some(Preset::Vllm), 8000, "vLLM starts with: vllm serve MODEL --generation-config vllm"),
    (Some(Preset::LlamaCpp), 8080, "llama.cpp's server starts with: llama-server -m FILE.gguf"),
    (Some(Preset::Tgi), 3000, "Text Generation Inference starts with: text-generation-launcher --model-id MODEL"),
    (Some(Preset::Sglang), 30000, "SGLang starts with: python -m sglang.launch_server --model-path MODEL"),
    (None, 1234, "LM Studio's server starts with: lms server start"),
    (None, 4000, "LiteLLM's proxy starts with: litellm --config FILE"),
];

/// Outcome of a request without a completion.
pub(super) enum Fault {
    /// The provider refuses the prompt. The text is its message.
    Refused(String),
    /// The request has failed.
    Failed(ModelError),
}

impl OpenAi {
    /// Returns the error of a connection that failed, was cut, or timed out.
    pub(super) fn transport_error(&self, error: reqwest::Error) -> ModelError {
        let settings = &self.settings;
        if let Some(reason) = http::distrust(&error) {
            return ModelError::Refused(self.at_server(&format!("its certificate is not accepted: {reason}")));
        }
        // The URL is left out because the text names the server. The sources are included because reqwest's text
        // lacks the cause.
        let error = error.without_url();
        let message = match connection_failure(&error) {
            _ if error.is_timeout() && error.is_connect() => {
                format!("no connection within {} s", settings.connect_timeout.as_secs_f64())
            }
            Some(text) => text.to_owned(),
            None => http::chain(&error),
        };
        if http::speaks_no_tls(&error) {
            return ModelError::Refused(self.at_server(&format!(
                "{message}: base_url begins with https://, but the server does not use TLS: try http://"
            )));
        }
        let notice = error.is_connect().then(|| self.unreachable_notice(&message));
        // A server may have charged for a request whose connection was cut later.
        ModelError::Passing { reason: self.at_server(&message), wait: None, charged: !error.is_connect(), notice }
    }

    /// Returns the error of an attempt that exceeded `timeout_s`.
    pub(super) fn timed_out(&self) -> ModelError {
        let seconds = self.settings.timeout.as_secs_f64();
        let reason = self.at_server(&format!("no complete answer within {seconds} s (timeout_s)"));
        ModelError::Passing { reason, wait: None, charged: true, notice: None }
    }

    /// Returns the error of an unreadable answer, which proxies send for a server that has died.
    pub(super) fn broken(&self, reason: &str) -> ModelError {
        ModelError::Passing { reason: self.at_server(reason), wait: None, charged: true, notice: None }
    }

    /// Classifies an error that a server reports. `status` is the HTTP status of the answer.
    pub(super) fn fault(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &str,
        server_error: &ServerError,
    ) -> Fault {
        let message = self.excerpt(&server_error.message);
        // Under status 200 the error's code determines the kind. An error without a code may be temporary.
        let (code, status_text) = match server_error.status {
            Some(code) if status.is_success() => (code, format!("{status} with error {code}")),
            None if status.is_success() => (named_status(server_error), format!("{status} with an error")),
            _ => (status.as_u16(), status.to_string()),
        };
        if let Some(refusal) = Refusal::classify(code, server_error) {
            return Fault::Refused(format!("{} ({status_text}): {message}", refusal.name()));
        }
        let out_of_quota = out_of_quota(server_error, body);
        if is_temporary(code) && !out_of_quota {
            let reason = self.at_server(&format!("{status_text}: {message}"));
            // A gateway has timed out, or the server has begun to answer: the request may be charged.
            let charged = status.is_success() || matches!(code, 408 | 504 | 524);
            let wait = wait::requested_wait(headers, body, OffsetDateTime::now_utc());
            return Fault::Failed(ModelError::Passing { reason, wait, charged, notice: None });
        }
        let hint = if out_of_quota {
            Some("the account has no quota left".to_owned())
        } else {
            hint(&self.settings, code, headers, server_error)
        };
        let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        let address = self.server_address();
        Fault::Failed(ModelError::Refused(
            self.named(&format!("{address} refused the request with {status_text}: {message}{hint}")),
        ))
    }

    /// Returns the notice about a server that cannot be reached: the cause, and the start command if the preset or
    /// the port identifies a local program.
    fn unreachable_notice(&self, cause: &str) -> String {
        let near = http::is_near(&self.endpoint);
        let (preset, port) = (self.settings.preset, self.endpoint.port_or_known_default());
        let named = LOCAL_SERVERS.iter().find(|(known, ..)| preset.is_some() && *known == preset);
        let by_port = || LOCAL_SERVERS.iter().find(|(_, known, _)| preset.is_none() && Some(*known) == port);
        let start = named.or_else(by_port).filter(|_| near).map_or(String::new(), |(.., how)| format!(" {how}."));
        format!("{} cannot be reached: {cause}.{start}", self.server_address())
    }

    fn at_server(&self, text: &str) -> String {
        self.named(&format!("{}: {text}", self.server_address()))
    }

    /// Returns the server's address, and the proxy in front of the server.
    fn server_address(&self) -> String {
        let base_url = &self.settings.base_url;
        let at = self.settings.ip.map_or_else(String::new, |ip| format!(" at {ip}"));
        match &self.proxy {
            None => format!("{base_url}{at}"),
            Some(proxy) => format!("{base_url}, through the proxy {proxy} (NO_PROXY lists hosts that need none)"),
        }
    }
}

/// Describes a common cause of a failed connection. `None` for any other cause.
fn connection_failure(error: &reqwest::Error) -> Option<&'static str> {
    let chain = error.is_connect().then(|| http::chain(error))?;
    let mut source = std::error::Error::source(error);
    let mut kind = None;
    while let Some(cause) = source {
        kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
        source = cause.source();
    }
    match kind {
        _ if chain.contains("dns error") => Some("no such host"),
        Some(ErrorKind::ConnectionRefused) => Some("connection refused, so no program listens on this port"),
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => Some("no route to this host"),
        _ => None,
    }
}

/// Returns true if a later attempt may succeed, by the statuses of all vendors.
fn is_temporary(status: u16) -> bool {
    // 420 and 498: too many calls. 423, 424 and 425: the model is not ready. 449 and 499: the connection was abandoned.
    matches!(status, 408 | 409 | 420 | 423 | 424 | 425 | 429 | 449 | 460 | 498 | 499)
        || ((500..600).contains(&status) && !matches!(status, 501 | 505))
}

/// Returns the status that corresponds to the names of an error under status 200. 503 if no name is known.
fn named_status(server_error: &ServerError) -> u16 {
    const STATUSES: [(u16, &[&str]); 6] = [
        (401, &["invalid_api_key", "authentication", "unauthorized", "unauthenticated"]),
        (402, &["insufficient_quota", "insufficient_balance", "billing"]),
        (403, &["permission"]),
        (404, &["not_found"]),
        (400, &["invalid_request", "invalid_argument", "bad_request", "badrequest", "unsupported_parameter"]),
        (429, &["rate_limit", "resource_exhausted", "too_many_requests", "throttl"]),
    ];
    let named = STATUSES.iter().find(|(_, names)| names.iter().any(|name| server_error.tags.contains(name)));
    named.map_or(503, |(status, _)| *status)
}

impl OpenAi {
    /// Returns an excerpt of a server's text: on one line, shortened, without keys and control characters.
    pub(super) fn excerpt(&self, text: &str) -> String {
        let mut text = escaped(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned();
        for secret in self.settings.secrets().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "[key]");
        }
        // Some servers repeat the key with asterisks in the middle.
        let words = text.split(' ').map(|word| if word.contains("***") { "[key]" } else { word });
        let mut excerpt = words.collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = excerpt.char_indices().nth(MAX_EXCERPT) {
            excerpt.truncate(end);
            excerpt.push('…');
        }
        if excerpt.is_empty() {
            excerpt.push_str("no reason given");
        }
        excerpt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_statuses_are_recognized() {
        let temporary = [408, 409, 420, 424, 425, 429, 498, 499, 500, 502, 503, 504, 520, 522, 524, 529, 530, 598];
        assert!(temporary.into_iter().all(is_temporary));
        let lasting = [400, 401, 402, 403, 404, 405, 406, 410, 413, 415, 422, 426, 431, 451, 501, 505];
        assert!(!lasting.into_iter().any(is_temporary));
    }

    #[test]
    fn local_server_notice_has_the_start_command() {
        let notice = |preset: Option<Preset>, base_url: &str| {
            let settings = crate::backend::openai::Settings {
                name: "m".into(),
                base_url: base_url.into(),
                address_name: "base_url".into(),
                ip: None,
                model: "m".into(),
                preset,
                style: crate::task::prompt::Style::Chat,
                api_key: None,
                api_key_env: None,
                headers: Vec::new(),
                send_temperature: true,
                logprobs: true,
                token_limit_key: "max_tokens".into(),
                send_stop: true,
                send_system: true,
                trusted: crate::fetch::tls::Trusted::default(),
                extra_body: serde_json::Map::new(),
                connect_timeout: std::time::Duration::from_secs(1),
                timeout: std::time::Duration::from_secs(1),
            };
            OpenAi::new(settings).expect("settings").unreachable_notice("refused")
        };
        let ollama = notice(None, "http://localhost:11434/v1");
        assert_eq!(ollama, "http://localhost:11434/v1 cannot be reached: refused. Ollama starts with: ollama serve.");
        assert!(notice(Some(Preset::Ollama), "http://localhost:9/v1").ends_with("ollama serve."));
        assert!(notice(Some(Preset::LlamaCpp), "http://localhost:8000/v1").ends_with("llama-server -m FILE.gguf."));
        for (preset, base_url) in [
            (None, "http://localhost:9/v1"),
            (None, "https://models.example.org:8000/v1"),
            (Some(Preset::Vllm), "https://models.example.org:8000/v1"),
            (Some(Preset::Openai), "http://localhost:8000/v1"),
        ] {
            assert!(!notice(preset, base_url).contains("starts with"), "{base_url}");
        }
    }
}
