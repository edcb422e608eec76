#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

mod recommendation;
mod references;
mod unasked;

use std::sync::Arc;

use super::control::{Gain, share};
use super::learning::{StrategySource, by_encounter, by_source, distilling, paired};
use super::operating::operating_points;
use super::price_ratio::{Shape, curves};
use super::*;
use crate::analysis::curves::Axis;
use crate::analysis::stats::Estimate;
use crate::types::chat::{CallKey, Usage};
use crate::types::confidence::Confidence;
use crate::types::level::Level;
use crate::types::price::{Fee, Price};
use crate::types::record::{Call, CellKey, Graded, LevelAnswer, Purpose, Record, Score};
use crate::types::seed::Seed;
use crate::types::testing;

fn record(arm: Arm, item: usize, weak_right: bool, deferred: bool, groups: &[&str]) -> Record {
    let graded =
        |right: bool| Graded { answer: Some("1".into()), score: if right { Score::Correct } else { Score::Incorrect } };
    let key = |level: usize| CallKey(std::array::from_fn(|_| u8::try_from(10 * item + level).unwrap_or(0)));
    let call = |level, purpose, input, output| Call {
        usage: Usage { input, cached_input: 0, output },
        journal_key: Some(key(level)),
        ..testing::call(Level::at(level), purpose)
    };
    let mut calls = vec![call(0, Purpose::Answer, 10, 5)];
    if deferred {
        calls.extend([call(1, Purpose::Answer, 20, 8), call(1, Purpose::Distil, 0, 4)]);
    }
    let first = LevelAnswer {
        strict: Some(graded(weak_right).score),
        confidence: Some(Confidence::nearest(0.5)),
        threshold: Some(0.5),
        strategies_shown: groups.len(),
        deferred,
        ..LevelAnswer::new(Level::FIRST, graded(weak_right))
    };
    let within = Arc::new(CellKey { dataset: "d".into(), arm, order: 0, threshold: Some(0.5) });
    Record {
        group: format!("g{}", item / 2).into(),
        strategies_used: groups.iter().map(|group| (*group).into()).collect(),
        strategy_groups: groups.iter().map(|group| (*group).into()).collect(),
        levels: [first].into_iter().chain(deferred.then(|| LevelAnswer::new(Level::SECOND, graded(true)))).collect(),
        deferred,
        answering_level: Some(Level::at(usize::from(deferred))),
        graded: graded(weak_right || deferred),
        calls,
        ..testing::record(&within, item)
    }
}

fn run() -> Vec<Record> {
    let mut records: Vec<Record> = (0..4).map(|i| record(Arm::Cascade, i, i == 0, i >= 2, &[])).collect();
    records.extend([
        record(Arm::InterCascade, 0, true, false, &[]),
        record(Arm::InterCascade, 1, true, false, &["g0"]),
        record(Arm::InterCascade, 2, false, true, &["g0"]),
        record(Arm::InterCascade, 3, true, false, &["g1", "g0"]),
    ]);
    records
}

/// The same records in two orders.
fn in_two_orders() -> Vec<Record> {
    let second = |record: Record| {
        let cell = CellKey { order: 1, ..CellKey::clone(&record.cell) };
        Record { cell: Arc::new(cell), ..record }
    };
    run().into_iter().chain(run().into_iter().map(second)).collect()
}

#[test]
fn accuracy_coverage_and_strong_calls() {
    let records = run();
    let slices = slices(&records);
    let cascade = &slices[0];
    assert_eq!((cascade.n, cascade.orders, cascade.strong_calls()), (4, 1, 2));
    assert_eq!(cascade.strong_calls_all(), 2, "a strategy in the answer's own call is no further call");
    assert!((cascade.accuracy() - 0.75).abs() < 1e-12);
    assert_eq!(cascade.weak_accuracy(), Some(0.25));
    assert_eq!(cascade.accepted_accuracy(), Some(0.5));
    assert!((cascade.coverage() - 0.5).abs() < 1e-12);
    let inter = &slices[1];
    assert!(baseline(&slices, inter).is_some_and(|base| base.cell.arm == BASELINE));
    let gain = paired(inter, cascade, |outcome| outcome.weak_correct()).expect("paired");
    assert!((gain.value - 0.5).abs() < 1e-12);
}

