//! Selective prediction: coverage and risk of the weak level's accepted answers at each threshold λ, for the answers
//! of one arm (El-Yaniv and Wiener 2010).

use super::ratio;
use super::slices::{ItemOutcome, Slice};
use crate::analysis::stats::proportion::wilson;
use crate::analysis::stats::{Draws, Estimate, Interval, Units};
use crate::types::confidence::defers;
use crate::types::record::LevelAnswer;
use crate::types::seed::Seed;

/// Number of thresholds with equal numbers of answers between them. With fewer distinct confidences, each is one.
pub const THRESHOLDS: usize = 40;

/// Number of resamples for the intervals of a point. A curve has many points, and its bands are read by eye.
const RESAMPLES: usize = 2000;

/// Coverage and risk at one threshold, as shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelectivePoint {
    /// The threshold λ.
    pub threshold: f64,
    /// Number of accepted answers, over all orders.
    pub accepted: usize,
    /// Share of the weak level's answers that are accepted.
    pub coverage: Estimate,
    /// Share of wrong answers among the accepted ones. `None` if no answer is accepted.
    pub risk: Option<Estimate>,
}

/// Sums of a group at one threshold: accepted answers, wrong ones among them, all answers.
type Sums = [f64; 3];

impl<'a> Slice<'a> {
    /// Computes coverage and risk at up to [`THRESHOLDS`] thresholds and at the arm's own λ, ascending. An answer that
    /// fails a check of the gate is never accepted. Intervals are Wilson's if items are independent, else bootstrap
    /// intervals over groups; a group counts for the risk if it has an accepted answer. Items for which the weak level
    /// was not called are left out. Empty if no answer has a confidence.
    #[must_use]
    pub fn selective(&self, seed: Seed) -> Vec<SelectivePoint> {
        let called: Vec<ItemOutcome> =
            self.outcomes.iter().copied().filter(|outcome| outcome.own_weak_answer().is_some()).collect();
        let thresholds = thresholds(&confidences(&called), self.cell.threshold);
        let label = thresholds.iter().map(ToString::to_string).collect::<Vec<_>>();
        let point = |(threshold, label): (&f64, &String)| {
            let labels = ["selective", self.cell.arm.name(), label];
            self.point(&called, *threshold, Draws { seed, labels: &labels, count: RESAMPLES })
        };
        thresholds.iter().zip(&label).map(point).collect()
    }

    fn point(&self, called: &[ItemOutcome<'a>], threshold: f64, draws: Draws) -> SelectivePoint {
        let accepts = |outcome: &ItemOutcome| {
            !defers(outcome.own_weak_answer().and_then(LevelAnswer::gate_confidence), threshold)
        };
        let accepted = called.iter().filter(|outcome| accepts(outcome)).count();
        let errors = called.iter().filter(|outcome| accepts(outcome) && !outcome.weak_correct()).count();
        let [coverage, risk] = if self.is_independent() {
            [wilson(accepted, called.len()), wilson(errors, accepted)]
        } else {
            let row = |outcome: &ItemOutcome<'a>| {
                let (accepted, wrong) = (accepts(outcome), !outcome.weak_correct());
                let one = |is: bool| f64::from(u8::from(is));
                (outcome.group(), [one(accepted), one(accepted && wrong), 1.0])
            };
            over_groups(&Units::by_group(called.iter().map(row)), draws)
        };
        SelectivePoint {
            threshold,
            accepted,
            coverage: Estimate::new(ratio(accepted, called.len()), coverage),
            risk: (accepted > 0).then(|| Estimate::new(ratio(errors, accepted), risk)),
        }
    }
}

/// Returns the intervals of coverage and risk. `None` if fewer than three groups contribute on either side.
fn over_groups(units: &Units<3>, draws: Draws) -> [Option<Interval>; 2] {
    let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let coverage = |[accepted, _, all]: Sums| share(accepted, all);
    let risk = |[accepted, wrong, _]: Sums| share(wrong, accepted);
    let [covered, at_risk] = [units.clone(), units.clone()];
    let covered = covered.contributing(|[accepted, ..]| accepted > 0.0);
    let covered = covered.contributing(|[accepted, _, all]| accepted < all);
    let at_risk = at_risk.contributing(|[_, wrong, _]| wrong > 0.0);
    let at_risk = at_risk.contributing(|[accepted, wrong, _]| wrong < accepted);
    let interval = |found: Option<Estimate>| found.and_then(|found| found.interval);
    [interval(covered.percentile(draws, coverage)), interval(at_risk.percentile(draws, risk))]
}

/// Returns the confidences that a gate compares with λ, ascending.
fn confidences(called: &[ItemOutcome]) -> Vec<f64> {
    let confidence = |outcome: &ItemOutcome| Some(outcome.own_weak_answer()?.gate_confidence()?.value());
    let mut found: Vec<f64> = called.iter().filter_map(confidence).collect();
    found.sort_by(f64::total_cmp);
    found
}

