//! Accuracy by cost over thresholds: areas, baselines, budgets, and savings at equal accuracy. Cost is either the
//! share of strong calls or the fee per item.

pub mod both;
pub mod budget;
pub mod equal_accuracy;
pub mod grid;
pub mod routers;

/// Unit of cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Share of items that call the strong level.
    StrongCalls,
    /// Mean fee per item.
    Fee,
}

/// Cost and accuracy of one way to answer all items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Share of strong calls, or fee per item.
    pub cost: f64,
    /// Share of right answers.
    pub accuracy: f64,
}

/// Points joined by straight lines. Between two neighbours lie the random mixtures of both.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Points by strictly ascending cost.
    points: Vec<Point>,
}

impl Curve {
    /// Builds the curve through these points; among equal costs, the most accurate point counts. `None` without
    /// points.
    pub fn through(points: impl IntoIterator<Item = Point>) -> Option<Self> {
        let mut points: Vec<Point> = points.into_iter().collect();
        points.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(b.accuracy.total_cmp(&a.accuracy)));
        points.dedup_by(|next, previous| next.cost.total_cmp(&previous.cost).is_eq());
        (!points.is_empty()).then_some(Self { points })
    }

    /// Points of the curve, by cost.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Interpolates the accuracy at a cost. `None` outside the curve.
    #[must_use]
    pub fn accuracy_at(&self, cost: f64) -> Option<f64> {
        let above = self.points.partition_point(|point| point.cost < cost);
        let point = self.points.get(above)?;
        if point.cost.total_cmp(&cost).is_eq() {
            return Some(point.accuracy);
        }
        let below = self.points[..above].last()?;
        let share = (cost - below.cost) / (point.cost - below.cost);
        Some(below.accuracy + share * (point.accuracy - below.accuracy))
    }

    /// Returns the least cost at which the curve reaches an accuracy. `None` if the curve never reaches it, or starts
    /// above it.
    #[must_use]
    pub fn cost_at(&self, accuracy: f64) -> Option<f64> {
        let reached = self.points.iter().position(|point| point.accuracy >= accuracy)?;
        let point = self.points[reached];
        let Some(below) = self.points[..reached].last() else {
            return (point.accuracy <= accuracy).then_some(point.cost);
        };
        let share = (accuracy - below.accuracy) / (point.accuracy - below.accuracy);
        Some(below.cost + share * (point.cost - below.cost))
    }

    /// Computes the area under the curve between two costs, divided by their distance: the mean accuracy over that
    /// range. `None` if the curve does not cover the range.
    #[must_use]
    pub fn area(&self, from: f64, to: f64) -> Option<f64> {
        let end = |cost| Some(Point { cost, accuracy: self.accuracy_at(cost)? });
        let inside = self.points.iter().copied().filter(|point| from < point.cost && point.cost < to);
        let all: Vec<Point> = std::iter::once(end(from)?).chain(inside).chain([end(to)?]).collect();
        let trapezoid =
            |pair: &[Point]| (pair[1].cost - pair[0].cost) * f64::midpoint(pair[0].accuracy, pair[1].accuracy);
        (from < to).then(|| all.windows(2).map(trapezoid).sum::<f64>() / (to - from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::close;

    fn curve(points: &[(f64, f64)]) -> Curve {
        Curve::through(points.iter().map(|(cost, accuracy)| Point { cost: *cost, accuracy: *accuracy }))
            .expect("points")
    }

    #[test]
    fn values_between_points_lie_on_straight_lines() {
        let curve = curve(&[(1.0, 0.9), (0.0, 0.5), (0.5, 0.8), (0.5, 0.6)]);
        close(curve.accuracy_at(0.25).expect("inside"), 0.65, 1e-12);
        close(curve.accuracy_at(0.5).expect("inside"), 0.8, 1e-12);
        assert_eq!((curve.accuracy_at(-0.1), curve.accuracy_at(1.1)), (None, None));
        close(curve.cost_at(0.65).expect("reached"), 0.25, 1e-12);
        close(curve.cost_at(0.9).expect("reached"), 1.0, 1e-12);
        assert_eq!((curve.cost_at(0.5), curve.cost_at(0.49), curve.cost_at(0.91)), (Some(0.0), None, None));
    }

    #[test]
    fn an_accuracy_reached_twice_has_the_lower_cost() {
        let curve = curve(&[(0.0, 0.5), (0.4, 0.9), (0.7, 0.7), (1.0, 0.8)]);
        close(curve.cost_at(0.8).expect("reached"), 0.3, 1e-12);
    }

    #[test]
    fn areas_are_mean_accuracies_over_a_range() {
        let curve = curve(&[(0.0, 0.5), (0.5, 0.8), (1.0, 0.9)]);
        close(curve.area(0.0, 1.0).expect("covered"), 0.75, 1e-12);
        close(curve.area(0.25, 0.75).expect("covered"), 0.775, 1e-12);
        assert_eq!((curve.area(0.5, 1.5), curve.area(0.5, 0.5)), (None, None));
        assert_eq!(Curve::through([]), None);
    }
}
