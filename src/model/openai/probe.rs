//! One exchange with a server as it is, before it is read as an answer: for the check of a model's entry.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::OpenAi;
use crate::model::ModelError;
use crate::types::chat::Request;

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
        let body = self.body(request)?;
        let sent = self.client()?.post(self.endpoint.clone()).json(&body);
        self.taken_in(sent, patience).await
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

    async fn taken_in(&self, sent: reqwest::RequestBuilder, patience: Duration) -> Result<Exchange, ModelError> {
        let started = Instant::now();
        let received = async {
            let answer = sent.send().await.map_err(|error| self.transport(error))?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let text = answer.text().await.map_err(|error| self.transport(error))?;
            Ok::<_, ModelError>((status, headers, text))
        };
        let late = || ModelError::Unavailable(format!("no answer within {} s (timeout_s)", patience.as_secs_f64()));
        let (status, headers, text) = tokio::time::timeout(patience, received).await.map_err(|_| late())??;
        let latency_ms = started.elapsed().as_secs_f64() * 1e3;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let moved = header(&headers, "location").map(|place| self.excerpt(place));
        let said = self.excerpt(&text);
        let message = message(&body).map_or_else(|| said.clone(), |message| self.excerpt(message));
        Ok(Exchange { status, limits: self.limits(&headers), moved, said, message, body, latency_ms })
    }

    fn limits(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let told = |name: &&str| LIMITS.iter().any(|start| name.starts_with(start));
        let names: std::collections::BTreeSet<&str> = headers.keys().map(reqwest::header::HeaderName::as_str).collect();
        let value = |name| Some((str::to_owned(name), self.excerpt(header(headers, name)?)));
        names.into_iter().filter(told).filter_map(value).collect()
    }
}

/// The message of an error, where servers put it.
fn message(body: &Value) -> Option<&str> {
    let places = ["/error/message", "/0/error/message", "/message", "/error", "/detail"];
    places.into_iter().find_map(|place| body.pointer(place)?.as_str()).filter(|message| !message.is_empty())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
