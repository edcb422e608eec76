//! What to do about a request that got no answer: try again, take a refusal for the item's outcome, or end with an error
//! that names what to change.

use std::io::ErrorKind;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use time::OffsetDateTime;

use super::OpenAi;
use super::complaint::Complaint;
use super::hint::{hint, out_of_quota};
use super::refusal::Refusal;
use super::wait;
use crate::backend::preset::Preset;
use crate::fetch::http;
use crate::types::escaped::escaped;
use crate::types::model::ModelError;

/// The longest excerpt of a server's message that goes into an error, in characters.
const EXCERPT: usize = 400;

/// Programs that people run on their own machine: the preset, if there is one, the usual port, and the command that starts it.
const LOCAL_SERVERS: [(Option<Preset>, u16, &str); 7] = [
    (Some(Preset::Ollama), 11434, "Ollama starts with: ollama serve"),
    (Some(Preset::Vllm), 8000, "vLLM starts with: vllm serve MODEL --generation-config vllm"),
    (Some(Preset::LlamaCpp), 8080, "llama.cpp's server starts with: llama-server -m FILE.gguf"),
    (Some(Preset::Tgi), 3000, "Text Generation Inference starts with: text-generation-launcher --model-id MODEL"),
    (Some(Preset::Sglang), 30000, "SGLang starts with: python -m sglang.launch_server --model-path MODEL"),
    (None, 1234, "LM Studio's server starts with: lms server start"),
    (None, 4000, "LiteLLM's proxy starts with: litellm --config FILE"),
];

/// What came of a request that was not answered with a completion.
pub(super) enum Fault {
    /// The provider refuses this prompt; its words.
    Refused(String),
    /// There is no answer.
    Failed(ModelError),
}

impl OpenAi {
    /// What is left of a connection that could not be made, was cut or was silent for too long.
    pub(super) fn transport(&self, error: reqwest::Error) -> ModelError {
        let settings = &self.settings;
        if let Some(why) = http::distrust(&error) {
            return ModelError::Refused(self.at_server(&format!("its certificate is not accepted: {why}")));
        }
        // The URL is left out because the server is named, the sources are added because reqwest's own text does not
        // say what happened.
        let error = error.without_url();
        let said = match unconnected(&error) {
            _ if error.is_timeout() && error.is_connect() => {
                format!("no connection within {} s", settings.connect_timeout.as_secs_f64())
            }
            Some(what) => what.to_owned(),
            None => http::chain(&error),
        };
        if http::speaks_no_tls(&error) {
            return ModelError::Refused(self.at_server(&format!(
                "{said}: base_url begins with https://, and what answers there speaks no TLS; try http://"
            )));
        }
        let notice = error.is_connect().then(|| self.absent(&said));
        // Once connected, the server may have worked before it was cut off.
        ModelError::Passing { reason: self.at_server(&said), wait: None, charged: !error.is_connect(), notice }
    }

    /// An attempt that took longer than `timeout_s`.
    pub(super) fn timed_out(&self) -> ModelError {
        let seconds = self.settings.timeout.as_secs_f64();
        let reason = self.at_server(&format!("no whole answer within {seconds} s (timeout_s)"));
        ModelError::Passing { reason, wait: None, charged: true, notice: None }
    }

    /// An answer of which nothing can be read, as proxies give it for a server that has died.
    pub(super) fn broken(&self, what: &str) -> ModelError {
        ModelError::Passing { reason: self.at_server(what), wait: None, charged: true, notice: None }
    }

    /// What an answer means that says that there is none; `status` is that of the connection.
    pub(super) fn fault(&self, status: StatusCode, headers: &HeaderMap, body: &str, complaint: &Complaint) -> Fault {
        let said = self.excerpt(&complaint.message);
        // Under status 200 the error's own code says what it is; without one it may pass.
        let (code, shown) = match complaint.status {
            Some(code) if status.is_success() => (code, format!("{status} with error {code}")),
            None if status.is_success() => (named_status(complaint), format!("{status} with an error")),
            _ => (status.as_u16(), status.to_string()),
        };
        if let Some(refusal) = Refusal::of(code, complaint) {
            return Fault::Refused(format!("{} ({shown}): {said}", refusal.name()));
        }
        let out_of_quota = out_of_quota(complaint, body);
        if is_busy(code) && !out_of_quota {
            let reason = self.at_server(&format!("{shown}: {said}"));
            // Who stands before the server has waited for it in vain, or it has begun to answer: it may have worked.
            let charged = status.is_success() || matches!(code, 408 | 504 | 524);
            let wait = wait::asked(headers, body, OffsetDateTime::now_utc());
            return Fault::Failed(ModelError::Passing { reason, wait, charged, notice: None });
        }
        let hint = if out_of_quota {
            Some("the account has no quota left".to_owned())
        } else {
            hint(&self.settings, code, headers, complaint)
        };
        let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        let place = self.place();
        Fault::Failed(ModelError::Refused(
            self.named(&format!("{place} refused the request with {shown}: {said}{hint}")),
        ))
    }

