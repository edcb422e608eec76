//! What every call goes through: the journal first; past it the model's limits, the gate, the fee limit, and the
//! model itself, tried again where that may help. An answer is durable before anybody sees it, and calls that are the
//! same are one call, in whatever arm and at whatever time.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::budget::{Budget, Reservation, worst_fee, worst_usage};
use super::gate::{Gate, Line, Priority};
use super::journal::{Journal, Made};
use super::limiter::Limiter;
use super::{Identity, Model, ModelError};
use crate::analysis::price::Price;
use crate::types::chat::{CallKey, Message, Mode, Request, Response, Usage, Wanted};

/// All that determines an answer, in one form. What a key is the hash of: a field that is added is left out of the
/// text where it has its default, so that what was paid for before stays found.
#[derive(Serialize)]
struct Canonical<'a> {
    identity: Value,
    messages: &'a [Message],
    mode: &'a Mode,
    #[serde(skip_serializing_if = "Wanted::is_answer")]
    wanted: Wanted,
    draw: u32,
}

/// The canonical form of a request to the model of this identity.
pub(super) fn canonical(identity: Value, request: &Request) -> String {
    let Request { messages, mode, wanted, draw, .. } = request;
    let canonical = Canonical { identity, messages, mode, wanted: *wanted, draw: *draw };
    serde_json::to_string(&canonical).unwrap_or_else(|error| unreachable!("texts and numbers are JSON: {error}"))
}

/// When a call that failed is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// How often, after the first attempt.
    pub most: usize,
    /// The wait before the first retry; it doubles with each, and is spread at random.
    pub first_wait: Duration,
    /// The longest wait before a retry, also where the server asks for a longer one.
    pub longest_wait: Duration,
}

/// Where a model's answers come from.
#[derive(Clone)]
pub enum Source {
    /// The model, and the journal that keeps what it said.
    Model(Arc<dyn Model>),
    /// Journals alone.
    Journal,
    /// A recording, which needs neither journal nor leave.
    Recorded(Arc<dyn Model>),
}

/// A model as the gateway knows it.
#[derive(Clone)]
pub struct Served {
    /// Its name in the config.
    pub name: String,
    /// What determines its answers.
    pub identity: Identity,
    /// What answers.
    pub source: Source,
}

/// A model behind all that its calls go through.
#[derive(Clone)]
pub struct Gateway {
    served: Served,
    journal: Arc<Journal>,
    gate: Arc<Gate>,
    line: Line,
    limiter: Arc<Limiter>,
    retries: Retries,
    budget: Option<(Price, Arc<Budget>)>,
}

impl Gateway {
    /// Puts `journal` and a line of the gate before a model.
    #[must_use]
    pub fn new(served: Served, journal: Arc<Journal>, (gate, line): (Arc<Gate>, Line), retries: Retries) -> Self {
        let limiter = Arc::new(Limiter::new(None, None));
        Self { served, journal, gate, line, limiter, retries, budget: None }
    }

    /// Keeps calls within the server's limits.
    #[must_use]
    pub fn limited(self, limiter: Limiter) -> Self {
        Self { limiter: Arc::new(limiter), ..self }
    }

    /// Makes every call that is not in the journal pass the fee limit, at the model's `price`.
    #[must_use]
    pub fn within(self, price: Price, budget: Arc<Budget>) -> Self {
        Self { budget: Some((price, budget)), ..self }
    }

    /// The answer to a request: the journal's, else the model's.
    ///
    /// # Errors
    /// Those of the model; [`ModelError::Unavailable`] also where the journal cannot be read or written.
    pub async fn call(&self, request: &Request, priority: Priority) -> Result<(CallKey, Arc<Response>), ModelError> {
        let canonical = canonical(self.served.identity.of(&request.item), request);
        let key = CallKey(Sha256::digest(canonical.as_bytes()).into());
        let flight = self.journal.flight(&key);
        let answer = flight.get_or_try_init(|| self.find_or_make(&key, canonical, request, priority)).await.cloned();
        self.journal.landed(&key);
        Ok((key, answer?))
    }

    async fn find_or_make(
        &self,
        key: &CallKey,
        canonical: String,
        request: &Request,
        priority: Priority,
    ) -> Result<Arc<Response>, ModelError> {
        let broken = |error: anyhow::Error| {
            ModelError::Unavailable(format!("the journal {} failed: {error:#}", self.journal.path().display()))
        };
        if let Source::Recorded(model) = &self.served.source {
            return model.call(request).await.map(Arc::new);
        }
        if let Some(response) = self.journal.answer_to(key, &canonical).await.map_err(broken)? {
            return Ok(Arc::new(response));
        }
        let Source::Model(model) = &self.served.source else {
            return Err(ModelError::Refused(
                "no journal holds its answer, and --offline allows no other; leave it out, or name with --journal one that does".to_owned(),
            ));
        };
        let response = self.make(model.as_ref(), key, request, priority).await?;
        let made = Made {
            key: *key,
            model: self.served.name.clone(),
            item: request.item.clone(),
            request: canonical,
            response,
        };
        let stored = self.journal.put(made).await;
        if stored.is_err() {
            // Nobody who waits for this answer shall pay for it again.
            self.gate.stop();
        }
        Ok(Arc::new(stored.map_err(broken)?))
    }

