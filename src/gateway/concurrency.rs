//! The concurrency limiter. It bounds the calls in flight over all models and for each model, and lets one local
//! engine compute at a time. Among the waiting calls, the call that comes first in the run begins first.
//!
//! The number of concurrent calls of a model adapts (additive increase, multiplicative decrease; Chiu and Jain
//! 1989): it is halved after a server reports overload, and grows by one after each answered round.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::types::chat::Usage;
use crate::types::model::ModelError;

pub use crate::types::queue::QueueSettings;

/// Priority of a waiting call. The smallest value begins first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority {
    /// Position of the item in the stream.
    pub position: u32,
    /// Number of the cell.
    pub cell: u32,
}

/// Index of a model's queue in the concurrency limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelQueue(usize);

/// Calls in flight of one queue, and what its answered calls used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueLoad {
    /// Number of calls in flight.
    pub in_flight: usize,
    /// Sum of the tokens of the calls that were answered so far.
    pub answered: Usage,
}

/// Grants permits for calls.
pub struct ConcurrencyLimiter {
    state: Mutex<State>,
    stopped: watch::Sender<bool>,
}

struct State {
    /// Number of calls that may still begin, over all models.
    free: usize,
    queues: Vec<QueueState>,
    /// The queue of the local model that has calls in flight, and their number.
    computing: Option<(usize, usize)>,
    arrivals: u64,
}

struct QueueState {
    settings: QueueSettings,
    /// Current limit on concurrent calls; only its whole part counts.
    window: f64,
    /// Below this value the window doubles with each round; above it, the window grows by one.
    doubling_below: f64,
    /// Number of times that the window was halved. A call that began before the last halving does not halve it
    /// again.
    halvings: u64,
    in_flight: usize,
    /// Sum of the tokens of the answered calls.
    answered: Usage,
    paused_until: Option<Instant>,
    waiting: BTreeMap<(Priority, u64), oneshot::Sender<Permit>>,
}

/// The right of one call to be in flight. Dropping the permit returns it.
pub struct Permit {
    limiter: Arc<ConcurrencyLimiter>,
    queue: usize,
    halvings: u64,
}

impl ConcurrencyLimiter {
    /// Creates a limiter for at most `concurrency` calls in flight over all models.
    #[must_use]
    pub fn new(concurrency: usize) -> Arc<Self> {
        let state = State { free: concurrency.max(1), queues: Vec::new(), computing: None, arrivals: 0 };
        Arc::new(Self { state: Mutex::new(state), stopped: watch::Sender::new(false) })
    }

    /// Returns the calls in flight of one model, and the tokens of its answered calls.
    #[must_use]
    pub fn load(&self, queue: ModelQueue) -> QueueLoad {
        let state = self.lock();
        let QueueState { in_flight, answered, .. } = state.queues[queue.0];
        QueueLoad { in_flight, answered }
    }

    /// Adds a queue for one model.
    #[must_use]
    pub fn add_queue(&self, settings: QueueSettings) -> ModelQueue {
        let mut state = self.lock();
        #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
        let window = if settings.probed { 1.0 } else { settings.cap as f64 };
        state.queues.push(QueueState {
            settings,
            window,
            doubling_below: f64::INFINITY,
            halvings: 0,
            in_flight: 0,
            answered: Usage::default(),
            paused_until: None,
            waiting: BTreeMap::new(),
        });
        ModelQueue(state.queues.len() - 1)
    }

    /// Waits for a permit to call.
    ///
    /// # Errors
    /// [`ModelError::Stopped`] if the run is being stopped.
    pub async fn acquire(self: &Arc<Self>, queue: ModelQueue, priority: Priority) -> Result<Permit, ModelError> {
        let receiver = {
            let mut state = self.lock();
            if *self.stopped.borrow() {
                return Err(ModelError::Stopped);
            }
            if state.is_free(queue.0, Instant::now()) {
                let halvings = state.begin(queue.0);
                return Ok(Permit { limiter: Arc::clone(self), queue: queue.0, halvings });
            }
            let (sender, receiver) = oneshot::channel();
            state.arrivals += 1;
            let arrival = state.arrivals;
            state.queues[queue.0].waiting.insert((priority, arrival), sender);
            receiver
        };
        self.dispatch();
        receiver.await.map_err(|_| ModelError::Stopped)
    }

    /// Stops the run: no call begins from now on, and calls in flight continue to their end.
    pub fn stop(&self) {
        let mut state = self.lock();
        self.stopped.send_replace(true);
        for queue in &mut state.queues {
            queue.waiting.clear();
        }
    }

