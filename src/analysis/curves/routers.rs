//! Figures of curves relative to two corners (always the weak level, always the strong level) and to two baselines: a
//! router that calls the strong level at random, and an oracle router that knows the answers. A router calls one level
//! for each item, while a cascade calls the weak level first. Sources: APGR and CPT, RouteLLM (arXiv 2406.18665); IBC,
//! AutoMix (arXiv 2310.12963).
#![expect(clippy::cast_precision_loss, reason = "counts of items")]

use super::both::BothAnswers;
use super::{Axis, Curve, Point};

/// Cost and accuracy of the two levels alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corners {
    /// The weak level alone.
    pub weak: Point,
    /// The strong level alone.
    pub strong: Point,
}

impl Corners {
    /// Computes the corners of these items. `None` without items.
    #[must_use]
    pub fn of(items: &[BothAnswers], axis: Axis) -> Option<Self> {
        let mut sums = [[0.0; 2]; 2];
        for item in items {
            let rights = [item.weak_right, item.strong_right];
            for ((sum, cost), right) in sums.iter_mut().zip(item.costs(axis)).zip(rights) {
                *sum = [sum[0] + cost, sum[1] + f64::from(u8::from(right))];
            }
        }
        let n = items.len() as f64;
        let [weak, strong] = sums.map(|[cost, right]| Point { cost: cost / n, accuracy: right / n });
        (!items.is_empty()).then_some(Self { weak, strong })
    }

    /// Builds the curve through an arm's points and both corners.
    pub fn join(&self, points: impl IntoIterator<Item = Point>) -> Option<Curve> {
        Curve::through(points.into_iter().chain([self.weak, self.strong]))
    }

    /// Curve of the router that calls the strong level with a fixed probability: in expectation the straight line
    /// between the corners.
    #[must_use]
    pub fn random_router(&self) -> Option<Curve> {
        self.join([])
    }

    /// Computes the mean accuracy of a curve between the corners' costs.
    #[must_use]
    pub fn area(&self, curve: &Curve) -> Option<f64> {
        curve.area(self.weak.cost, self.strong.cost)
    }

    /// Computes RouteLLM's average performance gap recovered (APGR): the position of the curve's area between the weak
    /// level's accuracy (0) and the strong level's (1). `None` if the strong level is not better.
    #[must_use]
    pub fn apgr(&self, curve: &Curve) -> Option<f64> {
        Some((self.area(curve)? - self.weak.accuracy) / self.gap()?)
    }

    /// Computes RouteLLM's call-performance threshold (CPT): the share of strong calls, or the position between the
    /// weak level's fee and the strong level's, at which the curve recovers `share` of the gap (0.5 for CPT(50)).
    /// `None` if it never does.
    #[must_use]
    pub fn cpt(&self, curve: &Curve, share: f64) -> Option<f64> {
        let cost = curve.cost_at(self.weak.accuracy + share * self.gap()?)?;
        Some((cost - self.weak.cost) / (self.strong.cost - self.weak.cost))
    }

    /// Computes AutoMix's lift of the incremental benefit per cost (IBC): the accuracy gained per further unit of
    /// cost, relative to the step from the weak to the strong level; 0 is no better. `None` if either step has no
    /// further cost, or if the strong level is not better.
    #[must_use]
    pub fn ibc_lift(&self, point: Point) -> Option<f64> {
        let slope = |to: Point| {
            let cost = to.cost - self.weak.cost;
            (cost > 0.0).then(|| (to.accuracy - self.weak.accuracy) / cost)
        };
        self.gap()?;
        let base = slope(self.strong)?;
        Some((slope(point)? - base) / base)
    }

    /// Computes the position of the curve's area between the random router's (0) and the oracle's (1). `None` if the
    /// two are equal.
    #[must_use]
    pub fn oracle_normalised_area(&self, curve: &Curve, oracle: &Curve) -> Option<f64> {
        let random = self.area(&self.random_router()?)?;
        let room = self.area(oracle)? - random;
        (room > 0.0).then_some((self.area(curve)? - random) / room)
    }

