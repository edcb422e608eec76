//! Learning curves: weak accuracy, deferral rate and fee along the stream.

use anyhow::Result;

use super::shown::{along_the_stream, position};
use super::style::{
    Area, Canvas, EndLabel, Frame, Label, MARK, SMALL_MARK, Scale, Stroke, Unit, arm_ink, arm_marker, at_ends, near,
};
use super::{Figure, name};
use crate::analysis::metrics::growth::{break_even_item, growth};
use crate::analysis::metrics::windows::{Window, windows};
use crate::analysis::metrics::{Comparison, Slice};
use crate::analysis::stats::Estimate;
use crate::report::format::sure_percent;

const TITLE: &str = "Learning curves: weak accuracy, deferrals and fee along the stream";

/// Title of the panel of fees.
const FEE: &str = "fee so far, USD";

/// Height of a panel in pixels.
const PANEL: f64 = 200.0;

/// Greatest number of curves of which each has a band.
const BANDS: usize = 4;

/// A curve of one arm.
struct Curve<'c, 'a> {
    slice: &'c Slice<'a>,
    windows: Vec<Window>,
    /// Number of items from which on the arm is cheaper than its cascade. `None` for the cascade, without prices, and
    /// if it is not cheaper at the end.
    cheaper_from: Option<usize>,
}

/// A panel: its figure at each window.
type Points = fn(&Window) -> Option<(f64, Estimate)>;

/// Draws the figure. `None` if no arm learns.
///
/// # Errors
/// If the figure cannot be drawn.
pub(super) fn figure(comparison: &Comparison) -> Result<Option<Figure>> {
    let curve = |slice| {
        let base = comparison.base(slice).map(|base| growth(slice, base, comparison.prices));
        Curve {
            slice,
            windows: windows(slice, comparison.prices, comparison.seed),
            cheaper_from: base.and_then(|along| break_even_item(&along)),
        }
    };
    let curves: Vec<Curve> = along_the_stream(comparison).into_iter().map(curve).collect();
    if curves.is_empty() || curves.iter().all(|curve| curve.windows.is_empty()) {
        return Ok(None);
    }
    let panels: Vec<(Points, &str, Unit)> = [
        (weak_accuracy as Points, "accuracy of the weak level", Unit::Percent),
        (deferred, "share of deferred queries", Unit::Percent),
        (fee, FEE, Unit::Number),
    ]
    .into_iter()
    .filter(|(points, ..)| curves.iter().any(|curve| curve.windows.iter().any(|window| points(window).is_some())))
    .collect();
    let height = panels.iter().map(|_| PANEL).sum();
    let mut canvas = Canvas::new(TITLE, height, &notes(&curves));
    let names: Vec<String> = curves.iter().map(|curve| name(comparison, curve.slice)).collect();
    let (area, column) = canvas.body.beside_labels(&names);
    let x = Scale::between(0.0, length(&curves), Unit::Number);
    let scale = |(points, title, unit): &(Points, &'static str, Unit)| {
        let found = curves.iter().flat_map(|curve| curve.windows.iter().filter_map(points));
        let ends = found.flat_map(|(_, estimate)| estimate.reach());
        (if *unit == Unit::Percent { Scale::shares(ends) } else { Scale::from_zero(ends, *unit) }, *title)
    };
    let scales: Vec<(Scale, &str)> = panels.iter().map(scale).collect();
    let frames = Frame::stacked(&mut canvas, area, (x, "position in the stream, items"), &scales);
    for ((points, _, unit), frame) in panels.iter().zip(frames) {
        draw(&mut canvas, frame, (&curves, &names), (*points, *unit == Unit::Number), column);
        if *unit == Unit::Number {
            mark_break_even(&mut canvas, frame, &curves);
        }
    }
    Ok(Some(Figure::new("learning-curves", TITLE, description(&curves), &canvas)?))
}

fn draw(
    canvas: &mut Canvas,
    frame: Frame,
    (curves, names): (&[Curve], &[String]),
    (points, from_nothing): (Points, bool),
    column: Area,
) {
    let found: Vec<Vec<(f64, Estimate)>> =
        curves.iter().map(|curve| curve.windows.iter().filter_map(points).collect()).collect();
    for (curve, found) in curves.iter().zip(&found).take(if curves.len() > BANDS { 2 } else { BANDS }) {
        frame.bands(canvas, found, arm_ink(curve.slice.cell.arm));
    }
    let mut ends = Vec::new();
    for ((curve, name), found) in curves.iter().zip(names).zip(&found) {
        let (ink, marker) = (arm_ink(curve.slice.cell.arm), arm_marker(curve.slice.cell.arm));
        let line = frame.all(found.iter().map(|(x, estimate)| (*x, estimate.value)));
        // A fee begins at nothing.
        let start = frame.all(from_nothing.then_some((0.0, 0.0)).filter(|_| !line.is_empty()));
        canvas.path(&[start, line.clone()].concat(), ink, Stroke::Thick);
        for at in &line {
            canvas.marker(marker, *at, SMALL_MARK, ink);
        }
        ends.extend(line.last().map(|end| EndLabel { text: name.clone(), end: *end, marker: Some(marker), ink }));
    }
    at_ends(canvas, column.left, (frame.plot.top, frame.plot.bottom), &ends);
}

/// Marks the item from which on each arm is cheaper.
fn mark_break_even(canvas: &mut Canvas, frame: Frame, curves: &[Curve]) {
    let mut labels = Vec::new();
    for curve in curves {
        let Some(item) = curve.cheaper_from else { continue };
        let Some(at) = fee_at(&curve.windows, position(item)) else { continue };
        let ink = arm_ink(curve.slice.cell.arm);
        let at = frame.at((position(item), at));
        canvas.path(&[(at.0, at.1), (at.0, frame.plot.bottom)], ink, Stroke::Thin);
        canvas.marker(arm_marker(curve.slice.cell.arm), at, MARK, ink);
        labels.push(Label { text: format!("cheaper from item {item}"), anchors: vec![at], ink });
    }
    near(canvas, frame.plot, &labels);
}

