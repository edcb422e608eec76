//! The servers of one model: which of them have room for a call, and which of those takes it. The least loaded server
//! takes the next call. A server that fails is set aside, and tried again with one call after a growing wait.
//!
//! The number of concurrent calls of a server adapts (additive increase, multiplicative decrease; Chiu and Jain
//! 1989): it is halved after the server reports overload, and grows by one after each answered round.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::rate_limit::{self, RateLimit};
use crate::types::chat::{Request, Role};
use crate::types::queue::{QueueSettings, ServerSettings};

/// Maximum number of bytes of the first message that determine the preferred server of a request without a system
/// text.
const PREFIX_BYTES: usize = 256;

/// Properties of a request that decide which server takes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Demand {
    /// Number of tokens as servers count them, for limits per minute.
    tokens: u32,
    /// Hash of the request's beginning.
    prefix: u64,
}

impl Demand {
    /// Returns the demand of a request. Requests for one purpose have the same system text, which is their beginning.
    pub(super) fn of(request: &Request) -> Self {
        let mut hasher = DefaultHasher::new();
        let mut system = request.messages.iter().filter(|message| message.role == Role::System).peekable();
        if system.peek().is_some() {
            system.for_each(|message| message.content.hash(&mut hasher));
        } else if let Some(first) = request.messages.first() {
            let bytes = first.content.as_bytes();
            bytes[..bytes.len().min(PREFIX_BYTES)].hash(&mut hasher);
        }
        Self { tokens: rate_limit::tokens(request), prefix: hasher.finish() }
    }
}

/// A failed attempt, and the bounds of the wait that follows.
#[derive(Debug, Clone, Copy)]
pub struct Setback {
    /// Wait after the first of several failures.
    pub first_wait: Duration,
    /// Maximum wait.
    pub longest_wait: Duration,
    /// Wait that the server requested. `None` if it requested none.
    pub requested: Option<Duration>,
}

/// Consequence of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequence {
    /// New maximum number of concurrent calls of the server. `None` if the failure belongs to one that was counted
    /// before.
    pub halved: Option<usize>,
    /// Time for which the server is set aside. `None` if the model has no other server.
    pub aside: Option<Duration>,
    /// True if another server has not failed since its last answer.
    pub elsewhere: bool,
}

/// The servers of one model.
pub(super) struct Servers {
    settings: QueueSettings,
    prefix_margin: Option<u32>,
    list: Vec<Server>,
    /// True if any server has answered.
    has_answered: bool,
    /// Index of the server that comes first among equally loaded ones.
    turn: usize,
}

struct Server {
    /// Current limit on concurrent calls; only its whole part counts.
    window: f64,
    /// Below this value the window doubles with each round; above it, the window grows by one.
    doubling_below: f64,
    /// Number of times that the window was halved. A call that began before the last halving does not halve it
    /// again.
    halvings: u64,
    /// Number of counted failures since the last answer.
    failures: u32,
    in_flight: usize,
    /// Time before which no call begins, because the server requested a wait or has failed.
    paused_until: Option<Instant>,
    rate_limit: RateLimit,
}

impl Servers {
    /// Creates servers that were not called yet.
    pub(super) fn new(settings: QueueSettings, servers: ServerSettings) -> Self {
        let ServerSettings { count, requests_per_minute, tokens_per_minute, prefix_margin } = servers;
        #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
        let window = if settings.probed { 1.0 } else { settings.cap as f64 };
        let server = || Server {
            window,
            doubling_below: f64::INFINITY,
            halvings: 0,
            failures: 0,
            in_flight: 0,
            paused_until: None,
            rate_limit: RateLimit::new(requests_per_minute, tokens_per_minute),
        };
        let list = (0..count.max(1)).map(|_| server()).collect();
        Self { settings, prefix_margin, list, has_answered: false, turn: 0 }
    }

    /// Settings of the model's calls.
    pub(super) fn settings(&self) -> QueueSettings {
        self.settings
    }

    /// Number of calls in flight over all servers.
    pub(super) fn in_flight(&self) -> usize {
        self.list.iter().map(|server| server.in_flight).sum()
    }

    /// Returns the index of the server that takes a call now. `None` if no server has room.
    ///
    /// The least loaded server takes the call: the one with the fewest calls in flight relative to its limit; equally
    /// loaded servers take turns. If requests prefer servers by their beginning, the preferred server takes the call as
    /// long as it has at most the margin more calls in flight than the least busy one.
    pub(super) fn choose(&self, demand: &Demand, now: Instant) -> Option<usize> {
        let count = self.list.len();
        let has_room = |index: &usize| self.is_admitted(*index) && self.free_from(*index, demand, now) <= now;
        let open: Vec<usize> = (0..count).map(|step| (self.turn + step) % count).filter(has_room).collect();
        if let Some(margin) = self.prefix_margin {
            let in_flight = |index: &usize| self.list[*index].in_flight;
            let preferred = open.iter().max_by_key(|index| weight(demand.prefix, **index))?;
            let least = open.iter().map(in_flight).min()?;
            if in_flight(preferred) <= least.saturating_add(usize::try_from(margin).unwrap_or(usize::MAX)) {
                return Some(*preferred);
            }
        }
        // The first of equally loaded servers in the order of the turns.
        open.into_iter().reduce(|best, other| if self.is_less_loaded(other, best) { other } else { best })
    }

