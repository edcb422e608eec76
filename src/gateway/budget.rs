//! The fee limit of a run: what a call may cost at most is set aside before it is made, so that the limit holds for
//! the calls in flight too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::types::chat::{Mode, Request, Usage};
use crate::types::model::ModelError;
use crate::types::price::{Fee, Price};

/// What a server's chat template may add to the messages.
const TEMPLATE_BYTES: usize = 256;

/// A run's fee limit, over all models and sessions of the run.
pub struct Budget {
    limit_usd: f64,
    state: Mutex<State>,
    /// Rings when what was set aside has become less.
    freed: Notify,
}

#[derive(Default)]
struct State {
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
    /// A limit of which `spent` is gone already.
    #[must_use]
    pub fn new(limit_usd: f64, spent: Fee) -> Self {
        Self { limit_usd, state: Mutex::new(State { spent, aside: Fee::default() }), freed: Notify::new() }
    }

    /// Sets `worst` aside for a call, once the limit surely holds; waits where calls in flight may turn out cheaper.
    ///
    /// # Errors
    /// [`ModelError::FeeLimit`] where the limit could be passed though no other call is in flight.
    pub async fn reserve(self: &Arc<Self>, worst: Fee) -> Result<Reservation, ModelError> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // From here on nothing that is freed goes unheard.
            freed.as_mut().enable();
            {
                let mut state = self.lock();
                if state.spent.plus(state.aside).plus(worst).usd() <= self.limit_usd {
                    state.aside = state.aside.plus(worst);
                    return Ok(Reservation { budget: Arc::clone(self), worst });
                }
                if state.aside == Fee::default() {
                    return Err(self.passed(state.spent, worst));
                }
            }
            freed.await;
        }
    }

    /// What is spent and what the limit is, in USD.
    #[must_use]
    pub fn level(&self) -> (f64, f64) {
        (self.lock().spent.usd(), self.limit_usd)
    }

    fn passed(&self, spent: Fee, worst: Fee) -> ModelError {
        ModelError::FeeLimit(format!(
            "limits.max_fee_usd = {} would be passed: {:.6} USD are spent and the next call could cost {:.6}; raise the limit and run again to go on",
            self.limit_usd,
            spent.usd(),
            worst.usd()
        ))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    async fn a_call_that_was_not_answered_costs_nothing() {
        let budget = Arc::new(Budget::new(5e-6, Fee::default()));
        drop(budget.reserve(fee(5)).await.expect("5 of 5"));
        budget.reserve(fee(5)).await.expect("5 of 5 again");
    }
}
