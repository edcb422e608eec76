//! Choice of an arm and threshold for a budget, possibly as a mixture of two neighbouring thresholds.

use super::Point;

/// A choice, or a random mixture of two choices per query.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<T> {
    /// The choice, with its own cost and accuracy.
    pub choice: (T, Point),
    /// The other choice, and the share of queries in (0, 1) that it receives. `None` without a mixture.
    pub mixed: Option<((T, Point), f64)>,
    /// Cost and accuracy, in expectation for a mixture.
    pub point: Point,
}

impl<T: Clone> Found<T> {
    fn alone(choice: &(T, Point)) -> Self {
        Self { choice: choice.clone(), mixed: None, point: choice.1 }
    }

    /// Mixes two neighbours. `share` is the weight of the second.
    fn between(pair: &[(T, Point)], share: f64) -> Self {
        let [from, to] = [&pair[0], &pair[1]];
        let along = |of: fn(Point) -> f64| of(from.1) + share * (of(to.1) - of(from.1));
        let point = Point { cost: along(|point| point.cost), accuracy: along(|point| point.accuracy) };
        Self { choice: from.clone(), mixed: Some((to.clone(), share)), point }
    }

    /// Returns the choice with the greater share, with its own cost and accuracy.
    #[must_use]
    pub fn nearest(&self) -> &(T, Point) {
        match &self.mixed {
            Some((other, share)) if *share >= 0.5 => other,
            _ => &self.choice,
        }
    }
}

/// Sorts an arm's choices by cost and keeps the most accurate among equal costs. Mixtures lie between two neighbours.
pub fn path<T>(choices: impl IntoIterator<Item = (T, Point)>) -> Vec<(T, Point)> {
    let mut path: Vec<(T, Point)> = choices.into_iter().collect();
    path.sort_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost).then(b.accuracy.total_cmp(&a.accuracy)));
    path.dedup_by(|(_, next), (_, previous)| next.cost.total_cmp(&previous.cost).is_eq());
    path
}

/// Returns the most accurate choice on any path that costs no more than `budget`. Ties are resolved by cost, then by
/// order. `None` if every choice costs more.
#[must_use]
pub fn best_within<T: Clone>(paths: &[Vec<(T, Point)>], budget: f64) -> Option<Found<T>> {
    let on = |path: &Vec<(T, Point)>| -> Vec<Found<T>> {
        let alone = path.iter().filter(|(_, point)| point.cost <= budget).map(Found::alone);
        let across = path.windows(2).filter(|pair| pair[0].1.cost < budget && budget < pair[1].1.cost);
        let mixed = across.map(|pair| {
            let found = Found::between(pair, (budget - pair[0].1.cost) / (pair[1].1.cost - pair[0].1.cost));
            Found { point: Point { cost: budget, ..found.point }, ..found }
        });
        alone.chain(mixed).collect()
    };
    first_by(paths.iter().flat_map(on), |a, b| a.accuracy > b.accuracy || a.accuracy >= b.accuracy && a.cost < b.cost)
}

/// Returns the cheapest choice on any path that is at least as accurate as `accuracy`. Ties are resolved by accuracy,
/// then by order. `None` if every choice is less accurate.
#[must_use]
pub fn cheapest_reaching<T: Clone>(paths: &[Vec<(T, Point)>], accuracy: f64) -> Option<Found<T>> {
    let on = |path: &Vec<(T, Point)>| -> Vec<Found<T>> {
        let alone = path.iter().filter(|(_, point)| point.accuracy >= accuracy).map(Found::alone);
        let across = path.windows(2).filter(|pair| pair[0].1.accuracy < accuracy && accuracy < pair[1].1.accuracy);
        let mixed = across.map(|pair| {
            let [from, to] = [pair[0].1.accuracy, pair[1].1.accuracy];
            let found = Found::between(pair, (accuracy - from) / (to - from));
            Found { point: Point { accuracy, ..found.point }, ..found }
        });
        alone.chain(mixed).collect()
    };
    first_by(paths.iter().flat_map(on), |a, b| a.cost < b.cost || a.cost <= b.cost && a.accuracy > b.accuracy)
}

/// Returns the first choice that no later one beats.
fn first_by<T>(found: impl Iterator<Item = Found<T>>, beats: impl Fn(Point, Point) -> bool) -> Option<Found<T>> {
    found.reduce(|best, next| if beats(next.point, best.point) { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::close;

    const CHOICES: [(&str, Point); 4] = [
        ("cheap", Point { cost: 0.1, accuracy: 0.6 }),
        ("good", Point { cost: 0.4, accuracy: 0.8 }),
        ("as good", Point { cost: 0.5, accuracy: 0.8 }),
        ("best", Point { cost: 0.9, accuracy: 0.9 }),
    ];

    #[test]
    fn a_budget_buys_the_most_accurate_and_an_accuracy_the_cheapest() {
        let name = |found: Option<Found<&'static str>>| found.map(|found| found.choice.0);
        // Each choice on a separate path: nothing is mixed.
        let alone = CHOICES.map(|choice| vec![choice]);
        assert_eq!(name(best_within(&alone, 0.5)), Some("good"));
        assert_eq!(name(best_within(&alone, 2.0)), Some("best"));
        assert_eq!(name(best_within(&alone, 0.05)), None);
        assert_eq!(name(cheapest_reaching(&alone, 0.7)), Some("good"));
        assert_eq!(name(cheapest_reaching(&alone, 0.6)), Some("cheap"));
        assert_eq!(name(cheapest_reaching(&alone, 0.95)), None);
    }

    #[test]
    fn between_two_neighbours_one_is_drawn_at_random() {
        let path = [path(CHOICES)];
        // A third of the way from cheap to good: 0.6 + 0.2 / 3.
        let found = best_within(&path, 0.2).expect("on the path");
        let Some(((other, _), share)) = &found.mixed else { panic!("{found:?}") };
        assert_eq!((found.choice.0, *other, found.nearest().0), ("cheap", "good", "cheap"));
        close(*share, 1.0 / 3.0, 1e-12);
        close(found.point.accuracy, 0.6 + 0.2 / 3.0, 1e-12);
        close(found.point.cost, 0.2, 0.0);
        // Three fifths of the way from as good to best.
        let found = cheapest_reaching(&path, 0.86).expect("on the path");
        assert_eq!((found.choice.0, found.nearest().0), ("as good", "best"));
        close(found.point.cost, 0.74, 1e-12);
        // A vertex is no mixture, nor is a budget on a flat piece.
        for (found, name) in [(best_within(&path, 0.4), "good"), (best_within(&path, 0.45), "good")] {
            let found = found.expect("on the path");
            assert_eq!((found.choice.0, found.mixed), (name, None));
        }
        assert_eq!(best_within(&path, 0.05), None);
    }
}
