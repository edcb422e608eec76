//! The model of a level whose calls are answered in batches. Calls that arrive at about the same time are collected into
//! one batch; each waits for its own answer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::batching::{DirectCalls, MessageHandler};
use super::submission::{End, Requests, Submission};
use crate::backend::openai::OpenAi;
use crate::backend::openai::batch::{MAX_BYTES, MAX_REQUESTS};
use crate::gateway::Retries;
use crate::gateway::budget::{Budget, Reservation, reservation_hint, worst_fee, worst_usage};
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::gateway::journal::Journal;
use crate::gateway::journal::batches::SubmittedBatch;
use crate::types::canonical::canonical;
use crate::types::chat::{CallKey, Request, Response, Usage};
use crate::types::model::{Identity, Model, ModelError};
use crate::types::price::Price;

/// Time without a new call after which the collected calls are submitted.
const QUIET: Duration = Duration::from_millis(250);

/// A model whose calls are answered in batches.
pub(in crate::run) struct BatchTransport {
    identity: Identity,
    calls: UnboundedSender<Waiting>,
}

/// A call that waits for its answer.
pub(super) struct Waiting {
    key: CallKey,
    request: Arc<Request>,
    answer: oneshot::Sender<Result<Response, ModelError>>,
}

#[async_trait]
impl Model for BatchTransport {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let key = CallKey::of(&canonical(self.identity.of(&request.item), request));
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { key, request: Arc::new(request.clone()), answer };
        self.calls.send(waiting).map_err(|_| ModelError::Stopped)?;
        answered.await.unwrap_or(Err(ModelError::Stopped))
    }
}

/// Settings of a level's collector.
pub(in crate::run) struct Collector {
    /// Name of the model in the config.
    pub(in crate::run) model: String,
    /// Everything that determines the model's answers.
    pub(in crate::run) identity: Identity,
    /// Client of the provider.
    pub(in crate::run) client: Arc<OpenAi>,
    /// Retries of requests about batches.
    pub(in crate::run) retries: Retries,
    /// Price of a call in a batch. `None` if the model has no price.
    pub(in crate::run) price: Option<Price>,
    /// Fee limits. `None` without a limit.
    pub(in crate::run) budget: Option<Arc<Budget>>,
    /// Journal that notes the batches.
    pub(in crate::run) journal: Arc<Journal>,
    /// Limiter that stops the run.
    pub(in crate::run) limiter: Arc<ConcurrencyLimiter>,
    /// Queues of the models that are called directly.
    pub(in crate::run) direct: Arc<DirectCalls>,
    /// Receiver of messages.
    pub(in crate::run) on_message: MessageHandler,
}

impl Collector {
    /// Starts the task that collects calls. It ends when the model is dropped or the run is stopped; batches at the
    /// provider stay there.
    pub(in crate::run) fn start(self) -> BatchTransport {
        let (calls, arriving) = unbounded_channel();
        let identity = self.identity.clone();
        tokio::spawn(async move {
            let limiter = Arc::clone(&self.limiter);
            // A stop drops the collector, and with it the waiting calls, which then return `Stopped`.
            drop(limiter.unless_stopped(State::new(self).run(arriving)).await);
        });
        BatchTransport { identity, calls }
    }
}

/// Calls and batches of a level.
pub(super) struct State {
    pub(super) settings: Collector,
    pub(super) submission: Submission,
    /// Calls without an answer.
    pub(super) waiting: BTreeMap<CallKey, oneshot::Sender<Result<Response, ModelError>>>,
    /// Calls that are in no batch, in the order of arrival.
    pub(super) pending: Vec<CallKey>,
    /// Calls of the batches in flight.
    pub(super) in_batches: HashSet<CallKey>,
    /// Number of batches that did not answer a call.
    pub(super) attempts: HashMap<CallKey, u32>,
    /// Batches of earlier processes that no call of this process has joined yet.
    open: Vec<(SubmittedBatch, Option<Reservation>)>,
    /// Reservations of the batches in flight, by label.
    pub(super) reserved: HashMap<String, Vec<Reservation>>,
    in_flight: JoinSet<(SubmittedBatch, Result<End, ModelError>)>,
}

impl State {
    fn new(settings: Collector) -> Self {
        let Collector { client, journal, retries, on_message, .. } = &settings;
        let submission = Submission {
            client: Arc::clone(client),
            journal: Arc::clone(journal),
            requests: Requests::default(),
            retries: *retries,
            on_message: Arc::clone(on_message),
        };
        Self {
            settings,
            submission,
            waiting: BTreeMap::new(),
            pending: Vec::new(),
            in_batches: HashSet::new(),
            attempts: HashMap::new(),
            open: Vec::new(),
            reserved: HashMap::new(),
            in_flight: JoinSet::new(),
        }
    }

    async fn run(mut self, mut arriving: UnboundedReceiver<Waiting>) {
        let opened = self.find_open_batches();
        let mut failed = opened.err();
        let mut submit_at = Instant::now();
        loop {
            tokio::select! {
                arrived = arriving.recv() => {
                    let Some(call) = arrived else { return };
                    if let Some(error) = failed.take() {
                        drop(call.answer.send(Err(error)));
                        continue;
                    }
                    self.submission.requests.lock().insert(call.key, call.request);
                    self.waiting.insert(call.key, call.answer);
                    if !self.in_batches.contains(&call.key) {
                        self.pending.push(call.key);
                    }
                    submit_at = Instant::now() + QUIET;
                }
                Some(ended) = self.in_flight.join_next(), if !self.in_flight.is_empty() => {
                    // A task that panicked leaves its batch open; its calls end with the run.
                    let Ok((batch, end)) = ended else { return };
                    self.deliver(batch, end);
                    submit_at = Instant::now() + QUIET;
                }
                () = tokio::time::sleep_until(submit_at), if !self.pending.is_empty() => {
                    let more_come = self.settings.direct.are_in_flight(&self.settings.limiter);
                    if !more_come || self.pending.len() >= MAX_REQUESTS {
                        self.submit();
                    }
                    submit_at = Instant::now() + QUIET;
                }
            }
        }
    }

