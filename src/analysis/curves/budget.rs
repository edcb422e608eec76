//! Answers to a budget: which arm and threshold to take.

use super::Point;

/// The most accurate choice that costs no more than `budget`; of equals the cheapest, then the first.
pub fn best_within<T>(choices: impl IntoIterator<Item = (T, Point)>, budget: f64) -> Option<(T, Point)> {
    let within = choices.into_iter().filter(|(_, point)| point.cost <= budget);
    first_by(within, |a, b| a.accuracy > b.accuracy || a.accuracy >= b.accuracy && a.cost < b.cost)
}

/// The cheapest choice that is at least as accurate as `accuracy`; of equals the most accurate, then the first.
pub fn cheapest_reaching<T>(choices: impl IntoIterator<Item = (T, Point)>, accuracy: f64) -> Option<(T, Point)> {
    let reaching = choices.into_iter().filter(|(_, point)| point.accuracy >= accuracy);
    first_by(reaching, |a, b| a.cost < b.cost || a.cost <= b.cost && a.accuracy > b.accuracy)
}

/// The first choice that no later one beats.
fn first_by<T>(choices: impl Iterator<Item = (T, Point)>, beats: impl Fn(Point, Point) -> bool) -> Option<(T, Point)> {
    choices.reduce(|best, next| if beats(next.1, best.1) { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICES: [(&str, Point); 4] = [
        ("cheap", Point { cost: 0.1, accuracy: 0.6 }),
        ("good", Point { cost: 0.4, accuracy: 0.8 }),
        ("as good", Point { cost: 0.5, accuracy: 0.8 }),
        ("best", Point { cost: 0.9, accuracy: 0.9 }),
    ];

    #[test]
    fn a_budget_buys_the_most_accurate_and_an_accuracy_the_cheapest() {
        let name = |choice: Option<(&'static str, Point)>| choice.map(|(name, _)| name);
        assert_eq!(name(best_within(CHOICES, 0.5)), Some("good"));
        assert_eq!(name(best_within(CHOICES, 2.0)), Some("best"));
        assert_eq!(name(best_within(CHOICES, 0.05)), None);
        assert_eq!(name(cheapest_reaching(CHOICES, 0.7)), Some("good"));
        assert_eq!(name(cheapest_reaching(CHOICES, 0.6)), Some("cheap"));
        assert_eq!(name(cheapest_reaching(CHOICES, 0.95)), None);
    }
}
