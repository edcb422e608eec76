//! State that the models of the first phase share.

use std::sync::{Arc, Mutex, PoisonError};

use crate::gateway::concurrency::{ConcurrencyLimiter, ModelQueue};

/// Maximum number of calls that wait for batches at a time, over both levels.
pub(in crate::run) const MAX_WAITING: usize = 200_000;

/// A function that shows a message to the user.
pub(in crate::run) type MessageHandler = Arc<dyn Fn(&str) + Send + Sync>;

/// State that the models of the first phase share.
#[derive(Clone)]
pub(in crate::run) struct Batching {
    /// Receiver of messages about batches.
    pub(in crate::run) on_message: MessageHandler,
    /// Queues of the models that are called directly, because their servers have no batch API.
    pub(in crate::run) direct: Arc<DirectCalls>,
}

/// Queues of the models that are called directly in the first phase.
#[derive(Default)]
pub(in crate::run) struct DirectCalls(Mutex<Vec<ModelQueue>>);

impl DirectCalls {
    /// Adds the queue of a model.
    pub(in crate::run) fn add(&self, queue: ModelQueue) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(queue);
    }

    /// True if a direct call is in flight, after which further calls may join a batch.
    pub(super) fn are_in_flight(&self, limiter: &ConcurrencyLimiter) -> bool {
        let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queues.iter().any(|queue| limiter.load(*queue).in_flight > 0)
    }
}
