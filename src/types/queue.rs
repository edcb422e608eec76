//! Settings of the calls of a model: concurrency limits, servers and retries.

use std::num::NonZeroU32;
use std::time::Duration;

/// Limits on the calls of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSettings {
    /// Maximum number of calls in flight at each of the model's servers.
    pub cap: usize,
    /// True if the model runs on this machine. Only one such model has calls in flight at a time.
    pub local: bool,
    /// True if the first call runs alone, so an unusable server is detected by one call.
    pub probed: bool,
}

/// Servers of one model, and the limits of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSettings {
    /// Number of servers, at least 1.
    pub count: usize,
    /// Maximum number of requests per minute at each server. `None` means no limit.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Maximum number of tokens per minute at each server. `None` means no limit.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Number of calls in flight by which a request's preferred server may exceed the least loaded one. Requests with
    /// the same beginning prefer the same server. `None` means no preference.
    pub prefix_margin: Option<u32>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self { count: 1, requests_per_minute: None, tokens_per_minute: None, prefix_margin: None }
    }
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
