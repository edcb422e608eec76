//! The concurrency limiter. It bounds the calls in flight over all models and for each server of a model, and lets one
//! local engine compute at a time. Among the waiting calls, the call that comes first in the run begins first, at the
//! server that `servers.rs` chooses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

pub use super::servers::{Consequence, Demand, Setback};

use super::servers::Servers;
use crate::types::chat::Usage;
use crate::types::model::ModelError;
use crate::types::queue::ServerSettings;

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
    /// Time at which waiting calls are looked at again. `None` if no such time is planned.
    wake_at: Option<Instant>,
}

struct QueueState {
    servers: Servers,
    /// Sum of the tokens of the answered calls.
    answered: Usage,
    waiting: BTreeMap<(Priority, u64), Waiting>,
}

/// A call that waits for a permit.
struct Waiting {
    demand: Demand,
    sender: oneshot::Sender<Permit>,
}

/// A call that begins: its queue, its server, and the number of halvings of the server's window.
#[derive(Clone, Copy)]
struct Begun {
    queue: usize,
    server: usize,
    halvings: u64,
}

/// The right of one call to be in flight at a server. Dropping the permit returns it.
pub struct Permit {
    limiter: Arc<ConcurrencyLimiter>,
    begun: Begun,
}

impl ConcurrencyLimiter {
    /// Creates a limiter for at most `concurrency` calls in flight over all models.
    #[must_use]
    pub fn new(concurrency: usize) -> Arc<Self> {
        let state = State { free: concurrency.max(1), queues: Vec::new(), computing: None, arrivals: 0, wake_at: None };
        Arc::new(Self { state: Mutex::new(state), stopped: watch::Sender::new(false) })
    }

    /// Returns the calls in flight of one model, and the tokens of its answered calls.
    #[must_use]
    pub fn load(&self, queue: ModelQueue) -> QueueLoad {
        let state = self.lock();
        let QueueState { servers, answered, .. } = &state.queues[queue.0];
        QueueLoad { in_flight: servers.in_flight(), answered: *answered }
    }

    /// Adds a queue for one model with one server and no rate limits.
    #[must_use]
    pub fn add_queue(&self, settings: QueueSettings) -> ModelQueue {
        self.add_queue_of(settings, ServerSettings::default())
    }

    /// Adds a queue for one model with these servers.
    #[must_use]
    pub fn add_queue_of(&self, settings: QueueSettings, servers: ServerSettings) -> ModelQueue {
        let mut state = self.lock();
        let servers = Servers::new(settings, servers);
        state.queues.push(QueueState { servers, answered: Usage::default(), waiting: BTreeMap::new() });
        ModelQueue(state.queues.len() - 1)
    }