/// Chooses thresholds at which the accepted answers differ, by equal numbers of answers, and adds `own`.
fn thresholds(ascending: &[f64], own: Option<f64>) -> Vec<f64> {
    let steps = THRESHOLDS.min(ascending.len());
    let last = ascending.len().saturating_sub(1);
    let at = |step: usize| ascending[last * step / (steps - 1).max(1)];
    let mut found: Vec<f64> = (0..steps).map(at).collect();
    found.extend(own.filter(|own| own.is_finite() && !found.is_empty()));
    found.sort_by(f64::total_cmp);
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::metrics::slices;
    use crate::types::arm::Arm;
    use crate::types::confidence::Confidence;
    use crate::types::level::Level;
    use crate::types::record::{CellKey, Graded, Record, Score};
    use crate::types::testing;

    /// Weak answers by confidence, correctness and, if checked, the check's outcome; `per_group` of them in a group.
    fn records(answers: &[(f64, bool, Option<bool>)], per_group: usize) -> Vec<Record> {
        let cell = Arc::new(CellKey { dataset: "d".into(), arm: Arm::WeakOnly, order: 0, threshold: None });
        let record = |(at, (confidence, right, passes)): (usize, &(f64, bool, Option<bool>))| {
            let score = if *right { Score::Correct } else { Score::Incorrect };
            let answer = LevelAnswer {
                confidence: Some(Confidence::nearest(*confidence)),
                passes: *passes,
                ..LevelAnswer::new(Level::FIRST, Graded { answer: Some("1".into()), score })
            };
            let group = (at / per_group).to_string().into();
            Record { group, levels: vec![answer], ..testing::record(&cell, at) }
        };
        answers.iter().enumerate().map(record).collect()
    }

    #[test]
    fn a_threshold_accepts_what_the_gate_accepts() {
        let answers = [(0.2, false, None), (0.5, true, None), (0.9, true, None), (0.95, false, Some(false))];
        let records = records(&answers, 1);
        let curve = slices(&records)[0].selective(Seed(1));
        let points: Vec<(f64, usize, f64)> =
            curve.iter().map(|point| (point.threshold, point.accepted, point.risk.map_or(-1.0, |r| r.value))).collect();
        assert_eq!(points, [(0.2, 3, 1.0 / 3.0), (0.5, 2, 0.0), (0.9, 1, 0.0)], "a failed check is never accepted");
        assert!((curve[0].coverage.value - 0.75).abs() < 1e-12);
        assert_eq!(curve[0].coverage.interval, wilson(3, 4));
        assert_eq!(curve[0].risk.and_then(|risk| risk.interval), wilson(1, 3));
    }

    #[test]
    fn groups_widen_the_bands_and_few_errors_have_none() {
        let answers: Vec<_> = (0..160).map(|i| (f64::from(i) / 160.0, i / 8 % 2 == 0, None)).collect();
        let [alone, grouped] = [1, 8].map(|size| {
            let records = records(&answers, size);
            let curve = slices(&records)[0].selective(Seed(1));
            assert_eq!(curve.len(), THRESHOLDS);
            assert!(curve.windows(2).all(|pair| pair[0].coverage.value > pair[1].coverage.value));
            let width = |point: &SelectivePoint| point.risk.and_then(|risk| risk.interval).map(Interval::half_width);
            (width(&curve[0]), width(&curve[THRESHOLDS - 1]))
        });
        assert!(grouped.0 > alone.0.map(|alone| 1.5 * alone), "{grouped:?} against {alone:?}");
        assert_eq!(grouped.1, None, "one accepted answer of one group");
    }

    #[test]
    fn bins_have_the_interval_of_their_accuracy() {
        let mut answers: Vec<_> = (0..40).map(|i| (f64::from(1 + i / 20) / 2.0, i % 4 == 0, None)).collect();
        answers.extend([(0.0, true, None), (0.9, false, Some(false)), (0.0, false, None), (0.0, true, None)]);
        let of = |size| {
            let records = records(&answers, size);
            let slices = slices(&records);
            let diagram = slices[0].diagram(Seed(1)).expect("confidences");
            assert_eq!(diagram.bins.iter().map(|(bin, _)| bin.n).collect::<Vec<_>>(), [20, 20]);
            assert_eq!(
                (diagram.zero.map(|zero| (zero.n, zero.accuracy)), diagram.positive.len()),
                (Some((4, 0.5)), 40)
            );
            diagram.bins.into_iter().map(|(_, interval)| interval).collect::<Vec<_>>()
        };
        assert_eq!(of(1), [wilson(5, 20), wilson(5, 20)]);
        assert!(of(2).iter().all(|found| found.is_some_and(|found| found.low < 0.25 && found.high > 0.25)));
        assert_eq!(of(10), [None, None], "two groups in each bin");
    }

    #[test]
    fn equal_confidences_are_one_point_and_none_are_no_curve() {
        let same = records(&[(0.7, true, None); 5], 1);
        assert_eq!(slices(&same)[0].selective(Seed(1)).len(), 1);
        let mut without = same;
        for record in &mut without {
            record.levels[0].confidence = None;
        }
        assert_eq!(slices(&without)[0].selective(Seed(1)), []);
    }
}
