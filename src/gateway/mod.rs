//! The path of every call. The journal is searched first. A call that is not found there passes the concurrency
//! limiter, which chooses a server and keeps its limits, and the fee limit before it reaches the model, and is retried
//! if a retry can help. An answer is durable before any caller receives it. Equal calls are one call, whichever arm
//! makes them and whenever.

pub mod budget;
pub mod concurrency;
pub mod journal;
mod rate_limit;
pub mod refusals;
mod retries;
mod servers;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{debug, info};

use self::budget::{Budget, Reservation, reservation_hint, worst_fee, worst_usage};
use self::concurrency::{ConcurrencyLimiter, Consequence, Demand, ModelQueue, Permit, Priority, QueueLoad, Setback};
use self::journal::sharing::{Lease, Turn};
use self::journal::{Journal, JournaledCall};
use self::refusals::Refusals;
use self::retries::{Attempts, OTHERS_ANSWER, planned_retries};
use crate::types::canonical::canonical;
use crate::types::chat::{CallKey, Finish, Request, Response, Usage};
use crate::types::model::{Identity, Model, ModelError};
use crate::types::price::Price;

pub use crate::types::queue::Retries;

/// A function that shows a notice about an unreachable server: what is known about the failure, and what happens
/// next.
pub type NoticeHandler = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Source of a model's answers.
#[derive(Clone)]
pub enum AnswerSource {
    /// The model. Its answers are stored in the journal.
    Model(Arc<dyn Model>),
    /// Only the journals; no call is made.
    Journal,
    /// A recording. It needs neither the journal nor a permit.
    Recorded(Arc<dyn Model>),
}

/// A model as the gateway calls it.
#[derive(Clone)]
pub struct ModelService {
    /// Name of the model in the config.
    pub name: String,
    /// Everything that determines the model's answers.
    pub identity: Identity,
    /// Source of the answers.
    pub source: AnswerSource,
}

/// The answer to a call that the run's own journal did not hold.
enum Obtained {
    /// This process made the call, under a claim if the journal is shared.
    Made(Response, Option<Lease>),
    /// Another worker made the call meanwhile.
    Found(Response),
}

/// A model behind the journal, the limiters and the budget.
#[derive(Clone)]
pub struct Gateway {
    service: ModelService,
    journal: Arc<Journal>,
    limiter: Arc<ConcurrencyLimiter>,
    queue: ModelQueue,
    retries: Retries,
    budget: Option<(Price, Arc<Budget>)>,
    refusals: Option<Arc<Refusals>>,
    on_notice: Option<NoticeHandler>,
    /// Servers whose notice was passed on. `None` stands for all servers of the model together.
    notified: Arc<Mutex<BTreeSet<Option<usize>>>>,
}

impl Gateway {
    /// Wraps a model in `journal` and in its queue of the concurrency limiter.
    #[must_use]
    pub fn new(
        service: ModelService,
        journal: Arc<Journal>,
        (limiter, queue): (Arc<ConcurrencyLimiter>, ModelQueue),
        retries: Retries,
    ) -> Self {
        Self {
            service,
            journal,
            limiter,
            queue,
            retries,
            budget: None,
            refusals: None,
            on_notice: None,
            notified: Arc::default(),
        }
    }

    /// Adds a limit on refused items: the run stops if the model refuses more.
    #[must_use]
    pub fn with_refusals(self, refusals: Refusals) -> Self {
        Self { refusals: Some(Arc::new(refusals)), ..self }
    }

    /// Adds a function that receives the first notice about each unreachable server.
    #[must_use]
    pub fn with_notice_handler(self, on_notice: NoticeHandler) -> Self {
        Self { on_notice: Some(on_notice), ..self }
    }

    /// Adds a fee limit, at the model's `price`, for every call that is not in the journal.
    #[must_use]
    pub fn with_budget(self, price: Price, budget: Arc<Budget>) -> Self {
        Self { budget: Some((price, budget)), ..self }
    }

    /// Returns the name of the model, its calls in flight, and the tokens of its answered calls.
    #[must_use]
    pub fn load(&self) -> (&str, QueueLoad) {
        (&self.service.name, self.limiter.load(self.queue))
    }

    /// Returns the answer to a request: from the journal if it is stored there, otherwise from the model.
    ///
    /// # Errors
    /// The errors of the model. Also [`ModelError::Unavailable`] if the journal cannot be read or written.
    pub async fn call(&self, request: &Request, priority: Priority) -> Result<(CallKey, Arc<Response>), ModelError> {
        let canonical = canonical(self.service.identity.of(&request.item), request);
        let key = CallKey::of(&canonical);
        let flight = self.journal.flight(&key);
        let answer = flight.get_or_try_init(|| self.find_or_call(&key, canonical, request, priority)).await.cloned();
        self.journal.end_flight(&key);
        Ok((key, answer?))
    }

