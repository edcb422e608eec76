//! Accuracy against cost: the arms, their curves over λ in a sweep, the frontier, and the routers for comparison.

use std::collections::BTreeMap;

use anyhow::Result;

use super::style::{Area, Canvas, Frame, Ink, Label, MARK, PLOT_HEIGHT, SMALL_MARK, Scale, Stroke, Unit};
use super::style::{arm_ink, arm_marker, near};
use super::{Figure, items, listed};
use crate::analysis::curves::{Axis, Curve, Point};
use crate::analysis::metrics::Comparison;
use crate::analysis::metrics::operating::{OperatingPoint, operating_points};
use crate::analysis::metrics::recommendation::QUERIES;
use crate::analysis::metrics::swept::Swept;
use crate::analysis::stats::Estimate;
use crate::report::format::{percent, sure_percent};
use crate::types::arm::Arm;

/// Greatest number of curves that have bands of intervals.
const BANDS: usize = 4;

/// Lengths of dashes and gaps of the random router's line in pixels.
const DOTS: [f64; 2] = [2.0, 4.0];

/// Lengths of dashes and gaps of the oracle router's line in pixels.
const DASHES: [f64; 2] = [7.0, 4.0];

/// Cost and accuracy in the units of the plot.
type At = (f64, f64);

/// The data of the figure on one axis of cost.
struct Picture<'c, 'a> {
    comparison: &'c Comparison<'a>,
    axis: Axis,
    points: Vec<OperatingPoint<'c, 'a>>,
    /// Paths of the oracle router and the random router. Empty without weak-only and strong-only.
    routers: [Vec<At>; 2],
}

/// Draws the figure on one axis. `None` if no arm has a cost on it.
///
/// # Errors
/// If the figure cannot be drawn.
pub(super) fn figure(comparison: &Comparison, axis: Axis) -> Result<Option<Figure>> {
    let points = operating_points(comparison, axis);
    if points.is_empty() {
        return Ok(None);
    }
    let unit = unit(axis);
    let swept = Swept::new(comparison, axis);
    let path =
        |curve: &Curve| curve.points().iter().map(|point| (point.cost * unit, point.accuracy)).collect::<Vec<At>>();
    let oracle = swept.as_ref().map(|swept| path(swept.oracle())).unwrap_or_default();
    let random = swept.and_then(|swept| swept.corners().random_router()).map(|curve| path(&curve)).unwrap_or_default();
    Picture { comparison, axis, points, routers: [oracle, random] }.draw().map(Some)
}

/// Factor from the cost of an item to the cost that the axis shows.
fn unit(axis: Axis) -> f64 {
    match axis {
        Axis::StrongCalls => 1.0,
        Axis::Fee => QUERIES,
    }
}

impl Picture<'_, '_> {
    fn draw(&self) -> Result<Figure> {
        let (name, title, cost) = match self.axis {
            Axis::StrongCalls => {
                ("accuracy-by-strong-calls", "Accuracy against strong calls", "queries sent to the strong level")
            }
            Axis::Fee => ("accuracy-by-fee", "Accuracy against fee", "fee per 1,000 queries, USD"),
        };
        let mut canvas = Canvas::new(title, PLOT_HEIGHT, &self.notes());
        let area = canvas.body;
        let (x, y) = self.scales();
        let frame = Frame::new(&mut canvas, area, (x, cost), (y, "accuracy"));
        let mut arms = self.arms();
        // The levels alone come last, so that an arm at λ = 0 does not hide them.
        arms.sort_by_key(|(arm, _)| arm.is_one_level());
        if arms.iter().filter(|(_, points)| points.len() > 1).count() <= BANDS {
            for (arm, points) in &arms {
                self.draw_band(&mut canvas, &frame, *arm, points);
            }
        }
        let mut labels = self.draw_references(&mut canvas, &frame);
        labels.extend(arms.iter().map(|(arm, points)| self.draw_arm(&mut canvas, &frame, *arm, points)));
        let room = Area { right: area.right, ..frame.plot };
        near(&mut canvas, room, &labels);
        Figure::new(name, title, self.description(cost), &canvas)
    }

