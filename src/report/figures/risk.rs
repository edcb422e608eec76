//! Risk and coverage of the weak level's accepted answers over the threshold λ.

use anyhow::Result;

use super::shown::with_own_confidence;
use super::style::{
    Area, Canvas, EndLabel, Frame, Ink, Label, MARK, SMALL_MARK, Scale, Stroke, Unit, arm_ink, arm_marker, at_ends,
    near,
};
use super::{Figure, name};
use crate::analysis::metrics::selective::SelectivePoint;
use crate::analysis::metrics::{Comparison, Slice};
use crate::analysis::stats::Estimate;
use crate::report::format::{lambda, percent, sure_percent};

const TITLE: &str = "Risk and coverage by threshold: what the weak level's confidence is worth";

/// Height of both panels in pixels.
const HEIGHT: f64 = 520.0;

/// Fewest accepted answers for the curve of a risk.
const FEWEST: usize = 10;

/// Distance of the marks on a curve in pixels.
const MARKED: f64 = 60.0;

/// A curve of one arm.
struct Curve<'c, 'a> {
    slice: &'c Slice<'a>,
    points: Vec<SelectivePoint>,
}

impl Curve<'_, '_> {
    fn ink(&self) -> Ink {
        arm_ink(self.slice.cell.arm)
    }

    /// λ of the arm's gate with its point. `None` without a gate, and if everything is deferred.
    fn gate(&self) -> Option<&SelectivePoint> {
        let own = self.slice.cell.threshold?;
        self.points.iter().find(|point| point.threshold.to_bits() == own.to_bits())
    }
}

/// Draws the figure. `None` if no answer has a confidence.
///
/// # Errors
/// If the figure cannot be drawn.
pub(super) fn figure(comparison: &Comparison) -> Result<Option<Figure>> {
    let curves: Vec<Curve> = with_own_confidence(comparison)
        .into_iter()
        .map(|slice| Curve { slice, points: slice.selective(comparison.seed) })
        .filter(|curve| !curve.points.is_empty())
        .collect();
    if curves.is_empty() {
        return Ok(None);
    }
    let alpha = alpha(comparison, &curves);
    let mut canvas = Canvas::new(TITLE, HEIGHT, &notes(comparison, &curves, alpha));
    let names: Vec<String> = curves.iter().map(|curve| name(comparison, curve.slice)).collect();
    let (area, column) = canvas.body.beside_labels(&names);
    let x = x_scale(&curves);
    let panels = [Share::Risk, Share::Coverage];
    let scales = panels.map(|share| (share.scale(&curves, alpha), share.title()));
    let frames = Frame::stacked(&mut canvas, area, (x, "threshold λ of the confidence"), &scales);
    for (share, frame) in panels.into_iter().zip(frames) {
        draw(&mut canvas, frame, (share, x), &curves);
        let end = |(curve, text): (&Curve, &String)| {
            let points = share.of(curve, x);
            let at = if share == Share::Risk { points.last() } else { points.get(points.len() / 2) };
            // Curves end far from the column, so the marks on them lead to the names and no line does.
            let end = (column.left, frame.y_at(at?.1.value));
            let marker = Some(arm_marker(curve.slice.cell.arm));
            Some(EndLabel { text: text.clone(), end, marker, ink: curve.ink() })
        };
        let ends: Vec<EndLabel> = curves.iter().zip(&names).filter_map(end).collect();
        at_ends(&mut canvas, column.left, (frame.plot.top, frame.plot.bottom), &ends);
        let shared = shared_gate(&curves).filter(|threshold| x.covers(*threshold));
        let shared = shared.map(|threshold| (threshold, lambda(comparison.readable(threshold))));
        limits(&mut canvas, frame, x, alpha.filter(|_| share == Share::Risk), shared);
    }
    let description = description(comparison, &curves, alpha);
    Ok(Some(Figure::new("risk-by-threshold", TITLE, description, &canvas)?))
}

/// The share that a panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Risk,
    Coverage,
}

