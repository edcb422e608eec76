//! The attempts of one call: how many, after which waits, and what is said about them.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::types::queue::Retries;

/// Computes the waits before the retries of one call, in order. Each call draws its jitter from its own seed, so
/// calls that fail together are not retried together.
fn waits(retries: Retries) -> impl Iterator<Item = Duration> + use<> {
    let Retries { most, first_wait, longest_wait } = retries;
    // Without an explicit seed, backon draws the same numbers for every call of every run.
    let seed = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    let waits = ExponentialBuilder::default().with_min_delay(first_wait).with_max_delay(longest_wait);
    let waits = waits.with_max_times(most).with_jitter().with_jitter_seed(seed).build();
    waits.map(move |wait| wait.min(longest_wait))
}

/// Describes the retries after a server could not be reached.
pub(super) fn planned_retries(retries: Retries) -> String {
    let Retries { most, first_wait, longest_wait } = retries;
    // Jitter draws each wait between one and two times its planned length.
    let wait = |n| first_wait.saturating_mul(2_u32.saturating_pow(n)).saturating_mul(2).min(longest_wait);
    let all: f64 = (0..u32::try_from(most).unwrap_or(u32::MAX)).take(1000).map(|n| wait(n).as_secs_f64()).sum();
    let times = if most == 1 { "once".to_owned() } else { format!("{most} times") };
    format!("It is tried again, {times} within about {} s; Ctrl-C stops the run.", all.ceil().max(1.0))
}

/// Describes what follows if one of several servers cannot be reached.
pub(super) const OTHERS_ANSWER: &str = "The other servers answer its calls, and it is tried again after growing waits.";

/// The attempts of one call.
pub(super) struct Attempts {
    /// Waits before the retries that are left.
    waits: Box<dyn Iterator<Item = Duration> + Send>,
    /// Number of attempts so far.
    pub(super) made: usize,
    /// Number of attempts since the last retry that went on to another server.
    elsewhere: usize,
    /// Number of the model's servers.
    pub(super) servers: usize,
}

impl Attempts {
    /// Returns the attempts of a call that begins.
    pub(super) fn new(retries: Retries, servers: usize) -> Self {
        Self { waits: Box::new(waits(retries)), made: 0, elsewhere: 0, servers }
    }

    /// Uses up a retry, and returns the wait before it. `None` if none is left.
    pub(super) fn retry(&mut self) -> Option<Duration> {
        self.elsewhere = 0;
        self.waits.next()
    }

    /// Returns true if the call may go on to another server, and counts that. Each server gets one attempt for each
    /// retry, so a request that fails everywhere ends.
    pub(super) fn may_go_elsewhere(&mut self) -> bool {
        self.elsewhere += 1;
        self.elsewhere < self.servers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_retry_notice_names_the_count_and_the_duration() {
        let (first_wait, longest_wait) = (Duration::from_millis(500), Duration::from_secs(5));
        let retries = Retries { most: 5, first_wait, longest_wait };
        assert_eq!(planned_retries(retries), "It is tried again, 5 times within about 17 s; Ctrl-C stops the run.");
        let once = planned_retries(Retries { most: 1, ..retries });
        assert_eq!(once, "It is tried again, once within about 1 s; Ctrl-C stops the run.");
    }

    #[test]
    fn retry_waits_are_random_per_call_and_bounded() {
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

    #[test]
    fn each_server_gets_one_attempt_for_each_retry() {
        let retries = Retries { most: 1, first_wait: Duration::ZERO, longest_wait: Duration::ZERO };
        let mut attempts = Attempts::new(retries, 3);
        assert_eq!([(); 3].map(|()| attempts.may_go_elsewhere()), [true, true, false]);
        assert_eq!(attempts.retry(), Some(Duration::ZERO));
        assert_eq!([(); 3].map(|()| attempts.may_go_elsewhere()), [true, true, false]);
        assert_eq!(attempts.retry(), None);
        assert!(!Attempts::new(retries, 1).may_go_elsewhere());
    }
}
