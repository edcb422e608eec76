//! The fee limits of a run. The highest possible fee of a call is reserved before the call is made, so the limits
//! also hold for the calls in flight.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::types::chat::{Mode, Request, Usage};
use crate::types::model::ModelError;
use crate::types::price::{Fee, Price};

/// Upper bound on the bytes that a server's chat template adds to the messages.
const TEMPLATE_BYTES: usize = 256;

/// An upper limit on fees.
#[derive(Debug, Clone, Copy)]
pub struct FeeLimit {
    /// Config key of the limit.
    pub key: &'static str,
    /// The limit in USD.
    pub usd: f64,
    /// Fees that already count against the limit at the start.
    pub before: Fee,
}

/// The fee limits of a run, summed over all of its models.
pub struct Budget {
    limits: Vec<FeeLimit>,
    state: Mutex<State>,
    /// Notified when a reservation has ended.
    freed: Notify,
}

#[derive(Default)]
struct State {
    /// Fees spent since the limits were set.
    spent: Fee,
    /// Sum of the reservations of the calls in flight.
    reserved: Fee,
    /// The part of the reservations that no call of this process can end.
    idle: Fee,
}

/// The reserved fee of one call in flight. A reservation that is dropped without [`Reservation::settle`] spends
/// nothing.
pub struct Reservation {
    budget: Arc<Budget>,
    worst: Fee,
    /// True if no call of this process can end the reservation.
    idle: bool,
}

impl Budget {
    /// Creates a budget with one limit, the run's own, of which `spent` is already used.
    #[must_use]
    pub fn new(limit_usd: f64, spent: Fee) -> Self {
        Self::with_limits(vec![FeeLimit { key: "limits.max_fee_usd", usd: limit_usd, before: spent }])
    }

    /// Creates a budget with several limits, all of which must hold.
    #[must_use]
    pub fn with_limits(limits: Vec<FeeLimit>) -> Self {
        Self { limits, state: Mutex::default(), freed: Notify::new() }
    }

    /// Reserves the fee `worst` for a call as soon as the limits hold with it. Waits if calls in flight may still
    /// turn out cheaper.
    ///
    /// # Errors
    /// [`ModelError::FeeLimit`] if a limit could be exceeded although no other call is in flight.
    pub async fn reserve(self: &Arc<Self>, worst: Fee) -> Result<Reservation, ModelError> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // From here on no notification is missed.
            freed.as_mut().enable();
            if let Some(reservation) = self.try_reserve(worst)? {
                return Ok(reservation);
            }
            freed.await;
        }
    }

    /// Reserves the fee `worst` for a call if the limits hold with it now. `None` if they do not, and calls in flight may
    /// still turn out cheaper.
    ///
    /// # Errors
    /// [`ModelError::FeeLimit`] if a limit could be exceeded although no other call is in flight.
    pub fn try_reserve(self: &Arc<Self>, worst: Fee) -> Result<Option<Reservation>, ModelError> {
        let mut state = self.lock();
        let most = state.spent.plus(state.reserved).plus(worst);
        let Some(exceeded) = self.limits.iter().find(|limit| limit.before.plus(most).usd() > limit.usd) else {
            state.reserved = state.reserved.plus(worst);
            return Ok(Some(Reservation { budget: Arc::clone(self), worst, idle: false }));
        };
        if state.reserved == state.idle { Err(exceeded.error(state.spent, worst)) } else { Ok(None) }
    }

    /// Reserves the fee `worst` for calls that an earlier process has begun, whether or not the limits hold with it. No
    /// call waits for its end before [`Reservation::begin`].
    #[must_use]
    pub fn hold(self: &Arc<Self>, worst: Fee) -> Reservation {
        let mut state = self.lock();
        state.reserved = state.reserved.plus(worst);
        state.idle = state.idle.plus(worst);
        Reservation { budget: Arc::clone(self), worst, idle: true }
    }

    /// Returns the fees spent and the limit, in USD, for the limit with the smallest remainder.
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
    /// Returns the error for a call that could exceed the limit.
    pub(super) fn error(&self, spent: Fee, worst: Fee) -> ModelError {
        ModelError::FeeLimit(format!(
            "{} = {} would be exceeded: {:.6} USD are spent and the next call can cost up to {:.6}",
            self.key,
            self.usd,
            self.before.plus(spent).usd(),
            worst.usd()
        ))
    }
}

impl Reservation {
    /// Begins calls of an earlier process: from now on their reservation can end.
    pub fn begin(&mut self) {
        if std::mem::take(&mut self.idle) {
            let mut state = self.budget.lock();
            state.idle = state.idle.minus(self.worst);
        }
    }

