//! The path of every call. The journal is searched first. A call that is not found there passes the rate limiter,
//! the concurrency limiter and the fee limit before it reaches the model, and is retried if a retry can help. An
//! answer is durable before any caller receives it. Equal calls are one call, whichever arm makes them and
//! whenever.

pub mod budget;
pub mod concurrency;
pub mod journal;
pub mod rate_limit;
pub mod refusals;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use sha2::{Digest, Sha256};
use tracing::{debug, info};

use self::budget::{Budget, Reservation, reservation_hint, worst_fee, worst_usage};
use self::concurrency::{ConcurrencyLimiter, ModelQueue, Priority, QueueLoad};
use self::journal::{Journal, JournaledCall};
use self::rate_limit::RateLimit;
use self::refusals::Refusals;
use crate::types::canonical::canonical;
use crate::types::chat::{CallKey, Finish, Request, Response, Usage};
use crate::types::model::{Identity, Model, ModelError};
use crate::types::price::Price;

pub use crate::types::queue::Retries;

/// Computes the waits before the retries of one call, in order. Each call draws its jitter from its own seed, so
/// calls that fail together are not retried together.
fn waits(retries: Retries) -> impl Iterator<Item = Duration> + use<> {
    let Retries { most, first_wait, longest_wait } = retries;
    // Without an explicit seed, backon draws the same numbers for every call of every run.
    let seed = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    let waits = ExponentialBuilder::default().with_min_delay(first_wait).with_max_delay(longest_wait);
    let waits = waits.with_max_times(most).with_jitter().with_jitter_seed(seed).build();
    waits.map(move |wait| wait.min(longest_wait))
}

/// A function that shows a notice about an unreachable server: what is known about the failure, and what happens
/// next.
pub type NoticeHandler = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Describes the retries after a server could not be reached.
fn planned(retries: Retries) -> String {
    let Retries { most, first_wait, longest_wait } = retries;
    // Jitter draws each wait between one and two times its planned length.
    let wait = |n| first_wait.saturating_mul(2_u32.saturating_pow(n)).saturating_mul(2).min(longest_wait);
    let all: f64 = (0..u32::try_from(most).unwrap_or(u32::MAX)).take(1000).map(|n| wait(n).as_secs_f64()).sum();
    let times = if most == 1 { "once".to_owned() } else { format!("{most} times") };
    format!("It is tried again, {times} within about {} s; Ctrl-C stops the run.", all.ceil().max(1.0))
}

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

