//! Progress on stderr: lines that are redrawn on a terminal, otherwise a plain line at intervals. A terminal has one
//! line for each arm and one for the run: calls in flight, tokens per second, fee and time left.

mod lines;
#[cfg(test)]
mod screen;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::lines::{View, on_terminal, plain};
use crate::run::{Listener, Pace, RunStatus, Task};
use crate::types::escaped::escaped_in_line;

/// Percentage between two lines if stderr is no terminal.
const PERCENT_PER_LINE: u64 = 20;

/// Maximum time between two lines if stderr is no terminal.
const PER_LINE: Duration = Duration::from_mins(5);

/// Time between two updates of a terminal.
const PER_DRAW: Duration = Duration::from_millis(200);

/// Time between two samples of the rates if stderr is no terminal.
const PER_SAMPLE: Duration = Duration::from_secs(1);

/// The lines that a terminal shows at present; `None` if there are none.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes to stderr, above the lines of progress if there are any.
pub(super) fn above_progress(write: impl FnOnce()) {
    let shown = lock(&SHOWN).clone();
    match shown {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// A listener that shows messages and progress on stderr.
#[derive(Default)]
pub(super) struct Console(Mutex<Option<Shown>>);

impl Listener for Console {
    fn message(&self, text: &str) {
        super::warn(text);
    }

    fn begun(&self, task: Task) {
        let output = if std::io::stderr().is_terminal() {
            let (bar, size) = (ProgressDrawTarget::stderr(), || console::Term::stderr().size());
            let bar = Bar::new(bar, size);
            *lock(&SHOWN) = Some(bar.bar.clone());
            Output::Terminal(bar)
        } else {
            Output::Lines(Plain::new(super::warn))
        };
        *lock(&self.0) = Some(Shown::start(Display::new(task, output)));
    }

    fn done(&self, done: u64) {
        if let Some(shown) = &*lock(&self.0) {
            shown.display.done(done);
        }
    }

    fn ended(&self) {
        let shown = lock(&self.0).take();
        drop(shown);
    }
}

/// A display with the thread that refreshes it. Dropping it ends the thread and removes the lines.
struct Shown {
    display: Arc<Display>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Shown {
    fn start(display: Display) -> Self {
        let display = Arc::new(display);
        let (stop, stopped) = channel();
        let shared = Arc::clone(&display);
        let refresh = move || {
            while stopped.recv_timeout(shared.interval()) == Err(RecvTimeoutError::Timeout) {
                shared.refresh(Instant::now());
            }
        };
        // Without a thread, a terminal shows nothing, and the run continues.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(refresh).ok();
        Self { display, thread: thread.map(|thread| (stop, thread)) }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            // A panic in the thread was already reported.
            let _ = thread.join();
        }
        lock(&SHOWN).take();
        self.display.clear();
    }
}

/// Display of one task.
struct Display {
    task: Task,
    /// Number of finished steps.
    done: AtomicU64,
    pace: Mutex<Pace>,
    output: Output,
}

/// Form of a display.
enum Output {
    /// Lines that are redrawn.
    Terminal(Bar),
    /// Lines that are written one after the other.
    Lines(Plain),
}

impl Display {
    fn new(mut task: Task, output: Output) -> Self {
        task.label = escaped_in_line(&task.label).into_owned();
        let tokens = task.status().as_ref().map_or(0, RunStatus::output_tokens);
        let pace = Mutex::new(Pace::new(Instant::now(), 0, tokens));
        Self { task, done: AtomicU64::new(0), pace, output }
    }

    /// Time between two refreshes.
    fn interval(&self) -> Duration {
        match self.output {
            Output::Terminal(_) => PER_DRAW,
            Output::Lines(_) => PER_SAMPLE,
        }
    }

    /// Stores the number of finished steps. A terminal shows it at the next refresh.
    fn done(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
        if let Output::Lines(lines) = &self.output
            && lines.is_due_at(done, self.task.total)
        {
            self.refresh(Instant::now());
        }
    }

    /// Takes a sample of the rates and shows the state, on a plain output only if a line is due.
    fn refresh(&self, now: Instant) {
        let (done, status) = (self.done.load(Ordering::Relaxed), self.task.status());
        let mut pace = lock(&self.pace);
        pace.sample(now, done, status.as_ref().map_or(0, RunStatus::output_tokens));
        let view = View { task: &self.task, done, status: status.unwrap_or_default(), pace: &pace };
        match &self.output {
            Output::Terminal(bar) => bar.draw(&view),
            Output::Lines(lines) => lines.print_if_due(&view, now),
        }
    }

    /// Removes the lines of a terminal.
    fn clear(&self) {
        if let Output::Terminal(bar) = &self.output {
            bar.bar.finish_and_clear();
        }
    }
}

/// Lines on a terminal. They are one bar of several lines, so one update draws all of them at once.
struct Bar {
    bar: ProgressBar,
    /// Returns the height and width of the terminal.
    size: Box<dyn Fn() -> (u16, u16) + Send + Sync>,
}

impl Bar {
    fn new(target: ProgressDrawTarget, size: impl Fn() -> (u16, u16) + Send + Sync + 'static) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, size: Box::new(size) }
    }

    fn draw(&self, view: &View) {
        let (height, width) = (self.size)();
        self.bar.set_message(on_terminal(view, usize::from(width), usize::from(height)).join("\n"));
    }
}

/// A plain output with the step and time of its last line; `None` before the first line.
struct Plain {
    print: Box<dyn Fn(&str) + Send + Sync>,
    last: Mutex<Option<(u64, Instant)>>,
}

impl Plain {
    fn new(print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { print: Box::new(print), last: Mutex::new(None) }
    }

    /// True if a line is due because of the finished steps.
    fn is_due_at(&self, done: u64, total: u64) -> bool {
        step(done, total).is_some_and(|step| lock(&self.last).is_none_or(|(last, _)| last < step))
    }

    fn print_if_due(&self, view: &View, now: Instant) {
        let Some(step) = step(view.done, view.task.total) else { return };
        let mut last = lock(&self.last);
        let is_due = match *last {
            None => view.done > 0,
            Some((before, at)) => before < step || now.duration_since(at) >= PER_LINE,
        };
        if is_due {
            *last = Some((step, now));
            (self.print)(&plain(view));
        }
    }
}

/// Number of lines that are due after these finished steps; `None` if the total is unknown.
fn step(done: u64, total: u64) -> Option<u64> {
    Some((done * 100).checked_div(total)? / PERCENT_PER_LINE)
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
