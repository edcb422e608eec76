//! One raw exchange with a server, before its body is read as an answer. Used by the check of a model's entry.

use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::server_error::ServerError;
use super::usage::{self, LocalCounts};
use super::{OpenAi, Received, body};
use crate::types::chat::{Request, Usage};
use crate::types::model::ModelError;

/// Prefixes of the names of headers that describe limits.
const LIMITS: [&str; 3] = ["x-ratelimit-", "ratelimit", "retry-after"];

/// Raw answer of a server to a request.
#[derive(Debug)]
pub struct Exchange {
    /// HTTP status of the answer.
    pub status: u16,
    /// Headers of the answer that describe limits, with names in lower case.
    pub limits: Vec<(String, String)>,
    /// Address of a redirection. `None` if the answer has none.
    pub location: Option<String>,
    /// Body as JSON. Null if the body is not JSON.
    pub body: Value,
    /// Excerpt of the body: on one line, shortened, without keys.
    pub body_text: String,
    /// Excerpt of the error message in the body. Equal to `body_text` if the body has no message.
    pub message: String,
    /// Tokens that the server counted. 0 for a count that is missing.
    pub usage: Usage,
    /// Time from the request to the last byte, in milliseconds.
    pub latency_ms: f64,
}

impl Exchange {
    /// Returns true if the status is a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl OpenAi {
    /// Sends a request once, in exactly the form of a run, and returns the raw answer if one arrives within `timeout`.
    ///
    /// # Errors
    /// Returns [`ModelError`] if the request cannot be built, or if no answer arrives.
    pub async fn exchange(&self, request: &Request, timeout: Duration) -> Result<Exchange, ModelError> {
        self.timed_exchange(self.http_request(request)?, timeout).await
    }

    /// Returns the names of the models that the server lists. `None` if the server has no such list.
    pub async fn list_models(&self, timeout: Duration) -> Option<Vec<String>> {
        let mut address = self.endpoint.clone();
        let root = address.path().trim_end_matches("/completions").trim_end_matches("/chat").to_owned();
        address.set_path(&format!("{root}/models"));
        let exchange = self.timed_exchange(self.client().ok()?.get(address), timeout).await.ok()?;
        let listed = exchange.body.get("data").and_then(Value::as_array).filter(|_| exchange.is_success())?;
        Some(listed.iter().filter_map(|model| Some(self.excerpt(model.get("id")?.as_str()?))).collect())
    }

    /// Returns an excerpt of a server's text without keys: on one line and shortened.
    #[must_use]
    pub fn safe_excerpt(&self, text: &str) -> String {
        self.excerpt(text)
    }

    async fn timed_exchange(&self, sent: RequestBuilder, timeout: Duration) -> Result<Exchange, ModelError> {
        let started = Instant::now();
        let timed_out = || ModelError::Unavailable(format!("no answer within {} s (timeout_s)", timeout.as_secs_f64()));
        let received = tokio::time::timeout(timeout, self.receive(sent)).await.map_err(|_| timed_out())??;
        let latency_ms = started.elapsed().as_secs_f64() * 1e3;
        let Received { status, headers, text } = received;
        let body = body::json(&text).unwrap_or_default();
        // Only the server's own counts are reported, without the estimates of a run.
        let (usage, _) = usage::read(&body["usage"], &LocalCounts { prompt: 0, written: 0, listed: 0, limit: None });
        Ok(Exchange {
            status: status.as_u16(),
            limits: self.limits(&headers),
            location: header(&headers, "location").map(|location| self.excerpt(location)),
            body_text: self.excerpt(&text),
            message: self.excerpt(&ServerError::read(&text).message),
            body,
            usage,
            latency_ms,
        })
    }

    fn limits(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let is_limit = |name: &&str| LIMITS.iter().any(|start| name.starts_with(start));
        let names: std::collections::BTreeSet<&str> = headers.keys().map(reqwest::header::HeaderName::as_str).collect();
        let value = |name| Some((str::to_owned(name), self.excerpt(header(headers, name)?)));
        names.into_iter().filter(is_limit).filter_map(value).collect()
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