#[test]
fn operating_points_have_costs_with_intervals_and_a_frontier() {
    let many = |arm| (0..40).map(move |i| record(arm, i, i % 4 == 0, i % 5 < 2, &[]));
    let records: Vec<Record> = many(Arm::Cascade).chain(many(Arm::InterCascade)).collect();
    let price = |output| Some(Price { input: 0.0, cached_input: None, output, batch: None, read: None, nominal: true });
    let prices = Prices::from([("weak".into(), price(1.0)), ("strong".into(), price(10.0))]);
    let comparison = Comparison::new(&records, &[], &prices, Seed(1));
    let points = operating_points(&comparison, Axis::StrongCalls);
    let ends = points[0].cost.interval.expect("groups differ");
    assert!((points[0].cost.value - 0.4).abs() < 1e-12 && ends.low < 0.4 && 0.4 < ends.high, "{ends:?}");
    assert!(points.iter().all(|point| point.on_frontier), "equal points do not dominate each other");
    let fees = operating_points(&comparison, Axis::Fee);
    // 5 weak tokens for each item, and 8 + 4 strong tokens for two of five.
    assert!((fees[0].cost.value - (5.0 + 0.4 * 120.0) * 1e-6).abs() < 1e-12, "{:?}", fees[0].cost);
    assert!(fees[0].cost.interval.is_some_and(|ends| ends.low < ends.high));
    let unpriced = Prices::new();
    assert!(operating_points(&Comparison::new(&records, &[], &unpriced, Seed(1)), Axis::Fee).is_empty());
    // Without a spread there is no interval.
    let alike: Vec<Record> = (0..9).map(|i| record(Arm::Cascade, i, true, false, &[])).collect();
    let comparison = Comparison::new(&alike, &[], &prices, Seed(1));
    assert_eq!(operating_points(&comparison, Axis::Fee)[0].cost.interval, None);
}

#[test]
fn fees_are_by_model_and_purpose_and_totals_count_calls_once() {
    let records = run();
    let slices = slices(&records);
    let price = |output| Some(Price { input: 1.0, cached_input: None, output, batch: None, read: None, nominal: true });
    let prices = Prices::from([("weak".into(), price(1.0)), ("strong".into(), price(10.0))]);
    let rows = fee_rows(&slices[0], &[], &prices);
    let names: Vec<(&str, Option<&str>, usize, u64)> = rows
        .iter()
        .map(|row| (row.model.as_str(), row.purpose.map(Purpose::name), row.calls, row.usage.output))
        .collect();
    assert_eq!(
        names,
        [
            ("weak", Some("answer"), 4, 20),
            ("weak", None, 4, 20),
            ("strong", Some("answer"), 2, 16),
            ("strong", Some("distil"), 2, 8),
            ("strong", None, 2, 24),
        ]
    );
    let fee = fees::fee_of(&fee_rows(&slices[0], &[], &prices)).expect("every model has a price").usd();
    assert!((fee - (60.0 + 40.0 + 240.0) * 1e-6).abs() < 1e-15);
    let some = Prices::from([("weak".into(), price(1.0))]);
    assert_eq!(fees::fee_of(&fee_rows(&slices[0], &[], &some)), None::<Fee>);
}

#[test]
fn strong_level_is_compared_on_deferred_items_only() {
    let mut records = run();
    records.extend((0..4).map(|i| record(Arm::StrongOnly, i, i != 2, false, &[])));
    let slices = slices(&records);
    let found = distilling(&slices[1], &slices[2]).expect("one item was deferred");
    assert_eq!((found.n, found.with, found.change.map(|change| change.value)), (1, 1.0, Some(1.0)));
}

#[test]
fn gains_are_split_by_the_source_of_the_strategies() {
    let records = run();
    let slices = slices(&records);
    let found: Vec<(StrategySource, usize, f64)> =
        by_source(&slices[1], &slices[0]).iter().map(|(source, t)| (*source, t.n, t.gain.value)).collect();
    assert_eq!(
        found,
        [(StrategySource::SameGroup, 2, 1.0), (StrategySource::OtherGroups, 1, 0.0), (StrategySource::Nothing, 1, 0.0)]
    );
}

#[test]
fn gains_are_split_by_the_encounter_of_the_group() {
    let records = in_two_orders();
    let slices = slices(&records);
    let found = by_encounter(&slices[1], &slices[0]);
    let found: Vec<(&str, usize, f64, usize)> =
        found.iter().map(|(nth, part, found)| (*nth, found.n, found.gain.value, part.strong_calls())).collect();
    assert_eq!(found, [("first", 4, 0.0, 2), ("second", 4, 1.0, 0)]);
}