    /// The points of each arm by ascending cost, in the order of the arms.
    fn arms(&self) -> Vec<(Arm, Vec<&OperatingPoint<'_, '_>>)> {
        let mut of: BTreeMap<Arm, Vec<&OperatingPoint>> = BTreeMap::new();
        for point in &self.points {
            of.entry(point.slice.cell.arm).or_default().push(point);
        }
        for points in of.values_mut() {
            points.sort_by(|one, other| one.cost.value.total_cmp(&other.cost.value));
        }
        of.into_iter().collect()
    }

    fn at(&self, point: &OperatingPoint) -> At {
        (point.cost.value * unit(self.axis), point.accuracy.value)
    }

    fn scales(&self) -> (Scale, Scale) {
        let unit = unit(self.axis);
        let ends = |estimate: Estimate| {
            let interval = estimate.interval;
            [Some(estimate.value), interval.map(|ends| ends.low), interval.map(|ends| ends.high)].into_iter().flatten()
        };
        let routers = || self.routers.iter().flatten();
        let costs = self.points.iter().flat_map(|point| ends(point.cost)).map(|cost| cost * unit);
        let costs = costs.chain(routers().map(|(cost, _)| *cost));
        let accuracies = self.points.iter().flat_map(|point| ends(point.accuracy));
        let accuracies = accuracies.chain(routers().map(|(_, accuracy)| *accuracy));
        let x = match self.axis {
            Axis::StrongCalls => Scale::shares(costs),
            Axis::Fee => Scale::around(costs, Unit::Number),
        };
        (x, Scale::shares(accuracies))
    }

    /// Draws the frontier and the routers, and returns the labels of the routers.
    fn draw_references(&self, canvas: &mut Canvas, frame: &Frame) -> Vec<Label> {
        let mut frontier: Vec<At> =
            self.points.iter().filter(|point| point.on_frontier).map(|point| self.at(point)).collect();
        frontier.sort_by(|one, other| one.0.total_cmp(&other.0));
        canvas.path(&frame.all(frontier), Ink::Frontier, Stroke::Broad);
        let names = ["oracle router", "random router"];
        let styles = [(Ink::Oracle, DASHES), (Ink::Random, DOTS)];
        let mut labels = Vec::new();
        for ((path, text), (ink, dashes)) in self.routers.iter().zip(names).zip(styles) {
            if path.len() > 1 {
                canvas.dashed(&frame.all(path.iter().copied()), ink, Stroke::Thin, dashes);
                labels.push(Label { text: text.to_owned(), anchors: frame.along(path), ink });
            }
        }
        labels
    }

    /// Draws the intervals of the accuracies of a curve.
    fn draw_band(&self, canvas: &mut Canvas, frame: &Frame, arm: Arm, points: &[&OperatingPoint]) {
        let ends = points.iter().filter_map(|point| Some((self.at(point).0, point.accuracy.interval?)));
        frame.band(canvas, &ends.collect::<Vec<_>>(), arm_ink(arm));
    }

