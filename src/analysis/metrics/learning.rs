//! Where a learning arm's gain comes from, told after the fact: whose strategies were shown, whether their teacher was
//! right, and what asking for them does to the strong level.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use super::slices::{ItemOutcome, Slice};
use crate::analysis::stats::{Draws, Estimate, clustered_mean};
use crate::analysis::theorem::{Constants, Taught, WeakOutcome, constants};
use crate::types::record::{Purpose, Record, Score, StrategyOutcome};

/// Where the strategies shown for some items came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategySource {
    /// At least one from the item's own group: another wording or instance of the same problem.
    SameGroup,
    /// Some, all of them from other groups.
    OtherGroups,
    /// None was shown.
    Nothing,
}

impl StrategySource {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::SameGroup, Self::OtherGroups, Self::Nothing];

    /// How reports call it.
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

/// Whether the strong answers behind the strategies shown were right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teacher {
    /// All of them.
    Right,
    /// Some of them.
    Mixed,
    /// None of them.
    Wrong,
}

impl Teacher {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Right, Self::Mixed, Self::Wrong];

    /// How reports call it.
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

/// The weak level with strategies of one kind, against itself without any on the same items. An item of which the arm did not ask it
/// adds weak-only's answer, and so no gain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransferGain {
    /// Items over all orders.
    pub n: usize,
    /// Items of which the weak level was not asked: among `n` if weak-only's answers are there instead, left out if not.
    pub unasked: usize,
    /// Accuracy without strategies, as a share.
    pub alone: f64,
    /// Accuracy with them, as a share.
    pub taught: f64,
    /// The paired difference of the accuracies, as a share.
    pub gain: Estimate,
    /// The least and the greatest of the items' similarities to the nearest strategy shown; none where none was.
    pub similarity: Option<(f64, f64)>,
}

fn transfer(part: &Slice, alone: &Slice) -> Option<TransferGain> {
    let unasked = part.unasked();
    let part = &part.part(|taken| !taken.is_unasked() || taken.weak().is_some());
    let gain = paired(part, alone, |taken| taken.weak_correct())?;
    let taught = part.weak_accuracy()?;
    let similarities = part.taken.iter().filter_map(|taken| taken.record().similarity_max);
    let similarity = similarities.fold(None, |ends, one| {
        let (least, most) = ends.unwrap_or((one, one));
        Some((one.min(least), one.max(most)))
    });
    Some(TransferGain { n: part.taken.len(), unasked, alone: taught - gain.value, taught, gain, similarity })
}

/// A learning slice's weak answers by the source of what was shown; `alone` holds the weak level without strategies.
#[must_use]
pub fn by_source(slice: &Slice, alone: &Slice) -> Vec<(StrategySource, TransferGain)> {
    let of = |source| slice.part(|taken| StrategySource::of(taken.record()) == source);
    StrategySource::ALL.into_iter().filter_map(|source| Some((source, transfer(&of(source), alone)?))).collect()
}

/// The same by whether the strong answers behind what was shown were right: known after the fact, never used.
#[must_use]
pub fn by_teacher(slice: &Slice, alone: &Slice) -> Vec<(Teacher, TransferGain)> {
    let of = |teacher| slice.part(|taken| Teacher::of(taken.record()) == Some(teacher));
    Teacher::ALL.into_iter().filter_map(|teacher| Some((teacher, transfer(&of(teacher), alone)?))).collect()
}

/// Which problem of its group an item is in its stream, as reports tell them apart.
pub const ENCOUNTERS: [&str; 5] = ["first", "second", "third", "fourth", "later"];

/// The same by how often a problem of the group was met before, each with its part of the slice.
#[must_use]
pub fn by_encounter<'a>(slice: &Slice<'a>, alone: &Slice) -> Vec<(&'static str, Slice<'a>, TransferGain)> {
    let parts = ENCOUNTERS.into_iter().zip(slice.by_encounter(ENCOUNTERS.len() - 1));
    parts.filter_map(|(name, part)| transfer(&part, alone).map(|found| (name, part, found))).collect()
}

/// What became of the strategies of deferred items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Items that the strong level answered and could have taught from.
    pub deferred: usize,
    /// Strategies in the repository.
    pub stored: usize,
    /// Of these, from a wrong strong answer: known after the fact.
    pub stored_wrong: usize,
    /// Strategies that a store rule kept out.
    pub dropped: usize,
    /// Of these, from a right strong answer: known after the fact.
    pub dropped_right: usize,
    /// Answers in which no strategy could be read, refused ones included.
    pub unreadable: usize,
}

impl StoreStats {
    /// Of a learning slice, over all orders.
    #[must_use]
    pub fn of(slice: &Slice) -> Self {
        let mut found = Self::default();
        for taken in &slice.taken {
            let Some(kept) = taken.record().kept else { continue };
            let right = usize::from(taken.correct());
            found.deferred += 1;
            match kept {
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

/// The strong level on the items that an arm defers, against itself without strategies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distilling {
    /// Deferred items over all orders.
    pub n: usize,
    /// Its accuracy there.
    pub with: f64,
    /// The paired difference to its answers alone; none where no strategy is written in the answer's call, so that the prompt is
    /// the same.
    pub change: Option<Estimate>,
}

/// [`Distilling`] for a learning slice; `strong` holds the strong level's answers to all items. Items whose examples the strong
/// level was shown are left out, since its prompt differs in more than the strategy.
#[must_use]
pub fn distilling(slice: &Slice, strong: &Slice) -> Option<Distilling> {
    let shown =
        |taken: ItemOutcome| taken.record().levels.iter().any(|own| !own.level.is_first() && own.strategies_shown > 0);
    let part = slice.part(|taken| taken.deferred() && !shown(taken));
    let change = paired(&part, strong, |taken| taken.correct())?;
    let mut calls = part.taken.iter().flat_map(|taken| taken.calls());
    let together = calls.any(|(call, earlier)| call.purpose == Purpose::Distil && call.shares_with(earlier));
    Some(Distilling { n: part.taken.len(), with: part.accuracy(), change: together.then_some(change) })
}

/// The theorem's constants for a learning slice; `base` is its cascade. Empty if that has another threshold, and if the arm gives
/// strong answers again, which are not the weak level's. An item of which the weak level was not asked is one that is not accepted.
#[must_use]
pub fn theorem(slice: &Slice, base: &Slice, draws: Draws) -> Constants {
    let reused = |taken: &ItemOutcome| taken.asked_answer().is_none() && !taken.is_unasked();
    if slice.cell.threshold != base.cell.threshold || slice.taken.iter().any(reused) {
        return Constants::default();
    }
    let outcome = |taken: ItemOutcome| WeakOutcome { accepted: !taken.deferred(), right: taken.weak_correct() };
    let rows = slice
        .paired(base)
        .into_iter()
        .map(|(one, other)| (one.group().to_owned(), Taught { with: outcome(one), without: outcome(other) }));
    constants(rows, draws)
}

/// The paired mean difference, per item, of what holds in two slices, with an interval clustered by group.
#[must_use]
pub fn paired(slice: &Slice, base: &Slice, is: fn(ItemOutcome) -> bool) -> Option<Estimate> {
    let value = |taken| f64::from(u8::from(is(taken)));
    let pairs = slice.paired(base);
    clustered_mean(pairs.iter().map(|(one, other)| (one.group(), value(*one) - value(*other))))
}
