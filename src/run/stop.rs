//! Handle for stopping a run.

use std::sync::Arc;

use tokio::sync::watch;

/// Handle for stop requests, shared by its clones. After one request a run finishes the calls in flight and starts no
/// other; after two requests it ends at once.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<watch::Sender<u32>>);

impl Stop {
    /// A handle without requests.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests that the runs with this handle stop.
    pub fn request(&self) {
        self.0.send_modify(|times| *times += 1);
    }

    /// True if a stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until at least `times` requests were made.
    pub(super) async fn requested(&self, times: u32) {
        // The handle owns the sender, so the channel cannot be closed.
        let _ = self.0.subscribe().wait_for(|count| *count >= times).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clones_share_requests() {
        let stop = Stop::new();
        let clone = stop.clone();
        assert!(!clone.is_requested());
        stop.request();
        clone.requested(1).await;
        assert!(clone.is_requested());
        stop.request();
        clone.requested(2).await;
    }
}