    /// Ends the reservation with the actual fee of the call.
    pub fn settle(self, fee: Fee) {
        let mut state = self.budget.lock();
        state.spent = state.spent.plus(fee);
    }

    /// Ends the reservation of a call that may have cost the whole reserved fee.
    pub fn lose(self) {
        let worst = self.worst;
        self.settle(worst);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.begin();
        {
            let mut state = self.budget.lock();
            state.reserved = state.reserved.minus(self.worst);
        }
        self.budget.freed.notify_waiters();
    }
}

/// Returns an upper bound on the tokens of a request: no token is shorter than a byte, and the answer is no longer
/// than `max_tokens`.
#[must_use]
pub fn worst_usage(request: &Request) -> Usage {
    let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
    let (options, output) = match &request.mode {
        Mode::Generate(generation) => (0, u64::from(generation.max_tokens)),
        Mode::Score { options } => (options.iter().map(String::len).sum(), 0),
    };
    Usage { input: (bytes + options + TEMPLATE_BYTES) as u64, cached_input: 0, output }
}

/// Describes what the reserved fee of a request consists of, and how more of a limit can be used.
#[must_use]
pub fn reservation_hint(model: &str, request: &Request) -> String {
    let raise = "raise the limit and run the same command again to continue";
    match &request.mode {
        Mode::Generate(generation) => format!(
            "a call reserves the fee of its prompt and of the longest answer, max_tokens = {} of model `{model}`, although most \
             answers are shorter: {raise}. A lower max_tokens uses more of a limit, but needs a new run, as it is part of every call",
            generation.max_tokens
        ),
        Mode::Score { .. } => raise.to_owned(),
    }
}

/// Returns an upper bound on the fee of a request.
#[must_use]
pub fn worst_fee(price: &Price, request: &Request) -> Fee {
    price.fee(worst_usage(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fee(output: u64) -> Fee {
        let price = Price { input: 0.0, cached_input: None, output: 1.0, batch: None, read: None, nominal: false };
        price.fee(Usage { input: 0, cached_input: 0, output })
    }

    #[tokio::test]
    async fn calls_in_flight_count_until_they_settle() {
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
        assert!(
            matches!(budget.reserve(fee(3)).await, Err(ModelError::FeeLimit(_))),
            "11 of 10, and no call is in flight"
        );
        budget.reserve(fee(2)).await.expect("10 of 10").lose();
        assert!(
            matches!(budget.reserve(fee(1)).await, Err(ModelError::FeeLimit(text)) if text.contains("0.000010 USD"))
        );
    }

    #[tokio::test]
    async fn every_limit_of_a_budget_holds() {
        let limit = |key, usd, before| FeeLimit { key, usd, before: fee(before) };
        let budget = Arc::new(Budget::with_limits(vec![limit("run", 5e-6, 0), limit("total", 9e-6, 6)]));
        budget.reserve(fee(2)).await.expect("2 of 5, 8 of 9").settle(fee(2));
        let (spent, most) = budget.level();
        assert!((spent - 8e-6).abs() < 1e-12 && (most - 9e-6).abs() < 1e-12, "the limit with the smallest remainder");
        let error = budget.reserve(fee(2)).await.err().expect("4 of 5, 10 of 9").to_string();
        assert!(error.starts_with("total = 0.000009 would be exceeded: 0.000008 USD are spent"), "{error}");
    }

    #[tokio::test]
    async fn calls_of_an_earlier_process_count_without_being_admitted() {
        let budget = Arc::new(Budget::new(10e-6, fee(1)));
        let mut held = budget.hold(fee(12));
        assert!(matches!(budget.try_reserve(fee(1)), Err(ModelError::FeeLimit(_))), "nothing in flight can end");
        held.begin();
        assert!(matches!(budget.try_reserve(fee(1)), Ok(None)), "they may turn out cheaper");
        held.settle(fee(4));
        let taken = budget.try_reserve(fee(5)).expect("10 of 10").expect("room");
        assert!(matches!(budget.try_reserve(fee(1)), Ok(None)));
        drop(taken);
        assert!(matches!(budget.try_reserve(fee(6)), Err(ModelError::FeeLimit(_))), "11 of 10, and nothing in flight");
    }

    #[tokio::test]
    async fn a_dropped_reservation_costs_nothing() {
        let budget = Arc::new(Budget::new(5e-6, Fee::default()));
        drop(budget.reserve(fee(5)).await.expect("5 of 5"));
        budget.reserve(fee(5)).await.expect("5 of 5 again");
    }
}
