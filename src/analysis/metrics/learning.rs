//! Sources of a learning arm's gain, determined after the fact: the groups of the retrieved strategies, the
//! correctness of the strong answers behind them, and the effect of writing strategies on the strong level.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use super::slices::{ItemOutcome, Slice};
use crate::analysis::stats::{Draws, Estimate, clustered_mean};
use crate::analysis::theorem::{Constants, Taught, WeakOutcome, constants};
use crate::types::record::{Purpose, Record, Score, StrategyOutcome};

/// Source of the strategies retrieved for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategySource {
    /// At least one from the item's own group: another wording or instance of the same problem.
    SameGroup,
    /// One or more, all from other groups.
    OtherGroups,
    /// No strategy was retrieved.
    Nothing,
}

impl StrategySource {
    /// All variants, in the order of reports.
    pub const ALL: [Self; 3] = [Self::SameGroup, Self::OtherGroups, Self::Nothing];

    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameGroup => "same group",
            Self::OtherGroups => "other groups only",
            Self::Nothing => "none shown",
        }
    }

    fn of(record: &Record) -> Self {
        match record.strategy_groups.as_slice() {
            [] => Self::Nothing,
            groups if groups.contains(&record.group) => Self::SameGroup,
            _ => Self::OtherGroups,
        }
    }
}

/// Correctness of the strong answers behind the retrieved strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teacher {
    /// All strong answers are correct.
    Right,
    /// Some strong answers are correct.
    Mixed,
    /// No strong answer is correct.
    Wrong,
}

impl Teacher {
    /// All variants, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Right, Self::Mixed, Self::Wrong];

    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Mixed => "mixed",
            Self::Wrong => "wrong",
        }
    }

    fn of(record: &Record) -> Option<Self> {
        let scores = &record.strategy_scores;
        let right = scores.iter().filter(|score| **score == Score::Correct).count();
        match (right, scores.len()) {
            (_, 0) => None,
            (0, _) => Some(Self::Wrong),
            (right, all) if right == all => Some(Self::Right),
            _ => Some(Self::Mixed),
        }
    }
}

/// Accuracy of the weak level with strategies of one kind, and without strategies on the same items. If the arm did
/// not call the weak level for an item, weak-only's answer is used, which adds no gain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransferGain {
    /// Number of items over all orders.
    pub n: usize,
    /// Number of items for which the weak level was not called. They are counted in `n` if weak-only's answers are
    /// used instead, and left out otherwise.
    pub unasked: usize,
    /// Accuracy without strategies, as a share.
    pub alone: f64,
    /// Accuracy with strategies, as a share.
    pub taught: f64,
    /// The paired difference of the accuracies, as a share.
    pub gain: Estimate,
    /// The least and the greatest similarity between an item and its nearest retrieved strategy. `None` if no strategy
    /// was retrieved.
    pub similarity: Option<(f64, f64)>,
}

fn transfer(part: &Slice, alone: &Slice) -> Option<TransferGain> {
    let unasked = part.unasked();
    let part = &part.part(|outcome| !outcome.is_unasked() || outcome.weak().is_some());
    let gain = paired(part, alone, |outcome| outcome.weak_correct())?;
    let taught = part.weak_accuracy()?;
    let similarities = part.outcomes.iter().filter_map(|outcome| outcome.record().similarity_max);
    let similarity = similarities.fold(None, |ends, one| {
        let (least, most) = ends.unwrap_or((one, one));
        Some((one.min(least), one.max(most)))
    });
    Some(TransferGain { n: part.outcomes.len(), unasked, alone: taught - gain.value, taught, gain, similarity })
}

/// Groups a learning slice's weak answers by the source of the retrieved strategies. `alone` contains the weak level's
/// answers without strategies.
#[must_use]
pub fn by_source(slice: &Slice, alone: &Slice) -> Vec<(StrategySource, TransferGain)> {
    let of = |source| slice.part(|outcome| StrategySource::of(outcome.record()) == source);
    StrategySource::ALL.into_iter().filter_map(|source| Some((source, transfer(&of(source), alone)?))).collect()
}

/// Groups a learning slice's weak answers by the correctness of the strong answers behind the retrieved strategies.
/// This correctness is known only after the fact and never used in a run.
#[must_use]
pub fn by_teacher(slice: &Slice, alone: &Slice) -> Vec<(Teacher, TransferGain)> {
    let of = |teacher| slice.part(|outcome| Teacher::of(outcome.record()) == Some(teacher));
    Teacher::ALL.into_iter().filter_map(|teacher| Some((teacher, transfer(&of(teacher), alone)?))).collect()
}

