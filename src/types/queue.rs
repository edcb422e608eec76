//! How a model is called: how many calls at once, and when a call that failed is tried again.

use std::time::Duration;

/// Limits on the calls of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSettings {
    /// The most calls of the model in flight.
    pub cap: usize,
    /// Whether it computes on this machine: of such models only one has calls in flight at a time.
    pub local: bool,
    /// Whether its first call goes alone, so that a server that cannot be used is found out by one call.
    pub probed: bool,
}

/// When a call that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often, after the first attempt.
    pub most: usize,
    /// The wait before the first retry; it doubles with each, and is spread at random up to twice as long.
    pub first_wait: Duration,
    /// The longest wait before a retry, also where the server asks for a longer one.
    pub longest_wait: Duration,
}
