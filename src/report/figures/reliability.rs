//! Reliability diagrams: confidence against accuracy, with the histogram of the confidences.

use anyhow::Result;

use super::Figure;
use super::shown::with_own_confidence;
use super::style::{Area, Canvas, Frame, Ink, MARK, PANEL_GAP, Role, Scale, Side, Unit, arm_ink, arm_marker};
use crate::analysis::metrics::confidence::{Diagram, Reliability};
use crate::analysis::metrics::{Comparison, Slice};
use crate::analysis::reliability::histogram;
use crate::report::format::{number, percent};

const TITLE: &str = "Reliability: is a confidence the probability of a right answer?";

/// Greatest number of arms side by side.
const MOST: usize = 4;

/// Height of a panel with its histogram in pixels.
const HEIGHT: f64 = 340.0;

/// Height of a histogram with its axis in pixels.
const HISTOGRAM: f64 = 110.0;

/// Number of bars in the range of a histogram, about.
const BARS: f64 = 20.0;

/// A panel's data.
struct Panel<'c, 'a> {
    slice: &'c Slice<'a>,
    found: Reliability,
    diagram: Diagram,
}

/// Draws the figure. `None` if no answer has a confidence.
///
/// # Errors
/// If the figure cannot be drawn.
pub(super) fn figure(comparison: &Comparison) -> Result<Option<Figure>> {
    let panel = |slice| {
        let found = Slice::reliability(slice)?;
        let diagram = slice.diagram(comparison.seed).filter(|diagram| !diagram.positive.is_empty())?;
        Some(Panel { slice, found, diagram })
    };
    let mut panels: Vec<Panel> = with_own_confidence(comparison).into_iter().filter_map(panel).collect();
    let left_out = panels.len().saturating_sub(MOST);
    panels.truncate(MOST);
    if panels.is_empty() {
        return Ok(None);
    }
    let is_grid = panels.len() > 2;
    let height = if is_grid { 2.0 * HEIGHT + PANEL_GAP } else { HEIGHT };
    let mut canvas = Canvas::new(TITLE, height, &notes(&panels, left_out));
    let from = lowest(&panels);
    let rows = if is_grid { canvas.body.split(HEIGHT, PANEL_GAP).to_vec() } else { vec![canvas.body] };
    let columns = rows.into_iter().flat_map(|row| row.columns(2, PANEL_GAP));
    let bars = counts(&panels, from);
    let most = bars.iter().flatten().copied().fold(0.0, f64::max);
    for ((panel, area), bars) in panels.iter().zip(columns).zip(&bars) {
        draw(&mut canvas, panel, area, (from, bars, most));
    }
    Ok(Some(Figure::new("reliability", TITLE, description(comparison, &panels), &canvas)?))
}

/// Start of the axis of confidence: the twentieth below all positive confidences.
fn lowest(panels: &[Panel]) -> f64 {
    let least = panels.iter().flat_map(|panel| &panel.diagram.bins).map(|(bin, _)| bin.low).fold(1.0, f64::min);
    ((least * 20.0).floor() / 20.0).clamp(0.0, 0.95)
}

/// Shares of a panel's answers in bars of equal width from `from` to 1.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of answers, and a small number of bars"
)]
fn counts(panels: &[Panel], from: f64) -> Vec<Vec<f64>> {
    // Whole numbers of bars in each twentieth.
    let per_twentieth = (BARS / ((1.0 - from) * 20.0)).round().max(1.0);
    let all = (per_twentieth * 20.0) as usize;
    let skipped = (per_twentieth * from * 20.0).round() as usize;
    let shares = |panel: &Panel| {
        let counts = histogram(&panel.diagram.positive, all);
        let share = |[right, wrong]: &[usize; 2]| (right + wrong) as f64 / panel.found.n.max(1) as f64;
        counts.iter().skip(skipped).map(share).collect()
    };
    panels.iter().map(shares).collect()
}

