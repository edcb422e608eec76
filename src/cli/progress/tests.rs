//! What a terminal of 80 and of 200 columns shows, and the plain lines.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use console::measure_text_width;
use indicatif::{ProgressDrawTarget, TermLike};

use super::lines::{View, on_terminal};
use super::screen::Screen;
use super::{Bar, Display, Output, Plain};
use crate::run::{ArmStatus, FeeStatus, ModelStatus, Pace, RunStatus, Task, Unit};
use crate::types::arm::Arm;

fn arm(arm: Arm, done: u64, total: u64, deferred: Option<u64>) -> ArmStatus {
    ArmStatus { arm, done, total, gated: if deferred.is_some() { done } else { 0 }, deferred: deferred.unwrap_or(0) }
}

/// Four arms of a run with a thousand items.
fn four_arms() -> RunStatus {
    RunStatus {
        arms: vec![
            arm(Arm::WeakOnly, 1000, 1000, None),
            arm(Arm::StrongOnly, 640, 1000, None),
            arm(Arm::Cascade, 500, 1000, Some(155)),
            arm(Arm::InterCascadeRandom, 480, 1000, Some(96)),
        ],
        models: vec![model("gemma-3-1b", 8, 120_000), model("gpt-4o-mini", 4, 30_000)],
        fee: Some(FeeStatus { usd: 0.0123, limit_usd: Some(5.0), nominal: false }),
    }
}

fn model(name: &str, in_flight: usize, output_tokens: u64) -> ModelStatus {
    ModelStatus { name: name.to_owned(), in_flight, output_tokens }
}

/// Two learning arms at six thresholds each, with 200 items: twelve cells.
fn twelve_cells() -> RunStatus {
    let arms =
        vec![arm(Arm::InterCascade, 700, 1200, Some(210)), arm(Arm::SimilarityRouterChecked, 90, 1200, Some(90))];
    RunStatus { arms, models: four_arms().models, fee: Some(FeeStatus { usd: 1.5, limit_usd: None, nominal: true }) }
}

/// A display of this state on a screen of this size, with the given items done a hundred seconds after its begin.
struct Shown {
    screen: Screen,
    display: Display,
    begun: Instant,
}

impl Shown {
    fn new(status: &RunStatus, width: u16) -> Self {
        let total = status.arms.iter().map(|arm| arm.total).sum();
        let done = status.arms.iter().map(|arm| arm.done).sum();
        // The models have made no call when the display begins.
        let first = Mutex::new(true);
        let own = status.clone();
        let task = Task::new("simulated", total, Unit::Steps).with_status(move || {
            let is_first = std::mem::take(&mut *first.lock().expect("not poisoned"));
            if is_first { RunStatus::default() } else { own.clone() }
        });
        let screen = Screen::new(width);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let begun = Instant::now();
        let display = Display::new(task, Output::Terminal(Bar::new(target, move || (24, width))));
        display.done(done);
        Self { screen, display, begun }
    }

    fn after(&self, seconds: u64) -> Vec<String> {
        self.display.refresh(self.begun + Duration::from_secs(seconds));
        self.screen.rows()
    }
}

