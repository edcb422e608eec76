#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]
use std::sync::Arc;

use super::learning::{Source, by_encounter, by_source, distilling, paired};
use super::*;
use crate::analysis::price::{Fee, Price};
use crate::types::chat::{CallKey, Usage};
use crate::types::confidence::Confidence;
use crate::types::record::{Call, CellKey, Graded, Purpose, Record, Score, WeakAnswer};

fn record(arm: &str, item: usize, weak_right: bool, deferred: bool, groups: &[&str]) -> Record {
    let graded =
        |right: bool| Graded { answer: Some("1".into()), score: if right { Score::Correct } else { Score::Incorrect } };
    let key = |level: usize| CallKey(std::array::from_fn(|_| u8::try_from(10 * item + level).unwrap_or(0)));
    let call = |level, purpose, input, output| Call {
        level: Some(level),
        model: if level == 0 { "weak".into() } else { "strong".into() },
        purpose,
        usage: Usage { input, cached_input: 0, output },
        confidence: None,
        latency_ms: 1.0,
        answered_by: None,
        journal_key: Some(key(level)),
        journal_hit: false,
        recorded_fee_usd: None,
        noted: None,
    };
    let mut calls = vec![call(0, Purpose::Answer, 10, 5)];
    if deferred {
        calls.extend([call(1, Purpose::Answer, 20, 8), call(1, Purpose::Distil, 0, 4)]);
    }
    Record {
        cell: Arc::new(CellKey { dataset: "d".into(), arm: arm.into(), order: 0, threshold: Some(0.5) }),
        item_id: item.to_string().into(),
        group: format!("g{}", item / 2).into(),
        position: item,
        strategies_used: groups.iter().map(|group| (*group).into()).collect(),
        strategy_groups: groups.iter().map(|group| (*group).into()).collect(),
        similarity_max: None,
        weak: Some(WeakAnswer {
            strict: graded(weak_right).score,
            graded: graded(weak_right),
            confidence: Some(Confidence::nearest(0.5)),
        }),
        deferred,
        answering_level: Some(usize::from(deferred)),
        graded: graded(weak_right || deferred),
        repository_size: 0,
        calls,
        strategy_scores: Vec::new(),
        kept: None,
    }
}

fn run() -> Vec<Record> {
    let mut records: Vec<Record> = (0..4).map(|i| record("cascade", i, i == 0, i >= 2, &[])).collect();
    records.extend([
        record("inter-cascade", 0, true, false, &[]),
        record("inter-cascade", 1, true, false, &["g0"]),
        record("inter-cascade", 2, false, true, &["g0"]),
        record("inter-cascade", 3, true, false, &["g1", "g0"]),
    ]);
    records
}

/// The same in a second order.
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
    assert!(baseline(&slices, inter).is_some_and(|base| &*base.cell.arm == BASELINE));
    let gain = paired(inter, cascade, |taken| taken.weak_correct()).expect("paired");
    assert!((gain.mean - 0.5).abs() < 1e-12);
}

#[test]
fn fees_are_by_model_and_purpose_and_totals_count_a_call_once() {
    let records = run();
    let slices = slices(&records);
    let price = |output| Some(Price { input: 1.0, cached_input: None, output, read: None, nominal: true });
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
fn the_strong_level_is_compared_with_itself_on_deferred_items_only() {
    let mut records = run();
    records.extend((0..4).map(|i| record("strong-only", i, i != 2, false, &[])));
    let slices = slices(&records);
    let told = distilling(&slices[1], &slices[2]).expect("one item was deferred");
    assert_eq!((told.n, told.with, told.change.map(|change| change.mean)), (1, 1.0, Some(1.0)));
}

#[test]
fn gains_are_told_apart_by_the_strategies_source() {
    let records = run();
    let slices = slices(&records);
    let told: Vec<(Source, usize, f64)> =
        by_source(&slices[1], &slices[0]).iter().map(|(source, t)| (*source, t.n, t.gain.mean)).collect();
    assert_eq!(told, [(Source::SameGroup, 2, 1.0), (Source::OtherGroups, 1, 0.0), (Source::Nothing, 1, 0.0)]);
}

#[test]
fn gains_are_told_apart_by_how_often_a_group_came_before_in_the_order() {
    let records = in_two_orders();
    let slices = slices(&records);
    let told = by_encounter(&slices[1], &slices[0]);
    let told: Vec<(&str, usize, f64, usize)> =
        told.iter().map(|(nth, part, found)| (*nth, found.n, found.gain.mean, part.strong_calls())).collect();
    assert_eq!(told, [("first", 4, 0.0, 2), ("second", 4, 1.0, 0)]);
}

#[test]
fn the_cascade_is_read_off_both_levels_alone() {
    let mut records: Vec<Record> = (0..4).map(|i| record("weak-only", i, i == 0, false, &[])).collect();
    for (i, record) in records.iter_mut().enumerate() {
        let weak = record.weak.as_mut().expect("asked");
        weak.confidence = Some(Confidence::nearest(if i < 2 { 0.9 } else { 0.1 }));
    }
    records.extend((0..4).map(|i| Record { weak: None, ..record("strong-only", i, i != 3, true, &[]) }));
    // The strong level alone makes no weak call.
    records[4..].iter_mut().for_each(|record| {
        record.calls.retain(|call| call.level == Some(1) && call.purpose == Purpose::Answer);
    });
    let alone = slices(&records);
    let cascade = &alone[0].gated(&alone[1], &[0.5])[0];
    assert_eq!((&*cascade.cell.arm, cascade.cell.threshold), ("cascade", Some(0.5)));
    assert_eq!((cascade.strong_calls(), cascade.strong_calls_all()), (2, 2));
    assert!((cascade.coverage() - 0.5).abs() < 1e-12);
    let rows = fee_rows(cascade, &[], &Prices::new());
    let calls: Vec<(&str, usize)> =
        rows.iter().filter(|row| row.purpose.is_none()).map(|row| (row.model.as_str(), row.calls)).collect();
    assert_eq!(calls, [("weak", 4), ("strong", 2)]);
    assert_eq!(alone[0].gated(&alone[1], &[0.0])[0].strong_calls(), 0);
}

#[test]
fn changes_are_paired_and_told_by_order() {
    let records = in_two_orders();
    let slices = slices(&records);
    let changes = Changes::between(&slices[1], &slices[0], crate::types::seed::Seed(1)).expect("paired");
    assert!((changes.weak_accuracy.expect("asked").mean - 0.5).abs() < 1e-12);
    assert_eq!(changes.strong_calls.change, Some(-0.5));
    assert_eq!(changes.accuracy_by_order.len(), 2);
    assert_eq!(changes.strong_calls_by_order, [Some(-0.5), Some(-0.5)]);
    assert!(changes.accuracy.p > 0.0 && changes.accuracy.p <= 1.0);
}
