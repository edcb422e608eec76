//! Settings of the calls of a model: concurrency limits and retries.

use std::time::Duration;

/// Limits on the calls of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSettings {
    /// Maximum number of calls of the model in flight.
    pub cap: usize,
    /// True if the model runs on this machine. Only one such model has calls in flight at a time.
    pub local: bool,
    /// True if the first call runs alone, so an unusable server is detected by one call.
    pub probed: bool,
}

/// Retry policy of failed calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Maximum number of retries after the first attempt.
    pub most: usize,
    /// Wait before the first retry. The wait doubles with each retry and is multiplied by a random factor from 1 to 2.
    pub first_wait: Duration,
    /// Maximum wait before a retry, even if the server requests a longer one.
    pub longest_wait: Duration,
}
