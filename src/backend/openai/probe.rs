//! One exchange with a server as it is, before it is read as an answer: for the check of a model's entry.

use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::complaint::Complaint;
use super::usage::{self, Known};
use super::{OpenAi, Received, body};
use crate::types::chat::{Request, Usage};
use crate::types::model::ModelError;

/// Beginnings of the names of headers that tell of limits.
const LIMITS: [&str; 3] = ["x-ratelimit-", "ratelimit", "retry-after"];

/// What a server did with a request.
#[derive(Debug)]
pub struct Exchange {
    /// The status of its answer.
    pub status: u16,
    /// The headers of its answer that tell of limits, names in lower case.
    pub limits: Vec<(String, String)>,
    /// Where it says that it has moved to; `None` if it does not.
    pub moved: Option<String>,
    /// The body as JSON; null if it is none.
    pub body: Value,
    /// The body as it may be shown: on one line, shortened, without keys.
    pub said: String,
    /// The message in it, shown likewise; the same as `said` if it has none.
    pub message: String,
    /// The tokens that the server counts; 0 for what it does not count.
    pub usage: Usage,
    /// Milliseconds from the request to the last byte.
    pub latency_ms: f64,
}

impl Exchange {
    /// Whether the request was answered.
    #[must_use]
    pub fn answered(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl OpenAi {
    /// Sends a request once, in the very form in which a run sends it, and takes in whatever comes back within `patience`.
    ///
    /// # Errors
    /// [`ModelError`] if the request cannot be made, or no answer comes.
    pub async fn exchange(&self, request: &Request, patience: Duration) -> Result<Exchange, ModelError> {
        self.taken_in(self.sent(request)?, patience).await
    }

    /// The names of the models that the server lists; `None` if it lists none.
    pub async fn listed(&self, patience: Duration) -> Option<Vec<String>> {
        let mut address = self.endpoint.clone();
        let root = address.path().trim_end_matches("/completions").trim_end_matches("/chat").to_owned();
        address.set_path(&format!("{root}/models"));
        let exchange = self.taken_in(self.client().ok()?.get(address), patience).await.ok()?;
        let listed = exchange.body.get("data").and_then(Value::as_array).filter(|_| exchange.answered())?;
        Some(listed.iter().filter_map(|model| Some(self.excerpt(model.get("id")?.as_str()?))).collect())
    }

    /// A server's text as it may be shown.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        self.excerpt(text)
    }

    async fn taken_in(&self, sent: RequestBuilder, patience: Duration) -> Result<Exchange, ModelError> {
        let started = Instant::now();
        let late = || ModelError::Unavailable(format!("no answer within {} s (timeout_s)", patience.as_secs_f64()));
        let received = tokio::time::timeout(patience, self.receive(sent)).await.map_err(|_| late())??;
        let latency_ms = started.elapsed().as_secs_f64() * 1e3;
        let Received { status, headers, text } = received;
        let body = body::json(&text).unwrap_or_default();
        // What the program estimates for a run is not what the server counts.
        let (usage, _) = usage::read(&body["usage"], &Known { prompt: 0, written: 0, listed: 0, limit: None });
        Ok(Exchange {
            status: status.as_u16(),
            limits: self.limits(&headers),
            moved: header(&headers, "location").map(|place| self.excerpt(place)),
            said: self.excerpt(&text),
            message: self.excerpt(&Complaint::read(&text).message),
            body,
            usage,
            latency_ms,
        })
    }

    fn limits(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let told = |name: &&str| LIMITS.iter().any(|start| name.starts_with(start));
        let names: std::collections::BTreeSet<&str> = headers.keys().map(reqwest::header::HeaderName::as_str).collect();
        let value = |name| Some((str::to_owned(name), self.excerpt(header(headers, name)?)));
        names.into_iter().filter(told).filter_map(value).collect()
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
