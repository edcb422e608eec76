//! The rate limits of a server: requests and tokens per minute, kept before a request is sent, so that the server
//! seldom has to reject one. Each limit is a bucket that refills continuously.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use super::budget::worst_usage;
use crate::types::chat::Request;

/// Approximate number of bytes per token in English text.
const BYTES_PER_TOKEN: u64 = 4;
/// A minute's token limit divided by this number is the largest burst. Long answers need more than one second's
/// share.
const TOKEN_BURSTS_A_MINUTE: u32 = 6;
/// A minute's request limit divided by this number is the largest burst.
const REQUEST_BURSTS_A_MINUTE: u32 = 60;

/// The rate limits of one server.
#[derive(Debug, Clone)]
pub(super) struct RateLimit {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

/// A limit per minute.
#[derive(Debug, Clone)]
struct Bucket {
    per_minute: u32,
    /// Largest amount that may pass at once.
    burst: u32,
    /// Time at which the bucket is full. `None` if nothing has passed yet.
    full_at: Option<Instant>,
}

impl RateLimit {
    /// Creates the limits of a server that was not called yet. `None` means no limit.
    pub(super) fn new(requests: Option<NonZeroU32>, tokens: Option<NonZeroU32>) -> Self {
        Self {
            requests: requests.map(|minute| Bucket::new(minute.get(), REQUEST_BURSTS_A_MINUTE)),
            tokens: tokens.map(|minute| Bucket::new(minute.get(), TOKEN_BURSTS_A_MINUTE)),
        }
    }

    /// Time from which a request of this many tokens is within the limits. `None` for any time.
    pub(super) fn earliest(&self, tokens: u32) -> Option<Instant> {
        let requests = self.requests.as_ref().and_then(|bucket| bucket.earliest(1));
        requests.max(self.tokens.as_ref().and_then(|bucket| bucket.earliest(tokens)))
    }

    /// Counts a request of this many tokens that begins now.
    pub(super) fn take(&mut self, tokens: u32, now: Instant) {
        self.requests.iter_mut().for_each(|bucket| bucket.take(1, now));
        self.tokens.iter_mut().for_each(|bucket| bucket.take(tokens, now));
    }
}

impl Bucket {
    fn new(per_minute: u32, bursts: u32) -> Self {
        Self { per_minute, burst: per_minute.div_ceil(bursts), full_at: None }
    }

    /// Time from which `amount` may pass. An amount above the largest burst passes when the bucket is full; the rest
    /// of it delays what comes next.
    fn earliest(&self, amount: u32) -> Option<Instant> {
        let spare = self.time_for(self.burst - amount.min(self.burst));
        self.full_at.and_then(|full_at| full_at.checked_sub(spare))
    }

    fn take(&mut self, amount: u32, now: Instant) {
        let from = self.full_at.map_or(now, |full_at| full_at.max(now));
        self.full_at = Some(from + self.time_for(amount));
    }

    /// Time in which the bucket gains `amount`.
    fn time_for(&self, amount: u32) -> Duration {
        Duration::from_secs_f64(60.0 * f64::from(amount) / f64::from(self.per_minute))
    }
}

/// Tokens of a request as servers count them: the prompt, and the longest possible answer.
pub(super) fn tokens(request: &Request) -> u32 {
    let worst = worst_usage(request);
    u32::try_from(worst.input / BYTES_PER_TOKEN + worst.output).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the seconds after the start at which each request of these tokens begins, each as early as possible.
    fn begins(mut limit: RateLimit, requests: &[u32]) -> Vec<f64> {
        let start = Instant::now();
        let mut now = start;
        let begin = |tokens: &u32| {
            now = limit.earliest(*tokens).map_or(now, |earliest| earliest.max(now));
            limit.take(*tokens, now);
            ((now - start).as_secs_f64() * 1000.0).round() / 1000.0
        };
        requests.iter().map(begin).collect()
    }

    #[test]
    fn requests_are_limited_per_minute() {
        // 20 pass at once, and 20 more each second.
        let seconds = begins(RateLimit::new(NonZeroU32::new(1200), None), &[1; 22]);
        assert_eq!(seconds[..20], [0.0; 20]);
        assert_eq!(seconds[20..], [0.05, 0.1]);
        assert_eq!(begins(RateLimit::new(NonZeroU32::new(1), None), &[1; 3]), [0.0, 60.0, 120.0]);
        assert_eq!(begins(RateLimit::new(None, None), &[u32::MAX; 3]), [0.0; 3]);
    }

    #[test]
    fn tokens_are_limited_per_minute() {
        // One million tokens pass at once, and 100,000 more each second.
        let limit = || RateLimit::new(None, NonZeroU32::new(6_000_000));
        let seconds = begins(limit(), &[100_000; 12]);
        assert_eq!((seconds[9], &seconds[10..]), (0.0, &[1.0, 2.0][..]));
        // A request above the burst delays the next ones by all of its tokens.
        assert_eq!(begins(limit(), &[3_000_000, 500_000, 500_000]), [0.0, 25.0, 30.0]);
        // The stricter of both limits holds.
        let both = RateLimit::new(NonZeroU32::new(60), NonZeroU32::new(6_000_000));
        assert_eq!(begins(both, &[900_000, 400_000, 1]), [0.0, 3.0, 4.0]);
    }

    #[test]
    fn a_prompt_counts_a_token_for_four_bytes_and_the_longest_answer() {
        use crate::types::chat::{Generation, Message, Mode, RequestKind, Role};
        let mode = Mode::Generate(Generation { max_tokens: 100, ..Generation::default() });
        let messages = vec![Message { role: Role::User, content: "a".repeat(400) }];
        let request =
            Request { item: "0".into(), messages, mode, wanted: RequestKind::Answer, draw: 0, strategies: vec![] };
        // 64 tokens are the bound on the server's own text.
        assert_eq!(tokens(&request), 100 + 100 + 64);
    }
}
