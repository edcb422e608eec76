//! The rate limiter: a server's limits on requests and tokens per minute, enforced before a request is sent, so
//! that the server seldom has to reject one.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Mutex;

use super::budget::worst_usage;
use crate::types::chat::Request;

/// Approximate number of bytes per token in English text.
const BYTES_PER_TOKEN: u64 = 4;
/// A minute's token limit divided by this number is the largest burst. Long answers need more than one second's
/// share.
const TOKEN_BURSTS_A_MINUTE: u32 = 6;
/// A minute's request limit divided by this number is the largest burst.
const REQUEST_BURSTS_A_MINUTE: u32 = 60;

/// The rate limits of one model.
pub struct RateLimit {
    requests: Option<DefaultDirectRateLimiter>,
    /// The token limiter and its largest burst.
    tokens: Option<(DefaultDirectRateLimiter, NonZeroU32)>,
    /// Held by the request whose tokens are being acquired. Otherwise concurrent requests larger than the burst
    /// would all wait until the end and be sent together.
    turn: Mutex<()>,
}

impl RateLimit {
    /// Creates a limiter from limits per minute. `None` if there is no limit.
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

    /// Waits until the request is within the limits. The longest possible answer is counted, as servers count it.
    pub async fn wait(&self, request: &Request) {
        if let Some(requests) = &self.requests {
            requests.until_ready().await;
        }
        if let Some((tokens, burst)) = &self.tokens {
            let worst = worst_usage(request);
            let mut left = u32::try_from(worst.input / BYTES_PER_TOKEN + worst.output).unwrap_or(u32::MAX);
            let _turn = self.turn.lock().await;
            while let Some(part) = NonZeroU32::new(left.min(burst.get())) {
                // `part` never exceeds the burst, so this call cannot fail; it only waits.
                let _ = tokens.until_n_ready(part).await;
                left -= part.get();
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

    /// Measures how long the limiter delays `requests`.
    async fn delay(limiter: &RateLimit, requests: &[Request]) -> Duration {
        let started = Instant::now();
        for request in requests {
            limiter.wait(request).await;
        }
        started.elapsed()
    }

    #[tokio::test]
    async fn requests_and_tokens_are_limited_per_minute() {
        let many = RateLimit::new(NonZeroU32::new(1200), None);
        // 20 pass at once, and 10 more at 20 per second.
        assert!(delay(&many, &vec![request(1); 30]).await >= Duration::from_millis(400));
        let long = RateLimit::new(None, NonZeroU32::new(6_000_000));
        // One million tokens pass at once; each of these requests counts as 100,000 tokens, one second's share.
        assert!(delay(&long, &vec![request(99_936); 12]).await >= Duration::from_millis(1500));
        // A request larger than the burst waits until its excess tokens are available.
        let beyond = RateLimit::new(None, NonZeroU32::new(6_000_000));
        assert!(delay(&beyond, &[request(1_100_000)]).await >= Duration::from_millis(900));
        assert!(delay(&RateLimit::new(None, None), &vec![request(1000); 1000]).await < Duration::from_secs(5));
    }
}
