//! Change of each learning arm's fee over the price ratio of the levels, a panel for each shape of prices.

use anyhow::Result;

use super::style::{Canvas, EndLabel, Frame, Ink, MARK, Marker, PANEL_GAP, PLOT_HEIGHT, SMALL_MARK, Scale, Stroke};
use super::style::{Unit, arm_ink, arm_marker, at_ends};
use super::{Figure, listed, name};
use crate::analysis::metrics::price_ratio::{Curve, Shape, ratios};
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::summary::cheaper_from;

/// Greatest number of arms whose curves have bands of intervals.
const BANDS: usize = 3;

/// The largest increase that the upright axis shows, as a share.
const MOST: f64 = 1.0;

const TITLE: &str = "Change of the fee against the cascade's as prices move, in %";

/// Draws the figure. `None` without a learning arm, a cascade or prices.
///
/// # Errors
/// If the figure cannot be drawn.
pub(super) fn figure(comparison: &Comparison) -> Result<Option<Figure>> {
    let arms: Vec<Arm> = comparison.price_curves().map(|(slice, curves)| Arm { slice, curves }).collect();
    let Some(own) = arms.first().and_then(|arm| Some(arm.curves.first()?.own)) else { return Ok(None) };
    let shapes = Shape::reported(comparison);
    let labels: Vec<String> = arms.iter().map(|arm| name(comparison, arm.slice)).collect();
    let mut canvas = Canvas::new(TITLE, PLOT_HEIGHT, &notes(&arms, own));
    let (panels, column) = canvas.body.beside_labels(&labels);
    let panels = panels.columns(u8::try_from(shapes.len())?, PANEL_GAP);
    let all = ratios(own);
    let [first, last] = [all.first(), all.last()].map(|ratio| ratio.copied().unwrap_or(own));
    let scales = (Scale::ratios(first, last), scale(&arms));
    let mut ends = Vec::new();
    for (index, (shape, area)) in shapes.iter().zip(panels).enumerate() {
        let heading = match shape {
            Shape::Config => shape.name(),
            Shape::Written(_) => format!("read : written {}", shape.name()),
        };
        let frame = Frame::new(&mut canvas, area, (scales.0, "strong : weak price"), (scales.1, &heading));
        ends = draw(&mut canvas, &frame, &arms, index, own);
    }
    let label = |((arm, text), end): ((&Arm, String), (f64, f64))| {
        let arm = arm.slice.cell.arm;
        EndLabel { text, end, marker: Some(arm_marker(arm)), ink: arm_ink(arm) }
    };
    let description = description(&arms, &labels, &shapes, own);
    let labels: Vec<EndLabel> = arms.iter().zip(labels).zip(ends).map(label).collect();
    at_ends(&mut canvas, column.left, (column.top, column.bottom), &labels);
    Ok(Some(Figure::new("fee-change-by-price-ratio", TITLE, description, &canvas)?))
}

/// A learning arm with its curves, one for each shape.
struct Arm<'c, 'a> {
    slice: &'c Slice<'a>,
    curves: &'c [Curve],
}

/// The upright scale of all panels: all changes with their intervals, up to [`MOST`].
fn scale(arms: &[Arm]) -> Scale {
    let changes = arms.iter().flat_map(|arm| arm.curves).flat_map(|curve| curve.changes.iter().flatten());
    let ends = changes.flat_map(|change| {
        [Some(change.value), change.interval.map(|ends| ends.low), change.interval.map(|ends| ends.high)]
    });
    let ends = ends.flatten().map(|change| change.min(MOST));
    Scale::around(ends.chain([0.0]), Unit::Signed)
}

