//! Text of the progress display: the lines of a terminal of any size, and the line of a plain output.

use std::time::Duration;

use console::{Alignment, measure_text_width, pad_str, truncate_str};

use crate::run::{ArmStatus, FeeStatus, Pace, RunStatus, Task, Unit};
use crate::types::arm::Deferral;
use crate::types::escaped::escaped_in_line;

/// Maximum number of lines for arms.
const MOST_ARM_LINES: usize = 10;

/// Minimum number of lines for some of the arms. With fewer, all arms share one line.
const LEAST_ARM_LINES: usize = 4;

/// Number of lines of a terminal that stay free of arms.
const FREE_LINES: usize = 3;

/// Minimum and maximum width of a bar, in columns.
const BAR: (usize, usize) = (8, 60);

/// Width of a terminal from which arms have percentages and numbers of deferred items.
const WIDE: usize = 120;

/// State of a task to show.
pub(super) struct View<'a> {
    pub(super) task: &'a Task,
    pub(super) done: u64,
    pub(super) status: RunStatus,
    pub(super) pace: &'a Pace,
}

/// Lines for a terminal of this width and height, in columns and lines. No line is wider than the terminal.
pub(super) fn on_terminal(view: &View, width: usize, height: usize) -> Vec<String> {
    let RunStatus { arms, models, .. } = &view.status;
    let most = MOST_ARM_LINES.min(height.saturating_sub(FREE_LINES)).max(1);
    let mut lines = if arms.is_empty() || (arms.len() > most && most < LEAST_ARM_LINES) {
        vec![task_line(view, width)]
    } else {
        arm_lines(arms, width, most)
    };
    if !models.is_empty() {
        lines.push(run_line(view, width));
    }
    lines
}

/// Line of a plain output, with all facts.
pub(super) fn plain(view: &View) -> String {
    let View { task, done, status, pace } = view;
    let mut parts = vec![match task.unit {
        Unit::Steps => format!("{}: {done} of {}", task.label, task.total),
        Unit::Bytes => format!("{}: {} of {} MB", task.label, done / 1_000_000, task.total / 1_000_000),
    }];
    if let [only] = &*status.arms {
        parts.extend(deferred(only));
    }
    if !status.models.is_empty() {
        parts.push(calls_by_model(status));
        parts.extend(tokens(pace));
        parts.extend(status.fee.as_ref().map(fee));
    }
    parts.extend(pace.time_left(task.total).map(|left| format!("about {} left", duration(left))));
    let arm = |arm: &ArmStatus| {
        let deferred = deferred(arm).map(|deferred| format!(" ({deferred})")).unwrap_or_default();
        format!("{} {} of {}{deferred}", arm.arm, arm.done, arm.total)
    };
    let arms = if status.arms.len() > 1 { &*status.arms } else { &[] };
    let arms: Vec<String> = arms.iter().map(arm).collect();
    let arms = if arms.is_empty() { String::new() } else { format!("; {}", arms.join(", ")) };
    format!("{}{arms}", parts.join(", "))
}

/// Line of a task without arms.
fn task_line(view: &View, width: usize) -> String {
    let View { task, done, pace, status } = view;
    let count = match (task.unit, task.total) {
        (Unit::Steps, 0) => done.to_string(),
        (Unit::Steps, total) => format!("{done}/{total}"),
        (Unit::Bytes, 0) => format!("{} MB", done / 1_000_000),
        (Unit::Bytes, total) => format!("{}/{} MB", done / 1_000_000, total / 1_000_000),
    };
    let mut figures = vec![count];
    // A task with calls has a line of its own for rates.
    if status.models.is_empty() {
        figures.extend(pace.steps_per_s().map(|rate| match task.unit {
            Unit::Steps => format!("{rate:.0}/s"),
            Unit::Bytes => format!("{:.1} MB/s", rate / 1e6),
        }));
        figures.extend(pace.time_left(task.total).map(|left| format!("{} left", duration(left))));
    }
    with_bar(&task.label, (*done, task.total), &figures.join(", "), width)
}

/// Lines of the arms. If there are more than `most`, one line has the finished arms, and one the last arms.
fn arm_lines(arms: &[ArmStatus], width: usize, most: usize) -> Vec<String> {
    let (mut shown, mut finished) = (arms.iter().collect::<Vec<_>>(), None);
    if arms.len() > most {
        let done: Vec<&ArmStatus> = arms.iter().filter(|arm| arm.done == arm.total).collect();
        if !done.is_empty() {
            let names: Vec<&str> = done.iter().map(|arm| arm.arm.name()).collect();
            finished = Some(format!("{} arms are done: {}", done.len(), names.join(", ")));
            shown.retain(|arm| arm.done < arm.total);
        }
    }
    let room = most - usize::from(finished.is_some());
    let more = if shown.len() > room { shown.split_off(room - 1).len() } else { 0 };
    let columns = Columns::of(arms, width);
    let fit = |text: String| truncate_str(&text, width, "…").into_owned();
    let mut lines: Vec<String> = finished.into_iter().map(fit).collect();
    lines.extend(shown.iter().map(|arm| columns.line(arm, width)));
    if more > 0 {
        lines.push(fit(format!("and {more} more arms")));
    }
    lines
}

/// Widths of the columns of all arms, so they are aligned.
struct Columns {
    name: usize,
    count: usize,
    deferred: usize,
    is_wide: bool,
}

