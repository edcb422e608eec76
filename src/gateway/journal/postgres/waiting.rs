//! Callers that wait for a call which another worker makes. They are woken by the server's notifications.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::types::chat::CallKey;

/// A caller that waits for a call.
#[derive(Clone, Default)]
struct Caller {
    woken: Arc<Notify>,
    /// True if every notification wakes it: calls in flight that hold back a fee limit have other keys.
    by_any: bool,
}

/// Callers that wait, by the key of the call.
#[derive(Default)]
pub(super) struct Waiting(Mutex<HashMap<CallKey, Caller>>);

impl Waiting {
    /// Registers a caller before it claims a call, so that no notification is missed.
    pub(super) fn expect(&self, key: &CallKey) {
        self.lock().entry(*key).or_default();
    }

    /// Wakes a registered caller at every notification from now on.
    pub(super) fn expect_any(&self, key: &CallKey) {
        self.lock().entry(*key).or_default().by_any = true;
    }

    /// Ends the registration of a caller.
    pub(super) fn forget(&self, key: &CallKey) {
        self.lock().remove(key);
    }

    /// Waits for a notification since the caller was registered, or for this time.
    pub(super) async fn changed(&self, key: &CallKey, at_most: Duration) {
        let caller = self.lock().entry(*key).or_default().clone();
        // The caller looks again whether it was woken or not.
        let _ = tokio::time::timeout(at_most, caller.woken.notified()).await;
        self.forget(key);
    }

    /// Wakes the callers that wait for the call of this payload, a key in hexadecimal.
    pub(super) fn wake(&self, payload: &str) {
        let key = payload.parse::<CallKey>().ok();
        let callers = self.lock();
        #[expect(clippy::iter_over_hash_type, reason = "the order of waking does not matter")]
        for (waiting, caller) in &*callers {
            if caller.by_any || Some(*waiting) == key {
                // The notification is kept for a caller that does not wait yet.
                caller.woken.notify_one();
            }
        }
    }

    /// Wakes all callers: a notification may have been missed.
    pub(super) fn wake_all(&self) {
        self.lock().values().for_each(|caller| caller.woken.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallKey, Caller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
