//! A server's limits on requests and tokens a minute, kept on this side so that they are seldom met on the other.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Mutex;

use super::budget::worst_usage;
use crate::types::chat::Request;

/// English text has about this many bytes a token.
const BYTES_PER_TOKEN: u64 = 4;
/// Of a minute's tokens, this part may go at once: long answers need more than a second's share.
const TOKEN_BURSTS_A_MINUTE: u32 = 6;
/// Of a minute's requests, this part may go at once.
const REQUEST_BURSTS_A_MINUTE: u32 = 60;

/// The limits of one model.
pub struct RateLimit {
    requests: Option<DefaultDirectRateLimiter>,
    /// With the most that may go at once.
    tokens: Option<(DefaultDirectRateLimiter, NonZeroU32)>,
    /// Whose tokens are being waited for: requests of more than may go at once would else all be sent at the end.
    turn: Mutex<()>,
}

impl RateLimit {
    /// Limits per minute; none where there is no limit.
    #[must_use]
    pub fn new(requests: Option<NonZeroU32>, tokens: Option<NonZeroU32>) -> Self {
        let part = |whole: NonZeroU32, parts: u32| NonZeroU32::new(whole.get().div_ceil(parts)).unwrap_or(whole);
        Self {
            requests: requests.map(|minute| {
                RateLimiter::direct(Quota::per_minute(minute).allow_burst(part(minute, REQUEST_BURSTS_A_MINUTE)))
            }),
            tokens: tokens.map(|minute| {
                let burst = part(minute, TOKEN_BURSTS_A_MINUTE);
                (RateLimiter::direct(Quota::per_minute(minute).allow_burst(burst)), burst)
            }),
            turn: Mutex::const_new(()),
        }
    }

    /// Waits until the request keeps within the limits. Servers count the tokens that an answer may have, so they are
    /// counted here.
    pub async fn wait(&self, request: &Request) {
        if let Some(requests) = &self.requests {
            requests.until_ready().await;
        }
        if let Some((tokens, burst)) = &self.tokens {
            let worst = worst_usage(request);
            let mut left = u32::try_from(worst.input / BYTES_PER_TOKEN + worst.output).unwrap_or(u32::MAX);
            let _turn = self.turn.lock().await;
            while let Some(some) = NonZeroU32::new(left.min(burst.get())) {
                // The burst is never passed, so this can only wait.
                let _ = tokens.until_n_ready(some).await;
                left -= some.get();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::types::chat::{Generation, Mode, RequestKind};

    fn request(max_tokens: u32) -> Request {
        let mode = Mode::Generate(Generation { max_tokens, ..Generation::default() });
        Request { item: "0".into(), messages: vec![], mode, wanted: RequestKind::Answer, draw: 0, strategies: vec![] }
    }

    /// The time that some waits take.
    async fn taken(limiter: &RateLimit, requests: &[Request]) -> Duration {
        let started = Instant::now();
        for request in requests {
            limiter.wait(request).await;
        }
        started.elapsed()
    }

    #[tokio::test]
    async fn requests_and_tokens_are_spread_over_the_minute() {
        let many = RateLimit::new(NonZeroU32::new(1200), None);
        // 20 go at once, 10 more at 20 a second.
        assert!(taken(&many, &vec![request(1); 30]).await >= Duration::from_millis(400));
        let long = RateLimit::new(None, NonZeroU32::new(6_000_000));
        // A million may go at once; each of these counts as 100,000 a second's share.
        assert!(taken(&long, &vec![request(99_936); 12]).await >= Duration::from_millis(1500));
        // Twice what may go at once takes half of that more than its share of the minute.
        let beyond = RateLimit::new(None, NonZeroU32::new(6_000_000));
        assert!(taken(&beyond, &[request(1_100_000)]).await >= Duration::from_millis(900));
        assert!(taken(&RateLimit::new(None, None), &vec![request(1000); 1000]).await < Duration::from_secs(5));
    }
}
