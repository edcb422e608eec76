//! Recommended arm on records with known answers and costs.

use std::sync::Arc;

use super::*;
use crate::analysis::fixtures::close;
use crate::analysis::metrics::recommendation::{Recommendation, RecommendationOutcome, Unit, Verdict};

/// Returns an item of an arm in a separate group, with one strong call if deferred.
fn answered(arm: Arm, item: usize, right: bool, deferred: bool) -> Record {
    let threshold = (!arm.is_one_level()).then_some(0.5);
    let within = Arc::new(CellKey { dataset: "d".into(), arm, order: 0, threshold });
    let mut calls = Vec::new();
    if arm != Arm::StrongOnly {
        calls.push(testing::call(Level::FIRST, Purpose::Answer));
    }
    if arm == Arm::InterCascade {
        calls.push(Call { level: None, ..testing::call(Level::FIRST, Purpose::Embed) });
    }
    if deferred {
        calls.push(testing::call(Level::SECOND, Purpose::Answer));
    }
    let score = if right { Score::Correct } else { Score::Incorrect };
    Record { deferred, calls, graded: Graded { answer: None, score }, ..testing::record(&within, item) }
}

/// Strong-only is always correct. The other arms are wrong on the first items and defer the last ones.
fn records(n: usize, arms: &[(Arm, usize, usize)]) -> Vec<Record> {
    let strong = (0..n).map(|item| answered(Arm::StrongOnly, item, true, true));
    let others = arms.iter().flat_map(|(arm, wrong, deferred)| {
        (0..n).map(move |item| answered(*arm, item, item >= *wrong, item >= n - deferred))
    });
    strong.chain(others).collect()
}

fn recommended<T>(records: &[Record], margin: f64, read: impl Fn(&Recommendation) -> T) -> T {
    let prices = Prices::new();
    let comparison = Comparison::new(records, &[], &prices, Seed(3));
    read(&Recommendation::new(&comparison, margin))
}

#[test]
fn the_cheapest_arm_within_the_margin_is_recommended() {
    let arms = [(Arm::Cascade, 0, 200), (Arm::InterCascade, 0, 100)];
    recommended(&records(400, &arms), 0.02, |found| {
        assert_eq!(
            (found.unit, found.groups, found.outcome),
            (Unit::RequestsWithoutPrice, 400, RecommendationOutcome::Take(1))
        );
        let [cascade, taught] = [0, 1].map(|place| found.candidates[place]);
        close(cascade.cost, 500.0, 1e-9);
        close(taught.cost, 250.0, 1e-9);
        let against = taught.against.expect("strong-only ran");
        // No group of 400 differs: 1 - 0.025^(1/400).
        assert!(against.bounded);
        close(against.accuracy.interval.expect("a bound").low, -(1.0 - 0.025_f64.powf(1.0 / 400.0)), 1e-9);
        close(against.cost.expect("requests").value, -0.75, 1e-12);
        let beside = found.beside.expect("both kinds");
        assert_eq!(beside.other, 0);
        close(beside.cost.expect("requests").value, -0.5, 1e-12);
    });
}

#[test]
fn arms_beyond_the_margin_or_without_savings_do_not_pay() {
    // A fifth of the answers is lost.
    recommended(&records(400, &[(Arm::Cascade, 80, 100)]), 0.02, |found| {
        assert_eq!((found.outcome, found.cascade, found.taught), (RecommendationOutcome::NothingPays, Some(0), None));
        assert_eq!(found.candidates[0].against.map(|against| against.verdict), Some(Verdict::DoesNotPay));
    });
    recommended(&records(400, &[(Arm::Cascade, 80, 100)]), 0.3, |found| {
        assert_eq!(found.outcome, RecommendationOutcome::Take(0));
    });
    recommended(&records(400, &[(Arm::Cascade, 0, 400)]), 0.02, |found| {
        assert_eq!(found.outcome, RecommendationOutcome::NothingPays);
    });
}

#[test]
fn few_groups_leave_the_verdict_open() {
    recommended(&records(60, &[(Arm::Cascade, 0, 20)]), 0.02, |found| {
        assert_eq!(found.outcome, RecommendationOutcome::Insufficient(0));
        // 183 groups in total.
        assert_eq!(found.candidates[0].against.expect("strong-only ran").more_groups, Some(123));
    });
    // One of twenty lost is more than the margin: more groups would more likely confirm the loss.
    recommended(&records(100, &[(Arm::Cascade, 5, 20)]), 0.02, |found| {
        assert_eq!(found.outcome, RecommendationOutcome::Insufficient(0));
        assert_eq!(found.candidates[0].against.expect("strong-only ran").more_groups, None);
    });
}

#[test]
fn no_recommendation_without_strong_only_or_cascade() {
    let cascade: Vec<Record> = (0..9).map(|item| answered(Arm::Cascade, item, true, false)).collect();
    recommended(&cascade, 0.02, |found| {
        assert_eq!((found.outcome, found.strong.is_none()), (RecommendationOutcome::NoStrong, true));
    });
    recommended(&records(9, &[]), 0.02, |found| {
        assert_eq!(found.outcome, RecommendationOutcome::NoCandidate);
    });
}