    fn gap(&self) -> Option<f64> {
        let gap = self.strong.accuracy - self.weak.accuracy;
        (gap > 0.0).then_some(gap)
    }
}

/// Curve of the oracle router, which knows which level is correct: the greatest accuracy at each mean cost. It begins
/// with the cheaper level of every item (nearly always the weak one). It moves items to the dearer level, first if
/// only that level is correct, by ascending further cost; then if both are equal; last if only the cheaper level is
/// correct, by descending further cost, since each such move loses one correct answer. `None` without items.
#[must_use]
pub fn oracle_router(items: &[BothAnswers], axis: Axis) -> Option<Curve> {
    let corners = Corners::of(items, axis)?;
    let n = items.len() as f64;
    let mut start = [0.0; 2];
    let mut steps: Vec<(i8, f64)> = Vec::with_capacity(items.len());
    for item in items {
        let weak = (item.costs(axis)[0], i8::from(item.weak_right));
        let strong = (item.costs(axis)[1], i8::from(item.strong_right));
        let (cheap, dear) = if strong.0 < weak.0 { (strong, weak) } else { (weak, strong) };
        start = [start[0] + cheap.0, start[1] + f64::from(cheap.1)];
        steps.push((dear.1 - cheap.1, dear.0 - cheap.0));
    }
    steps.sort_by(|(gain_a, cost_a), (gain_b, cost_b)| {
        let ascending = cost_a.total_cmp(cost_b);
        gain_b.cmp(gain_a).then(if *gain_a < 0 { ascending.reverse() } else { ascending })
    });
    let start = Point { cost: start[0] / n, accuracy: start[1] / n };
    let moved = steps.into_iter().scan(start, |at, (gain, further)| {
        *at = Point { cost: at.cost + further / n, accuracy: at.accuracy + f64::from(gain) / n };
        Some(*at)
    });
    let path: Vec<Point> = std::iter::once(start).chain(moved).collect();
    // A corner lies on the path's end or, if one level is not always the cheaper one, below the path.
    let last = path.last().copied().unwrap_or(start);
    let ends = [corners.weak, corners.strong].into_iter().filter(|at| at.cost <= start.cost || at.cost >= last.cost);
    Curve::through(path.iter().copied().chain(ends))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::close;

    /// Ten items: the weak level has 5 correct, the strong level 8. Four are correct only at the strong level, one
    /// only at the weak level.
    fn items() -> Vec<BothAnswers> {
        let item = |i: u8| BothAnswers {
            weak_right: i >= 5,
            strong_right: (1..9).contains(&i),
            weak_fee: 1.0,
            strong_fee: if i == 1 { 2.0 } else { 11.0 },
        };
        (0..10).map(item).collect()
    }

    #[test]
    fn the_random_router_is_the_zero_of_every_figure() {
        for axis in [Axis::StrongCalls, Axis::Fee] {
            let corners = Corners::of(&items(), axis).expect("items");
            let (random, oracle) =
                (corners.random_router().expect("two"), oracle_router(&items(), axis).expect("items"));
            close(corners.apgr(&random).expect("a gap"), 0.5, 1e-12);
            close(corners.cpt(&random, 0.8).expect("a gap"), 0.8, 1e-12);
            close(corners.oracle_normalised_area(&random, &oracle).expect("room"), 0.0, 1e-12);
            close(corners.oracle_normalised_area(&oracle, &oracle).expect("room"), 1.0, 1e-12);
            let cost = f64::midpoint(corners.weak.cost, corners.strong.cost);
            let half = Point { cost, accuracy: random.accuracy_at(cost).expect("inside") };
            close(corners.ibc_lift(half).expect("a gap"), 0.0, 1e-12);
        }
    }

    #[test]
    fn the_oracle_defers_gains_first_and_losses_last() {
        let oracle = oracle_router(&items(), Axis::StrongCalls).expect("items");
        for (cost, accuracy) in [(0.0, 0.5), (0.2, 0.7), (0.4, 0.9), (0.9, 0.9), (1.0, 0.8)] {
            close(oracle.accuracy_at(cost).expect("inside"), accuracy, 1e-12);
        }
        let corners = Corners::of(&items(), Axis::StrongCalls).expect("items");
        close(corners.cpt(&oracle, 0.5).expect("a gap"), 0.15, 1e-12);
        close(corners.apgr(&oracle).expect("a gap"), (0.4 * 0.2 + 0.5 * 0.4 + 0.1 * 0.35) / 0.3, 1e-12);
        close(corners.ibc_lift(Point { cost: 0.4, accuracy: 0.9 }).expect("a gap"), 1.0 / 0.3 - 1.0, 1e-12);
        let by_fee = oracle_router(&items(), Axis::Fee).expect("items");
        close(by_fee.accuracy_at(1.1).expect("inside"), 0.6, 1e-12);
    }

    #[test]
    fn no_choice_of_levels_is_above_the_oracle_at_its_fee() {
        let item = |rights: [bool; 2], fees: [f64; 2]| BothAnswers {
            weak_right: rights[0],
            strong_right: rights[1],
            weak_fee: fees[0],
            strong_fee: fees[1],
        };
        // Three items gain for a cost of 2. Of two that lose, one costs 1 and one costs 20. On one more item the
        // strong level is cheaper.
        let mut items = vec![item([false, true], [1.0, 3.0]); 3];
        items.extend([item([true, false], [1.0, 2.0]), item([true, false], [1.0, 21.0])]);
        let oracle = oracle_router(&items, Axis::Fee).expect("items");
        // All three gains at (5 + 6) / 5, then the more expensive loss: 4 of 5 correct at (11 + 20) / 5.
        close(oracle.accuracy_at(11.0 / 5.0).expect("inside"), 1.0, 1e-12);
        close(oracle.accuracy_at(31.0 / 5.0).expect("inside"), 0.8, 1e-12);
        for cheap in [item([false, true], [5.0, 1.0]), item([true, false], [5.0, 1.0]), item([true, true], [5.0, 1.0])]
        {
            let mut items = items.clone();
            items.push(cheap);
            let oracle = oracle_router(&items, Axis::Fee).expect("items");
            let n = items.len() as f64;
            for choice in 0..1_u32 << items.len() {
                let level = |index: usize| usize::from(choice >> index & 1 == 1);
                let cost =
                    items.iter().enumerate().map(|(index, item)| item.costs(Axis::Fee)[level(index)]).sum::<f64>() / n;
                let right = items
                    .iter()
                    .enumerate()
                    .filter(|(index, item)| [item.weak_right, item.strong_right][level(*index)]);
                let accuracy = right.count() as f64 / n;
                let best = oracle.accuracy_at(cost).unwrap_or(1.0);
                assert!(accuracy <= best + 1e-9, "{accuracy} for {cost}, where the oracle has {best}");
            }
        }
    }

    #[test]
    fn no_gap_to_recover_if_the_strong_level_is_no_better() {
        let swap =
            |item: BothAnswers| BothAnswers { weak_right: item.strong_right, strong_right: item.weak_right, ..item };
        let items: Vec<BothAnswers> = items().into_iter().map(swap).collect();
        let corners = Corners::of(&items, Axis::StrongCalls).expect("items");
        let line = corners.random_router().expect("two corners");
        assert_eq!(
            (corners.apgr(&line), corners.cpt(&line, 0.5), corners.ibc_lift(corners.strong)),
            (None, None, None)
        );
        assert_eq!(Corners::of(&[], Axis::Fee), None);
    }
}
