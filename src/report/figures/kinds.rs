//! Gains of the weak level by kind of item: a forest plot.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use anyhow::Result;

use super::style::{Area, Canvas, Ink, MARK, Role, Rows, Scale, Side, Stroke, Unit, arm_ink, arm_marker};
use super::{Figure, minus};
use crate::analysis::metrics::kinds::{KindGain, by_kind};
use crate::analysis::metrics::learning::paired;
use crate::analysis::metrics::{Comparison, Slice};
use crate::analysis::stats::Estimate;
use crate::report::format::{hundredths, points};
use crate::types::arm::Arm;

/// Greatest number of kinds. Of more, as many are drawn from both ends of the order.
const MOST: usize = 40;

/// A row of the plot.
enum Row<'k> {
    Kind(&'k KindGain),
    /// The place of kinds that are not drawn, with their number.
    LeftOut(usize),
    Overall(Estimate),
}

/// Draws the figure. `None` without a learning arm that shows the weak level examples, without its answers alone, and
/// if groups are no kinds.
///
/// # Errors
/// If the figure cannot be drawn.
pub(super) fn figure(comparison: &Comparison) -> Result<Option<Figure>> {
    let learners = || comparison.rows().filter(|(slice, _)| slice.cell.arm.shows_examples());
    let chosen = learners().find(|(slice, _)| slice.cell.arm == Arm::InterCascade).or_else(|| learners().next());
    let Some(((slice, changes), alone)) = chosen.zip(comparison.untaught()) else { return Ok(None) };
    let kinds = by_kind(slice, alone);
    let overall = changes.and_then(|changes| changes.weak_accuracy);
    let overall = overall.or_else(|| paired(slice, alone, |outcome| outcome.weak_correct()));
    let Some(overall) = overall.filter(|_| kinds.len() > 1) else { return Ok(None) };
    let rows = rows(&kinds, overall);
    let title = format!("Gain of the weak level by kind of query: {} against the weak model alone", slice.cell.arm);
    let mut canvas = Canvas::new(&title, Rows::dense_height(rows.len()), &notes(slice, &kinds));
    let names: Vec<String> = rows.iter().map(name).collect();
    let texts: Vec<String> = rows.iter().map(text).collect();
    let right = texts.iter().map(|text| Role::Tick.width(text)).fold(0.0, f64::max) + 12.0;
    let scale = scale(&rows);
    let body = canvas.body;
    let axis = (scale, "change of the weak level's accuracy, percentage points");
    let area = Area { right: body.right - right, ..body };
    let plot = Rows::dense(&mut canvas, area, &names, axis);
    plot.upright(&mut canvas, 0.0, Ink::Limit);
    let (ink, marker) = (arm_ink(slice.cell.arm), arm_marker(slice.cell.arm));
    for (index, (row, text)) in rows.iter().zip(&texts).enumerate() {
        let y = plot.y(index);
        match row {
            Row::Kind(kind) => {
                if let Some(interval) = kind.gain.interval {
                    plot.interval(&mut canvas, y, interval, ink);
                }
                canvas.marker(marker, (plot.x(kind.gain.value), y), MARK * 0.7, ink);
            }
            Row::LeftOut(_) => {}
            Row::Overall(overall) => diamond(&mut canvas, &plot, y, *overall),
        }
        if !text.is_empty() {
            canvas.text(text, (body.right, y), Role::Tick, Side::Left);
        }
    }
    let description = description(slice, &kinds, overall);
    Ok(Some(Figure::new("gains-by-kind", &title, description, &canvas)?))
}

/// Draws the overall change: a diamond as wide as its interval, or a plain one.
fn diamond(canvas: &mut Canvas, plot: &Rows, y: f64, overall: Estimate) {
    let at = plot.x(overall.value);
    let (low, high) = overall.interval.map_or((at - MARK, at + MARK), |ends| (plot.x(ends.low), plot.x(ends.high)));
    canvas.polygon(&[(low, y), (at, y - MARK), (high, y), (at, y + MARK)], Ink::Text, 1.0);
    let plot = plot.plot();
    canvas.dashed(&[(at, plot.top), (at, y - MARK)], Ink::Text, Stroke::Hair, [3.0, 3.0]);
}

fn rows(kinds: &[KindGain], overall: Estimate) -> Vec<Row<'_>> {
    let left_out = kinds.len().saturating_sub(MOST);
    let (first, last) =
        if left_out > 0 { (&kinds[..MOST / 2], &kinds[kinds.len() - MOST / 2..]) } else { (kinds, &kinds[..0]) };
    let mut rows: Vec<Row> = first.iter().map(Row::Kind).collect();
    if left_out > 0 {
        rows.push(Row::LeftOut(left_out));
    }
    rows.extend(last.iter().map(Row::Kind));
    rows.push(Row::Overall(overall));
    rows
}