    /// Draws an arm: its point with both intervals, or in a sweep its curve over λ. Among equal costs, the curve has
    /// the most accurate point.
    fn draw_arm(&self, canvas: &mut Canvas, frame: &Frame, arm: Arm, points: &[&OperatingPoint]) -> Label {
        let (ink, marker) = (arm_ink(arm), arm_marker(arm));
        let positions: Vec<At> = points.iter().map(|point| self.at(point)).collect();
        if let [point] = points {
            let cost = point.cost.interval.map(|ends| ends.times(unit(self.axis)));
            frame.cross(canvas, positions[0], [cost, point.accuracy.interval], ink);
        }
        let curve = Curve::through(positions.iter().map(|(cost, accuracy)| Point { cost: *cost, accuracy: *accuracy }));
        let curve = curve.iter().flat_map(Curve::points).map(|point| (point.cost, point.accuracy));
        canvas.path(&frame.all(curve), ink, Stroke::Thin);
        let anchors = frame.all(positions);
        let radius = if points.len() > 1 { SMALL_MARK } else { MARK };
        for at in &anchors {
            canvas.marker(marker, *at, radius, ink);
        }
        Label { text: arm.to_string(), anchors, ink }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!(
            "{}. Bars and bands: 95 % intervals over groups of items. The broad pale line joins the points that no other \
             dominates.",
            items(self.comparison)
        )];
        if !self.routers[0].is_empty() {
            notes.push(
                "Random router: strong calls by chance. Oracle router: it knows which level is right, as no real \
                 router does."
                    .to_owned(),
            );
        }
        let further = self.points.iter().any(|point| point.slice.strong_calls_all() > point.slice.strong_calls());
        if self.axis == Axis::StrongCalls && further {
            notes.push("Further strong calls, as for writing strategies, are not counted here but in the fee.".into());
        }
        notes
    }

    /// Describes the figure, with the most accurate arm and the arms on the frontier.
    fn description(&self, cost: &str) -> String {
        let best = self.points.iter().max_by(|one, other| {
            one.accuracy.value.total_cmp(&other.accuracy.value).then(other.cost.value.total_cmp(&one.cost.value))
        });
        let best = best.map(|point| {
            let at = match self.axis {
                Axis::StrongCalls => format!("{} strong calls", percent(point.cost.value)),
                Axis::Fee => format!("{:.4} USD per 1,000 queries", point.cost.value * QUERIES),
            };
            let accuracy = sure_percent(point.accuracy.value, point.accuracy.interval);
            format!(" Most accurate: {} with {accuracy} at {at}.", point.slice.cell.arm)
        });
        let on_frontier = self.arms().into_iter().filter(|(_, points)| points.iter().any(|point| point.on_frontier));
        let names: Vec<String> = on_frontier.map(|(arm, _)| arm.to_string()).collect();
        format!(
            "Accuracy of each arm (upright axis) against {cost}, with 95 % intervals.{} No other arm dominates: {}.",
            best.unwrap_or_default(),
            listed(&names)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::testing::{EIGHT, Run, check};

    const AXES: [Axis; 2] = [Axis::StrongCalls, Axis::Fee];

    #[test]
    fn every_arm_has_a_mark_and_a_label() {
        for run in Run::all() {
            let comparison = run.comparison();
            for axis in AXES {
                let Some(figure) = figure(&comparison, axis).expect("drawn") else {
                    assert_eq!(axis, Axis::Fee, "only fees can be missing");
                    continue;
                };
                let names: Vec<&str> = run.arms().iter().map(|arm| arm.name()).collect();
                let drawing = check(&figure, &names);
                for arm in run.arms() {
                    assert!(drawing.marks(arm_ink(arm)) > 0, "{arm}");
                }
            }
        }
    }

    #[test]
    fn a_sweep_has_a_curve_for_each_arm_and_both_routers() {
        let thresholds = [0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, f64::INFINITY];
        let run = Run::swept(&EIGHT, 60, &thresholds);
        let comparison = run.comparison();
        for axis in AXES {
            let figure = figure(&comparison, axis).expect("drawn").expect("points");
            let mut names: Vec<&str> = EIGHT.iter().map(|arm| arm.name()).collect();
            names.extend(["oracle router", "random router"]);
            let drawing = check(&figure, &names);
            assert!(drawing.marks(arm_ink(Arm::InterCascade)) > thresholds.len());
            assert!(drawing.marks(Ink::Oracle) > 1 && drawing.marks(Ink::Random) > 1);
        }
    }

    #[test]
    fn fees_need_prices() {
        let run = Run::of(&EIGHT, 20).without_prices();
        assert!(figure(&run.comparison(), Axis::Fee).expect("drawn").is_none());
    }
}
