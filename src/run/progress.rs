//! Progress of a run for its caller, and stop requests from the caller.

use std::sync::Arc;

use super::error::RunError;
use super::status::{RunStatus, StatusSource};
use super::stop::Stop;

/// Unit of the steps of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Items, or calls.
    Steps,
    /// Bytes of a file.
    Bytes,
}

/// A function that returns the state of a run.
type StatusOf = Arc<dyn Fn() -> RunStatus + Send + Sync>;

/// A task with steps: a run of arms, a download, or other work. Clones share the state.
#[derive(Clone)]
pub struct Task {
    /// Name of the task, for people.
    pub label: String,
    /// Number of steps; 0 if the number is unknown.
    pub total: u64,
    /// Unit of the steps.
    pub unit: Unit,
    status: Option<StatusOf>,
}

impl Task {
    /// A task without calls to models.
    #[must_use]
    pub fn new(label: &str, total: u64, unit: Unit) -> Self {
        Self { label: label.to_owned(), total, unit, status: None }
    }

    /// Adds the state of calls and arms to the task.
    #[must_use]
    pub fn with_status(self, status: impl Fn() -> RunStatus + Send + Sync + 'static) -> Self {
        Self { status: Some(Arc::new(status)), ..self }
    }

    /// State of the calls and arms now. `None` if the task makes no calls to models. Any thread may ask at any time.
    #[must_use]
    pub fn status(&self) -> Option<RunStatus> {
        Some((self.status.as_ref()?)())
    }
}

/// A receiver of messages and progress. The default methods do nothing. A run performs one task at a time.
pub trait Listener: Send + Sync {
    /// Receives a message for the user, without a final newline.
    fn message(&self, _text: &str) {}

    /// Receives a task that starts. A listener that shows arms, calls and fees keeps the task and asks for its status.
    fn begun(&self, _task: Task) {}

    /// Receives the number of completed steps, after each step.
    fn done(&self, _done: u64) {}

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

    /// Starts a task without calls to models. The task ends when the returned value is dropped.
    pub(super) fn begin(&self, label: &str, total: u64, unit: Unit) -> Work {
        self.start(Task::new(label, total, unit))
    }

    /// Starts a task that makes calls, with the source of its state.
    pub(super) fn begin_calls(&self, label: &str, total: u64, source: Arc<StatusSource>) -> Work {
        self.start(Task::new(label, total, Unit::Steps).with_status(move || source.status()))
    }

    fn start(&self, task: Task) -> Work {
        self.listener.begun(task);
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
    /// Passes the number of completed steps to the listener.
    pub(super) fn done(&self, done: u64) {
        self.0.done(done);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.ended();
    }
}