/// Draws all arms at one shape, and returns the ends of their curves.
fn draw(canvas: &mut Canvas, frame: &Frame, arms: &[Arm], shape: usize, own: f64) -> Vec<(f64, f64)> {
    frame.level(canvas, 0.0, Ink::Muted);
    frame.upright_labelled(canvas, own, "configured");
    let curves = || {
        arms.iter().filter_map(|arm| Some((arm_ink(arm.slice.cell.arm), arm.slice.cell.arm, arm.curves.get(shape)?)))
    };
    let points = |curve: &Curve| {
        let each = ratios(own).into_iter().zip(&curve.changes);
        each.filter_map(|(ratio, change)| Some((ratio, (*change)?))).collect::<Vec<_>>()
    };
    if arms.len() <= BANDS {
        for (ink, _, curve) in curves() {
            let band = points(curve).into_iter().filter_map(|(ratio, change)| Some((ratio, change.interval?)));
            frame.band(canvas, &band.collect::<Vec<_>>(), ink);
        }
    }
    let mut ends = Vec::new();
    for (ink, arm, curve) in curves() {
        let points: Vec<(f64, f64)> = points(curve).into_iter().map(|(ratio, change)| (ratio, change.value)).collect();
        frame.clipped_path(canvas, &points, ink, Stroke::Thick);
        for point in points.iter().filter(|point| frame.covers(**point)) {
            canvas.marker(arm_marker(arm), frame.at(*point), SMALL_MARK, ink);
        }
        let last = points.last().copied().unwrap_or((own, 0.0));
        ends.push(frame.at(last));
    }
    for (ink, _, curve) in curves() {
        let Some(ratio) = curve.pays_from.filter(|ratio| frame.covers((*ratio, 0.0))) else { continue };
        let interval = curve.interval.filter(|_| arms.len() <= BANDS);
        frame.cross(canvas, (ratio, 0.0), [interval, None], ink);
        canvas.marker(Marker::OpenCircle, frame.at((ratio, 0.0)), MARK, ink);
    }
    ends
}

fn notes(arms: &[Arm], own: f64) -> Vec<String> {
    let bands = if arms.len() <= BANDS { " Bands and bars are 95 % intervals over groups of items." } else { "" };
    vec![
        format!(
            "All prices of the strong level are scaled by one factor; token counts stay as they were. The prices of \
             this run have the ratio {own:.1}. A panel for each relation of the price of a token read to that of a token \
             written. Below the line of no change an arm is cheaper than its cascade."
        ),
        format!("Ring on that line: break-even ratio; the arm is cheaper to its right.{bands}"),
    ]
}

/// Describes the figure, with the price ratio from which each arm is cheaper.
fn description(arms: &[Arm], names: &[String], shapes: &[Shape], own: f64) -> String {
    let each = arms.iter().zip(names).map(|(arm, name)| {
        let of = |(curve, shape): (&Curve, &Shape)| format!("{} at {}", cheaper_from(curve), shape.name());
        let all: Vec<String> = arm.curves.iter().zip(shapes).map(of).collect();
        format!("{name} from {}", listed(&all))
    });
    format!(
        "Relative change of each learning arm's fee against its cascade's over the ratio of strong to weak prices, \
         with a panel for each shape of prices; the configured ratio is {own:.1}. Break-even ratios: {}.",
        each.collect::<Vec<_>>().join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::testing::{EIGHT, Run, check};
    use crate::types::arm::Arm as Name;

    #[test]
    fn every_learning_arm_has_a_curve_and_a_label() {
        let orders = Run::in_orders(&[&EIGHT[..], &[Name::Retrieval, Name::SemanticCache]].concat(), 40, 2, &[0.5]);
        for run in Run::all().into_iter().chain([orders, Run::of(&[Name::Cascade, Name::InterCascade], 60)]) {
            let comparison = run.comparison();
            let learning: Vec<Name> = comparison.price_curves().map(|(slice, _)| slice.cell.arm).collect();
            let Some(figure) = figure(&comparison).expect("drawn") else {
                assert!(learning.is_empty());
                continue;
            };
            let mut names: Vec<&str> = learning.iter().map(|arm| arm.name()).collect();
            names.extend(["read : written 1 : 1", "read : written 1 : 4", "configured"]);
            let drawing = check(&figure, &names);
            for arm in learning {
                // The mark at the label, and marks or a line in each panel.
                assert!(drawing.marks(arm_ink(arm)) > 2, "{arm}");
            }
        }
    }

    #[test]
    fn without_prices_or_a_cascade_there_is_no_figure() {
        let run = Run::of(&EIGHT, 20).without_prices();
        assert!(figure(&run.comparison()).expect("drawn").is_none());
        assert!(figure(&Run::of(&[Name::InterCascade], 20).comparison()).expect("drawn").is_none());
    }
}