fn draw(canvas: &mut Canvas, panel: &Panel, area: Area, (from, bars, most): (f64, &[f64], f64)) {
    let arm = panel.slice.cell.arm;
    let (ink, marker) = (arm_ink(arm), arm_marker(arm));
    let head = area.top + Role::Label.line() / 2.0;
    canvas.marker(marker, (area.left + MARK, head), MARK, ink);
    canvas.text(arm.name(), (area.left + 2.0 * MARK + 6.0, head), Role::Label, Side::Right);
    let area = Area { top: area.top + Role::Label.line() + 4.0, ..area };
    let [above, below] = area.split(HISTOGRAM, 6.0);
    let space = (1.0 - from) * 0.03;
    let x = (Scale::between(from - space, 1.0 + space, Unit::Percent), "");
    let y = (Scale::between(-0.03, 1.03, Unit::Percent), "right answers");
    let bars_scale = (Scale::from_zero([most], Unit::Percent), "share of answers");
    let frames = Frame::aligned(canvas, &[(above, x, y), (below, (x.0, "confidence"), bars_scale)]);
    let (frame, counts) = (frames[0], frames[1]);
    frame.dashed(canvas, (from, from), (1.0, 1.0), Ink::Axis);
    let points = || panel.diagram.bins.iter().map(|(bin, _)| (bin.confidence, bin.accuracy));
    for (point, (_, interval)) in points().zip(&panel.diagram.bins) {
        frame.cross(canvas, point, [None, *interval], ink);
    }
    for at in frame.all(points()) {
        canvas.marker(marker, at, MARK * 0.8, ink);
    }
    let width = (1.0 - from) / bars.iter().map(|_| 1.0).sum::<f64>().max(1.0);
    let mut left = from;
    for share in bars {
        if *share > 0.0 {
            let (start, end) = (counts.x_at(left) + 0.5, counts.x_at(left + width) - 0.5);
            let bar = Area { left: start, top: counts.y_at(*share), right: end, bottom: counts.plot.bottom };
            canvas.rectangle(bar, ink);
        }
        left += width;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of answers")]
fn notes(panels: &[Panel], left_out: usize) -> Vec<String> {
    let method = if panels.iter().all(|panel| panel.slice.is_independent()) {
        "Wilson intervals"
    } else {
        "bootstrap intervals over groups; none if fewer than three groups have a right or a wrong answer there"
    };
    let mut notes = vec![format!(
        "Each mark is up to a tenth of the answers, by ascending confidence. Bars: 95 % {method}. On the diagonal a \
         confidence equals the share of right answers; below it the model is too sure."
    )];
    let zero = |panel: &Panel| {
        let zero = panel.diagram.zero?;
        let share = zero.n as f64 / panel.found.n.max(1) as f64;
        Some(format!("{} {} ({} of them right)", panel.slice.cell.arm, percent(share), percent(zero.accuracy)))
    };
    let zero: Vec<String> = panels.iter().filter_map(zero).collect();
    if !zero.is_empty() {
        notes.push(format!(
            "Not drawn: answers with confidence 0, which fail a check of the gate or have no readable answer: {}.",
            zero.join("; ")
        ));
    }
    if left_out > 0 {
        notes.push(format!("Not drawn: {left_out} further arms, which are in the table `reliability`."));
    }
    notes
}

fn description(comparison: &Comparison, panels: &[Panel]) -> String {
    let each = |panel: &Panel| {
        let ends = comparison.confidence_intervals(panel.slice);
        let ece = panel.found.ece.map_or_else(|| "undefined".to_owned(), |ece| number(ece, ends.ece, 3));
        let auroc = panel.found.auroc.map(|auroc| format!(" and an AUROC of {}", number(auroc, ends.auroc, 3)));
        let (name, n) = (panel.slice.cell.arm.name(), panel.found.n);
        format!("{name}, {n} answers, has an expected calibration error of {ece}{}", auroc.unwrap_or_default())
    };
    let each: Vec<String> = panels.iter().map(each).collect();
    format!(
        "Mean confidence against the share of right answers in bins of equal size, with 95 % intervals, and the \
         distribution of the confidences. {}.",
        each.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{EIGHT, Run, check};
    use super::*;
    use crate::types::arm::Arm;

    #[test]
    fn each_arm_with_answers_of_its_own_has_a_panel() {
        let run = Run::of(&EIGHT, 60);
        let comparison = run.comparison();
        let figure = figure(&comparison).expect("drawn").expect("confidences");
        let drawing = check(&figure, &["weak-only", "inter-cascade-random", "right answers", "share of answers"]);
        assert!(drawing.marks(arm_ink(Arm::WeakOnly)) > 20, "ten bins with marks and bars");
    }

    #[test]
    fn more_than_four_arms_are_counted() {
        let arms = [
            Arm::WeakOnly,
            Arm::InterCascade,
            Arm::InterCascadeRandom,
            Arm::Retrieval,
            Arm::FixedExample,
            Arm::StrongOnly,
        ];
        let run = Run::of(&arms, 60);
        let figure = figure(&run.comparison()).expect("drawn").expect("confidences");
        check(&figure, &["weak-only", "retrieval", "Not drawn: 1 further arms"]);
    }

    #[test]
    fn every_run_can_be_drawn() {
        for run in Run::all() {
            if let Some(figure) = figure(&run.comparison()).expect("drawn") {
                check(&figure, &["confidence"]);
            }
        }
        let mut equal = Run::of(&[Arm::WeakOnly], 40);
        equal.confide(|_| Some(1.0));
        check(&figure(&equal.comparison()).expect("drawn").expect("confidences"), &["weak-only"]);
    }
}
