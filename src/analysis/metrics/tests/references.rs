//! Strong-only and the separately tuned cascade as references, and the frontier.

use super::super::frontier::frontier;
use super::super::learning::by_teacher;
use super::super::references::Reference;
use super::*;
use crate::analysis::stats::holm::holm;

/// Returns the record with this λ.
fn at(mut record: Record, threshold: Option<f64>) -> Record {
    record.cell = Arc::new(CellKey { threshold, ..CellKey::clone(&record.cell) });
    record
}

/// Arms of [`taught`], with strong-only (wrong on every sixth item), weak-only (correct on every fourth) and a tuned
/// cascade that defers half, at the cascade's λ and listed before the cascade.
fn with_references() -> (Vec<Record>, Prices) {
    let (taught, prices) = taught();
    let strong = |arm, i: usize| {
        let mut record = at(record(arm, i, false, true, &[]), None);
        record.levels.remove(0);
        record.calls.retain(|call| call.level == Some(Level::SECOND) && call.purpose == Purpose::Answer);
        let score = if i.is_multiple_of(6) { Score::Incorrect } else { Score::Correct };
        record.graded.score = score;
        record.levels[0].graded.score = score;
        record
    };
    let mut records: Vec<Record> = (0..24).map(|i| record(Arm::CascadeTuned, i, i % 4 == 0, i % 2 == 1, &[])).collect();
    records.extend(taught);
    records.extend((0..24).map(|i| strong(Arm::StrongOnly, i)));
    records.extend((0..24).map(|i| at(record(Arm::WeakOnly, i, i % 4 == 0, false, &[]), None)));
    records.extend((0..24).map(|i| strong(Arm::StrongWithExamples, i)));
    (records, prices)
}

fn of<'c, 'a>(comparison: &'c Comparison<'a>, arm: Arm) -> &'c Slice<'a> {
    comparison.of_arm(arm).next().expect("it ran").0
}

#[test]
fn the_baseline_is_the_cascade_and_never_the_tuned_one() {
    let (records, prices) = with_references();
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    for slice in comparison.slices.iter().filter(|slice| slice.cell.arm != Arm::Cascade) {
        assert_eq!(comparison.base(slice).map(|base| base.cell.arm), Some(Arm::Cascade), "{}", slice.cell.arm);
    }
    assert_eq!(comparison.untaught().map(|slice| slice.cell.arm), Some(Arm::Cascade));
    let tuned: Vec<Record> = records.iter().filter(|record| record.cell.arm == Arm::CascadeTuned).cloned().collect();
    let comparison = Comparison::new(&tuned, &[], &prices, Seed(3));
    assert_eq!(
        comparison.untaught().map(|slice| slice.cell.arm),
        Some(Arm::CascadeTuned),
        "it asks without strategies"
    );
    assert!(comparison.base(&comparison.slices[0]).is_none());
}

#[test]
fn every_arm_is_compared_with_each_reference_that_ran() {
    let (records, prices) = with_references();
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let against = |arm, reference| comparison.of_slice_against(of(&comparison, arm), reference);
    // All answers of the cascade are the strong level's, which are correct in taught(); strong-only is wrong on four
    // of 24.
    let cascade = against(Arm::Cascade, Reference::StrongOnly).expect("paired");
    assert!((cascade.accuracy.value - 4.0 / 24.0).abs() < 1e-12);
    assert_eq!(cascade.strong_calls.map(|change| change.value), Some(0.0));
    // Tokens per item: 3 · 32 + 15 against 3 · 28.
    assert!((cascade.fee.expect("prices").value - (111.0 / 84.0 - 1.0)).abs() < 1e-9, "{cascade:?}");
    let learning = against(Arm::InterCascade, Reference::CascadeTuned).expect("paired");
    assert_eq!(learning.strong_calls.map(|change| change.value), Some(0.0), "both defer half");
    assert!((learning.accuracy.value - 6.0 / 24.0).abs() < 1e-12, "the tuned one accepts six wrong answers");
    assert!(learning.accuracy.interval.is_some() && learning.fee.is_some_and(|fee| fee.interval.is_some()));
    for reference in Reference::ALL {
        assert_eq!(against(reference.arm(), reference), None, "not with itself");
        let raw: Vec<(Arm, f64)> = comparison
            .slices
            .iter()
            .zip(comparison.against(reference))
            .filter(|(slice, _)| !slice.cell.arm.is_one_level())
            .filter_map(|(slice, against)| Some((slice.cell.arm, against.as_ref()?.accuracy.p_value?)))
            .collect();
        let p: Vec<f64> = raw.iter().map(|(_, p)| *p).collect();
        let adjusted: Vec<f64> = comparison.adjusted_against(reference).into_iter().flatten().collect();
        assert_eq!(adjusted, holm(&p), "one family, the levels alone are not in it");
    }
    let (records, prices) = taught();
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    assert!(Reference::ALL.iter().all(|reference| comparison.against(*reference).iter().all(Option::is_none)));
}

#[test]
fn the_strong_level_with_examples_learns_and_has_no_weak_figure() {
    let (mut records, prices) = with_references();
    for record in records.iter_mut().filter(|record| record.cell.arm == Arm::StrongWithExamples) {
        record.strategies_used = vec!["0".into()];
        record.strategy_groups = vec!["g0".into()];
        record.strategy_scores = vec![Score::Correct];
    }
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let slice = of(&comparison, Arm::StrongWithExamples);
    assert!(comparison.learners().any(|learner| learner.cell == slice.cell));
    let alone = comparison.untaught().expect("the cascade");
    assert!(by_source(slice, alone).is_empty() && by_teacher(slice, alone).is_empty());
    assert!(by_encounter(slice, alone).is_empty());
    let (_, changes) = comparison.of_arm(Arm::StrongWithExamples).next().expect("it ran");
    assert_eq!(changes.expect("a cascade").weak_accuracy, None);
    // The fee moves with the ratio of the cascade's prices: the arm saves the weak level's whole fee, and strategies.
    let found = curves(&comparison, &[(slice, alone)], &[Shape::Written(1.0)], |own| vec![own]);
    assert!((found[0][0].changes[0].expect("a fee").value - (84.0 / 111.0 - 1.0)).abs() < 1e-9, "{found:?}");
    assert_eq!(found[0][0].pays_from, Some(0.0), "at any price");
}

#[test]
fn the_frontier_names_dominating_arms() {
    let (records, prices) = with_references();
    let comparison = Comparison::new(&records, &[], &prices, Seed(3));
    let places = frontier(&comparison);
    let found: Vec<_> = places
        .iter()
        .map(|place| {
            let arm = |slice: Option<&Slice>| slice.map(|slice| slice.cell.arm);
            let by = [arm(place.dominated_by_requests), arm(place.dominated_by_fee)];
            (place.slice.cell.arm, place.strong_requests, by)
        })
        .collect();
    let taught = Some(Arm::InterCascade);
    assert_eq!(
        found,
        [
            (Arm::WeakOnly, 0, [None, None]),
            (Arm::InterCascade, 12, [None, None]),
            (Arm::CascadeTuned, 12, [taught, None]),
            (Arm::InterCascadeRandom, 21, [taught, taught]),
            (Arm::Cascade, 24, [taught, taught]),
            (Arm::StrongOnly, 24, [taught, taught]),
            (Arm::StrongWithExamples, 24, [taught, taught]),
        ]
    );
    let unpriced = Prices::new();
    let comparison = Comparison::new(&records, &[], &unpriced, Seed(3));
    assert!(frontier(&comparison).iter().all(|place| place.fee.is_none() && place.dominated_by_fee.is_none()));
}