impl Share {
    fn title(self) -> &'static str {
        match self {
            Self::Risk => "risk: share of wrong answers among the accepted ones",
            Self::Coverage => "coverage: share of accepted answers",
        }
    }

    fn at(self, point: &SelectivePoint) -> Option<Estimate> {
        match self {
            Self::Risk => point.risk,
            Self::Coverage => Some(point.coverage),
        }
    }

    /// Points of a curve within the scale of λ. Below the least positive confidence nothing changes, and above the
    /// greatest no answer is accepted.
    fn of(self, curve: &Curve, x: Scale) -> Vec<(f64, Estimate)> {
        let inside = curve.points.iter().filter(|point| x.covers(point.threshold));
        let is_known = |point: &&SelectivePoint| self == Self::Coverage || point.accepted >= FEWEST;
        let inside: Vec<&SelectivePoint> = inside.filter(is_known).collect();
        let points = inside.iter().filter_map(|point| Some((point.threshold, self.at(point)?)));
        let before = inside.first().and_then(|point| Some((x.ends().0, self.at(point)?)));
        let none = (x.ends().1, Estimate::new(0.0, None));
        let after = Some(none).filter(|_| self == Self::Coverage && !inside.is_empty());
        before.into_iter().chain(points).chain(after).collect()
    }

    fn scale(self, curves: &[Curve], alpha: Option<f64>) -> Scale {
        let is_drawn = |curve: &Curve, point: &SelectivePoint| {
            self == Self::Coverage
                || point.accepted >= FEWEST
                || curve.gate().is_some_and(|gate| gate.threshold.to_bits() == point.threshold.to_bits())
        };
        let points = curves.iter().flat_map(|curve| curve.points.iter().filter(|point| is_drawn(curve, point)));
        let points = points.filter_map(|point| self.at(point));
        let alpha = alpha.filter(|_| self == Self::Risk);
        // No share is above 1, also with the space at the end.
        Scale::from_zero(points.flat_map(Estimate::reach).chain(alpha).map(|share| share.min(0.97)), Unit::Percent)
    }
}

/// Draws the bands, the curves and the mark of each gate.
fn draw(canvas: &mut Canvas, frame: Frame, (share, x): (Share, Scale), curves: &[Curve]) {
    for curve in curves {
        frame.bands(canvas, &share.of(curve, x), curve.ink());
    }
    for curve in curves {
        let line = frame.all(share.of(curve, x).iter().map(|(threshold, share)| (*threshold, share.value)));
        canvas.path(&line, curve.ink(), Stroke::Thick);
        let mut marked = frame.plot.left - MARKED;
        for at in &line {
            if at.0 - marked >= MARKED || Some(at) == line.last() && share == Share::Risk {
                canvas.marker(arm_marker(curve.slice.cell.arm), *at, SMALL_MARK, curve.ink());
                marked = at.0;
            }
        }
    }
    for curve in curves {
        let gate = curve.gate().filter(|point| x.covers(point.threshold));
        if let Some((point, share)) = gate.and_then(|point| Some((point, share.at(point)?))) {
            let at = frame.at((point.threshold, share.value));
            canvas.marker(arm_marker(curve.slice.cell.arm), at, MARK, curve.ink());
        }
    }
}

/// Draws α across and the λ of all arms upright, with their labels. λ comes with its text.
fn limits(canvas: &mut Canvas, frame: Frame, x: Scale, alpha: Option<f64>, gate: Option<(f64, String)>) {
    let steps = || (1..12_u8).map(|step| f64::from(step) / 12.0);
    let mut labels = Vec::new();
    if let Some(alpha) = alpha {
        frame.level(canvas, alpha, Ink::Limit);
        let (low, high) = x.ends();
        let anchors = frame.all(steps().map(|step| (low + (high - low) * step, alpha)));
        labels.push(Label { text: format!("α = {}", percent(alpha)), anchors, ink: Ink::Limit });
    }
    if let Some((threshold, text)) = gate {
        frame.upright(canvas, threshold, Ink::Limit);
        let (left, Area { top, bottom, .. }) = (frame.x_at(threshold), frame.plot);
        let anchors = steps().map(|step| (left, top + (bottom - top) * step)).collect();
        labels.push(Label { text: format!("λ = {text}"), anchors, ink: Ink::Limit });
    }
    near(canvas, frame.plot, &labels);
}

/// α of the calibrated gates. `None` if no gate was calibrated.
fn alpha(comparison: &Comparison, curves: &[Curve]) -> Option<f64> {
    let calibrated = comparison.slices.iter().filter_map(|slice| comparison.guaranteed(slice));
    let own = curves.iter().filter_map(|curve| comparison.guaranteed(curve.slice));
    own.chain(calibrated).map(|found| found.guarantee.alpha).next()
}

/// λ of all arms, if it is the same in all. For weak-only that of the cascade counts.
fn shared_gate(curves: &[Curve]) -> Option<f64> {
    let mut gates = curves.iter().filter_map(|curve| curve.slice.cell.threshold);
    let first = gates.next()?;
    gates.all(|other| other.to_bits() == first.to_bits()).then_some(first)
}

/// Scale of λ: from the least positive threshold to the greatest. Below the former, an answer is accepted unless its
/// confidence is 0.
fn x_scale(curves: &[Curve]) -> Scale {
    let all = curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.threshold));
    let positive: Vec<f64> = all.clone().filter(|threshold| *threshold > 0.0).collect();
    if positive.is_empty() { Scale::around(all, Unit::Number) } else { Scale::around(positive, Unit::Number) }
}

