//! What a caller hears of a run while it goes on, and how it has the run stopped.

use std::sync::Arc;

use super::error::RunError;
use super::stop::Stop;

/// What the steps of a long piece of work are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Items, or calls.
    Steps,
    /// Bytes of a file.
    Bytes,
}

/// A receiver of messages and progress. Every method does nothing unless it is overridden. A run does one piece of work at
/// a time.
pub trait Listener: Send + Sync {
    /// Receives a message for people, without a newline at its end.
    fn message(&self, _text: &str) {}

    /// Receives the name and size of a piece of work that begins; the size is 0 if it is not known.
    fn begun(&self, _label: &str, _total: u64, _unit: Unit) {}

    /// Receives how much of it is done, and a function that words what else is known meanwhile: an empty text if nothing.
    fn done(&self, _done: u64, _more: &dyn Fn() -> String) {}

    /// Receives the end of the piece of work, whether all of it was done or not.
    fn ended(&self) {}
}

/// A listener that shows nothing.
struct Silent;

impl Listener for Silent {}

/// A caller's side of a run: who hears of it, and the handle that stops it. Clones share both.
#[derive(Clone)]
pub struct Progress {
    listener: Arc<dyn Listener>,
    stop: Stop,
}

impl Progress {
    /// A run that nobody hears of and nobody stops.
    #[must_use]
    pub fn none() -> Self {
        Self::to(Silent)
    }

    /// A run that a listener hears of.
    #[must_use]
    pub fn to(listener: impl Listener + 'static) -> Self {
        Self { listener: Arc::new(listener), stop: Stop::new() }
    }

    /// The same, stopped by a handle.
    #[must_use]
    pub fn stopped_by(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// The handle that stops the run.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Hands a message to the listener.
    pub(super) fn message(&self, text: &str) {
        self.listener.message(text);
    }

    /// Begins a piece of work, which ends when the value is dropped.
    pub(super) fn begin(&self, label: &str, total: u64, unit: Unit) -> Work {
        self.listener.begun(label, total, unit);
        Work(Arc::clone(&self.listener))
    }

    /// Waits for a future, unless the run is to stop first.
    pub(super) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, RunError>>,
    ) -> Result<T, RunError> {
        tokio::select! {
            outcome = work => outcome,
            () = self.stop.asked(1) => Err(RunError::Stopped),
        }
    }
}

/// A piece of work under way.
pub(super) struct Work(Arc<dyn Listener>);

impl Work {
    /// Tells the listener how much is done, with what else is known.
    pub(super) fn done(&self, done: u64, more: &dyn Fn() -> String) {
        self.0.done(done, more);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.ended();
    }
}
