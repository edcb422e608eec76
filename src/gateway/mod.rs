//! What every call goes through: the journal first; past it the model's limits, the gate, the fee limit, and the
//! model itself, tried again where that may help. An answer is durable before anybody sees it, and calls that are the
//! same are one call, in whatever arm and at whatever time.

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

use self::budget::{Budget, Reservation, reserved, worst_fee, worst_usage};
use self::concurrency::{ConcurrencyLimiter, ModelQueue, Priority};
use self::journal::{Journal, JournaledCall};
use self::rate_limit::RateLimit;
use self::refusals::Refusals;
use crate::types::canonical::canonical;
use crate::types::chat::{CallKey, Finish, Request, Response, Usage};
use crate::types::model::{Identity, Model, ModelError};
use crate::types::price::Price;

pub use crate::types::queue::Retries;

/// The waits of one call before its retries, in their order. Calls that fail together do not come back together: each draws
/// from a seed of its own.
fn waits(retries: Retries) -> impl Iterator<Item = Duration> + use<> {
    let Retries { most, first_wait, longest_wait } = retries;
    // Without a seed, backon draws the same numbers for every call of every run.
    let seed = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    let waits = ExponentialBuilder::default().with_min_delay(first_wait).with_max_delay(longest_wait);
    let waits = waits.with_max_times(most).with_jitter().with_jitter_seed(seed).build();
    waits.map(move |wait| wait.min(longest_wait))
}

/// A function that shows a notice about a server that cannot be reached: what is known of it, and what is done next.
pub type NoticeHandler = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// What is done about a server that cannot be reached.
fn planned(retries: Retries) -> String {
    let Retries { most, first_wait, longest_wait } = retries;
    // A wait is drawn from once to twice its plan.
    let wait = |n| first_wait.saturating_mul(2_u32.saturating_pow(n)).saturating_mul(2).min(longest_wait);
    let all: f64 = (0..u32::try_from(most).unwrap_or(u32::MAX)).take(1000).map(|n| wait(n).as_secs_f64()).sum();
    let times = if most == 1 { "once".to_owned() } else { format!("{most} times") };
    format!("It is tried again, {times} within about {} s; Ctrl-C stops the run.", all.ceil().max(1.0))
}

/// Where a model's answers come from.
#[derive(Clone)]
pub enum AnswerSource {
    /// The model, and the journal that keeps what it said.
    Model(Arc<dyn Model>),
    /// Journals alone.
    Journal,
    /// A recording, which needs neither journal nor leave.
    Recorded(Arc<dyn Model>),
}

/// A model as the gateway knows it.
#[derive(Clone)]
pub struct ModelService {
    /// Its name in the config.
    pub name: String,
    /// What determines its answers.
    pub identity: Identity,
    /// What answers.
    pub source: AnswerSource,
}

/// A model behind all that its calls go through.
#[derive(Clone)]
pub struct Gateway {
    served: ModelService,
    journal: Arc<Journal>,
    gate: Arc<ConcurrencyLimiter>,
    line: ModelQueue,
    limiter: Arc<RateLimit>,
    retries: Retries,
    budget: Option<(Price, Arc<Budget>)>,
    refusals: Option<Arc<Refusals>>,
    hear: Option<NoticeHandler>,
    /// Whether a notice was passed on.
    told: Arc<AtomicBool>,
}

impl Gateway {
    /// Puts `journal` and a line of the gate before a model.
    #[must_use]
    pub fn new(
        served: ModelService,
        journal: Arc<Journal>,
        (gate, line): (Arc<ConcurrencyLimiter>, ModelQueue),
        retries: Retries,
    ) -> Self {
        let limiter = Arc::new(RateLimit::new(None, None));
        let told = Arc::new(AtomicBool::new(false));
        Self { served, journal, gate, line, limiter, retries, budget: None, refusals: None, hear: None, told }
    }

    /// Stops the run when the model refuses too many items.
    #[must_use]
    pub fn refusing(self, refusals: Refusals) -> Self {
        Self { refusals: Some(Arc::new(refusals)), ..self }
    }

    /// Passes the first notice about a server that cannot be reached to a function.
    #[must_use]
    pub fn telling(self, hear: NoticeHandler) -> Self {
        Self { hear: Some(hear), ..self }
    }

