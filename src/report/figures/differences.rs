//! Differences between runs: a forest plot of the changes of every arm against the baseline.

use anyhow::Result;

use super::Figure;
use super::style::{Area, Canvas, Ink, MARK, Marker, PANEL_GAP, Role, Rows, Scale, Side, Unit, arm_ink};
use crate::analysis::metrics::RunChanges;
use crate::analysis::stats::Estimate;
use crate::report::format::signed;
use crate::types::arm::Arm;

/// Greatest number of rows; more would not be legible on a page.
const MOST: usize = 60;

/// Number of characters from which a run's name is shortened.
const LONG: usize = 26;

/// The sentences on bars and numbers.
const READING: &str = "Bars are 95 % intervals over groups of items. The number beside each row is the change; –: no such \
                       figure.";

/// Greatest number of arms that the description names.
const NAMED: usize = 4;

/// Changes of an arm from the baseline to a run.
#[derive(Debug, Clone)]
pub struct ArmChanges {
    /// Name of the run.
    pub run: String,
    /// The arm.
    pub arm: Arm,
    /// Name of the arm, with its λ.
    pub name: String,
    /// The changes.
    pub changes: RunChanges,
}

/// A panel: the title of its axis, and the change that it shows.
type Panel = (&'static str, fn(&RunChanges) -> Option<Estimate>);

/// The panels, two side by side.
const PANELS: [[Panel; 2]; 2] = [
    [
        ("accuracy, points", |changes| Some(changes.accuracy)),
        ("weak accuracy, points", |changes| changes.weak_accuracy),
    ],
    [("strong calls, %", |changes| changes.strong_calls), ("fee, %", |changes| changes.fee)],
];

/// A row of the plot.
enum Line<'c> {
    /// Name of an arm above its runs.
    Heading(&'c str),
    /// Changes of an arm, under the name of the arm or of the run.
    Changes(&'c ArmChanges, String),
}

/// Draws the changes of the arms against `baseline`, grouped by arm. `None` without changes.
///
/// # Errors
/// If the figure cannot be drawn.
pub fn figure(baseline: &str, changes: &[ArmChanges]) -> Result<Option<Figure>> {
    if changes.is_empty() {
        return Ok(None);
    }
    let mut runs: Vec<&str> = Vec::new();
    for one in changes {
        if !runs.contains(&one.run.as_str()) {
            runs.push(&one.run);
        }
    }
    let mut lines = lines(changes, runs.len() > 1);
    let notes = notes(changes, lines.len() > MOST);
    lines.truncate(MOST);
    if matches!(lines.last(), Some(Line::Heading(_))) {
        lines.pop();
    }
    let title = match runs[..] {
        [run] => format!("Changes of {} against {}", shortened(run), shortened(baseline)),
        _ => format!("Changes of {} runs against {}", runs.len(), shortened(baseline)),
    };
    let height = Rows::height(lines.len());
    let mut canvas = Canvas::new(&title, 2.0 * height + PANEL_GAP, &notes);
    let body = canvas.body;
    for (panels, top) in PANELS.iter().zip([body.top, body.top + height + PANEL_GAP]) {
        band(&mut canvas, Area { top, bottom: top + height, ..body }, panels, &lines);
    }
    let description = description(baseline, &runs, changes);
    Ok(Some(Figure::new("differences", &title, description, &canvas)?))
}

/// Rows by arm, in the order of the changes. With several runs, each arm has a heading and a row for each run.
fn lines(changes: &[ArmChanges], several: bool) -> Vec<Line<'_>> {
    let mut names: Vec<&str> = Vec::new();
    for one in changes {
        if !names.contains(&one.name.as_str()) {
            names.push(&one.name);
        }
    }
    let mut lines = Vec::new();
    for name in names {
        let of_arm = changes.iter().filter(|one| one.name == name);
        if several {
            lines.push(Line::Heading(name));
            lines.extend(of_arm.map(|one| Line::Changes(one, shortened(&one.run))));
        } else {
            lines.extend(of_arm.map(|one| Line::Changes(one, one.name.clone())));
        }
    }
    lines
}

/// Draws two panels side by side; the names are to the left of the first.
fn band(canvas: &mut Canvas, area: Area, panels: &[Panel; 2], lines: &[Line]) {
    let names: Vec<String> = lines
        .iter()
        .map(|line| match line {
            Line::Heading(_) => String::new(),
            Line::Changes(_, name) => name.clone(),
        })
        .collect();
    let room = names.iter().map(|name| Role::Label.width(name)).fold(0.0, f64::max);
    let middle = f64::midpoint(area.left + room, area.right);
    let blank = vec![String::new(); names.len()];
    let areas = [
        (Area { right: middle - PANEL_GAP / 2.0, ..area }, &names),
        (Area { left: middle + PANEL_GAP / 2.0, ..area }, &blank),
    ];
    for ((area, names), panel) in areas.into_iter().zip(panels) {
        let rows = draw(canvas, area, names, panel, lines);
        if blank != *names {
            headings(canvas, area.left, &rows, lines);
        }
    }
}

/// Writes the names of the arms above their runs.
fn headings(canvas: &mut Canvas, left: f64, rows: &Rows, lines: &[Line]) {
    for (row, line) in lines.iter().enumerate() {
        if let Line::Heading(name) = line {
            canvas.text(name, (left, rows.y(row)), Role::Label, Side::Right);
        }
    }
}

/// Draws one panel and returns its rows.
fn draw(canvas: &mut Canvas, area: Area, names: &[String], (axis, of): &Panel, lines: &[Line]) -> Rows {
    let change = |line: &Line| match line {
        Line::Heading(_) => None,
        Line::Changes(one, _) => of(&one.changes),
    };
    let ends = |change: Estimate| {
        let ends = change.interval.map_or([change.value; 2], |interval| [interval.low, interval.high]);
        [change.value, ends[0], ends[1]]
    };
    let values = lines.iter().filter_map(change).flat_map(ends).chain([0.0]);
    let text = |line: &Line| match line {
        Line::Heading(_) => String::new(),
        Line::Changes(..) => {
            change(line).map_or_else(|| "–".to_owned(), |change| signed(change.value).replace('-', "−"))
        }
    };
    let texts: Vec<String> = lines.iter().map(text).collect();
    let rows = Rows::new(canvas, area, names, (Scale::around(values, Unit::Signed), axis), &texts);
    rows.upright(canvas, 0.0, Ink::Axis);
    for (row, (line, text)) in lines.iter().zip(&texts).enumerate() {
        let Line::Changes(one, _) = line else { continue };
        let (y, ink) = (rows.y(row), arm_ink(one.arm));
        canvas.text(text, (area.right, y), Role::Tick, Side::Left);
        let Some(change) = of(&one.changes) else { continue };
        if let Some(interval) = change.interval {
            rows.interval(canvas, y, interval, ink);
        }
        let marker = if one.changes.paired { Marker::Circle } else { Marker::OpenCircle };
        canvas.marker(marker, (rows.x(change.value), y), MARK, ink);
    }
    rows
}

/// The sentences under the figure. `is_cut` is true if rows were left out.
fn notes(changes: &[ArmChanges], is_cut: bool) -> Vec<String> {
    let mut notes = vec![READING.to_owned()];
    if changes.iter().any(|one| !one.changes.paired) {
        let unpaired = "Rings are unpaired: the items of both runs are two independent samples.";
        notes.push(unpaired.to_owned());
    }
    if is_cut {
        notes.push(format!("The figure has {MOST} rows at most. The tables have all."));
    }
    notes
}

/// Describes the figure, with the accuracies that changed.
fn description(baseline: &str, runs: &[&str], changes: &[ArmChanges]) -> String {
    let moved = |up: bool| {
        let is = |one: &&ArmChanges| {
            one.changes.accuracy.interval.is_some_and(|ends| if up { ends.low > 0.0 } else { ends.high < 0.0 })
        };
        let name = |one: &ArmChanges| {
            if runs.len() > 1 { format!("{} in {}", one.name, one.run) } else { one.name.clone() }
        };
        changes.iter().filter(is).map(name).collect::<Vec<_>>()
    };
    let listed = |names: Vec<String>| match names.len() {
        0 => "no arm".to_owned(),
        more if more > NAMED => format!("{more} arms"),
        _ => names.join(", "),
    };
    format!(
        "Changes of accuracy, weak accuracy, strong calls and fee against {baseline}, for each arm of {}, with 95 % \
         intervals. The interval of the accuracy change lies above zero for {} and below zero for {}.",
        runs.join(", "),
        listed(moved(true)),
        listed(moved(false))
    )
}

/// A name of at most [`LONG`] characters: its beginning and its end.
fn shortened(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= LONG {
        return name.to_owned();
    }
    let half = LONG / 2;
    let (start, end) = (&letters[..half], &letters[letters.len() - half + 1..]);
    start.iter().chain(['…'].iter()).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stats::Interval;
    use crate::report::figures::testing::{EIGHT, check};

    fn change(value: f64) -> Estimate {
        Estimate::new(value, Some(Interval { low: value - 0.03, high: value + 0.05 }))
    }

    fn changes(runs: &[&str], paired: bool) -> Vec<ArmChanges> {
        let of_run = |run: &&str| {
            let run = (*run).to_owned();
            EIGHT.into_iter().enumerate().map(move |(index, arm)| {
                let step = f64::from(u8::try_from(index).expect("few")) / 100.0;
                let asked = arm != Arm::StrongOnly;
                let changes = RunChanges {
                    paired,
                    accuracy: change(step - 0.04),
                    weak_accuracy: asked.then(|| change(step)),
                    strong_calls: asked.then(|| change(-10.0 * step)),
                    fee: (arm != Arm::WeakOnly).then(|| change(30.0 * step)),
                };
                ArmChanges { run: run.clone(), arm, name: format!("{arm} at 0.95"), changes }
            })
        };
        runs.iter().flat_map(of_run).collect()
    }

    #[test]
    fn one_run_has_a_row_for_each_arm() {
        let found = figure("main", &changes(&["new"], true)).expect("drawn").expect("changes");
        let names = EIGHT.map(|arm| format!("{arm} at 0.95"));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let drawing = check(&found, &[&names[..], &["accuracy, points", "fee, %", "+3.0", "–"]].concat());
        assert_eq!(found.name, "differences");
        assert!(found.description.contains("above zero for strong-with-examples at 0.95 "), "{}", found.description);
        // Four panels, without weak-only's fee.
        assert!(drawing.marks(arm_ink(Arm::WeakOnly)) < drawing.marks(arm_ink(Arm::Cascade)));
        assert!(drawing.marks(Ink::Axis) > 4, "the lines of no change");
        assert_eq!(figure("main", &[]).expect("nothing to draw"), None);
    }

    #[test]
    fn several_runs_with_long_names_stay_apart() {
        let long =
            ["a-run-whose-name-is-rather-long-and-ends-in-one", "a-run-whose-name-is-rather-long-and-ends-in-two"];
        for paired in [true, false] {
            let found =
                figure(long[0], &changes(&[long[0], long[1], "third"], paired)).expect("drawn").expect("changes");
            let drawing = check(
                &found,
                &["a-run-whose-n…-ends-in-one", "a-run-whose-n…-ends-in-two", "third", "cascade at 0.95"],
            );
            let rings = drawing.texts().iter().any(|written| written.text.contains("Rings are unpaired"));
            assert_eq!(rings, !paired);
        }
    }

    #[test]
    fn many_rows_and_figures_without_intervals_are_drawn() {
        let mut all = changes(&["a", "b", "c", "d", "e", "f", "g", "h"], true);
        for one in &mut all {
            one.changes.accuracy.interval = None;
            one.changes.strong_calls = None;
        }
        check(&figure("main", &all).expect("drawn").expect("changes"), &["The figure has 60 rows at most"]);
        let still = RunChanges { accuracy: Estimate::new(0.0, None), weak_accuracy: None, fee: None, ..all[0].changes };
        let one = [ArmChanges { changes: still, ..all[0].clone() }];
        check(&figure("main", &one).expect("drawn").expect("changes"), &["+0.0"]);
    }

    #[test]
    fn names_that_look_like_markup_are_texts() {
        let hostile = "<script>alert(1)</script>&\"'";
        let found = figure(hostile, &changes(&[hostile], true)).expect("drawn").expect("changes");
        check(&found, &[]);
        assert!(!found.svg.contains("<script"), "{}", found.svg);
    }
}
