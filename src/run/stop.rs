//! A handle by which a run is asked to stop.

use std::sync::Arc;

use tokio::sync::watch;

/// A handle that its clones share. Asked once, a run lets the calls in flight end and begins no other; asked twice, it ends
/// at once.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<watch::Sender<u32>>);

impl Stop {
    /// A handle on which nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the runs that have the handle to stop.
    pub fn ask(&self) {
        self.0.send_modify(|times| *times += 1);
    }

    /// Whether anybody has asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until it has been asked so many times.
    pub(super) async fn asked(&self, times: u32) {
        // The sender is this handle's own: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|asked| *asked >= times).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clones_share_what_was_asked() {
        let stop = Stop::new();
        let clone = stop.clone();
        assert!(!clone.is_asked());
        stop.ask();
        clone.asked(1).await;
        assert!(clone.is_asked());
        stop.ask();
        clone.asked(2).await;
    }
}
