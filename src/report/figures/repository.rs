//! Size of the repository along the stream.

use anyhow::Result;

use super::Figure;
use super::shown::{one_of_each, position};
use super::style::{Canvas, EndLabel, Frame, MARK, Scale, Stroke, Unit, arm_ink, arm_marker, at_ends};
use crate::analysis::metrics::growth::{RepositorySize, repository_sizes};
use crate::analysis::metrics::{Comparison, Slice};
use crate::analysis::stats::Interval;

const TITLE: &str = "Strategies in the repository along the stream";

/// Height of the plot in pixels.
const HEIGHT: f64 = 340.0;

/// Draws the figure. `None` if no arm stores a strategy.
///
/// # Errors
/// If the figure cannot be drawn.
pub(super) fn figure(comparison: &Comparison) -> Result<Option<Figure>> {
    let curves: Vec<(&Slice, Vec<RepositorySize>)> = one_of_each(comparison)
        .into_iter()
        .filter(|slice| slice.cell.arm.learning().is_some())
        .map(|slice| (slice, repository_sizes(slice)))
        .filter(|(_, sizes)| sizes.iter().any(|size| size.most > 0))
        .collect();
    if curves.is_empty() {
        return Ok(None);
    }
    let mut canvas = Canvas::new(TITLE, HEIGHT, &notes(&curves));
    let texts: Vec<String> = curves.iter().map(|(slice, sizes)| label(slice, sizes)).collect();
    let (area, column) = canvas.body.beside_labels(&texts);
    let all = || curves.iter().flat_map(|(_, sizes)| sizes);
    let x = Scale::between(0.0, all().map(|size| position(size.items)).fold(1.0, f64::max), Unit::Number);
    let y = Scale::from_zero(all().map(|size| position(size.most)), Unit::Number);
    let frame = Frame::new(&mut canvas, area, (x, "position in the stream, items"), (y, "stored strategies"));
    for (slice, sizes) in &curves {
        if slice.orders > 1 {
            let ends = |size: &RepositorySize| {
                (position(size.items), Interval { low: position(size.least), high: position(size.most) })
            };
            frame.band(&mut canvas, &sizes.iter().map(ends).collect::<Vec<_>>(), arm_ink(slice.cell.arm));
        }
    }
    let mut ends = Vec::new();
    for ((slice, sizes), text) in curves.iter().zip(&texts) {
        let (ink, marker) = (arm_ink(slice.cell.arm), arm_marker(slice.cell.arm));
        let line = frame.all(sizes.iter().map(|size| (position(size.items), size.mean)));
        canvas.path(&line, ink, Stroke::Thick);
        if let [only] = line[..] {
            canvas.marker(marker, only, MARK, ink);
        }
        ends.extend(line.last().map(|end| EndLabel { text: text.clone(), end: *end, marker: Some(marker), ink }));
    }
    at_ends(&mut canvas, column.left, (frame.plot.top, frame.plot.bottom), &ends);
    Ok(Some(Figure::new("repository-size", TITLE, description(&curves), &canvas)?))
}

/// Name of the arm with the size of its repository before the last item.
fn label(slice: &Slice, sizes: &[RepositorySize]) -> String {
    let last = sizes.last().map_or(0.0, |size| size.mean);
    format!("{}: {last:.0}", slice.cell.arm.name())
}

fn notes(curves: &[(&Slice, Vec<RepositorySize>)]) -> Vec<String> {
    let orders = curves.iter().map(|(slice, _)| slice.orders).max().unwrap_or(1);
    let over = if orders > 1 {
        format!(
            " Lines are means over {orders} orders of the stream, bands reach from the least to the greatest order."
        )
    } else {
        String::new()
    };
    vec![format!(
        "Number of strategies that an item at this place could be shown; the number at the last item follows the name.{over}"
    )]
}

fn description(curves: &[(&Slice, Vec<RepositorySize>)]) -> String {
    let each = |(slice, sizes): &(&Slice, Vec<RepositorySize>)| {
        let half = sizes.get(sizes.len() / 2).map_or(0.0, |size| size.mean);
        let last = sizes.last().map_or(0.0, |size| size.mean);
        format!("{} has {half:.0} in the middle of the stream and {last:.0} at the last item", slice.cell.arm.name())
    };
    let each: Vec<String> = curves.iter().map(each).collect();
    format!("Number of stored strategies over the position in the stream. {}.", each.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{EIGHT, Run, check};
    use super::*;
    use crate::types::arm::Arm;

    #[test]
    fn each_learning_arm_has_a_curve_and_its_last_size() {
        let arms = [EIGHT.as_slice(), &[Arm::Retrieval, Arm::SemanticCache, Arm::ExampleReplay]].concat();
        let run = Run::in_orders(&arms, 60, 2, &[0.5]);
        let figure = figure(&run.comparison()).expect("drawn").expect("a learning arm");
        let drawing =
            check(&figure, &["inter-cascade: 29", "strong-with-examples: 29", "2 orders", "stored strategies"]);
        assert!(drawing.marks(arm_ink(Arm::InterCascade)) > 1);
        assert!(!figure.svg.contains("weak-only"));
    }

    #[test]
    fn every_run_can_be_drawn_and_nothing_stored_is_no_figure() {
        for run in Run::all() {
            if let Some(figure) = figure(&run.comparison()).expect("drawn") {
                check(&figure, &["inter-cascade"]);
            }
        }
        for run in [Run::of(&[Arm::Cascade], 40), Run::of(&[Arm::InterCascade], 1)] {
            assert_eq!(figure(&run.comparison()).expect("drawn"), None);
        }
    }
}
