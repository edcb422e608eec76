//! Choice of a sweep's λ on some of the groups by a stated rule, and its evaluation on the other groups.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;

use super::fees::item_fee;
use super::{Comparison, ItemOutcome, Reference, Slice, ratio};
use crate::analysis::stats::{Estimate, Interval};
use crate::types::arm::Arm;
use crate::types::seed::Seed;

/// Accuracies that differ by less than this share count as equal. Among such λ, the one with the fewest strong calls
/// is chosen.
pub const AS_ACCURATE: f64 = 0.005;

/// Conditions that a λ must meet on the groups that it is chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rule {
    /// The greatest fee per item, in USD. `None` if any fee is acceptable.
    pub budget: Option<f64>,
    /// The least accuracy, a share in [0, 1]. The λ with the fewest strong calls that reaches this accuracy is then
    /// chosen. `None` if the most accurate λ is chosen.
    pub accuracy: Option<f64>,
}

/// Figures of an arm on the items of some groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnPart {
    /// Share of right answers.
    pub accuracy: f64,
    /// The 95 % interval of the accuracy. `None` on the groups that λ was chosen on, and if too few groups differ.
    pub interval: Option<Interval>,
    /// Share of the items that the strong level answered.
    pub strong_calls: f64,
    /// Mean fee per item in USD. `None` if a model has no price.
    pub fee: Option<f64>,
}

impl OnPart {
    fn of(slice: &Slice, comparison: &Comparison) -> Self {
        let fees: Option<f64> = slice.outcomes.iter().map(|outcome| item_fee(*outcome, None, comparison.prices)).sum();
        Self {
            accuracy: slice.accuracy(),
            interval: None,
            strong_calls: ratio(slice.strong_calls(), slice.outcomes.len()),
            fee: fees.map(|fees| fees * ratio(1, slice.outcomes.len())),
        }
    }
}

/// The λ of an arm, chosen on one part of the groups and evaluated on the other part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chosen {
    /// The arm.
    pub arm: Arm,
    /// The chosen λ. `None` for strong-only, the arm that the others are compared with.
    pub threshold: Option<f64>,
    /// Figures on the groups that λ was chosen on.
    pub chosen_on: OnPart,
    /// Figures on the other groups.
    pub judged_on: OnPart,
    /// The difference of the accuracies against strong-only on the other groups. `None` for strong-only.
    pub against_strong: Option<Estimate>,
}

/// The chosen λ of each arm, with the split of the groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Number of groups that λ was chosen on, and of groups that it is evaluated on.
    pub groups: [usize; 2],
    /// Number of items in the two parts, each counted once over all orders.
    pub items: [usize; 2],
    /// One row for strong-only, and one for each arm with a λ that meets the conditions.
    pub rows: Vec<Chosen>,
    /// The arms without a λ that meets the conditions.
    pub without: Vec<Arm>,
}

/// Chooses each arm's λ on a share of the groups, which are drawn by seed, and evaluates the λ on the other groups.
/// `None` if either part would have no group.
#[must_use]
pub fn choose(comparison: &Comparison, share: f64, rule: Rule) -> Option<Choice> {
    let all: BTreeSet<&str> =
        comparison.slices.iter().flat_map(|slice| &slice.outcomes).map(|outcome| outcome.group()).collect();
    let first = drawn(&all, share, comparison.seed)?;
    let is_first = |outcome: ItemOutcome| first.contains(outcome.group());
    let parts = |slice: &Slice| {
        [
            OnPart::of(&slice.part(is_first), comparison),
            OnPart::of(&slice.part(|outcome| !is_first(outcome)), comparison),
        ]
    };

    let gated =
        |arm: Arm| comparison.of_arm(arm).map(|(slice, _)| slice).filter(|slice| slice.cell.threshold.is_some());
    let arms = comparison.arms().into_iter().filter(|arm| gated(*arm).next().is_some());
    let of_arm = |arm: Arm| {
        let slices = gated(arm);
        best(slices.map(|slice| (slice, OnPart::of(&slice.part(is_first), comparison))), rule)
    };
    let found: Vec<(Arm, Option<&Slice>)> = arms.map(|arm| (arm, of_arm(arm))).collect();
    let strong = comparison.reference(Reference::StrongOnly);
    let selected: Vec<&Slice> = strong.into_iter().chain(found.iter().filter_map(|(_, slice)| *slice)).collect();

    // A comparison of the chosen slices alone, so that no other intervals are computed.
    let others: Vec<Slice> = selected.iter().map(|slice| slice.part(|outcome| !is_first(outcome))).collect();
    let judged = Comparison::of(others, comparison.calibrated, comparison.prices, comparison.seed);
    let rows =
        selected.iter().zip(&judged.slices).zip(judged.accuracy_intervals()).map(|((slice, other), interval)| {
            let [chosen_on, judged_on] = parts(slice);
            Chosen {
                arm: slice.cell.arm,
                threshold: slice.cell.threshold,
                chosen_on,
                judged_on: OnPart { interval: *interval, ..judged_on },
                against_strong: judged.of_slice_against(other, Reference::StrongOnly).map(|against| against.accuracy),
            }
        });
    let rows = rows.collect();
    let items = |first: bool| {
        let slice = comparison.slices.first();
        let ids = slice.into_iter().flat_map(|slice| &slice.outcomes).filter(|outcome| is_first(**outcome) == first);
        ids.map(|outcome| &outcome.record().item_id).collect::<BTreeSet<_>>().len()
    };
    let without = found.iter().filter(|(_, slice)| slice.is_none()).map(|(arm, _)| *arm).collect();
    Some(Choice { groups: [first.len(), all.len() - first.len()], items: [items(true), items(false)], rows, without })
}