    /// Keeps calls within the server's limits.
    #[must_use]
    pub fn limited(self, limiter: RateLimit) -> Self {
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
        if let AnswerSource::Recorded(model) = &self.served.source {
            return model.call(request).await.map(Arc::new);
        }
        if let Some(response) = self.journal.answer_to(key, &canonical).await.map_err(broken)? {
            if let Some(refusals) = &self.refusals {
                refusals.count(&request.item, response.is_refused());
            }
            debug!(model = %self.served.name, item = %request.item, key = %key, "answer from a journal");
            return Ok(Arc::new(response));
        }
        let AnswerSource::Model(model) = &self.served.source else {
            return Err(ModelError::NotRecorded);
        };
        let response = self.make(model.as_ref(), key, request, priority).await?;
        let made = JournaledCall {
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
        let stored = Arc::new(stored.map_err(broken)?);
        if let Some(refusals) = &self.refusals {
            refusals.count(&request.item, stored.is_refused());
            // Of what is replayed the run that made it has judged.
            if stored.is_refused() {
                let words = stored.refusal.as_deref().unwrap_or("the answer was withheld");
                info!(model = %self.served.name, item = %request.item, reason = words, "item refused");
                refusals.check(&self.served.name, words).inspect_err(|_| self.gate.stop())?;
            }
        }
        Ok(stored)
    }

    /// Attempts until one is answered, one cannot succeed, or all have failed.
    async fn make(
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
            self.gate.unless_stopped(self.limiter.wait(request)).await?;
            let permit = self.gate.acquire(self.line, priority).await?;
            attempts += 1;
            let failed = match self.attempt(model, key, request).await {
                Ok(response) => {
                    permit.answered();
                    debug!(
                        model = %self.served.name,
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
                    info!(model = %self.served.name, item = %request.item, attempt = attempts, asked_s, %reason, "attempt failed");
                    if next.is_some() {
                        self.tell(notice.as_deref());
                    }
                    let beyond = wait.filter(|wait| *wait > longest_wait).map_or_else(String::new, |wait| {
                        let (wait, longest) = (wait.as_secs_f64(), longest_wait.as_secs_f64());
                        format!("; the server asks for a wait of {wait} s, and longest_wait_s = {longest} allows no longer one")
                    });
                    next.map(|planned| (planned, wait)).ok_or_else(|| {
                        ModelError::Unavailable(format!("{reason} (no answer in {attempts} attempts{beyond})"))
                    })
                }
                Err(error) => Err(error),
            };
            match failed {
                Ok((planned, asked)) => {
                    if let Some(calls_at_once) = permit.overloaded() {
                        info!(model = %self.served.name, calls_at_once, "window halved");
                    }
                    // Some servers ask for no wait at all while they are busy: their word can only make it longer.
                    if let Some(asked) = asked.filter(|asked| !asked.is_zero()) {
                        self.gate.pause(self.line, asked.min(longest_wait));
                    }
                    let wait = asked.unwrap_or_default().max(planned).min(longest_wait);
                    info!(model = %self.served.name, item = %request.item, wait_s = wait.as_secs_f64(), "waits, then tries again");
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

    /// Passes a notice on, if it is the first.
    fn tell(&self, notice: Option<&str>) {
        if let (Some(hear), Some(notice)) = (&self.hear, notice)
            && !self.told.swap(true, Ordering::Relaxed)
        {
            hear(notice, &planned(self.retries));
        }
    }

    /// One attempt, with what it costs.
    async fn attempt(&self, model: &dyn Model, key: &CallKey, request: &Request) -> Result<Response, ModelError> {
        let reservation = match &self.budget {
            Some((price, budget)) => Some(self.gate.unless_stopped(budget.reserve(worst_fee(price, request))).await?),
            None => None,
        };
        let reservation = reservation.transpose().map_err(|error| match error {
            ModelError::FeeLimit(text) => {
                ModelError::FeeLimit(format!("{text}; {}", reserved(&self.served.name, request)))
            }
            error => error,
        })?;
        let mut attempt = Attempt { gateway: self, key, worst: worst_usage(request), reservation, open: true };
        let answer = model.call(request).await;
        attempt.open = false;
        match &answer {
            // Some providers charge for what they have looked at and refused.
            Ok(response) if response.finish == Finish::Refused => {
                attempt.lose(response.refusal.as_deref().unwrap_or_default());
            }
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
        self.gateway.journal.record_unanswered(self.key, &self.gateway.served.name, reason, self.worst);
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
    use super::*;

    #[test]
    fn a_notice_says_how_often_and_how_long() {
        let (first_wait, longest_wait) = (Duration::from_millis(500), Duration::from_secs(5));
        let retries = Retries { most: 5, first_wait, longest_wait };
        assert_eq!(planned(retries), "It is tried again, 5 times within about 17 s; Ctrl-C stops the run.");
        let once = planned(Retries { most: 1, ..retries });
        assert_eq!(once, "It is tried again, once within about 1 s; Ctrl-C stops the run.");
    }

    #[test]
    fn waits_are_spread_at_random_between_calls_and_within_bounds() {
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