impl Columns {
    fn of(arms: &[ArmStatus], width: usize) -> Self {
        let is_wide = width >= WIDE;
        let longest = |text: &dyn Fn(&ArmStatus) -> usize| arms.iter().map(text).max().unwrap_or_default();
        Self {
            name: longest(&|arm| measure_text_width(arm.arm.name())),
            // The count is longest at the end.
            count: longest(&|arm| count(&ArmStatus { done: arm.total, ..*arm }, is_wide).len()),
            deferred: longest(&|arm| {
                let at_end = ArmStatus { gated: arm.total, deferred: arm.total, ..*arm };
                let decides = !matches!(arm.arm.deferral(), Deferral::Never | Deferral::Always);
                if decides { deferral(&at_end, is_wide).len() } else { 0 }
            }),
            is_wide,
        }
    }

    fn line(&self, arm: &ArmStatus, width: usize) -> String {
        let name = pad_str(arm.arm.name(), self.name, Alignment::Left, None);
        let mut figures = pad_str(&count(arm, self.is_wide), self.count, Alignment::Right, None).into_owned();
        if self.deferred > 0 {
            let deferral = deferral(arm, self.is_wide);
            figures = format!("{figures}  {}", pad_str(&deferral, self.deferred, Alignment::Right, None));
        }
        with_bar(&name, (arm.done, arm.total), &figures, width)
    }
}

/// Name, bar and figures. If there is no room, the bar is left out, and then the name is cut.
fn with_bar(name: &str, (done, total): (u64, u64), figures: &str, width: usize) -> String {
    let taken = measure_text_width(name) + measure_text_width(figures) + 2;
    let room = width.saturating_sub(taken).min(BAR.1);
    if total > 0 && room >= BAR.0 {
        return format!("{name} {} {figures}", bar(done, total, room));
    }
    let room = width.saturating_sub(measure_text_width(figures) + 1);
    let name = truncate_str(name, room, "…");
    truncate_str(&format!("{name} {figures}"), width, "…").trim_start().to_owned()
}

/// Bar of this width, in columns.
fn bar(done: u64, total: u64, width: usize) -> String {
    let full = usize::try_from(done.min(total) * width as u64 / total.max(1)).unwrap_or(width);
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

fn count(arm: &ArmStatus, is_wide: bool) -> String {
    let ArmStatus { done, total, .. } = arm;
    match (done * 100).checked_div(*total).filter(|_| is_wide) {
        Some(percent) => format!("{done}/{total} {percent:>3} %"),
        None => format!("{done}/{total}"),
    }
}

/// Share of deferred items, on a wide terminal with their number. Empty for an arm that always or never defers.
fn deferral(arm: &ArmStatus, is_wide: bool) -> String {
    match deferred(arm) {
        Some(share) if is_wide => format!("{share} ({} of {})", arm.deferred, arm.gated),
        Some(share) => share,
        None => String::new(),
    }
}

/// Share of deferred items; `None` for an arm that always or never defers.
fn deferred(arm: &ArmStatus) -> Option<String> {
    let percent = (arm.deferred * 100).checked_div(arm.gated)?;
    Some(format!("{percent} % deferred"))
}

/// Line of the run: the longest of several forms that fits.
fn run_line(view: &View, width: usize) -> String {
    let View { task, done, status, pace } = view;
    let calls = calls(status);
    let tokens = tokens(pace);
    let long_fee = status.fee.as_ref().map(fee);
    let short_fee = status.fee.as_ref().map(|own| fee(&FeeStatus { nominal: false, ..*own }));
    let left = pace.time_left(task.total).map(|left| format!("{} left", duration(left)));
    let line = |first: &[String], fee: &Option<String>| {
        let parts: Vec<&str> = first.iter().chain(&tokens).chain(fee).chain(&left).map(String::as_str).collect();
        parts.join(", ")
    };
    let whole = format!("{}: {done} of {} items", task.label, task.total);
    let forms = [
        line(&[whole, calls_by_model(status)], &long_fee),
        line(&[calls_by_model(status)], &long_fee),
        line(&[calls_by_model(status)], &short_fee),
        line(std::slice::from_ref(&calls), &long_fee),
        line(std::slice::from_ref(&calls), &short_fee),
        line(&[calls.replace(" in flight", "")], &short_fee),
    ];
    let [.., shortest] = &forms;
    let fits = forms.iter().find(|form| measure_text_width(form) <= width);
    truncate_str(fits.unwrap_or(shortest), width, "…").into_owned()
}

/// Number of calls in flight, over all models.
fn calls(status: &RunStatus) -> String {
    match status.in_flight() {
        1 => "1 call in flight".to_owned(),
        calls => format!("{calls} calls in flight"),
    }
}

/// Number of calls in flight, over all models and of each model.
fn calls_by_model(status: &RunStatus) -> String {
    let of_models: Vec<String> =
        status.models.iter().map(|model| format!("{} {}", escaped_in_line(&model.name), model.in_flight)).collect();
    if of_models.len() > 1 { format!("{} ({})", calls(status), of_models.join(", ")) } else { calls(status) }
}

/// Output tokens per second; `None` if no tokens are known to arrive.
fn tokens(pace: &Pace) -> Option<String> {
    Some(format!("{:.0} tokens/s", pace.tokens_per_s()?))
}

fn fee(fee: &FeeStatus) -> String {
    let FeeStatus { usd, limit_usd, nominal } = fee;
    let limit = limit_usd.map(|limit| format!(" of {limit}")).unwrap_or_default();
    format!("{usd:.4}{limit} USD{}", if *nominal { " (nominal)" } else { "" })
}

/// Formats a duration in the two largest useful units.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds")]
    let seconds = seconds as u64;
    let minutes = seconds.div_ceil(60);
    match (seconds, minutes) {
        (..120, _) => format!("{seconds} s"),
        (_, ..120) => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}