    /// Waits for a permit to call.
    ///
    /// # Errors
    /// [`ModelError::Stopped`] if the run is being stopped.
    pub async fn acquire(
        self: &Arc<Self>,
        queue: ModelQueue,
        priority: Priority,
        demand: Demand,
    ) -> Result<Permit, ModelError> {
        let receiver = {
            let mut state = self.lock();
            if *self.stopped.borrow() {
                return Err(ModelError::Stopped);
            }
            let (sender, receiver) = oneshot::channel();
            state.arrivals += 1;
            let arrival = state.arrivals;
            state.queues[queue.0].waiting.insert((priority, arrival), Waiting { demand, sender });
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

    /// Lets no call of this model begin at this server for `duration`.
    pub fn pause(&self, queue: ModelQueue, server: usize, duration: Duration) {
        self.lock().queues[queue.0].servers.pause(server, Instant::now() + duration);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants every permit that the limits allow, and plans the next look at the calls that still wait. A permit is
    /// sent outside the lock, because a permit that no caller receives returns at once and takes the lock.
    fn dispatch(self: &Arc<Self>) {
        loop {
            let now = Instant::now();
            let (begun, sender) = {
                let mut state = self.lock();
                match state.next(now) {
                    Some(next) => next,
                    None => return self.plan_wake(&mut state, now),
                }
            };
            // If the caller has gone away, the permit is dropped and so returned.
            drop(sender.send(Permit { limiter: Arc::clone(self), begun }));
        }
    }

    /// Plans a look at the waiting calls for the end of the first pause or rate limit that keeps one from beginning.
    fn plan_wake(self: &Arc<Self>, state: &mut State, now: Instant) {
        let is_earlier = |at: &Instant| state.wake_at.is_none_or(|planned| *at < planned || planned < now);
        let Some(at) = state.next_room(now).filter(is_earlier) else { return };
        // Without a runtime the program is ending.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        state.wake_at = Some(at);
        let limiter = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep_until(at).await;
            if let Some(limiter) = limiter.upgrade() {
                limiter.lock().wake_at.take_if(|planned| *planned == at);
                limiter.dispatch();
            }
        });
    }
}

impl State {
    /// Removes the call that begins next from its queue.
    fn next(&mut self, now: Instant) -> Option<(Begun, oneshot::Sender<Permit>)> {
        if self.free == 0 {
            return None;
        }
        // Among the local models, the model with the first call is next; it waits until the model at work has
        // finished.
        let ready = || self.queues.iter().enumerate().filter_map(|(index, queue)| Some((index, queue.ready(now)?)));
        let is_local = |index: usize| self.queues[index].servers.settings().local;
        let local = ready()
            .filter(|(index, _)| is_local(*index))
            .min_by_key(|(_, (first, _))| *first)
            .map(|(index, _)| index)
            .filter(|index| self.computing.is_none_or(|(at_work, _)| at_work == *index));
        let (queue, (_, server)) = ready()
            .filter(|(index, _)| !is_local(*index) || Some(*index) == local)
            .min_by_key(|(_, (first, _))| *first)?;
        let (_, Waiting { demand, sender }) = self.queues[queue].waiting.pop_first()?;
        self.free -= 1;
        let servers = &mut self.queues[queue].servers;
        let halvings = servers.begin(server, &demand, now);
        if servers.settings().local {
            self.computing = Some((queue, servers.in_flight()));
        }
        Some((Begun { queue, server, halvings }, sender))
    }

    /// Time of the first end of a pause or rate limit that keeps a waiting call from beginning. `None` if none does.
    fn next_room(&self, now: Instant) -> Option<Instant> {
        let rooms = self.queues.iter().filter_map(|queue| {
            let (_, first) = queue.waiting.first_key_value()?;
            queue.servers.next_room(&first.demand, now)
        });
        rooms.filter(|at| *at > now).min()
    }
}

impl QueueState {
    /// Returns the key of the first waiting call and the server that takes it. `None` if no call waits, or no server
    /// has room for the first one.
    fn ready(&self, now: Instant) -> Option<((Priority, u64), usize)> {
        let (key, first) = self.waiting.first_key_value()?;
        Some((*key, self.servers.choose(&first.demand, now)?))
    }
}

impl Permit {
    /// Index of the server that takes the call.
    #[must_use]
    pub fn server(&self) -> usize {
        self.begun.server
    }

    /// Reports that the server answered with these tokens, which widens its window.
    pub fn answered(self, usage: Usage) {
        let mut state = self.limiter.lock();
        let queue = &mut state.queues[self.begun.queue];
        queue.answered = queue.answered.plus(usage);
        queue.servers.answered(self.begun.server);
    }

    /// Reports that the server is overloaded or unreachable, which halves its window, and sets it aside if the model
    /// has others. The call is in flight until the permit is dropped.
    #[must_use]
    pub fn failed(&self, setback: &Setback) -> Consequence {
        let Begun { queue, server, halvings } = self.begun;
        self.limiter.lock().queues[queue].servers.failed(server, halvings, setback, Instant::now())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = self.limiter.lock();
            state.free += 1;
            let servers = &mut state.queues[self.begun.queue].servers;
            servers.end(self.begun.server);
            let left = servers.in_flight();
            if servers.settings().local {
                state.computing = (left > 0).then_some((self.begun.queue, left));
            }
        }
        self.limiter.dispatch();
    }
}

#[cfg(test)]
mod tests;