#[test]
fn the_cascade_is_derived_from_weak_only_and_strong_only() {
    let mut records: Vec<Record> = (0..4).map(|i| record(Arm::WeakOnly, i, i == 0, false, &[])).collect();
    for (i, record) in records.iter_mut().enumerate() {
        let weak = &mut record.levels[0];
        weak.confidence = Some(Confidence::nearest(if i < 2 { 0.9 } else { 0.1 }));
    }
    records.extend((0..4).map(|i| record(Arm::StrongOnly, i, i != 3, true, &[])));
    // Strong-only makes no weak call.
    records[4..].iter_mut().for_each(|record| {
        record.levels.remove(0);
        record.calls.retain(|call| call.level == Some(Level::SECOND) && call.purpose == Purpose::Answer);
    });
    let alone = slices(&records);
    let cascade = &alone[0].gated(&alone[1], &[0.5])[0];
    assert_eq!((cascade.cell.arm, cascade.cell.threshold), (Arm::Cascade, Some(0.5)));
    assert_eq!((cascade.strong_calls(), cascade.strong_calls_all()), (2, 2));
    assert!((cascade.coverage() - 0.5).abs() < 1e-12);
    let rows = fee_rows(cascade, &[], &Prices::new());
    let calls: Vec<(&str, usize)> =
        rows.iter().filter(|row| row.purpose.is_none()).map(|row| (row.model.as_str(), row.calls)).collect();
    assert_eq!(calls, [("weak", 4), ("strong", 2)]);
    assert_eq!(alone[0].gated(&alone[1], &[0.0])[0].strong_calls(), 0);
}

#[test]
fn changes_are_paired_and_reported_by_order() {
    let records = in_two_orders();
    let slices = slices(&records);
    let changes = Changes::between(&slices[1], &slices[0], crate::types::seed::Seed(1)).expect("paired");
    assert!((changes.weak_accuracy.expect("asked").value - 0.5).abs() < 1e-12);
    assert_eq!(changes.strong_calls.map(|change| change.value), Some(-0.5));
    assert_eq!(changes.accuracy_by_order.len(), 2);
    assert_eq!(changes.strong_calls_by_order, [Some(-0.5), Some(-0.5)]);
    assert!(changes.accuracy.p_value.is_some_and(|p| p > 0.0 && p <= 1.0));
    assert_eq!(changes.strong_calls.and_then(|change| change.p_value), Some(changes.strong_calls_p_value));
}

/// 24 items in twelve groups. A token of the weak level costs 1, a token of the strong level 3. The cascade defers all
/// items. Inter-cascade reads ten more tokens and defers every other group. Its control reads as many and defers all
/// but three items.
fn taught() -> (Vec<Record>, Prices) {
    let longer = |mut record: Record| {
        record.calls[0].usage.input += 10;
        record
    };
    let mut records: Vec<Record> = (0..24).map(|i| record(Arm::Cascade, i, false, true, &[])).collect();
    records.extend((0..24).map(|i| longer(record(Arm::InterCascade, i, i % 4 < 2, i % 4 >= 2, &[]))));
    records.extend((0..24).map(|i| longer(record(Arm::InterCascadeRandom, i, i % 8 == 0, i % 8 != 0, &[]))));
    let price =
        |each| Some(Price { input: each, cached_input: None, output: each, batch: None, read: None, nominal: true });
    (records, Prices::from([("weak".into(), price(1.0)), ("strong".into(), price(3.0))]))
}

#[test]
fn fees_at_two_shapes_of_prices_follow_from_the_tokens() {
    let (mut records, prices) = taught();
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let shapes = Shape::reported(&comparison);
    assert_eq!(shapes, [Shape::Written(1.0), Shape::Written(4.0)], "the configured prices are one of them");
    let arms = [(&comparison.slices[1], &comparison.slices[0])];
    let found = curves(&comparison, &arms, &shapes, |own| vec![own, 1.0]);
    // Fee per item. At 1 : 1: 15 and 3 · 32 against 25 and half of the latter. At 1 : 4: 7.5 and 3 · 17 against 10 and
    // half of the latter.
    for (curve, [change, at_1, from]) in found[0].iter().zip([
        [(25.0 + 48.0) / 111.0, (25.0 + 16.0) / 47.0, 3.0 * 10.0 / 48.0],
        [(10.0 + 25.5) / 58.5, (10.0 + 8.5) / 24.5, 3.0 * 2.5 / 25.5],
    ]) {
        assert!((curve.changes[0].expect("a fee").value - (change - 1.0)).abs() < 1e-9, "{curve:?}");
        assert!((curve.changes[1].expect("a fee").value - (at_1 - 1.0)).abs() < 1e-9, "{curve:?}");
        assert!((curve.pays_from.expect("a ratio") - from).abs() < 1e-9, "{curve:?}");
        let ends = curve.interval.expect("twelve groups");
        assert!(ends.low < from && from < ends.high, "{ends:?}");
    }
    // The cascade against itself costs the same at every ratio.
    let same = [(&comparison.slices[0], &comparison.slices[0])];
    let found = curves(&comparison, &same, &shapes, |own| vec![own]);
    assert!(found[0].iter().all(|curve| curve.pays_from.is_none() && curve.interval.is_none()), "{found:?}");
    assert_eq!(found[0][0].changes, [Some(Estimate::new(0.0, None))]);
    // A recorded fee belongs to no shape.
    records[0].calls[0].recorded_fee_usd = Some(1.0);
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    assert_eq!(Shape::reported(&comparison), [Shape::Config, Shape::Written(1.0), Shape::Written(4.0)]);
}

