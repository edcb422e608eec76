//! The fee limits of a run: what a call may cost at most is set aside before it is made, so that the limits hold for
//! the calls in flight too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::types::chat::{Mode, Request, Usage};
use crate::types::model::ModelError;
use crate::types::price::{Fee, Price};

/// What a server's chat template may add to the messages.
const TEMPLATE_BYTES: usize = 256;

/// A sum that fees may not pass.
#[derive(Debug, Clone, Copy)]
pub struct FeeLimit {
    /// The config's key.
    pub key: &'static str,
    /// The sum in USD.
    pub usd: f64,
    /// What is gone of it already.
    pub before: Fee,
}

/// A run's fee limits, over all of its models.
pub struct Budget {
    limits: Vec<FeeLimit>,
    state: Mutex<State>,
    /// Rings when what was set aside has become less.
    freed: Notify,
}

#[derive(Default)]
struct State {
    /// What was spent since the limits were set.
    spent: Fee,
    /// The most that the calls in flight may cost.
    aside: Fee,
}

/// What is set aside for one call in flight. Dropped without [`Reservation::settle`], nothing was spent.
pub struct Reservation {
    budget: Arc<Budget>,
    worst: Fee,
}

impl Budget {
    /// A run's own limit, of which `spent` is gone already.
    #[must_use]
    pub fn new(limit_usd: f64, spent: Fee) -> Self {
        Self::of(vec![FeeLimit { key: "limits.max_fee_usd", usd: limit_usd, before: spent }])
    }

    /// Several limits, of which none may be passed.
    #[must_use]
    pub fn of(limits: Vec<FeeLimit>) -> Self {
        Self { limits, state: Mutex::default(), freed: Notify::new() }
    }

    /// Sets `worst` aside for a call, once the limits surely hold; waits if calls in flight may turn out cheaper.
    ///
    /// # Errors
    /// [`ModelError::FeeLimit`] if a limit could be passed though no other call is in flight.
    pub async fn reserve(self: &Arc<Self>, worst: Fee) -> Result<Reservation, ModelError> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // From here on nothing that is freed goes unheard.
            freed.as_mut().enable();
            {
                let mut state = self.lock();
                let most = state.spent.plus(state.aside).plus(worst);
                let Some(passed) = self.limits.iter().find(|limit| limit.before.plus(most).usd() > limit.usd) else {
                    state.aside = state.aside.plus(worst);
                    return Ok(Reservation { budget: Arc::clone(self), worst });
                };
                if state.aside == Fee::default() {
                    return Err(passed.by(state.spent, worst));
                }
            }
            freed.await;
        }
    }

    /// What is spent and what the limit is, in USD: of the limit of which the least is left.
    #[must_use]
    pub fn level(&self) -> (f64, f64) {
        let spent = self.lock().spent;
        let levels = self.limits.iter().map(|limit| (limit.before.plus(spent).usd(), limit.usd));
        levels
            .min_by(|one, other| (one.1 - one.0).total_cmp(&(other.1 - other.0)))
            .unwrap_or((spent.usd(), f64::INFINITY))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FeeLimit {
    /// The error of a call that could pass it.
    fn by(&self, spent: Fee, worst: Fee) -> ModelError {
        ModelError::FeeLimit(format!(
            "{} = {} would be passed: {:.6} USD are spent and the next call could cost {:.6}",
            self.key,
            self.usd,
            self.before.plus(spent).usd(),
            worst.usd()
        ))
    }
}

impl Reservation {
    /// The call has cost this much.
    pub fn settle(self, fee: Fee) {
        let mut state = self.budget.lock();
        state.spent = state.spent.plus(fee);
    }

    /// The call may have cost all that was set aside.
    pub fn lose(self) {
        let worst = self.worst;
        self.settle(worst);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        {
            let mut state = self.budget.lock();
            state.aside = state.aside.minus(self.worst);
        }
        self.budget.freed.notify_waiters();
    }
}

/// The most tokens that a request can take: no token is shorter than a byte, and the answer is no longer than its limit.
#[must_use]
pub fn worst_usage(request: &Request) -> Usage {
    let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
    let (options, output) = match &request.mode {
        Mode::Generate(generation) => (0, u64::from(generation.max_tokens)),
        Mode::Score { options } => (options.iter().map(String::len).sum(), 0),
    };
    Usage { input: (bytes + options + TEMPLATE_BYTES) as u64, cached_input: 0, output }
}

/// What the most that a request can cost is made of, and how more of a limit can be used.
#[must_use]
pub fn reserved(model: &str, request: &Request) -> String {
    let raise = "raise the limit and run the same command again to go on";
    match &request.mode {
        Mode::Generate(generation) => format!(
            "a call reserves the price of its prompt and of the longest answer, max_tokens = {} of model `{model}`, though most \
             answers are shorter: {raise}; a lower max_tokens uses more of a limit, but in a new run, as it is part of every call",
            generation.max_tokens
        ),
        Mode::Score { .. } => raise.to_owned(),
    }
}

/// The most that a request can cost.
#[must_use]
pub fn worst_fee(price: &Price, request: &Request) -> Fee {
    price.fee(worst_usage(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fee(output: u64) -> Fee {
        let price = Price { input: 0.0, cached_input: None, output: 1.0, read: None, nominal: false };
        price.fee(Usage { input: 0, cached_input: 0, output })
    }

    #[tokio::test]
    async fn what_is_in_flight_counts_and_a_cheaper_end_makes_room() {
        let budget = Arc::new(Budget::new(10e-6, fee(1)));
        let first = budget.reserve(fee(5)).await.expect("6 of 10");
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.reserve(fee(5)).await.map(|held| held.settle(fee(5))) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "11 of 10");
        first.settle(fee(2));
        waiting.await.expect("no panic").expect("8 of 10");
        assert!(matches!(budget.reserve(fee(3)).await, Err(ModelError::FeeLimit(_))), "11 of 10, and nothing flies");
        budget.reserve(fee(2)).await.expect("10 of 10").lose();
        assert!(
            matches!(budget.reserve(fee(1)).await, Err(ModelError::FeeLimit(text)) if text.contains("0.000010 USD"))
        );
    }

    #[tokio::test]
    async fn no_limit_of_several_is_passed() {
        let limit = |key, usd, before| FeeLimit { key, usd, before: fee(before) };
        let budget = Arc::new(Budget::of(vec![limit("run", 5e-6, 0), limit("total", 9e-6, 6)]));
        budget.reserve(fee(2)).await.expect("2 of 5, 8 of 9").settle(fee(2));
        let (spent, most) = budget.level();
        assert!((spent - 8e-6).abs() < 1e-12 && (most - 9e-6).abs() < 1e-12, "the limit of which the least is left");
        let passed = budget.reserve(fee(2)).await.err().expect("4 of 5, 10 of 9").to_string();
        assert!(passed.starts_with("total = 0.000009 would be passed: 0.000008 USD are spent"), "{passed}");
    }

    #[tokio::test]
    async fn a_call_that_was_not_answered_costs_nothing() {
        let budget = Arc::new(Budget::new(5e-6, Fee::default()));
        drop(budget.reserve(fee(5)).await.expect("5 of 5"));
        budget.reserve(fee(5)).await.expect("5 of 5 again");
    }
}