/// Draws a share of the groups by seed. `None` if the share rounds to no group or to all.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a count"
)]
fn drawn<'a>(all: &BTreeSet<&'a str>, share: f64, seed: Seed) -> Option<BTreeSet<&'a str>> {
    let mut groups: Vec<&str> = all.iter().copied().collect();
    groups.shuffle(&mut seed.stream(&["choose"]));
    let count = (share * groups.len() as f64).round() as usize;
    (count > 0 && count < groups.len()).then(|| groups.into_iter().take(count).collect())
}

/// Returns the λ that the rule chooses. `None` if no λ meets the conditions.
fn best<'s, 'a>(thresholds: impl Iterator<Item = (&'s Slice<'a>, OnPart)>, rule: Rule) -> Option<&'s Slice<'a>> {
    let within = |part: &OnPart| {
        rule.budget.is_none_or(|budget| part.fee.is_some_and(|fee| fee <= budget))
            && rule.accuracy.is_none_or(|least| part.accuracy >= least)
    };
    let found: Vec<(&Slice, OnPart)> = thresholds.filter(|(_, part)| within(part)).collect();
    let greatest = found.iter().map(|(_, part)| part.accuracy).fold(0.0, f64::max);
    let enough = if rule.accuracy.is_some() { 0.0 } else { greatest - AS_ACCURATE };
    let by_calls = |a: &(&Slice, OnPart), b: &(&Slice, OnPart)| {
        a.1.strong_calls.total_cmp(&b.1.strong_calls).then(b.1.accuracy.total_cmp(&a.1.accuracy))
    };
    found.into_iter().filter(|(_, part)| part.accuracy >= enough - 1e-12).min_by(by_calls).map(|(slice, _)| slice)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::metrics::Prices;
    use crate::types::level::Level;
    use crate::types::record::{CellKey, Graded, LevelAnswer, Record, Score};
    use crate::types::testing;

    const GROUPS: usize = 40;

    /// An arm at one λ. `right` and `deferred` state which of the groups' single items are correct and deferred.
    fn cell(arm: Arm, threshold: Option<f64>, right: fn(usize) -> bool, deferred: fn(usize) -> bool) -> Vec<Record> {
        let cell = Arc::new(CellKey { dataset: "d".into(), arm, order: 0, threshold });
        let record = |at: usize| {
            let score = if right(at) { Score::Correct } else { Score::Incorrect };
            let graded = Graded { answer: None, score };
            let level = if deferred(at) { Level::SECOND } else { Level::FIRST };
            Record {
                group: at.to_string().into(),
                levels: vec![LevelAnswer::new(level, graded.clone())],
                deferred: deferred(at),
                answering_level: Some(level),
                graded,
                ..testing::record(&cell, at)
            }
        };
        (0..GROUPS).map(record).collect()
    }

    fn records() -> Vec<Record> {
        [
            cell(Arm::StrongOnly, None, |_| true, |_| true),
            cell(Arm::Cascade, Some(0.2), |at| at % 2 == 0, |_| false),
            cell(Arm::Cascade, Some(0.8), |at| at % 10 != 0, |at| at % 4 != 0),
            cell(Arm::Cascade, Some(0.9), |at| at % 10 != 0, |_| true),
        ]
        .concat()
    }

    #[test]
    fn lambda_is_chosen_on_some_groups_and_evaluated_on_the_others() {
        let (records, prices) = (records(), Prices::new());
        let comparison = Comparison::new(&records, &[], &prices, Seed(3));
        let choice = choose(&comparison, 0.25, Rule::default()).expect("there are enough groups");
        assert_eq!((choice.groups, choice.items), ([10, 30], [10, 30]));
        let [strong, cascade] = choice.rows[..] else { panic!("two arms") };
        assert_eq!((strong.arm, strong.threshold, strong.against_strong), (Arm::StrongOnly, None, None));
        assert_eq!(cascade.threshold, Some(0.8), "as accurate as 0.9 with fewer strong calls");
        // Both parts together are the whole.
        let whole = cascade.chosen_on.accuracy * 10.0 + cascade.judged_on.accuracy * 30.0;
        assert!((whole - 36.0).abs() < 1e-9, "{whole}");
        let change = cascade.against_strong.expect("strong-only was run");
        assert!((change.value - (cascade.judged_on.accuracy - 1.0)).abs() < 1e-12);
        assert_eq!(choice, choose(&comparison, 0.25, Rule::default()).expect("the same"));
        let other = Comparison::new(&records, &[], &prices, Seed(4));
        assert_ne!(choice, choose(&other, 0.25, Rule::default()).expect("other groups"));
    }

    #[test]
    fn rule_accepts_an_accuracy_and_needs_two_parts() {
        let (records, prices) = (records(), Prices::new());
        let comparison = Comparison::new(&records, &[], &prices, Seed(3));
        let at = |accuracy| {
            let choice =
                choose(&comparison, 0.5, Rule { accuracy: Some(accuracy), ..Rule::default() }).expect("groups");
            (choice.rows.last().and_then(|row| row.threshold), choice.without)
        };
        assert_eq!(at(0.1), (Some(0.2), Vec::new()), "the fewest strong calls that reach it");
        assert_eq!(at(1.1), (None, vec![Arm::Cascade]));
        assert_eq!(choose(&comparison, 0.01, Rule::default()), None);
    }
}