fn notes(comparison: &Comparison, curves: &[Curve], alpha: Option<f64>) -> Vec<String> {
    let method = if curves.iter().all(|curve| curve.slice.is_independent()) { "Wilson" } else { "bootstrap" };
    let mut notes = vec![format!(
        "Bands: 95 % {method} intervals{}, for each λ by itself; none if fewer than three groups have a wrong or a right answer. \
         A risk is drawn from {FEWEST} accepted answers on.",
        if method == "bootstrap" { " over groups" } else { "" }
    )];
    if curves.iter().any(|curve| curve.gate().is_some()) {
        notes.push(format!(
            "The large mark of an arm is at its λ, {}; also with fewer answers.",
            if alpha.is_some() { "calibrated for the risk α" } else { "set in the config" }
        ));
    }
    let nothing: Vec<&str> = curves
        .iter()
        .filter(|curve| comparison.guaranteed(curve.slice).is_some_and(|found| !found.certified))
        .map(|curve| curve.slice.cell.arm.name())
        .collect();
    if !nothing.is_empty() {
        notes.push(format!("No λ could be certified for {}: every query is deferred.", nothing.join(", ")));
    }
    if curves.iter().any(|curve| curve.slice.learns()) {
        notes.push(
            "A learning arm ran at its own λ only; its curve is about those answers, and other examples would have \
             been stored at another λ."
                .to_owned(),
        );
    }
    notes
}

fn description(comparison: &Comparison, curves: &[Curve], alpha: Option<f64>) -> String {
    let at = |curve: &Curve| {
        let name = curve.slice.cell.arm.name();
        let (point, when) = match curve.gate() {
            Some(point) => (point, format!("at its λ of {}", lambda(comparison.readable(point.threshold)))),
            None => (curve.points.first()?, "when all answers with a confidence are accepted".to_owned()),
        };
        let risk = point.risk.map(|risk| format!("{} of them are wrong", share_with(risk)));
        Some(format!(
            "{name} accepts {} of the weak answers {when}{}",
            share_with(point.coverage),
            risk.map(|risk| format!(", and {risk}")).unwrap_or_default()
        ))
    };
    let each: Vec<String> = curves.iter().filter_map(at).collect();
    let alpha = alpha.map(|alpha| format!(" The gates were calibrated for a risk of at most {}.", percent(alpha)));
    format!(
        "Two panels over the threshold λ: the share of wrong answers among the accepted ones, and the share of accepted \
         answers, for {} arms with 95 % intervals. {}.{}",
        curves.len(),
        each.join("; "),
        alpha.unwrap_or_default()
    )
}

/// Formats a share with its interval.
fn share_with(estimate: Estimate) -> String {
    sure_percent(estimate.value, estimate.interval)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{EIGHT, Run, check};
    use super::*;
    use crate::types::arm::Arm;

    #[test]
    fn each_arm_with_answers_of_its_own_has_a_curve() {
        let run = Run::of(&EIGHT, 60);
        let comparison = run.comparison();
        let figure = figure(&comparison).expect("drawn").expect("confidences");
        let drawing = check(&figure, &["weak-only", "inter-cascade", "inter-cascade-random", "λ = 0.5", "coverage"]);
        assert!(!drawing.texts().iter().any(|text| text.text == "cascade"), "its answers are those of weak-only");
        assert!(drawing.marks(arm_ink(Arm::InterCascade)) > 6, "lines, bands and marks in both panels");
        assert!(drawing.marks(Ink::Limit) > 0);
        assert!(figure.description.contains("inter-cascade accepts"), "{}", figure.description);
    }

    #[test]
    fn every_run_can_be_drawn() {
        for run in Run::all() {
            let comparison = run.comparison();
            if let Some(figure) = figure(&comparison).expect("drawn") {
                check(&figure, &["risk", "coverage"]);
            }
        }
        let sweep = Run::swept(&EIGHT, 60, &[0.3, 0.5, 0.7]);
        check(&figure(&sweep.comparison()).expect("drawn").expect("confidences"), &["weak-only", "inter-cascade"]);
    }

    #[test]
    fn equal_confidences_are_marks_and_no_confidence_is_no_figure() {
        let mut run = Run::of(&[Arm::WeakOnly, Arm::InterCascade], 40);
        run.confide(|_| Some(0.7));
        let comparison = run.comparison();
        check(&figure(&comparison).expect("drawn").expect("confidences"), &["weak-only"]);
        let mut run = Run::of(&EIGHT, 40);
        run.confide(|_| None);
        assert_eq!(figure(&run.comparison()).expect("drawn"), None);
    }
}
