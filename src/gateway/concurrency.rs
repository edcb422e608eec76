//! Who may call now: so many calls in flight over all models, so many of each, and one local engine at a time. Among
//! the calls that wait, the one that stands first in the run goes first.
//!
//! How many calls a model gets at once adapts (additive increase, multiplicative decrease; Chiu and Jain 1989): half
//! as many after a server says that it has too much to do, then one more after each round that it answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::types::model::ModelError;

pub use crate::types::queue::QueueSettings;

/// Which of the waiting calls goes first: the smallest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority {
    /// Position in the stream.
    pub position: u32,
    /// Number of the cell.
    pub cell: u32,
}

/// A model's line before the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelQueue(usize);

/// Lets calls through.
pub struct ConcurrencyLimiter {
    state: Mutex<State>,
    stopped: watch::Sender<bool>,
}

struct State {
    /// Calls that may still begin, over all models.
    free: usize,
    lines: Vec<QueuedCall>,
    /// The local model that has calls in flight, and how many.
    computing: Option<(usize, usize)>,
    arrivals: u64,
}

struct QueuedCall {
    settings: QueueSettings,
    /// Calls that the model gets at once by what is known of it; whole calls count.
    window: f64,
    /// Below this the window doubles with each round, above it grows by one.
    doubling_below: f64,
    /// Counts the times that the window was halved: calls that began before the last one do not halve it again.
    halvings: u64,
    used: usize,
    paused_until: Option<Instant>,
    calls: BTreeMap<(Priority, u64), oneshot::Sender<Permit>>,
}

/// A call's leave to be in flight; given back when it is dropped.
pub struct Permit {
    gate: Arc<ConcurrencyLimiter>,
    line: usize,
    halvings: u64,
}

impl ConcurrencyLimiter {
    /// A gate for at most `concurrency` calls in flight over all models.
    #[must_use]
    pub fn new(concurrency: usize) -> Arc<Self> {
        let state = State { free: concurrency.max(1), lines: Vec::new(), computing: None, arrivals: 0 };
        Arc::new(Self { state: Mutex::new(state), stopped: watch::Sender::new(false) })
    }