    /// What a user should know at once of a server that cannot be reached: what happened, and how it is started if its preset
    /// or its port says which program it is.
    fn absent(&self, said: &str) -> String {
        let near = http::is_near(&self.endpoint);
        let (preset, port) = (self.settings.preset, self.endpoint.port_or_known_default());
        let named = LOCAL_SERVERS.iter().find(|(known, ..)| preset.is_some() && *known == preset);
        let usual = || LOCAL_SERVERS.iter().find(|(_, known, _)| preset.is_none() && Some(*known) == port);
        let start = named.or_else(usual).filter(|_| near).map_or(String::new(), |(.., how)| format!(" {how}."));
        format!("{} cannot be reached: {said}.{start}", self.place())
    }

    fn at_server(&self, what: &str) -> String {
        self.named(&format!("{}: {what}", self.place()))
    }

    /// The server's address, and the proxy that stands before it.
    fn place(&self) -> String {
        let base_url = &self.settings.base_url;
        match &self.proxy {
            None => base_url.clone(),
            Some(proxy) => format!("{base_url}, through the proxy {proxy} (NO_PROXY lists hosts that need none)"),
        }
    }
}

/// What happened to a connection that was not made, in plain words; `None` if it is nothing usual.
fn unconnected(error: &reqwest::Error) -> Option<&'static str> {
    let chain = error.is_connect().then(|| http::chain(error))?;
    let mut source = std::error::Error::source(error);
    let mut kind = None;
    while let Some(cause) = source {
        kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
        source = cause.source();
    }
    match kind {
        _ if chain.contains("dns error") => Some("no such host"),
        Some(ErrorKind::ConnectionRefused) => Some("connection refused, so nothing listens there"),
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => Some("no way to this host"),
        _ => None,
    }
}

/// Whether a status says that another attempt may succeed, at any vendor.
fn is_busy(status: u16) -> bool {
    // 420 and 498 are too many calls, 423, 424 and 425 a model that is not ready, 449 and 499 a connection that was given up.
    matches!(status, 408 | 409 | 420 | 423 | 424 | 425 | 429 | 449 | 460 | 498 | 499)
        || ((500..600).contains(&status) && !matches!(status, 501 | 505))
}

/// The status that an error under status 200 would have had, by its names; 503 if they do not say.
fn named_status(complaint: &Complaint) -> u16 {
    const STATUSES: [(u16, &[&str]); 6] = [
        (401, &["invalid_api_key", "authentication", "unauthorized", "unauthenticated"]),
        (402, &["insufficient_quota", "insufficient_balance", "billing"]),
        (403, &["permission"]),
        (404, &["not_found"]),
        (400, &["invalid_request", "invalid_argument", "bad_request", "badrequest", "unsupported_parameter"]),
        (429, &["rate_limit", "resource_exhausted", "too_many_requests", "throttl"]),
    ];
    let named = STATUSES.iter().find(|(_, names)| names.iter().any(|name| complaint.tags.contains(name)));
    named.map_or(503, |(status, _)| *status)
}

impl OpenAi {
    /// A server's text as it may be shown: on one line, shortened, without keys and control characters.
    pub(super) fn excerpt(&self, text: &str) -> String {
        let mut text = escaped(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned();
        for secret in self.settings.secrets().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "[key]");
        }
        // Some servers repeat the key with its middle starred out.
        let words = text.split(' ').map(|word| if word.contains("***") { "[key]" } else { word });
        let mut excerpt = words.collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = excerpt.char_indices().nth(EXCERPT) {
            excerpt.truncate(end);
            excerpt.push('…');
        }
        if excerpt.is_empty() {
            excerpt.push_str("it gave no reason");
        }
        excerpt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_that_mean_busy() {
        let busy = [408, 409, 420, 424, 425, 429, 498, 499, 500, 502, 503, 504, 520, 522, 524, 529, 530, 598];
        assert!(busy.into_iter().all(is_busy));
        let lasting = [400, 401, 402, 403, 404, 405, 406, 410, 413, 415, 422, 426, 431, 451, 501, 505];
        assert!(!lasting.into_iter().any(is_busy));
    }

    #[test]
    fn a_server_of_this_machine_is_named_with_how_it_starts() {
        let absent = |preset: Option<Preset>, base_url: &str| {
            let settings = crate::backend::openai::Settings {
                name: "m".into(),
                base_url: base_url.into(),
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
            OpenAi::new(settings).expect("settings").absent("refused")
        };
        let ollama = absent(None, "http://localhost:11434/v1");
        assert_eq!(ollama, "http://localhost:11434/v1 cannot be reached: refused. Ollama starts with: ollama serve.");
        assert!(absent(Some(Preset::Ollama), "http://localhost:9/v1").ends_with("ollama serve."));
        assert!(absent(Some(Preset::LlamaCpp), "http://localhost:8000/v1").ends_with("llama-server -m FILE.gguf."));
        for (preset, base_url) in [
            (None, "http://localhost:9/v1"),
            (None, "https://models.example.org:8000/v1"),
            (Some(Preset::Vllm), "https://models.example.org:8000/v1"),
            (Some(Preset::Openai), "http://localhost:8000/v1"),
        ] {
            assert!(!absent(preset, base_url).contains("starts with"), "{base_url}");
        }
    }
}