    /// Awaits `wait`, but returns as soon as the run is stopped.
    ///
    /// # Errors
    /// [`ModelError::Stopped`] if the run is stopped first.
    pub async fn unless_stopped<T>(&self, wait: impl Future<Output = T>) -> Result<T, ModelError> {
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            waited = wait => Ok(waited),
            _ = stopped.wait_for(|stopped| *stopped) => Err(ModelError::Stopped),
        }
    }

    /// Lets no call of this model begin for `duration`.
    pub fn pause(self: &Arc<Self>, queue: ModelQueue, duration: Duration) {
        let until = Instant::now() + duration;
        let paused_until = &mut self.lock().queues[queue.0].paused_until;
        *paused_until = Some(paused_until.map_or(until, |earlier| earlier.max(until)));
        let limiter = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            if let Some(limiter) = limiter.upgrade() {
                limiter.dispatch();
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants every permit that the limits allow. A permit is sent outside the lock, because a permit that no
    /// caller receives returns at once and takes the lock.
    fn dispatch(self: &Arc<Self>) {
        loop {
            let Some((queue, halvings, sender)) = self.lock().next(Instant::now()) else { return };
            // If the caller has gone away, the permit is dropped and so returned.
            drop(sender.send(Permit { limiter: Arc::clone(self), queue, halvings }));
        }
    }
}

impl State {
    /// Removes the call that begins next from its queue.
    fn next(&mut self, now: Instant) -> Option<(usize, u64, oneshot::Sender<Permit>)> {
        if self.free == 0 {
            return None;
        }
        // Among the local models, the model with the first call is next; it waits until the model at work has
        // finished.
        let first = |queue: &QueueState| queue.waiting.keys().next().copied();
        let ready = || self.queues.iter().enumerate().filter(|(_, queue)| queue.is_ready(now));
        let local = ready()
            .filter(|(_, queue)| queue.settings.local)
            .min_by_key(|(_, queue)| first(queue))
            .map(|(index, _)| index)
            .filter(|index| self.computing.is_none_or(|(at_work, _)| at_work == *index));
        let (index, _) = ready()
            .filter(|(index, queue)| !queue.settings.local || Some(*index) == local)
            .min_by_key(|(_, queue)| first(queue))?;
        let (_, sender) = self.queues[index].waiting.pop_first()?;
        let halvings = self.begin(index);
        Some((index, halvings, sender))
    }

    /// Returns true if a call may begin at once: a permit is free and no call waits.
    fn is_free(&self, queue: usize, now: Instant) -> bool {
        let waits = self.queues.iter().any(|queue| !queue.waiting.is_empty());
        let other_computes = self.computing.is_some_and(|(at_work, _)| at_work != queue);
        let queue = &self.queues[queue];
        self.free > 0 && !waits && queue.has_room(now) && !(queue.settings.local && other_computes)
    }

    /// Counts a call of the queue as in flight. Returns the number of halvings so far.
    fn begin(&mut self, index: usize) -> u64 {
        self.free -= 1;
        let queue = &mut self.queues[index];
        queue.in_flight += 1;
        if queue.settings.local {
            self.computing = Some((index, queue.in_flight));
        }
        queue.halvings
    }
}

impl QueueState {
    /// Returns true if a call waits and the model's own limits admit a call now.
    fn is_ready(&self, now: Instant) -> bool {
        !self.waiting.is_empty() && self.has_room(now)
    }

    /// Returns true if the model's own limits admit another call now.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
    fn has_room(&self, now: Instant) -> bool {
        self.paused_until.is_none_or(|until| until <= now)
            && self.in_flight < self.settings.cap
            && self.in_flight as f64 + 1.0 <= self.window
    }
}

impl Permit {
    /// Reports that the model answered with these tokens, which widens the window.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
    pub fn answered(self, usage: Usage) {
        let mut state = self.limiter.lock();
        let queue = &mut state.queues[self.queue];
        queue.answered = queue.answered.plus(usage);
        let cap = queue.settings.cap as f64;
        if queue.settings.probed && queue.halvings == 0 {
            queue.window = cap;
        } else {
            let rounds = if queue.window < queue.doubling_below { 1.0 } else { queue.window.floor() };
            queue.window = (queue.window + 1.0 / rounds).min(cap);
        }
    }

    /// Reports that the server is overloaded or unreachable, which halves the window. Returns the new number of
    /// concurrent calls, or `None` if the window was already halved after this call began.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
    pub fn overloaded(self) -> Option<usize> {
        let mut state = self.limiter.lock();
        let queue = &mut state.queues[self.queue];
        let halves = queue.halvings == self.halvings;
        if halves {
            if queue.in_flight > 1 {
                queue.doubling_below = queue.in_flight as f64 / 2.0;
            }
            queue.window = (queue.in_flight as f64 / 2.0).max(1.0);
            queue.halvings += 1;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 up")]
        halves.then_some(queue.window as usize)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = self.limiter.lock();
            state.free += 1;
            let queue = &mut state.queues[self.queue];
            queue.in_flight -= 1;
            let left = queue.in_flight;
            if queue.settings.local {
                state.computing = (left > 0).then_some((self.queue, left));
            }
        }
        self.limiter.dispatch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: QueueSettings = QueueSettings { cap: 100, local: false, probed: false };

    fn at(position: u32) -> Priority {
        Priority { position, cell: 0 }
    }

    /// Returns true if a call has to wait.
    async fn waits(call: &mut (impl Future<Output = Result<Permit, ModelError>> + Unpin)) -> bool {
        tokio::time::timeout(Duration::from_millis(1), call).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_calls_begin_in_run_order() {
        let limiter = ConcurrencyLimiter::new(1);
        let queue = limiter.add_queue(OPEN);
        let held = limiter.acquire(queue, at(0)).await.expect("free");
        let mut late = Box::pin(limiter.acquire(queue, at(9)));
        let mut early = Box::pin(limiter.acquire(queue, at(3)));
        assert!(waits(&mut late).await && waits(&mut early).await);
        drop(held);
        let second = early.await.expect("its turn");
        assert!(waits(&mut late).await);
        drop(second);
        late.await.expect("its turn");
    }

    #[tokio::test(start_paused = true)]
    async fn each_model_has_its_own_limit() {
        let limiter = ConcurrencyLimiter::new(3);
        let narrow = limiter.add_queue(QueueSettings { cap: 1, ..OPEN });
        let wide = limiter.add_queue(OPEN);
        let _held = limiter.acquire(narrow, at(0)).await.expect("free");
        let mut second = Box::pin(limiter.acquire(narrow, at(1)));
        assert!(waits(&mut second).await);
        let _one = limiter.acquire(wide, at(2)).await.expect("free");
        let _other = limiter.acquire(wide, at(3)).await.expect("free");
        assert!(waits(&mut Box::pin(limiter.acquire(wide, at(4)))).await, "three in total");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_caller_returns_its_permit() {
        let limiter = ConcurrencyLimiter::new(1);
        let queue = limiter.add_queue(OPEN);
        let held = limiter.acquire(queue, at(0)).await.expect("free");
        let mut gone = Box::pin(limiter.acquire(queue, at(1)));
        assert!(waits(&mut gone).await);
        drop(gone);
        let mut next = Box::pin(limiter.acquire(queue, at(2)));
        assert!(waits(&mut next).await);
        drop(held);
        next.await.expect("the permit of the dropped caller");
    }

    #[tokio::test(start_paused = true)]
    async fn local_models_take_turns_by_priority() {
        let limiter = ConcurrencyLimiter::new(9);
        let [small, large] = [(); 2].map(|()| limiter.add_queue(QueueSettings { cap: 2, local: true, probed: false }));
        let one = limiter.acquire(small, at(0)).await.expect("free");
        let two = limiter.acquire(small, at(5)).await.expect("two of the same model");
        let mut other = Box::pin(limiter.acquire(large, at(6)));
        assert!(waits(&mut other).await);
        drop(one);
        let mut third = Box::pin(limiter.acquire(small, at(7)));
        assert!(waits(&mut third).await, "the other model's call comes first");
        drop(two);
        let held = other.await.expect("its turn");
        assert!(waits(&mut third).await);
        drop(held);
        third.await.expect("its turn");
    }

    #[tokio::test(start_paused = true)]
    async fn the_probe_runs_alone_and_overload_halves_the_window() {
        let limiter = ConcurrencyLimiter::new(100);
        let queue = limiter.add_queue(QueueSettings { cap: 8, local: false, probed: true });
        let probe = limiter.acquire(queue, at(0)).await.expect("free");
        assert!(waits(&mut Box::pin(limiter.acquire(queue, at(1)))).await, "until the first has come back");
        probe.answered(Usage { output: 7, ..Usage::default() });
        assert_eq!(limiter.load(queue), QueueLoad { in_flight: 0, answered: Usage { output: 7, ..Usage::default() } });
        let mut permits = Vec::new();
        for position in 0..8 {
            permits.push(limiter.acquire(queue, at(position)).await.expect("all eight"));
        }
        // All eight report the same overload, which halves the window once.
        permits.drain(..).for_each(|permit| {
            let _ = permit.overloaded();
        });
        for position in 0..4 {
            permits.push(limiter.acquire(queue, at(position)).await.expect("four"));
        }
        assert!(waits(&mut Box::pin(limiter.acquire(queue, at(9)))).await);
        permits.drain(..).for_each(|permit| permit.answered(Usage::default()));
        for position in 0..5 {
            permits.push(limiter.acquire(queue, at(position)).await.expect("one more after a round"));
        }
        assert!(waits(&mut Box::pin(limiter.acquire(queue, at(9)))).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_after_its_duration() {
        let limiter = ConcurrencyLimiter::new(1);
        let queue = limiter.add_queue(OPEN);
        limiter.pause(queue, Duration::from_secs(3));
        let started = Instant::now();
        let _held = limiter.acquire(queue, at(0)).await.expect("after the pause");
        assert_eq!(started.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_begins_after_a_stop() {
        let limiter = ConcurrencyLimiter::new(1);
        let queue = limiter.add_queue(OPEN);
        let held = limiter.acquire(queue, at(0)).await.expect("free");
        let mut waiting = Box::pin(limiter.acquire(queue, at(1)));
        assert!(waits(&mut waiting).await);
        limiter.stop();
        assert!(matches!(waiting.await, Err(ModelError::Stopped)));
        assert!(matches!(limiter.unless_stopped(std::future::pending::<()>()).await, Err(ModelError::Stopped)));
        drop(held);
        assert!(matches!(limiter.acquire(queue, at(2)).await, Err(ModelError::Stopped)));
    }
}