    /// Time from which a server that is not at its limit of concurrent calls admits the call. `None` if all servers are
    /// at that limit, so the end of a call is the next occasion.
    pub(super) fn next_room(&self, demand: &Demand, now: Instant) -> Option<Instant> {
        let admitted = (0..self.list.len()).filter(|index| self.is_admitted(*index));
        admitted.map(|index| self.free_from(index, demand, now)).min()
    }

    /// Counts a call as in flight at a server. Returns the number of halvings of its window so far.
    pub(super) fn begin(&mut self, index: usize, demand: &Demand, now: Instant) -> u64 {
        self.turn = index + 1;
        let server = &mut self.list[index];
        server.in_flight += 1;
        server.rate_limit.take(demand.tokens, now);
        server.halvings
    }

    /// Counts a call at a server as ended.
    pub(super) fn end(&mut self, index: usize) {
        self.list[index].in_flight -= 1;
    }

    /// Lets no call begin at a server before `until`.
    pub(super) fn pause(&mut self, index: usize, until: Instant) {
        let paused_until = &mut self.list[index].paused_until;
        *paused_until = (*paused_until).max(Some(until));
    }

    /// Widens the window of a server that has answered.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
    pub(super) fn answered(&mut self, index: usize) {
        self.has_answered = true;
        let QueueSettings { cap, probed, .. } = self.settings;
        let cap = cap as f64;
        let server = &mut self.list[index];
        server.failures = 0;
        if probed && server.halvings == 0 {
            server.window = cap;
        } else {
            let rounds = if server.window < server.doubling_below { 1.0 } else { server.window.floor() };
            server.window = (server.window + 1.0 / rounds).min(cap);
        }
    }

    /// Halves the window of a server that failed to answer a call. `halvings` is the number of halvings when the call
    /// began. If the model has several servers, this one is set aside.
    pub(super) fn failed(&mut self, index: usize, halvings: u64, setback: &Setback, now: Instant) -> Consequence {
        let has_others = self.list.len() > 1;
        let server = &mut self.list[index];
        let halved = (server.halvings == halvings).then(|| server.halve());
        if halved.is_some() {
            server.failures = server.failures.saturating_add(1);
        }
        // Some busy servers request a wait of zero, so a requested wait can only lengthen the planned one.
        let requested = setback.requested.filter(|requested| !requested.is_zero());
        let planned = has_others
            .then(|| setback.first_wait.saturating_mul(2_u32.saturating_pow(server.failures.saturating_sub(1))));
        let wait = requested.max(planned.filter(|_| halved.is_some())).map(|wait| wait.min(setback.longest_wait));
        if let Some(wait) = wait {
            self.pause(index, now + wait);
        }
        let is_sound = |(other, server): (usize, &Server)| other != index && server.failures == 0;
        Consequence {
            halved,
            aside: wait.filter(|_| has_others),
            elsewhere: self.list.iter().enumerate().any(is_sound),
        }
    }

    /// Returns true if a server is below its limit of concurrent calls. Until any server has answered, a probed model
    /// has one call in flight. A server that was set aside is tried with one call.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
    fn is_admitted(&self, index: usize) -> bool {
        let server = &self.list[index];
        let is_tried = self.list.len() > 1 && server.failures > 0;
        server.in_flight < self.settings.cap
            && server.in_flight as f64 + 1.0 <= server.window
            && !(is_tried && server.in_flight > 0)
            && !(self.settings.probed && !self.has_answered && self.in_flight() > 0)
    }

    /// Time from which neither a pause nor a rate limit of a server keeps the call from beginning, at least `now`.
    fn free_from(&self, index: usize, demand: &Demand, now: Instant) -> Instant {
        let server = &self.list[index];
        server.paused_until.max(server.rate_limit.earliest(demand.tokens)).map_or(now, |from| from.max(now))
    }

    /// Compares the shares of two servers' limits that are in use.
    fn is_less_loaded(&self, one: usize, other: usize) -> bool {
        let load = |index: usize| {
            let server = &self.list[index];
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 up")]
            let limit = (server.window as usize).min(self.settings.cap);
            (server.in_flight, limit.max(1))
        };
        let ((calls, limit), (other_calls, other_limit)) = (load(one), load(other));
        calls * other_limit < other_calls * limit
    }
}

impl Server {
    /// Halves the window to half of the calls in flight. Returns the new number of concurrent calls.
    #[expect(clippy::cast_precision_loss, reason = "a number of calls in flight")]
    fn halve(&mut self) -> usize {
        let half = self.in_flight as f64 / 2.0;
        if self.in_flight > 1 {
            self.doubling_below = half;
        }
        self.window = half.max(1.0);
        self.halvings += 1;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 up")]
        let calls = self.window as usize;
        calls
    }
}

/// Returns the weight of a server for requests with the same beginning. The greatest weight is preferred, so most
/// beginnings keep their server if the number of servers changes.
fn weight(prefix: u64, index: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (prefix, index).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