/// A model behind the journal, the limiters and the budget.
#[derive(Clone)]
pub struct Gateway {
    service: ModelService,
    journal: Arc<Journal>,
    limiter: Arc<ConcurrencyLimiter>,
    queue: ModelQueue,
    rate_limit: Arc<RateLimit>,
    retries: Retries,
    budget: Option<(Price, Arc<Budget>)>,
    refusals: Option<Arc<Refusals>>,
    on_notice: Option<NoticeHandler>,
    /// True once a notice was passed on.
    notified: Arc<AtomicBool>,
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
        let rate_limit = Arc::new(RateLimit::new(None, None));
        let notified = Arc::new(AtomicBool::new(false));
        Self {
            service,
            journal,
            limiter,
            queue,
            rate_limit,
            retries,
            budget: None,
            refusals: None,
            on_notice: None,
            notified,
        }
    }

    /// Adds a limit on refused items: the run stops if the model refuses more.
    #[must_use]
    pub fn with_refusals(self, refusals: Refusals) -> Self {
        Self { refusals: Some(Arc::new(refusals)), ..self }
    }

    /// Adds a function that receives the first notice about an unreachable server.
    #[must_use]
    pub fn with_notice_handler(self, on_notice: NoticeHandler) -> Self {
        Self { on_notice: Some(on_notice), ..self }
    }

    /// Adds the server's limits on requests and tokens per minute.
    #[must_use]
    pub fn with_rate_limit(self, rate_limit: RateLimit) -> Self {
        Self { rate_limit: Arc::new(rate_limit), ..self }
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
        let key = CallKey(Sha256::digest(canonical.as_bytes()).into());
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
        let response = self.call_with_retries(model.as_ref(), key, request, priority).await?;
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

    /// Repeats the call until an attempt is answered, an attempt fails for good, or all attempts have failed.
    async fn call_with_retries(
        &self,
        model: &dyn Model,
        key: &CallKey,
        request: &Request,
        priority: Priority,
    ) -> Result<Response, ModelError> {
        let longest_wait = self.retries.longest_wait;
        let mut waits = waits(self.retries);
        let mut attempts = 0;
        loop {
            self.limiter.unless_stopped(self.rate_limit.wait(request)).await?;
            let permit = self.limiter.acquire(self.queue, priority).await?;
            attempts += 1;
            let failed = match self.attempt(model, key, request).await {
                Ok(response) => {
                    permit.answered(response.usage);
                    debug!(
                        model = %self.service.name,
                        item = %request.item,
                        latency_ms = response.latency_ms,
                        input_tokens = response.usage.input,
                        output_tokens = response.usage.output,
                        "answered"
                    );
                    return Ok(response);
                }
                Err(ModelError::Passing { reason, wait, notice, .. }) => {
                    let next = waits.next();
                    let asked_s = wait.map(|wait| wait.as_secs_f64());
                    info!(model = %self.service.name, item = %request.item, attempt = attempts, asked_s, %reason, "attempt failed");
                    if next.is_some() {
                        self.notify(notice.as_deref());
                    }
                    let beyond = wait.filter(|wait| *wait > longest_wait).map_or_else(String::new, |wait| {
                        let (wait, longest) = (wait.as_secs_f64(), longest_wait.as_secs_f64());
                        format!(
                            "; the server requests a wait of {wait} s, which is longer than longest_wait_s = {longest}"
                        )
                    });
                    next.map(|planned| (planned, wait)).ok_or_else(|| {
                        ModelError::Unavailable(format!("{reason} (no answer in {attempts} attempts{beyond})"))
                    })
                }
                Err(error) => Err(error),
            };
            match failed {
                Ok((planned, requested)) => {
                    if let Some(calls_at_once) = permit.overloaded() {
                        info!(model = %self.service.name, calls_at_once, "window halved");
                    }
                    // Some busy servers request a wait of zero, so a requested wait can only lengthen the planned
                    // one.
                    if let Some(requested) = requested.filter(|requested| !requested.is_zero()) {
                        self.limiter.pause(self.queue, requested.min(longest_wait));
                    }
                    let wait = requested.unwrap_or_default().max(planned).min(longest_wait);
                    info!(model = %self.service.name, item = %request.item, wait_s = wait.as_secs_f64(), "waiting before a retry");
                    self.limiter.unless_stopped(tokio::time::sleep(wait)).await?;
                }
                Err(error) => {
                    // This error ends the run, so no queued call may begin.
                    self.limiter.stop();
                    return Err(error);
                }
            }
        }
    }

    /// Passes a notice on if it is the first.
    fn notify(&self, notice: Option<&str>) {
        if let (Some(on_notice), Some(notice)) = (&self.on_notice, notice)
            && !self.notified.swap(true, Ordering::Relaxed)
        {
            on_notice(notice, &planned(self.retries));
        }
    }

    /// Makes one attempt and settles its fee.
    async fn attempt(&self, model: &dyn Model, key: &CallKey, request: &Request) -> Result<Response, ModelError> {
        let reservation = match &self.budget {
            Some((price, budget)) => {
                Some(self.limiter.unless_stopped(budget.reserve(worst_fee(price, request))).await?)
            }
            None => None,
        };
        let reservation = reservation.transpose().map_err(|error| match error {
            ModelError::FeeLimit(text) => {
                ModelError::FeeLimit(format!("{text}; {}", reservation_hint(&self.service.name, request)))
            }
            error => error,
        })?;
        let mut attempt = Attempt { gateway: self, key, worst: worst_usage(request), reservation, in_flight: true };
        let answer = model.call(request).await;
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
                    self.limiter.pause(self.queue, pause.min(self.retries.longest_wait));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_retry_notice_names_the_count_and_the_duration() {
        let (first_wait, longest_wait) = (Duration::from_millis(500), Duration::from_secs(5));
        let retries = Retries { most: 5, first_wait, longest_wait };
        assert_eq!(planned(retries), "It is tried again, 5 times within about 17 s; Ctrl-C stops the run.");
        let once = planned(Retries { most: 1, ..retries });
        assert_eq!(once, "It is tried again, once within about 1 s; Ctrl-C stops the run.");
    }

    #[test]
    fn retry_waits_are_random_per_call_and_bounded() {
        let (first_wait, longest_wait) = (Duration::from_millis(500), Duration::from_mins(1));
        let retries = Retries { most: 5, first_wait, longest_wait };
        let calls: Vec<Vec<Duration>> = (0..400).map(|_| waits(retries).collect()).collect();
        assert!(calls.iter().skip(1).all(|waits| waits.len() == 5 && *waits != calls[0]), "no two calls are alike");
        for (n, own) in [0.5, 1.0, 2.0, 4.0, 8.0].into_iter().enumerate() {
            let waits = || calls.iter().map(|waits| waits[n].as_secs_f64());
            assert!(waits().all(|wait| (own..=2.0 * own).contains(&wait)), "never shorter than planned");
            // The mean of 400 uniform draws from [1, 2] is off by 0.1 less than once in 10^11.
            let mean = waits().sum::<f64>() / 400.0;
            assert!((1.4 * own..1.6 * own).contains(&mean), "{mean} for {own}");
        }
        let short = Retries { longest_wait: Duration::from_secs(1), ..retries };
        assert!(waits(short).all(|wait| wait <= Duration::from_secs(1)));
    }
}