    /// Finds the batches that an earlier process left open, and reserves their fees.
    fn find_open_batches(&mut self) -> Result<(), ModelError> {
        let Collector { journal, model, budget, price, .. } = &self.settings;
        let open = journal.open_batches().map_err(|error| ModelError::Unavailable(format!("{error:#}")))?;
        for batch in open.into_iter().filter(|batch| batch.model == *model) {
            let held = budget.as_ref().zip(price.as_ref()).map(|(budget, price)| budget.hold(price.fee(batch.worst)));
            self.open.push((batch, held));
        }
        Ok(())
    }

    /// Submits the pending calls: those of open batches with these, the others in new batches, as far as the fee limits
    /// admit them.
    fn submit(&mut self) {
        let pending: HashSet<CallKey> = self.pending.iter().copied().collect();
        let is_joined = |(batch, _): &(SubmittedBatch, _)| batch.keys.iter().any(|key| pending.contains(key));
        let (joined, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open).into_iter().partition(is_joined);
        self.open = open;
        for (batch, held) in joined {
            let keys: HashSet<&CallKey> = batch.keys.iter().collect();
            self.pending.retain(|key| !keys.contains(key));
            let mut held: Vec<Reservation> = held.into_iter().collect();
            held.iter_mut().for_each(Reservation::begin);
            self.begin(batch, held, None);
        }
        while let Some((batch, reservations, lines)) = self.next_batch() {
            self.begin(batch, reservations, Some(lines));
        }
    }

    /// Makes a batch of the first pending calls. `None` if there are none, or if the fee limits admit none now.
    fn next_batch(&mut self) -> Option<(SubmittedBatch, Vec<Reservation>, String)> {
        let (mut keys, mut reservations, mut lines) = (Vec::new(), Vec::new(), String::new());
        let mut worst = Usage::default();
        let mut left = std::mem::take(&mut self.pending).into_iter();
        for key in left.by_ref() {
            let Some(request) = self.submission.requests.get(&key) else { continue };
            let line = match self.settings.client.batch_line(&key.to_string(), &request) {
                Ok(line) => line,
                Err(error) => {
                    self.answer(&key, Err(error));
                    continue;
                }
            };
            let full = keys.len() == MAX_REQUESTS || (lines.len() + line.len() > MAX_BYTES && !keys.is_empty());
            match self.reserve(&request, full, &mut reservations) {
                Ok(true) => {}
                Ok(false) => {
                    self.pending.push(key);
                    break;
                }
                Err(error) => {
                    // This error ends the run.
                    self.answer(&key, Err(error));
                    break;
                }
            }
            worst = worst.plus(worst_usage(&request));
            lines.push_str(&line);
            keys.push(key);
        }
        self.pending.extend(left);
        let label = hex::encode(getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())).to_be_bytes());
        let label = format!("{label}{}", keys.first().map(|key| key.to_string()[..16].to_owned())?);
        let model = self.settings.model.clone();
        Some((SubmittedBatch { label, model, keys, worst, file: None, batch: None }, reservations, lines))
    }

    /// Adds a reservation of the highest possible fee of a call to those of its batch. False if the batch is full, or if
    /// the fee limits do not admit the call now.
    fn reserve(&self, request: &Request, full: bool, to: &mut Vec<Reservation>) -> Result<bool, ModelError> {
        let (Some(budget), Some(price)) = (&self.settings.budget, &self.settings.price) else { return Ok(!full) };
        if full {
            return Ok(false);
        }
        match budget.try_reserve(worst_fee(price, request)) {
            Ok(Some(reservation)) => {
                to.push(reservation);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(ModelError::FeeLimit(text)) => {
                let hint = reservation_hint(&self.settings.model, request);
                Err(ModelError::FeeLimit(format!("{text}; {hint}")))
            }
            Err(error) => Err(error),
        }
    }

    /// Starts the task of a batch.
    fn begin(&mut self, mut batch: SubmittedBatch, reservations: Vec<Reservation>, lines: Option<String>) {
        self.reserved.insert(batch.label.clone(), reservations);
        self.in_batches.extend(batch.keys.iter().copied());
        let submission = self.submission.clone();
        self.in_flight.spawn(async move {
            let end = submission.run(&mut batch, lines).await;
            (batch, end)
        });
    }

    /// Answers a call.
    pub(super) fn answer(&mut self, key: &CallKey, answer: Result<Response, ModelError>) {
        self.submission.requests.lock().remove(key);
        if let Some(caller) = self.waiting.remove(key) {
            // If the caller has gone away, no one needs the answer.
            drop(caller.send(answer));
        }
    }

    /// Keeps a batch with calls that this process has not made, in case it makes them later.
    pub(super) fn keep_open(&mut self, batch: SubmittedBatch) {
        self.open.push((batch, None));
    }
}