/// Fee at an item, interpolated between the ends of windows.
fn fee_at(windows: &[Window], item: f64) -> Option<f64> {
    let mut before = (0.0, 0.0);
    for window in windows {
        let end = (position(window.to), window.fee?.value);
        if item <= end.0 {
            let share = (item - before.0) / (end.0 - before.0);
            return Some(before.1 + (end.1 - before.1) * share);
        }
        before = end;
    }
    None
}

/// The middle of a window.
fn middle(window: &Window) -> f64 {
    f64::midpoint(position(window.from), position(window.to))
}

fn weak_accuracy(window: &Window) -> Option<(f64, Estimate)> {
    Some((middle(window), window.weak_accuracy?))
}

#[expect(clippy::unnecessary_wraps, reason = "a panel's figure, which other panels may lack")]
fn deferred(window: &Window) -> Option<(f64, Estimate)> {
    Some((middle(window), window.deferred))
}

fn fee(window: &Window) -> Option<(f64, Estimate)> {
    Some((position(window.to), window.fee.filter(|fee| fee.value > 0.0)?))
}

fn length(curves: &[Curve]) -> f64 {
    let ends = curves.iter().filter_map(|curve| curve.windows.last());
    ends.map(|window| position(window.to)).fold(1.0, f64::max)
}

fn notes(curves: &[Curve]) -> Vec<String> {
    let orders = curves.iter().map(|curve| curve.slice.orders).max().unwrap_or(1);
    let over = if orders > 1 { format!(", means over {orders} orders of the stream") } else { String::new() };
    let windows = curves.iter().map(|curve| curve.windows.len()).max().unwrap_or(0);
    let bands = if curves.len() > BANDS { " of the first two arms" } else { "" };
    let mut notes = vec![format!(
        "Accuracy and deferrals are those of {windows} windows of the stream{over}. Bands{bands}: 95 % bootstrap \
         intervals over groups, for each window by itself; none if fewer than three groups differ."
    )];
    if curves.iter().any(|curve| curve.windows.iter().any(|window| fee(window).is_some())) {
        notes.push(
            "The fee is that of the arm alone, without calibration. It is cheaper from the item after which its fee \
             so far stays below the cascade's."
                .to_owned(),
        );
    }
    if curves.iter().any(|curve| curve.slice.from_weak_only() > 0) {
        notes.push("If an arm did not ask the weak level for an item, weak-only's answer is used.".to_owned());
    }
    notes
}

fn description(curves: &[Curve]) -> String {
    let each = |curve: &Curve| {
        let (first, last) = (curve.windows.first()?, curve.windows.last()?);
        let share = |estimate: Estimate| sure_percent(estimate.value, estimate.interval);
        let weak = first.weak_accuracy.zip(last.weak_accuracy);
        let weak = weak.map(|(first, last)| {
            format!("weak accuracy {} in the first and {} in the last window, ", share(first), share(last))
        });
        let cheaper = curve.cheaper_from.map(|item| format!(", cheaper than the cascade from item {item}"));
        Some(format!(
            "{}: {}deferrals {} and {}{}",
            curve.slice.cell.arm.name(),
            weak.unwrap_or_default(),
            share(first.deferred),
            share(last.deferred),
            cheaper.unwrap_or_default()
        ))
    };
    let each: Vec<String> = curves.iter().filter_map(each).collect();
    let has_fee = curves.iter().any(|curve| curve.windows.iter().any(|window| fee(window).is_some()));
    format!(
        "Accuracy of the weak level and share of deferred queries{} over the position in the stream, with 95 % \
         intervals. {}.",
        if has_fee { ", and the fee so far," } else { "" },
        each.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{EIGHT, Run, check};
    use super::*;
    use crate::types::arm::Arm;

    #[test]
    fn the_cascade_and_each_learning_arm_have_a_curve_in_each_panel() {
        let run = Run::of(&[EIGHT.as_slice(), &[Arm::Retrieval, Arm::SemanticCache, Arm::ExampleReplay]].concat(), 60);
        let figure = figure(&run.comparison()).expect("drawn").expect("a learning arm");
        let names =
            ["cascade", "inter-cascade", "similarity-router-checked", "strong-with-examples", "fee so far", "deferred"];
        let drawing = check(&figure, &names);
        let written = |name: &str| drawing.texts().iter().filter(|text| text.text == name).count();
        assert_eq!((written("inter-cascade"), written("cascade"), written("weak-only")), (3, 3, 0));
        assert!(drawing.marks(arm_ink(Arm::InterCascade)) > 12, "three windows in three panels");
    }

    #[test]
    fn a_run_without_a_learning_arm_has_no_curves() {
        let run = Run::of(&[Arm::WeakOnly, Arm::StrongOnly, Arm::Cascade], 60);
        assert_eq!(figure(&run.comparison()).expect("drawn"), None);
    }

    #[test]
    fn every_run_can_be_drawn() {
        for run in Run::all() {
            if let Some(figure) = figure(&run.comparison()).expect("drawn") {
                check(&figure, &["inter-cascade", "deferred"]);
            }
        }
        let run = Run::of(&EIGHT, 40).without_prices();
        let figure = figure(&run.comparison()).expect("drawn").expect("a learning arm");
        assert!(!figure.svg.contains("fee so far"), "no prices");
    }
}