    /// Calls in flight, over all models.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.lock().lines.iter().map(|line| line.used).sum()
    }

    /// A line for one model.
    #[must_use]
    pub fn line(&self, settings: QueueSettings) -> ModelQueue {
        let mut state = self.lock();
        #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
        let window = if settings.probed { 1.0 } else { settings.cap as f64 };
        state.lines.push(QueuedCall {
            settings,
            window,
            doubling_below: f64::INFINITY,
            halvings: 0,
            used: 0,
            paused_until: None,
            calls: BTreeMap::new(),
        });
        ModelQueue(state.lines.len() - 1)
    }

    /// Waits for leave to call.
    ///
    /// # Errors
    /// [`ModelError::Stopped`] where the run is being stopped.
    pub async fn acquire(self: &Arc<Self>, line: ModelQueue, priority: Priority) -> Result<Permit, ModelError> {
        let receiver = {
            let mut state = self.lock();
            if *self.stopped.borrow() {
                return Err(ModelError::Stopped);
            }
            if state.is_free(line.0, Instant::now()) {
                let halvings = state.begin(line.0);
                return Ok(Permit { gate: Arc::clone(self), line: line.0, halvings });
            }
            let (sender, receiver) = oneshot::channel();
            state.arrivals += 1;
            let arrival = state.arrivals;
            state.lines[line.0].calls.insert((priority, arrival), sender);
            receiver
        };
        self.let_through();
        receiver.await.map_err(|_| ModelError::Stopped)
    }

    /// No call begins from now on; those in flight go on to their end.
    pub fn stop(&self) {
        let mut state = self.lock();
        self.stopped.send_replace(true);
        for line in &mut state.lines {
            line.calls.clear();
        }
    }

    /// Waits for something, but no longer than the run goes on.
    ///
    /// # Errors
    /// [`ModelError::Stopped`].
    pub async fn unless_stopped<T>(&self, wait: impl Future<Output = T>) -> Result<T, ModelError> {
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            waited = wait => Ok(waited),
            _ = stopped.wait_for(|stopped| *stopped) => Err(ModelError::Stopped),
        }
    }

    /// No call of this model begins for so long.
    pub fn pause(self: &Arc<Self>, line: ModelQueue, duration: Duration) {
        let until = Instant::now() + duration;
        let place = &mut self.lock().lines[line.0].paused_until;
        *place = Some(place.map_or(until, |earlier| earlier.max(until)));
        let gate = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            if let Some(gate) = gate.upgrade() {
                gate.let_through();
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets through whom it can. A permit is sent outside the lock, since one that nobody takes comes back at once.
    fn let_through(self: &Arc<Self>) {
        loop {
            let Some((line, halvings, sender)) = self.lock().next(Instant::now()) else { return };
            // A caller that has gone away drops its permit, which gives it back.
            drop(sender.send(Permit { gate: Arc::clone(self), line, halvings }));
        }
    }
}

impl State {
    /// Takes the call that goes next out of its line.
    fn next(&mut self, now: Instant) -> Option<(usize, u64, oneshot::Sender<Permit>)> {
        if self.free == 0 {
            return None;
        }
        // Of the local models the one whose call stands first is next; it waits until the one at work has ended.
        let first = |line: &QueuedCall| line.calls.keys().next().copied();
        let open = || self.lines.iter().enumerate().filter(|(_, line)| line.is_open(now));
        let local = open()
            .filter(|(_, line)| line.settings.local)
            .min_by_key(|(_, line)| first(line))
            .map(|(index, _)| index)
            .filter(|index| self.computing.is_none_or(|(at_work, _)| at_work == *index));
        let (index, _) = open()
            .filter(|(index, line)| !line.settings.local || Some(*index) == local)
            .min_by_key(|(_, line)| first(line))?;
        let (_, sender) = self.lines[index].calls.pop_first()?;
        let halvings = self.begin(index);
        Some((index, halvings, sender))
    }

    /// Whether a call may begin at once: there is room, and nobody waits.
    fn is_free(&self, line: usize, now: Instant) -> bool {
        let waits = self.lines.iter().any(|line| !line.calls.is_empty());
        let other_computes = self.computing.is_some_and(|(at_work, _)| at_work != line);
        let line = &self.lines[line];
        self.free > 0 && !waits && line.has_room(now) && !(line.settings.local && other_computes)
    }

    /// Counts a call of this line as in flight; gives the line's halvings so far.
    fn begin(&mut self, index: usize) -> u64 {
        self.free -= 1;
        let line = &mut self.lines[index];
        line.used += 1;
        if line.settings.local {
            self.computing = Some((index, line.used));
        }
        line.halvings
    }
}

impl QueuedCall {
    /// Whether a call waits here that the model itself would take now.
    fn is_open(&self, now: Instant) -> bool {
        !self.calls.is_empty() && self.has_room(now)
    }

    /// Whether the model would take another call now.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
    fn has_room(&self, now: Instant) -> bool {
        self.paused_until.is_none_or(|until| until <= now)
            && self.used < self.settings.cap
            && self.used as f64 + 1.0 <= self.window
    }
}

impl Permit {
    /// The model has answered.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
    pub fn answered(self) {
        let mut state = self.gate.lock();
        let line = &mut state.lines[self.line];
        let cap = line.settings.cap as f64;
        if line.settings.probed && line.halvings == 0 {
            line.window = cap;
        } else {
            let rounds = if line.window < line.doubling_below { 1.0 } else { line.window.floor() };
            line.window = (line.window + 1.0 / rounds).min(cap);
        }
    }

    /// The server has more to do than it can, or cannot be reached. Gives the calls that it now gets at once, if this halved them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
    pub fn overloaded(self) -> Option<usize> {
        let mut state = self.gate.lock();
        let line = &mut state.lines[self.line];
        let halves = line.halvings == self.halvings;
        if halves {
            if line.used > 1 {
                line.doubling_below = line.used as f64 / 2.0;
            }
            line.window = (line.used as f64 / 2.0).max(1.0);
            line.halvings += 1;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 up")]
        halves.then_some(line.window as usize)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = self.gate.lock();
            state.free += 1;
            let line = &mut state.lines[self.line];
            line.used -= 1;
            let left = line.used;
            if line.settings.local {
                state.computing = (left > 0).then_some((self.line, left));
            }
        }
        self.gate.let_through();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: QueueSettings = QueueSettings { cap: 100, local: false, probed: false };

    fn at(position: u32) -> Priority {
        Priority { position, cell: 0 }
    }

    /// Whether a call waits.
    async fn waits(call: &mut (impl Future<Output = Result<Permit, ModelError>> + Unpin)) -> bool {
        tokio::time::timeout(Duration::from_millis(1), call).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_in_the_run_goes_first() {
        let gate = ConcurrencyLimiter::new(1);
        let line = gate.line(OPEN);
        let held = gate.acquire(line, at(0)).await.expect("free");
        let mut late = Box::pin(gate.acquire(line, at(9)));
        let mut early = Box::pin(gate.acquire(line, at(3)));
        assert!(waits(&mut late).await && waits(&mut early).await);
        drop(held);
        let second = early.await.expect("its turn");
        assert!(waits(&mut late).await);
        drop(second);
        late.await.expect("its turn");
    }

    #[tokio::test(start_paused = true)]
    async fn each_model_has_its_own_most() {
        let gate = ConcurrencyLimiter::new(3);
        let narrow = gate.line(QueueSettings { cap: 1, ..OPEN });
        let wide = gate.line(OPEN);
        let _held = gate.acquire(narrow, at(0)).await.expect("free");
        let mut second = Box::pin(gate.acquire(narrow, at(1)));
        assert!(waits(&mut second).await);
        let _one = gate.acquire(wide, at(2)).await.expect("free");
        let _other = gate.acquire(wide, at(3)).await.expect("free");
        assert!(waits(&mut Box::pin(gate.acquire(wide, at(4)))).await, "three in all");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_has_gone_away_keeps_nothing() {
        let gate = ConcurrencyLimiter::new(1);
        let line = gate.line(OPEN);
        let held = gate.acquire(line, at(0)).await.expect("free");
        let mut gone = Box::pin(gate.acquire(line, at(1)));
        assert!(waits(&mut gone).await);
        drop(gone);
        let mut next = Box::pin(gate.acquire(line, at(2)));
        assert!(waits(&mut next).await);
        drop(held);
        next.await.expect("the permit of the one that has gone");
    }

    #[tokio::test(start_paused = true)]
    async fn local_models_take_turns_by_priority() {
        let gate = ConcurrencyLimiter::new(9);
        let [small, large] = [(); 2].map(|()| gate.line(QueueSettings { cap: 2, local: true, probed: false }));
        let one = gate.acquire(small, at(0)).await.expect("free");
        let two = gate.acquire(small, at(5)).await.expect("two of the same model");
        let mut other = Box::pin(gate.acquire(large, at(6)));
        assert!(waits(&mut other).await);
        drop(one);
        let mut third = Box::pin(gate.acquire(small, at(7)));
        assert!(waits(&mut third).await, "the other model's call stands first");
        drop(two);
        let held = other.await.expect("its turn");
        assert!(waits(&mut third).await);
        drop(held);
        third.await.expect("its turn");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_call_goes_alone_and_a_busy_server_gets_half() {
        let gate = ConcurrencyLimiter::new(100);
        let line = gate.line(QueueSettings { cap: 8, local: false, probed: true });
        let probe = gate.acquire(line, at(0)).await.expect("free");
        assert!(waits(&mut Box::pin(gate.acquire(line, at(1)))).await, "until the first has come back");
        probe.answered();
        let mut flying = Vec::new();
        for position in 0..8 {
            flying.push(gate.acquire(line, at(position)).await.expect("all eight"));
        }
        // All eight hear the same complaint; it halves the number once.
        flying.drain(..).for_each(|permit| {
            let _ = permit.overloaded();
        });
        for position in 0..4 {
            flying.push(gate.acquire(line, at(position)).await.expect("four"));
        }
        assert!(waits(&mut Box::pin(gate.acquire(line, at(9)))).await);
        flying.drain(..).for_each(Permit::answered);
        for position in 0..5 {
            flying.push(gate.acquire(line, at(position)).await.expect("one more after a round"));
        }
        assert!(waits(&mut Box::pin(gate.acquire(line, at(9)))).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_by_itself() {
        let gate = ConcurrencyLimiter::new(1);
        let line = gate.line(OPEN);
        gate.pause(line, Duration::from_secs(3));
        let started = Instant::now();
        let _held = gate.acquire(line, at(0)).await.expect("after the pause");
        assert_eq!(started.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_begins_once_it_is_stopped() {
        let gate = ConcurrencyLimiter::new(1);
        let line = gate.line(OPEN);
        let held = gate.acquire(line, at(0)).await.expect("free");
        let mut waiting = Box::pin(gate.acquire(line, at(1)));
        assert!(waits(&mut waiting).await);
        gate.stop();
        assert!(matches!(waiting.await, Err(ModelError::Stopped)));
        assert!(matches!(gate.unless_stopped(std::future::pending::<()>()).await, Err(ModelError::Stopped)));
        drop(held);
        assert!(matches!(gate.acquire(line, at(2)).await, Err(ModelError::Stopped)));
    }
}
