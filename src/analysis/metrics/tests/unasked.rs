//! Items of which the weak level was not asked since no example was near enough.

use super::super::calibrated::{Calibrated, CalibrationTask};
use super::super::learning::{distilling, theorem};
use super::*;
use crate::analysis::calibration::{Grid, Guarantee, Outcome};
use crate::analysis::stats::Draws;

/// The same record, deferred without asking the weak level.
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

/// Twelve items: alone the weak level is right on every third. Inter-cascade does not ask it of the first six, and is right on all the
/// others but the last, which are shown an example of their group.
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
fn weak_only_answers_for_items_that_were_not_asked() {
    let (records, prices) = (records(true), Prices::new());
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let (slice, changes) = of(&comparison, Arm::InterCascade);
    assert_eq!((slice.asked(), slice.unasked(), slice.from_weak_only()), (6, 6, 6));
    // Two of the first six right as weak-only has them, five of the other six.
    assert_eq!(slice.weak_accuracy(), Some(7.0 / 12.0));
    assert_eq!(slice.weak_accuracy_asked(), Some(5.0 / 6.0));
    let changes = changes.expect("a cascade");
    assert!((changes.weak_accuracy.expect("known").value - 3.0 / 12.0).abs() < 1e-12);
    assert!((changes.weak_accuracy_asked.expect("asked").value - 3.0 / 6.0).abs() < 1e-12);
    let [whole, asked] = [slice.reliability(), slice.reliability_asked()].map(|worth| worth.expect("confidences"));
    assert_eq!((whole.n, asked.n), (12, 6));
    assert_eq!(asked.auroc, Some(0.5), "all asked answers are equally sure");
    // Right: 0.8, 0.8 and five of 0.7; wrong: four of 0.4 and one of 0.7.
    assert!((whole.auroc.expect("both") - (28.0 + 2.0 + 2.5) / 35.0).abs() < 1e-12, "{whole:?}");
    let [whole, asked] = [comparison.confidence_ends(slice), comparison.confidence_ends_asked(slice)];
    assert!(whole.auroc.is_some() && asked.auroc.is_none(), "one group of the asked has a wrong answer");
    assert_ne!(whole.brier, asked.brier);
    // An arm that asks of every item has one figure for both.
    let (cascade, _) = of(&comparison, Arm::Cascade);
    assert_eq!((cascade.asked(), cascade.unasked(), cascade.weak_accuracy_asked()), (12, 0, cascade.weak_accuracy()));
    assert_eq!(comparison.confidence_ends(cascade), comparison.confidence_ends_asked(cascade));
    // What was not asked costs nothing.
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
    assert_eq!(comparison.confidence_ends(slice), super::super::confidence::Ends::default());
    assert!(comparison.confidence_ends_asked(slice).brier.is_some());
}

#[test]
fn arms_that_never_ask_or_give_answers_again_have_no_answer_of_weak_only() {
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
fn items_that_were_not_asked_add_no_gain_or_are_left_out() {
    for (with_weak_only, wanted) in [
        (true, vec![(StrategySource::SameGroup, 6, 0, 0.5), (StrategySource::Nothing, 6, 6, 0.0)]),
        (false, vec![(StrategySource::SameGroup, 6, 0, 0.5)]),
    ] {
        let (records, prices) = (records(with_weak_only), Prices::new());
        let comparison = Comparison::new(&records, &[], &prices, Seed(3));
        let (slice, alone) = (of(&comparison, Arm::InterCascade).0, comparison.untaught().expect("it ran"));
        let told = by_source(slice, alone);
        let told: Vec<_> = told.iter().map(|(source, t)| (*source, t.n, t.unasked, t.gain.value)).collect();
        assert_eq!(told, wanted);
        let told = by_encounter(slice, alone);
        let told: Vec<_> = told.iter().map(|(nth, _, t)| (*nth, t.n, t.unasked)).collect();
        let n = if with_weak_only { 6 } else { 3 };
        assert_eq!(told, [("first", n, 3), ("second", n, 3)]);
    }
}

#[test]
fn an_item_that_was_not_asked_is_not_accepted_in_the_theorem() {
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
fn what_the_strong_level_was_shown_examples_for_says_nothing_of_teaching() {
    let mut records: Vec<Record> = (0..4).map(|i| record(Arm::StrongOnly, i, i > 0, false, &[])).collect();
    records.extend((0..4).map(|i| record(Arm::InterCascade, i, false, true, &[])));
    for (place, record) in records.iter_mut().enumerate().filter(|(place, _)| *place > 5) {
        assert!(place < 8);
        record.levels[1].strategies_shown = 1;
    }
    let slices = slices(&records);
    let told = distilling(&slices[1], &slices[0]).expect("two items without");
    assert_eq!((told.n, told.change.map(|change| change.value)), (2, Some(0.5)));
}

#[test]
fn an_item_that_was_not_asked_is_never_accepted_in_calibration() {
    let asked = (0..60).map(|i| sure(record(Arm::InterCascade, i, true, false, &["g0"]), 0.0));
    let unasked = (60..100).map(|i| unasked(record(Arm::InterCascade, i, false, true, &[])));
    let guarantee = Guarantee { alpha: 0.1, delta: 0.1, min_accepted: 1 };
    let wanted = CalibrationTask { guarantee: Some((guarantee, Grid::Uniform(10))), recalibrate: None };
    let told = Calibrated::new(Arm::InterCascade, asked.chain(unasked).collect(), true, wanted);
    let Some(Outcome::Certified(tested)) = told.outcome else { panic!("{:?}", told.outcome) };
    // λ = 0 accepts every answer that there is, and nothing of the forty.
    assert_eq!((tested.threshold, tested.n, tested.errors), (0.0, 60, 0));
    assert!((tested.coverage - 0.6).abs() < 1e-12);
    assert_eq!(told.guaranteed().map(|found| found.told_from), Some(100));
    // An answer that was given again is not the weak level's at all.
    let mut reused = record(Arm::SemanticCache, 0, true, false, &["g0"]);
    reused.levels.clear();
    let told = Calibrated::new(Arm::SemanticCache, [reused].into(), true, wanted);
    assert_eq!(told.guaranteed().map(|found| found.told_from), Some(0));
}
