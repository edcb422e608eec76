//! Items for which the weak level was not called, since no example was similar enough.

use super::super::calibrated::{Calibrated, CalibrationTask};
use super::super::learning::{distilling, theorem};
use super::*;
use crate::analysis::calibration::{Grid, Guarantee, Outcome};
use crate::analysis::stats::Draws;

/// Returns the record, deferred without a call of the weak level.
fn unasked(mut record: Record) -> Record {
    record.levels.retain(|own| !own.level.is_first());
    record.calls.retain(|call| call.level != Some(Level::FIRST));
    assert!(record.deferred && record.first().is_none());
    record
}

fn sure(mut record: Record, confidence: f64) -> Record {
    record.levels[0].confidence = Some(Confidence::nearest(confidence));
    record
}

/// Twelve items. Alone, the weak level is correct on every third. Inter-cascade does not call it for the first six.
/// For the others, which retrieve an example of their group, it is correct on all but the last.
fn records(with_weak_only: bool) -> Vec<Record> {
    let alone = |arm, i| sure(record(arm, i, i % 3 == 0, false, &[]), if i % 3 == 0 { 0.8 } else { 0.4 });
    let mut records: Vec<Record> = (0..12).map(|i| alone(Arm::Cascade, i)).collect();
    if with_weak_only {
        records.extend((0..12).map(|i| alone(Arm::WeakOnly, i)));
    }
    records.extend((0..6).map(|i| unasked(record(Arm::InterCascade, i, false, true, &[]))));
    let group = |i: usize| format!("g{}", i / 2);
    records.extend((6..12).map(|i| sure(record(Arm::InterCascade, i, i != 11, false, &[&group(i)]), 0.7)));
    records
}

fn of<'c, 'a>(comparison: &'c Comparison<'a>, arm: Arm) -> (&'c Slice<'a>, Option<&'c Changes>) {
    comparison.of_arm(arm).next().expect("it ran")
}

#[test]
fn weak_only_answers_items_without_a_weak_call() {
    let (records, prices) = (records(true), Prices::new());
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let (slice, changes) = of(&comparison, Arm::InterCascade);
    assert_eq!((slice.asked(), slice.unasked(), slice.from_weak_only()), (6, 6, 6));
    // Two of the first six are correct with weak-only's answers, and five of the other six.
    assert_eq!(slice.weak_accuracy(), Some(7.0 / 12.0));
    assert_eq!(slice.weak_accuracy_asked(), Some(5.0 / 6.0));
    let changes = changes.expect("a cascade");
    assert!((changes.weak_accuracy.expect("known").value - 3.0 / 12.0).abs() < 1e-12);
    assert!((changes.weak_accuracy_asked.expect("asked").value - 3.0 / 6.0).abs() < 1e-12);
    let [whole, asked] = [slice.reliability(), slice.reliability_asked()].map(|worth| worth.expect("confidences"));
    assert_eq!((whole.n, asked.n), (12, 6));
    assert_eq!(asked.auroc, Some(0.5), "all asked answers are equally sure");
    // Correct: 0.8, 0.8 and five of 0.7; wrong: four of 0.4 and one of 0.7.
    assert!((whole.auroc.expect("both") - (28.0 + 2.0 + 2.5) / 35.0).abs() < 1e-12, "{whole:?}");
    let [whole, asked] = [comparison.confidence_intervals(slice), comparison.confidence_intervals_asked(slice)];
    assert!(whole.auroc.is_some() && asked.auroc.is_none(), "one group of the asked has a wrong answer");
    assert_ne!(whole.brier, asked.brier);
    // An arm that calls the weak level for every item has one figure for both.
    let (cascade, _) = of(&comparison, Arm::Cascade);
    assert_eq!((cascade.asked(), cascade.unasked(), cascade.weak_accuracy_asked()), (12, 0, cascade.weak_accuracy()));
    assert_eq!(comparison.confidence_intervals(cascade), comparison.confidence_intervals_asked(cascade));
    // Items without a call cost nothing.
    let weak = fee_rows(slice, &[], &prices).into_iter().find(|row| row.model == "weak").expect("asked of six");
    assert_eq!(weak.calls, 6);
}

#[test]
fn without_weak_only_the_whole_stream_has_no_weak_figure() {
    let (records, prices) = (records(false), Prices::new());
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let (slice, changes) = of(&comparison, Arm::InterCascade);
    assert_eq!((slice.asked(), slice.unasked(), slice.from_weak_only()), (6, 6, 0));
    assert_eq!((slice.weak_accuracy(), slice.weak_accuracy_asked()), (None, Some(5.0 / 6.0)));
    let changes = changes.expect("a cascade");
    assert_eq!(changes.weak_accuracy, None);
    assert!((changes.weak_accuracy_asked.expect("asked").value - 3.0 / 6.0).abs() < 1e-12);
    assert_eq!((slice.reliability(), slice.reliability_asked().map(|worth| worth.n)), (None, Some(6)));
    assert_eq!(comparison.confidence_intervals(slice), super::super::confidence::ConfidenceIntervals::default());
    assert!(comparison.confidence_intervals_asked(slice).brier.is_some());
}