    async fn find_or_call(
        &self,
        key: &CallKey,
        canonical: String,
        request: &Request,
        priority: Priority,
    ) -> Result<Arc<Response>, ModelError> {
        let broken = |error: anyhow::Error| {
            ModelError::Unavailable(format!("the journal {} failed: {error:#}", self.journal.path().display()))
        };
        if let AnswerSource::Recorded(model) = &self.service.source {
            return model.call(request).await.map(Arc::new);
        }
        if let Some(response) = self.journal.answer_to(key, &canonical).await.map_err(broken)? {
            if let Some(refusals) = &self.refusals {
                refusals.count(&request.item, response.is_refused());
            }
            debug!(model = %self.service.name, item = %request.item, key = %key, "answer from a journal");
            return Ok(Arc::new(response));
        }
        let AnswerSource::Model(model) = &self.service.source else {
            return Err(ModelError::NotRecorded);
        };
        let (response, lease) = match self.call_with_retries(model.as_ref(), key, &canonical, request, priority).await?
        {
            Obtained::Made(response, lease) => (response, lease),
            Obtained::Found(response) => {
                if let Some(refusals) = &self.refusals {
                    refusals.count(&request.item, response.is_refused());
                }
                return Ok(Arc::new(response));
            }
        };
        let call = JournaledCall {
            key: *key,
            model: self.service.name.clone(),
            item: request.item.clone(),
            request: canonical,
            response,
        };
        let stored = self.journal.put(call).await;
        if stored.is_err() {
            // No caller that waits for this answer may pay for it a second time.
            self.limiter.stop();
        }
        let stored = Arc::new(stored.map_err(broken)?);
        if let Some(lease) = lease {
            lease.end();
        }
        if let Some(refusals) = &self.refusals {
            refusals.count(&request.item, stored.is_refused());
            // The share is checked only here: for a replayed answer the run that made the call checked it.
            if stored.is_refused() {
                let reason = stored.refusal.as_deref().unwrap_or("the answer was withheld");
                info!(model = %self.service.name, item = %request.item, reason, "item refused");
                refusals.check(&self.service.name, reason).inspect_err(|_| self.limiter.stop())?;
            }
        }
        Ok(stored)
    }

    /// Repeats the call until an attempt is answered, an attempt fails for good, or all attempts have failed. An attempt
    /// that another server may answer at once is no retry.
    async fn call_with_retries(
        &self,
        model: &dyn Model,
        key: &CallKey,
        canonical: &str,
        request: &Request,
        priority: Priority,
    ) -> Result<Obtained, ModelError> {
        let demand = Demand::of(request);
        let mut attempts = Attempts::new(self.retries, model.servers());
        let mut lease = None;
        loop {
            let permit = self.limiter.acquire(self.queue, priority, demand).await?;
            if lease.is_none() {
                // With a permit in hand, so that no worker holds claims for which it has no room.
                match self.turn(key, canonical, request).await? {
                    Turn::Mine(granted) => lease = granted,
                    Turn::Answered(response) => return Ok(Obtained::Found(response)),
                    Turn::Later(at_most) => {
                        drop(permit);
                        self.limiter.unless_stopped(self.journal.changed(key, at_most)).await?;
                        continue;
                    }
                }
            }
            attempts.made += 1;
            let error = match self.attempt(model, permit.server(), key, request).await {
                Ok(response) => {
                    permit.answered(response.usage);
                    debug!(
                        model = %self.service.name,
                        item = %request.item,
                        server = response.server,
                        latency_ms = response.latency_ms,
                        input_tokens = response.usage.input,
                        output_tokens = response.usage.output,
                        "answered"
                    );
                    return Ok(Obtained::Made(response, lease));
                }
                Err(error) => error,
            };
            // A call that a batch did not answer ends only its own cell.
            let next = self.after(error, &permit, &mut attempts, request);
            if next.as_ref().is_err_and(|error| !matches!(error, ModelError::NotRecorded)) {
                // This error ends the run, so no queued call may begin, not even with this call's permit.
                self.limiter.stop();
            }
            drop(permit);
            if let Some(wait) = next? {
                self.limiter.unless_stopped(tokio::time::sleep(wait)).await?;
            }
        }
    }

    /// Decides whether this process makes a call.
    async fn turn(&self, key: &CallKey, canonical: &str, request: &Request) -> Result<Turn, ModelError> {
        let turn = self.journal.turn(key, &self.service.name, canonical, worst_usage(request)).await;
        turn.map_err(|error| {
            self.limiter.stop();
            match error {
                ModelError::FeeLimit(text) => self.fee_limit(&text, request),
                error => error,
            }
        })
    }

    /// Adds to the error of a fee limit what its reservation consists of.
    fn fee_limit(&self, text: &str, request: &Request) -> ModelError {
        ModelError::FeeLimit(format!("{text}; {}", reservation_hint(&self.service.name, request)))
    }