/// Names, for reports, of an item's position among the items of its group in the stream.
pub const ENCOUNTERS: [&str; 5] = ["first", "second", "third", "fourth", "later"];

/// Groups a learning slice's weak answers by how many items of the group came before, and returns each part of the
/// slice too.
#[must_use]
pub fn by_encounter<'a>(slice: &Slice<'a>, alone: &Slice) -> Vec<(&'static str, Slice<'a>, TransferGain)> {
    let parts = ENCOUNTERS.into_iter().zip(slice.by_encounter(ENCOUNTERS.len() - 1));
    parts.filter_map(|(name, part)| transfer(&part, alone).map(|found| (name, part, found))).collect()
}

/// Counts of what happened to the strategies of deferred items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Number of items that the strong level answered and could have distilled from.
    pub deferred: usize,
    /// Number of strategies stored in the repository.
    pub stored: usize,
    /// Number of stored strategies from a wrong strong answer, known after the fact.
    pub stored_wrong: usize,
    /// Number of strategies that a store rule rejected.
    pub dropped: usize,
    /// Number of rejected strategies from a correct strong answer, known after the fact.
    pub dropped_right: usize,
    /// Number of answers without a readable strategy, refused ones included.
    pub unreadable: usize,
}

impl StoreStats {
    /// Counts the strategies of a learning slice, over all orders.
    #[must_use]
    pub fn of(slice: &Slice) -> Self {
        let mut found = Self::default();
        for outcome in &slice.outcomes {
            let Some(stored) = outcome.record().kept else { continue };
            let right = usize::from(outcome.correct());
            found.deferred += 1;
            match stored {
                StrategyOutcome::Stored => {
                    found.stored += 1;
                    found.stored_wrong += 1 - right;
                }
                StrategyOutcome::Dropped(_) => {
                    found.dropped += 1;
                    found.dropped_right += right;
                }
                StrategyOutcome::Unreadable | StrategyOutcome::Refused => found.unreadable += 1,
            }
        }
        found
    }
}

/// Accuracy of the strong level on the items that an arm defers, compared with the same level without strategies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distilling {
    /// Number of deferred items over all orders.
    pub n: usize,
    /// Accuracy of the strong level on these items, as a share.
    pub with: f64,
    /// The paired difference against strong-only's answers. `None` if no strategy is written in the call of the
    /// answer, since the prompt is then identical.
    pub change: Option<Estimate>,
}

/// Computes [`Distilling`] for a learning slice. `strong` contains the strong level's answers to all items. Items
/// whose strong prompt contains examples are left out, since that prompt differs in more than the strategy.
#[must_use]
pub fn distilling(slice: &Slice, strong: &Slice) -> Option<Distilling> {
    let has_examples = |outcome: ItemOutcome| {
        outcome.record().levels.iter().any(|own| !own.level.is_first() && own.strategies_shown > 0)
    };
    let part = slice.part(|outcome| outcome.deferred() && !has_examples(outcome));
    let change = paired(&part, strong, |outcome| outcome.correct())?;
    let mut calls = part.outcomes.iter().flat_map(|outcome| outcome.calls());
    let together = calls.any(|(call, earlier)| call.purpose == Purpose::Distil && call.shares_with(earlier));
    Some(Distilling { n: part.outcomes.len(), with: part.accuracy(), change: together.then_some(change) })
}

/// Estimates the theorem's constants for a learning slice. `base` is its cascade. Empty if the two thresholds differ,
/// and if the arm reuses strong answers, which are not the weak level's. An item without a call of the weak level
/// counts as not accepted.
#[must_use]
pub fn theorem(slice: &Slice, base: &Slice, draws: Draws) -> Constants {
    let reused = |outcome: &ItemOutcome| outcome.own_weak_answer().is_none() && !outcome.is_unasked();
    if slice.cell.threshold != base.cell.threshold || slice.outcomes.iter().any(reused) {
        return Constants::default();
    }
    let outcome = |outcome: ItemOutcome| WeakOutcome { accepted: !outcome.deferred(), right: outcome.weak_correct() };
    let rows = slice
        .paired(base)
        .into_iter()
        .map(|(one, other)| (one.group().to_owned(), Taught { with: outcome(one), without: outcome(other) }));
    constants(rows, draws)
}

/// Computes the paired mean difference per item between two slices, with an interval clustered by group. `is`
/// determines what is counted.
#[must_use]
pub fn paired(slice: &Slice, base: &Slice, is: fn(ItemOutcome) -> bool) -> Option<Estimate> {
    let value = |outcome| f64::from(u8::from(is(outcome)));
    let pairs = slice.paired(base);
    clustered_mean(pairs.iter().map(|(one, other)| (one.group(), value(*one) - value(*other))))
}
