//! Progress on stderr: a bar on a terminal, otherwise a plain line at intervals.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::{Listener, Unit};
use crate::types::escaped::escaped_in_line;

/// Percentage between two lines if stderr is no terminal.
const PERCENT_PER_LINE: u64 = 20;

/// Maximum time between two lines if stderr is no terminal.
const PER_LINE: Duration = Duration::from_mins(5);

/// A listener that shows messages and progress on stderr.
#[derive(Default)]
pub(super) struct Console(Mutex<Option<Progress>>);

impl Console {
    fn now(&self) -> MutexGuard<'_, Option<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Console {
    fn message(&self, text: &str) {
        super::warn(text);
    }

    fn begun(&self, label: &str, total: u64, unit: Unit) {
        *self.now() = Some(Progress::new(label, total, unit == Unit::Bytes));
    }

    fn done(&self, done: u64, more: &dyn Fn() -> String) {
        if let Some(bar) = &*self.now() {
            bar.set_with(done, more);
        }
    }

    fn ended(&self) {
        if let Some(bar) = self.now().take() {
            bar.finish();
        }
    }
}

/// Display of one task with a known number of steps.
struct Progress {
    label: String,
    total: u64,
    bytes: bool,
    bar: Option<ProgressBar>,
    /// Step and time of the last line; `None` before the first line.
    last_line: Mutex<Option<(u64, Instant)>>,
    begun: Instant,
}

impl Progress {
    fn new(label: &str, total: u64, bytes: bool) -> Self {
        let label = &*escaped_in_line(label);
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let count = if bytes { "{bytes}/{total_bytes} {bytes_per_sec}" } else { "{pos}/{len} {per_sec}" };
            let template = format!("{{msg}} {{wide_bar}} {count} {{eta}}");
            bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(label.to_owned());
            bar
        });
        Self { label: label.to_owned(), total, bytes, bar, last_line: Mutex::new(None), begun: Instant::now() }
    }

    /// Shows the number of completed steps and a status text; an empty text adds nothing.
    fn set_with(&self, done: u64, more: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            let more = more();
            let label = if more.is_empty() { self.label.clone() } else { format!("{}: {more}", self.label) };
            bar.set_message(label);
            bar.set_position(done);
            return;
        }
        let Some(percent) = (done * 100).checked_div(self.total) else { return };
        let step = percent / PERCENT_PER_LINE;
        let mut last_line = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if last_line.is_none_or(|(last, at)| last < step || at.elapsed() >= PER_LINE) {
            *last_line = Some((step, Instant::now()));
            let count = if self.bytes {
                format!("{} of {} MB", done / 1_000_000, self.total / 1_000_000)
            } else {
                format!("{done} of {}", self.total)
            };
            let left = self.left(done).map(|left| format!(", about {left} left")).unwrap_or_default();
            let more = more();
            let more = if more.is_empty() { more } else { format!(", {more}{left}") };
            super::warn(&format!("{}: {count}{more}", self.label));
        }
    }

    /// Estimated remaining time at the average rate so far; `None` during the first second and at the end.
    fn left(&self, done: u64) -> Option<String> {
        let passed = self.begun.elapsed().as_secs();
        let rest = (passed * self.total.saturating_sub(done)).checked_div(done)?;
        (passed > 0 && rest > 0)
            .then(|| if rest < 120 { format!("{rest} s") } else { format!("{} min", rest.div_ceil(60)) })
    }

    /// Removes the bar.
    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