#[test]
fn a_terminal_of_80_columns_has_a_line_for_each_arm_and_one_for_the_run() {
    let shown = Shown::new(&four_arms(), 80);
    insta::assert_snapshot!(shown.after(100).join("\n"), @r"
    weak-only            █████████████████████████████████ 1000/1000
    strong-only          █████████████████████░░░░░░░░░░░░  640/1000
    cascade              ████████████████░░░░░░░░░░░░░░░░░  500/1000   31 % deferred
    inter-cascade-random ███████████████░░░░░░░░░░░░░░░░░░  480/1000   20 % deferred
    12 calls in flight, 1500 tokens/s, 0.0123 of 5 USD, 53 s left
    ");
    let shown = Shown::new(&twelve_cells(), 80);
    insta::assert_snapshot!(shown.after(100).join("\n"), @r"
    inter-cascade             ████████████████░░░░░░░░░░░░  700/1200   30 % deferred
    similarity-router-checked ██░░░░░░░░░░░░░░░░░░░░░░░░░░   90/1200  100 % deferred
    12 calls in flight, 1500 tokens/s, 1.5000 USD (nominal), 4 min left
    ");
}

#[test]
fn a_terminal_of_200_columns_shows_more() {
    let shown = Shown::new(&four_arms(), 200);
    insta::assert_snapshot!(shown.after(100).join("\n"), @r"
    weak-only            ████████████████████████████████████████████████████████████ 1000/1000 100 %
    strong-only          ██████████████████████████████████████░░░░░░░░░░░░░░░░░░░░░░  640/1000  64 %
    cascade              ██████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  500/1000  50 %     31 % deferred (155 of 500)
    inter-cascade-random ████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  480/1000  48 %      20 % deferred (96 of 480)
    simulated: 2620 of 4000 items, 12 calls in flight (gemma-3-1b 8, gpt-4o-mini 4), 1500 tokens/s, 0.0123 of 5 USD, 53 s left
    ");
    let shown = Shown::new(&twelve_cells(), 200);
    insta::assert_snapshot!(shown.after(100).join("\n"), @r"
    inter-cascade             ███████████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░  700/1200  58 %     30 % deferred (210 of 700)
    similarity-router-checked ████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   90/1200   7 %      100 % deferred (90 of 90)
    simulated: 790 of 2400 items, 12 calls in flight (gemma-3-1b 8, gpt-4o-mini 4), 1500 tokens/s, 1.5000 USD (nominal), 4 min left
    ");
}

#[test]
fn messages_stand_above_the_lines_and_the_end_removes_the_lines() {
    let shown = Shown::new(&four_arms(), 80);
    let before = shown.after(100);
    let Output::Terminal(bar) = &shown.display.output else { panic!("a terminal") };
    bar.bar.suspend(|| shown.screen.write_line("a warning").expect("memory"));
    assert_eq!(shown.screen.rows(), [&["a warning".to_owned()], &*before].concat());
    // The next draw replaces the lines in their place.
    let after = shown.after(101);
    assert_eq!((after.len(), &*after[0], &after[1..5]), (before.len() + 1, "a warning", &before[..4]));
    shown.display.clear();
    assert_eq!(shown.screen.rows(), ["a warning"]);
}

#[test]
fn no_line_is_wider_or_missing_at_any_size() {
    let many: Vec<ArmStatus> = Arm::ALL.into_iter().map(|each| arm(each, 123_456, 999_999, Some(12_345))).collect();
    let task = Task::new("a-run-with-a-rather-long-name-of-its-own", 9_999_999, Unit::Steps);
    let begun = Instant::now();
    let mut pace = Pace::new(begun, 0, 0);
    pace.sample(begun + Duration::from_secs(7), 123_456, 9_876_543);
    for arms in [&many[..0], &many[..1], &many] {
        for width in 1..=200 {
            for height in [1, 4, 8, 24, 60] {
                let status = RunStatus { arms: arms.to_vec(), ..four_arms() };
                let lines = on_terminal(&View { task: &task, done: 123_456, status, pace: &pace }, width, height);
                assert!(lines.iter().all(|line| measure_text_width(line) <= width), "{width}: {lines:#?}");
                assert!(lines.len() <= height.clamp(2, 11), "{height}: {lines:#?}");
                if width >= 80 {
                    let facts = ["12 calls", "tokens/s", "0.0123 of 5 USD", " left"];
                    let run = lines.last().expect("lines");
                    assert!(facts.iter().all(|fact| run.contains(fact)), "{width}: {run}");
                    let of_arms = &lines[..lines.len() - 1];
                    assert!(of_arms.iter().any(|line| line.contains("/9999999") || line.contains("/999999")));
                }
            }
        }
    }
}

#[test]
fn finished_arms_are_folded_if_there_are_too_many_lines() {
    let mut arms: Vec<ArmStatus> = Arm::ALL.into_iter().map(|each| arm(each, 10, 20, None)).collect();
    arms[0].done = 20;
    arms[2].done = 20;
    let task = Task::new("many", 260, Unit::Steps);
    let pace = Pace::new(Instant::now(), 0, 0);
    let at = |height| {
        let view =
            View { task: &task, done: 150, status: RunStatus { arms: arms.clone(), ..four_arms() }, pace: &pace };
        on_terminal(&view, 80, height)
    };
    let lines = at(24);
    assert_eq!((lines.len(), &*lines[0]), (11, "2 arms are done: weak-only, cascade"));
    assert!(lines[1].starts_with("strong-only ") && lines[8].starts_with("similarity-router "), "{lines:#?}");
    assert_eq!(lines[9], "and 3 more arms");
    let lines = at(8);
    assert_eq!((lines.len(), &*lines[4]), (6, "and 8 more arms"), "{lines:#?}");
    let lines = at(5);
    assert!(lines.len() == 2 && lines[0].starts_with("many ") && lines[0].ends_with(" 150/260"), "{lines:#?}");
}

#[test]
fn a_plain_output_has_a_line_for_every_fifth_and_after_five_minutes() {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&lines);
    let print = move |line: &str| sink.lock().expect("not poisoned").push(line.to_owned());
    let status = Arc::new(Mutex::new(RunStatus::default()));
    let shared = Arc::clone(&status);
    let task =
        Task::new("simulated", 4000, Unit::Steps).with_status(move || shared.lock().expect("not poisoned").clone());
    let display = Display::new(task, Output::Lines(Plain::new(print)));
    let begun = Instant::now();
    let at = |done: u64, seconds: u64| {
        display.done.store(done, std::sync::atomic::Ordering::Relaxed);
        display.refresh(begun + Duration::from_secs(seconds));
        std::mem::take(&mut *lines.lock().expect("not poisoned"))
    };
    assert!(at(0, 3).is_empty());
    *status.lock().expect("not poisoned") = four_arms();
    let line = at(2620, 100).join("\n");
    insta::assert_snapshot!(line, @"simulated: 2620 of 4000, 12 calls in flight (gemma-3-1b 8, gpt-4o-mini 4), 1546 tokens/s, 0.0123 of 5 USD, about 52 s left; weak-only 1000 of 1000, strong-only 640 of 1000, cascade 500 of 1000 (31 % deferred), inter-cascade-random 480 of 1000 (20 % deferred)");
    assert!(at(2620, 101).is_empty() && at(3100, 300).is_empty());
    assert_eq!((at(3199, 401).len(), at(3200, 402).len(), at(4000, 403).len()), (1, 1, 1));
}

#[test]
fn a_task_without_calls_has_one_line() {
    let task = |unit, total| Task::new("fetching all-MiniLM-L6-v2", total, unit);
    let begun = Instant::now();
    let lines = |task: &Task, done: u64, width: usize| {
        let mut pace = Pace::new(begun, 0, 0);
        pace.sample(begun + Duration::from_secs(10), done, 0);
        on_terminal(&View { task, done, status: RunStatus::default(), pace: &pace }, width, 24).join("\n")
    };
    let file = task(Unit::Bytes, 90_000_000);
    insta::assert_snapshot!(lines(&file, 30_000_000, 80), @"fetching all-MiniLM-L6-v2 ████████░░░░░░░░░░░░░░░░ 30/90 MB, 3.0 MB/s, 20 s left");
    insta::assert_snapshot!(lines(&task(Unit::Steps, 0), 30, 80), @"fetching all-MiniLM-L6-v2 30, 3/s");
    insta::assert_snapshot!(lines(&file, 30_000_000, 30), @"… 30/90 MB, 3.0 MB/s, 20 s le…");
}