    /// Returns the wait before the next attempt after `error`. `None` if another server takes the call at once.
    ///
    /// # Errors
    /// The error of the call if no attempt follows.
    fn after(
        &self,
        error: ModelError,
        permit: &Permit,
        attempts: &mut Attempts,
        request: &Request,
    ) -> Result<Option<Duration>, ModelError> {
        let ModelError::Passing { reason, wait: requested, notice, .. } = error else { return Err(error) };
        let Retries { first_wait, longest_wait, .. } = self.retries;
        let (model, item, server) = (&self.service.name, &request.item, permit.server());
        let asked_s = requested.map(|wait| wait.as_secs_f64());
        info!(%model, %item, attempt = attempts.made, asked_s, %reason, "attempt failed");
        let Consequence { halved, aside, elsewhere } = permit.failed(&Setback { first_wait, longest_wait, requested });
        if let Some(calls_at_once) = halved {
            info!(%model, calls_at_once, "window halved");
        }
        if let Some(aside) = aside {
            info!(%model, server, wait_s = aside.as_secs_f64(), "server set aside");
        }
        if elsewhere && attempts.may_go_elsewhere() {
            self.notify(Some(server), notice.as_deref(), OTHERS_ANSWER);
            return Ok(None);
        }
        let Some(planned) = attempts.retry() else { return Err(self.unavailable(&reason, requested, attempts)) };
        self.notify(None, notice.as_deref(), &planned_retries(self.retries));
        // A wait that one of several servers requested holds for that server alone.
        let requested = requested.filter(|_| attempts.servers == 1).unwrap_or_default();
        let wait = requested.max(planned).min(longest_wait);
        info!(%model, %item, wait_s = wait.as_secs_f64(), "waiting before a retry");
        Ok(Some(wait))
    }

    /// Returns the error of a call whose last attempt failed for `reason`.
    fn unavailable(&self, reason: &str, requested: Option<Duration>, attempts: &Attempts) -> ModelError {
        let Attempts { made, servers, .. } = attempts;
        let longest_wait = self.retries.longest_wait;
        let at = if *servers > 1 { format!(" at {servers} servers") } else { String::new() };
        let beyond = requested.filter(|wait| *wait > longest_wait).map_or_else(String::new, |wait| {
            let (wait, longest) = (wait.as_secs_f64(), longest_wait.as_secs_f64());
            format!("; the server requests a wait of {wait} s, which is longer than longest_wait_s = {longest}")
        });
        ModelError::Unavailable(format!("{reason} (no answer in {made} attempts{at}{beyond})"))
    }

    /// Passes a notice on if it is the first about this server, or about all servers if `server` is `None`.
    fn notify(&self, server: Option<usize>, notice: Option<&str>, next: &str) {
        if let (Some(on_notice), Some(notice)) = (&self.on_notice, notice)
            && self.notified.lock().unwrap_or_else(PoisonError::into_inner).insert(server)
        {
            on_notice(notice, next);
        }
    }

    /// Makes one attempt and settles its fee.
    async fn attempt(
        &self,
        model: &dyn Model,
        server: usize,
        key: &CallKey,
        request: &Request,
    ) -> Result<Response, ModelError> {
        let reservation = match &self.budget {
            Some((price, budget)) => {
                Some(self.limiter.unless_stopped(budget.reserve(worst_fee(price, request))).await?)
            }
            None => None,
        };
        let reservation = reservation.transpose().map_err(|error| match error {
            ModelError::FeeLimit(text) => self.fee_limit(&text, request),
            error => error,
        })?;
        let mut attempt = Attempt { gateway: self, key, worst: worst_usage(request), reservation, in_flight: true };
        let answer = model.call_at(server, request).await;
        attempt.in_flight = false;
        match &answer {
            // Some providers charge for a request that they processed and then refused.
            Ok(response) if response.finish == Finish::Refused => {
                attempt.lose(response.refusal.as_deref().unwrap_or_default());
            }
            Ok(response) => {
                if let (Some((price, _)), Some(reservation)) = (&self.budget, attempt.reservation.take()) {
                    reservation.settle(price.fee(response.usage));
                }
                if let Some(pause) = response.pause {
                    self.limiter.pause(self.queue, server, pause.min(self.retries.longest_wait));
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

/// An attempt in flight.
struct Attempt<'a> {
    gateway: &'a Gateway,
    key: &'a CallKey,
    /// Upper bound on the tokens of the attempt.
    worst: Usage,
    reservation: Option<Reservation>,
    in_flight: bool,
}

impl Attempt<'_> {
    /// Records that the attempt has no answer, although it may be charged.
    fn lose(&mut self, reason: &str) {
        self.gateway.journal.record_unanswered(self.key, &self.gateway.service.name, reason, self.worst);
        if let Some(reservation) = self.reservation.take() {
            reservation.lose();
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        // The caller gave up; the server may still be working on the request.
        if self.in_flight {
            self.lose("given up before an answer came");
        }
    }
}
