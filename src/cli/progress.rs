//! Progress on stderr: a bar on a terminal, now and then a plain line elsewhere.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::{Listener, Unit};
use crate::types::escaped::escaped_in_line;

/// Off a terminal a line is written each time this many more percent are done.
const PERCENT_PER_LINE: u64 = 20;

/// And this long after the last one.
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

/// One long piece of work.
struct Progress {
    label: String,
    total: u64,
    bytes: bool,
    bar: Option<ProgressBar>,
    told: Mutex<Option<(u64, Instant)>>,
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
        Self { label: label.to_owned(), total, bytes, bar, told: Mutex::new(None), begun: Instant::now() }
    }

    /// Says how much is done, and what else is worth knowing of it meanwhile; an empty text says nothing more.
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
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|(told, at)| told < step || at.elapsed() >= PER_LINE) {
            *told = Some((step, Instant::now()));
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

    /// The time that the rest takes at the pace so far; `None` before a second has passed, and at the end.
    fn left(&self, done: u64) -> Option<String> {
        let passed = self.begun.elapsed().as_secs();
        let rest = (passed * self.total.saturating_sub(done)).checked_div(done)?;
        (passed > 0 && rest > 0)
            .then(|| if rest < 120 { format!("{rest} s") } else { format!("{} min", rest.div_ceil(60)) })
    }

    /// Takes the bar away.
    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