    /// Attempts until one is answered, one cannot succeed, or all have failed.
    async fn make(
        &self,
        model: &dyn Model,
        key: &CallKey,
        request: &Request,
        priority: Priority,
    ) -> Result<Response, ModelError> {
        let Retries { most, first_wait, longest_wait } = self.retries;
        let waits = ExponentialBuilder::default().with_min_delay(first_wait).with_max_delay(longest_wait);
        let mut waits = waits.with_max_times(most).with_jitter().build();
        let mut attempts = 0;
        loop {
            self.gate.unless_stopped(self.limiter.wait(request)).await?;
            let permit = self.gate.acquire(self.line, priority).await?;
            attempts += 1;
            let failed = match self.attempt(model, key, request).await {
                Ok(response) => {
                    permit.answered();
                    return Ok(response);
                }
                Err(ModelError::Passing { reason, wait, .. }) => waits
                    .next()
                    .map(|planned| (planned, wait))
                    .ok_or(ModelError::Unavailable(format!("{reason} (no answer in {attempts} attempts)"))),
                Err(error) => Err(error),
            };
            match failed {
                Ok((planned, asked)) => {
                    permit.overloaded();
                    let wait = asked.map_or(planned, |asked| asked.min(longest_wait));
                    if asked.is_some() {
                        self.gate.pause(self.line, wait);
                    }
                    self.gate.unless_stopped(tokio::time::sleep(wait)).await?;
                }
                Err(error) => {
                    // It ends the run: nobody who waits for this permit shall begin.
                    self.gate.stop();
                    return Err(error);
                }
            }
        }
    }

    /// One attempt, with what it costs.
    async fn attempt(&self, model: &dyn Model, key: &CallKey, request: &Request) -> Result<Response, ModelError> {
        let reservation = match &self.budget {
            Some((price, budget)) => Some(self.gate.unless_stopped(budget.reserve(worst_fee(price, request))).await??),
            None => None,
        };
        let mut attempt = Attempt { gateway: self, key, worst: worst_usage(request), reservation, open: true };
        let answer = model.call(request).await;
        attempt.open = false;
        match &answer {
            Ok(response) => {
                if let (Some((price, _)), Some(reservation)) = (&self.budget, attempt.reservation.take()) {
                    reservation.settle(price.fee(response.usage));
                }
                if let Some(pause) = response.pause {
                    self.gate.pause(self.line, pause.min(self.retries.longest_wait));
                }
            }
            Err(ModelError::Passing { charged: true, reason, .. } | ModelError::Unusable(reason)) => {
                attempt.lose(reason);
            }
            Err(_) => {}
        }
        answer
    }
}

/// A call that is under way.
struct Attempt<'a> {
    gateway: &'a Gateway,
    key: &'a CallKey,
    /// The most that it may take.
    worst: Usage,
    reservation: Option<Reservation>,
    open: bool,
}

impl Attempt<'_> {
    /// It has no answer and may be charged all the same.
    fn lose(&mut self, reason: &str) {
        self.gateway.journal.lose(self.key, &self.gateway.served.name, reason, self.worst);
        if let Some(reservation) = self.reservation.take() {
            reservation.lose();
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        // Somebody did not want to wait for it; the server may work on.
        if self.open {
            self.lose("given up before an answer came");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::chat::{Generation, Role};

    #[test]
    fn the_canonical_form_never_changes() {
        let request = Request {
            item: "1".into(),
            messages: vec![Message { role: Role::User, content: "2 + 2?".into() }],
            mode: Mode::Generate(Generation {
                max_tokens: 9,
                temperature: 0.5,
                stop: vec!["\n".into()],
                logprobs: true,
                ..Generation::default()
            }),
            wanted: Wanted::Answer,
            draw: 3,
            strategies: vec!["0".into()],
        };
        assert_eq!(
            canonical(json!({ "model": "m", "backend": "openai" }), &request),
            r#"{"identity":{"backend":"openai","model":"m"},"messages":[{"role":"user","content":"2 + 2?"}],"mode":{"mode":"generate","max_tokens":9,"temperature":0.5,"stop":["\n"],"logprobs":true,"calculator":false},"draw":3}"#
        );
        let scored = Request { mode: Mode::Score { options: vec!["a".into()] }, ..request };
        assert!(canonical(Value::Null, &scored).contains(r#""mode":{"mode":"score","options":["a"]}"#));
    }
}