#[test]
fn arms_without_weak_calls_have_no_answer_of_weak_only() {
    let mut records = records(true);
    records.extend((0..12).map(|i| unasked(record(Arm::StrongWithExamples, i, false, true, &[]))));
    records.extend((0..12).map(|i| unasked(record(Arm::ExampleReplay, i, false, true, &[]))));
    records.extend((0..12).map(|i| {
        let mut reused = record(Arm::SemanticCache, i, true, false, &["g0"]);
        reused.levels.clear();
        reused
    }));
    for slice in slices(&records).iter().filter(|slice| slice.cell.arm.learning().is_some()).skip(1) {
        let arm = slice.cell.arm;
        assert_eq!((slice.asked(), slice.unasked(), slice.from_weak_only()), (0, 0, 0), "{arm}");
        assert_eq!((slice.weak_accuracy(), slice.weak_accuracy_asked()), (None, None), "{arm}");
        assert_eq!((slice.reliability(), slice.reliability_asked()), (None, None), "{arm}");
    }
}

#[test]
fn items_without_a_weak_call_add_no_gain() {
    for (with_weak_only, expected) in [
        (true, vec![(StrategySource::SameGroup, 6, 0, 0.5), (StrategySource::Nothing, 6, 6, 0.0)]),
        (false, vec![(StrategySource::SameGroup, 6, 0, 0.5)]),
    ] {
        let (records, prices) = (records(with_weak_only), Prices::new());
        let comparison = Comparison::new(&records, &[], &prices, Seed(3));
        let (slice, alone) = (of(&comparison, Arm::InterCascade).0, comparison.untaught().expect("it ran"));
        let found = by_source(slice, alone);
        let found: Vec<_> = found.iter().map(|(source, t)| (*source, t.n, t.unasked, t.gain.value)).collect();
        assert_eq!(found, expected);
        let found = by_encounter(slice, alone);
        let found: Vec<_> = found.iter().map(|(nth, _, t)| (*nth, t.n, t.unasked)).collect();
        let n = if with_weak_only { 6 } else { 3 };
        assert_eq!(found, [("first", n, 3), ("second", n, 3)]);
    }
}

#[test]
fn theorem_accepts_no_item_without_a_weak_call() {
    let mut counts = Vec::new();
    for with_weak_only in [true, false] {
        let (records, prices) = (records(with_weak_only), Prices::new());
        let comparison = Comparison::new(&records, &[], &prices, Seed(3));
        let slice = of(&comparison, Arm::InterCascade).0;
        let base = comparison.base(slice).expect("a cascade");
        let found = theorem(slice, base, Draws { seed: Seed(3), labels: &["theorem"], count: 100 });
        counts.push((found.with, found.without));
    }
    assert_eq!(counts, [([6, 1], [12, 8]); 2], "accepted, and wrong of them");
}

#[test]
fn distilling_skips_items_with_examples_in_the_strong_prompt() {
    let mut records: Vec<Record> = (0..4).map(|i| record(Arm::StrongOnly, i, i > 0, false, &[])).collect();
    records.extend((0..4).map(|i| record(Arm::InterCascade, i, false, true, &[])));
    for (place, record) in records.iter_mut().enumerate().filter(|(place, _)| *place > 5) {
        assert!(place < 8);
        record.levels[1].strategies_shown = 1;
    }
    let slices = slices(&records);
    let found = distilling(&slices[1], &slices[0]).expect("two items without");
    assert_eq!((found.n, found.change.map(|change| change.value)), (2, Some(0.5)));
}

#[test]
fn calibration_accepts_no_item_without_a_weak_call() {
    let asked = (0..60).map(|i| sure(record(Arm::InterCascade, i, true, false, &["g0"]), 0.0));
    let unasked = (60..100).map(|i| unasked(record(Arm::InterCascade, i, false, true, &[])));
    let guarantee = Guarantee { alpha: 0.1, delta: 0.1, min_accepted: 1 };
    let expected = CalibrationTask { guarantee: Some((guarantee, Grid::Uniform(10))), recalibrate: None };
    let found = Calibrated::new(Arm::InterCascade, asked.chain(unasked).collect(), true, expected);
    let Some(Outcome::Certified(tested)) = found.outcome else { panic!("{:?}", found.outcome) };
    // λ = 0 accepts every answer, and none of the forty items without one.
    assert_eq!((tested.threshold, tested.n, tested.errors), (0.0, 60, 0));
    assert!((tested.coverage - 0.6).abs() < 1e-12);
    assert_eq!(found.guaranteed().map(|found| found.threshold_answers), Some(100));
    // A reused answer is not the weak level's.
    let mut reused = record(Arm::SemanticCache, 0, true, false, &["g0"]);
    reused.levels.clear();
    let found = Calibrated::new(Arm::SemanticCache, [reused].into(), true, expected);
    assert_eq!(found.guaranteed().map(|found| found.threshold_answers), Some(0));
}