fn scale(rows: &[Row]) -> Scale {
    let ends = rows.iter().flat_map(|row| {
        let estimate = match row {
            Row::Kind(kind) => Some(kind.gain),
            Row::Overall(overall) => Some(*overall),
            Row::LeftOut(_) => None,
        };
        estimate.into_iter().flat_map(|estimate| {
            let ends = estimate.interval.map_or([estimate.value; 2], |interval| [interval.low, interval.high]);
            ends.into_iter().chain([estimate.value])
        })
    });
    Scale::around(ends.chain([0.0]), Unit::Signed)
}

/// Longest name of a kind in letters.
const LONGEST: usize = 34;

fn name(row: &Row) -> String {
    match row {
        Row::Kind(kind) if kind.group.chars().count() > LONGEST => {
            kind.group.chars().take(LONGEST - 1).chain(['…']).collect()
        }
        Row::Kind(kind) => kind.group.clone(),
        Row::LeftOut(count) => format!("{count} kinds in between"),
        Row::Overall(_) => "all kinds".to_owned(),
    }
}

fn text(row: &Row) -> String {
    match row {
        Row::Kind(kind) => {
            let [alone, taught] = [kind.alone, kind.taught].map(hundredths);
            format!("{alone:.0} → {taught:.0} %, n = {}", kind.items)
        }
        Row::LeftOut(_) => String::new(),
        Row::Overall(overall) => minus(&points(*overall)),
    }
}

fn notes(slice: &Slice, kinds: &[KindGain]) -> Vec<String> {
    let left_out = kinds.len().saturating_sub(MOST);
    let mut notes = vec![
        "To the right: accuracy alone → with examples, and the number of different queries. Bars: 95 % intervals of a \
         paired difference (Newcombe), with the queries of a kind as independent. About one in twenty misses its true \
         value by chance, so a single kind shows little."
            .to_owned(),
        "Diamond: all kinds together with its 95 % bootstrap interval over groups.".to_owned(),
    ];
    if left_out > 0 {
        notes.push(format!("{left_out} of {} kinds are not drawn, those in the middle of the order.", kinds.len()));
    }
    if slice.from_weak_only() > 0 {
        notes.push("If the arm did not ask the weak level for a query, weak-only's answer is used.".to_owned());
    }
    notes
}

fn description(slice: &Slice, kinds: &[KindGain], overall: Estimate) -> String {
    let above = |sign: f64| kinds.iter().filter(|kind| kind.gain.value * sign > 0.0).count();
    let sure = |sign: f64| {
        let is =
            |kind: &&KindGain| kind.gain.interval.is_some_and(|ends| (ends.low * sign).min(ends.high * sign) > 0.0);
        kinds.iter().filter(is).count()
    };
    format!(
        "Change of the weak level's accuracy with the examples of {} against the weak model alone, for each of {} kinds of \
         query with 95 % intervals. It rises in {} kinds ({} intervals above zero) and falls in {} ({} below zero); over \
         all kinds it is {}.",
        slice.cell.arm,
        kinds.len(),
        above(1.0),
        sure(1.0),
        above(-1.0),
        sure(-1.0),
        points(overall)
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{EIGHT, Run, check};
    use super::*;

    #[test]
    fn kinds_are_drawn_from_both_ends_and_the_others_counted() {
        let few = Run::of(&EIGHT, 60);
        let figure_of = |run: &Run| figure(&run.comparison()).expect("drawn").expect("a learning arm");
        let drawing = check(&figure_of(&few), &["g0", "g29", "all kinds", "n = 2"]);
        assert!(drawing.marks(arm_ink(Arm::InterCascade)) > 60, "30 kinds with intervals");
        let many = figure_of(&Run::of(&EIGHT, 200));
        let drawing = check(&many, &["60 kinds in between", "60 of 100 kinds are not drawn", "all kinds"]);
        let kinds = drawing.texts().iter().filter(|text| text.text.contains("n = 2")).count();
        assert_eq!(kinds, MOST);
    }

    #[test]
    fn one_group_and_no_learning_arm_are_no_figure() {
        for run in [Run::of(&EIGHT, 2), Run::of(&[Arm::WeakOnly, Arm::Cascade], 40), Run::of(&[Arm::InterCascade], 40)]
        {
            assert_eq!(figure(&run.comparison()).expect("drawn"), None);
        }
        for run in Run::all() {
            if let Some(figure) = figure(&run.comparison()).expect("drawn") {
                check(&figure, &["all kinds"]);
            }
        }
    }
}
