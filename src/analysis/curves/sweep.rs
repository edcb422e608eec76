//! All thresholds of an arm that does not learn, from one weak and one strong answer per item: sorted once by
//! confidence, every threshold is a cut.

use super::{Axis, Point};

/// What both levels make of one item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BothAnswers {
    /// The weak level's confidence.
    pub confidence: f64,
    /// Whether the weak level is right.
    pub weak_right: bool,
    /// Whether the strong level is right.
    pub strong_right: bool,
    /// The weak call's fee.
    pub weak_fee: f64,
    /// The strong call's fee, in the same unit.
    pub strong_fee: f64,
}

impl BothAnswers {
    /// What asking only the weak level costs, and only the strong one.
    pub(super) fn costs(&self, axis: Axis) -> [f64; 2] {
        match axis {
            Axis::StrongCalls => [0.0, 1.0],
            Axis::Fee => [self.weak_fee, self.strong_fee],
        }
    }
}

/// The cascade at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SweepPoint {
    /// λ.
    pub threshold: f64,
    /// Share of right answers.
    pub accuracy: f64,
    /// Share of items that call the strong level.
    pub strong_call_rate: f64,
    /// Fee per item: the weak call, and the strong one where the item is deferred.
    pub fee: f64,
}

impl SweepPoint {
    /// The point on one curve.
    #[must_use]
    pub fn on(&self, axis: Axis) -> Point {
        let cost = match axis {
            Axis::StrongCalls => self.strong_call_rate,
            Axis::Fee => self.fee,
        };
        Point { cost, accuracy: self.accuracy }
    }
}

/// Items by confidence, ready for any threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Ascending, each with its place among the items given.
    sorted: Vec<(usize, BothAnswers)>,
}

/// Sums over the least confident items.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: f64,
    weak_right: f64,
    strong_right: f64,
    weak_fee: f64,
    strong_fee: f64,
}

impl Sums {
    fn plus(self, item: &BothAnswers, times: f64) -> Self {
        let right = |right: bool| times * f64::from(u8::from(right));
        Self {
            n: self.n + times,
            weak_right: self.weak_right + right(item.weak_right),
            strong_right: self.strong_right + right(item.strong_right),
            weak_fee: self.weak_fee + times * item.weak_fee,
            strong_fee: self.strong_fee + times * item.strong_fee,
        }
    }
}

impl Sweep {
    /// Sorts the items.
    #[must_use]
    pub fn new(items: &[BothAnswers]) -> Self {
        let mut sorted: Vec<(usize, BothAnswers)> = items.iter().copied().enumerate().collect();
        sorted.sort_by(|(_, a), (_, b)| a.confidence.total_cmp(&b.confidence));
        Self { sorted }
    }

    /// The cascade at each threshold; nothing without items.
    #[must_use]
    pub fn points(&self, thresholds: &[f64]) -> Vec<SweepPoint> {
        self.resampled(thresholds, |_| 1)
    }

    /// The same on a resample that holds the item at each place so many times.
    pub fn resampled(&self, thresholds: &[f64], times: impl Fn(usize) -> u32) -> Vec<SweepPoint> {
        let mut below = vec![Sums::default()];
        below.extend(self.sorted.iter().scan(Sums::default(), |sums, (place, item)| {
            *sums = sums.plus(item, f64::from(times(*place)));
            Some(*sums)
        }));
        let all = below[self.sorted.len()];
        if all.n == 0.0 {
            return Vec::new();
        }
        let point = |threshold: f64| {
            let deferred = below[self.sorted.partition_point(|(_, item)| item.confidence < threshold)];
            SweepPoint {
                threshold,
                accuracy: (deferred.strong_right + all.weak_right - deferred.weak_right) / all.n,
                strong_call_rate: deferred.n / all.n,
                fee: (all.weak_fee + deferred.strong_fee) / all.n,
            }
        };
        thresholds.iter().copied().map(point).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::fixtures::close;

    fn item() -> impl Strategy<Value = BothAnswers> {
        (0_u8..=10, any::<bool>(), any::<bool>(), 0_u8..9, 0_u8..99).prop_map(
            |(c, weak_right, strong_right, weak, strong)| {
                let confidence = f64::from(c) / 10.0;
                BothAnswers { confidence, weak_right, strong_right, weak_fee: weak.into(), strong_fee: strong.into() }
            },
        )
    }

    proptest! {
        #[test]
        fn a_sweep_is_what_taking_every_item_through_every_threshold_gives(
            items in prop::collection::vec((item(), 0_u32..3), 1..60),
            thresholds in prop::collection::vec((0_u8..=11).prop_map(|i| f64::from(i) / 10.0), 0..6),
        ) {
            let (answers, times): (Vec<BothAnswers>, Vec<u32>) = items.into_iter().unzip();
            prop_assume!(times.iter().any(|times| *times > 0));
            let resample: Vec<&BothAnswers> =
                answers.iter().zip(&times).flat_map(|(item, times)| (0..*times).map(move |_| item)).collect();
            let n = f64::from(u32::try_from(resample.len()).expect("small"));
            let found = Sweep::new(&answers).resampled(&thresholds, |place| times[place]);
            prop_assert_eq!(found.len(), thresholds.len());
            for (point, threshold) in found.iter().zip(&thresholds) {
                let (mut right, mut calls, mut fee) = (0.0, 0.0, 0.0);
                for item in &resample {
                    let deferred = item.confidence < *threshold;
                    right += f64::from(u8::from(if deferred { item.strong_right } else { item.weak_right }));
                    calls += f64::from(u8::from(deferred));
                    fee += item.weak_fee + if deferred { item.strong_fee } else { 0.0 };
                }
                close(point.accuracy, right / n, 1e-12);
                close(point.strong_call_rate, calls / n, 1e-12);
                close(point.fee, fee / n, 1e-9);
            }
        }
    }

    #[test]
    fn nothing_is_said_of_no_items() {
        assert!(Sweep::new(&[]).points(&[0.5]).is_empty());
    }
}