#[test]
fn break_even_has_no_interval_if_one_item_differs() {
    let (mut records, prices) = taught();
    records.retain(|record| record.cell.arm == Arm::Cascade);
    let twin = |record: &Record| {
        let cell = CellKey { arm: Arm::InterCascade, ..CellKey::clone(&record.cell) };
        Record { cell: Arc::new(cell), ..record.clone() }
    };
    let mut arm: Vec<Record> = records.iter().map(twin).collect();
    arm[5] = record(Arm::InterCascade, 5, true, false, &[]);
    arm[5].calls[0].usage.input += 10;
    records.extend(arm);
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let arms = [(&comparison.slices[1], &comparison.slices[0])];
    let found = curves(&comparison, &arms, &[Shape::Written(1.0)], |own| vec![own]);
    assert!((found[0][0].pays_from.expect("a ratio") - 3.0 * 10.0 / 96.0).abs() < 1e-9);
    assert_eq!((found[0][0].interval, found[0][0].changes[0].expect("a fee").interval), (None, None));
    assert_eq!(comparison.changes[1].as_ref().and_then(|changes| changes.accuracy.interval), None);
    assert_eq!(comparison.fee_change(&comparison.slices[1]).expect("a fee").interval, None);
}

#[test]
fn the_share_of_the_control_in_a_gain_has_an_interval() {
    let (records, prices) = taught();
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let [cascade, arm, control] = [0, 1, 2].map(|place| &comparison.slices[place]);
    // Twelve more correct weak answers, and three with the control; as many fewer calls.
    for gain in [Gain::WeakAccuracy, Gain::Coverage, Gain::StrongCalls] {
        let found = share(&comparison, gain, arm, control, cascade).expect("a gain");
        assert!((found.value - 0.25).abs() < 1e-12, "{gain:?}: {}", found.value);
        let ends = found.interval.expect("twelve groups");
        assert!(ends.low < 0.25 && ends.high > 0.25, "{gain:?}: {ends:?}");
    }
    let fee = share(&comparison, Gain::Fee, arm, control, cascade).expect("a saving").value;
    assert!((fee - (3.0 * 96.0 - 240.0) / (12.0 * 96.0 - 240.0)).abs() < 1e-9, "{fee}");
    assert_eq!(share(&comparison, Gain::Accuracy, arm, control, cascade), None, "all final answers are right");
    assert_eq!(share(&comparison, Gain::WeakAccuracy, cascade, control, cascade), None, "no gain, no share");
}

#[test]
fn single_levels_are_no_hypotheses_on_learning() {
    let (mut records, prices) = taught();
    records.extend((0..24).map(|i| record(Arm::WeakOnly, i, false, false, &[])));
    records.extend((0..24).map(|i| record(Arm::StrongOnly, i, false, true, &[])));
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let p = |changes: &Changes| changes.coverage.p_value;
    let raw: Vec<f64> = comparison.changes.iter().flatten().filter_map(p).collect();
    let adjusted = comparison.adjusted(p);
    let two = crate::analysis::stats::holm::holm(&raw[..2]);
    assert_eq!(adjusted, [None, Some(two[0]), Some(two[1]), None, None]);
}

#[test]
fn confidence_metrics_have_intervals_over_groups() {
    let (mut records, prices) = taught();
    for (place, record) in records.iter_mut().enumerate() {
        let step = f64::from(u8::try_from(place * 7 % 24).unwrap_or(0)) / 24.0;
        let weak = &mut record.levels[0];
        let sure = if weak.graded.score == Score::Correct { 0.3 + 0.7 * step } else { 0.7 * step };
        weak.confidence = Some(Confidence::nearest(sure));
    }
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let found = |place: usize| {
        (
            comparison.slices[place].reliability().expect("confidences"),
            comparison.confidence_intervals(&comparison.slices[place]),
        )
    };
    let (worth, ends) = found(1);
    for (value, ends) in [(worth.auroc, ends.auroc), (worth.brier, ends.brier)] {
        let (value, ends) = (value.expect("both kinds"), ends.expect("twelve groups"));
        assert!(ends.low < value && value < ends.high, "{value} in {ends:?}");
    }
    let (worth, ends) = found(0);
    assert_eq!((worth.auroc, ends.auroc), (None, None), "no answer is right");
    assert!(ends.brier.is_some());
    // With three of twelve groups with a correct answer, 3 % of the resamples contain none.
    assert_eq!(found(2).1.auroc, None);
}
