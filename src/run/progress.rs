//! Progress of a run for its caller, and stop requests from the caller.

use std::sync::Arc;

use super::error::RunError;
use super::stop::Stop;

/// Unit of the steps of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Items, or calls.
    Steps,
    /// Bytes of a file.
    Bytes,
}

/// A receiver of messages and progress. The default methods do nothing. A run performs one task at a time.
pub trait Listener: Send + Sync {
    /// Receives a message for the user, without a final newline.
    fn message(&self, _text: &str) {}

    /// Receives the name and number of steps of a task that starts; 0 if the number is unknown.
    fn begun(&self, _label: &str, _total: u64, _unit: Unit) {}

    /// Receives the number of completed steps, and a function that returns a status text, which may be empty.
    fn done(&self, _done: u64, _more: &dyn Fn() -> String) {}

    /// Receives the end of the task, complete or not.
    fn ended(&self) {}
}

/// A listener that ignores everything.
struct Silent;

impl Listener for Silent {}

/// The caller's side of a run: a listener and the handle that stops the run. Clones share both.
#[derive(Clone)]
pub struct Progress {
    listener: Arc<dyn Listener>,
    stop: Stop,
}

impl Progress {
    /// Progress without a listener.
    #[must_use]
    pub fn none() -> Self {
        Self::to(Silent)
    }

    /// Progress with a listener.
    #[must_use]
    pub fn to(listener: impl Listener + 'static) -> Self {
        Self { listener: Arc::new(listener), stop: Stop::new() }
    }

    /// Sets the handle that stops the run.
    #[must_use]
    pub fn stopped_by(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// Returns the handle that stops the run.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Passes a message to the listener.
    pub(super) fn message(&self, text: &str) {
        self.listener.message(text);
    }

    /// Starts a task, which ends when the returned value is dropped.
    pub(super) fn begin(&self, label: &str, total: u64, unit: Unit) -> Work {
        self.listener.begun(label, total, unit);
        Work(Arc::clone(&self.listener))
    }

    /// Waits for a future or for the first stop request.
    ///
    /// # Errors
    /// [`RunError::Stopped`] if a stop is requested first, otherwise the error of the future.
    pub(super) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, RunError>>,
    ) -> Result<T, RunError> {
        tokio::select! {
            outcome = work => outcome,
            () = self.stop.requested(1) => Err(RunError::Stopped),
        }
    }
}

/// A task in progress.
pub(super) struct Work(Arc<dyn Listener>);

impl Work {
    /// Passes the number of completed steps and a status text to the listener.
    pub(super) fn done(&self, done: u64, more: &dyn Fn() -> String) {
        self.0.done(done, more);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.ended();
    }
}
