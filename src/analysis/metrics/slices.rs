//! Records by arm and threshold. The cascade at any threshold is derived from the records of weak-only and
//! strong-only, since it makes the same calls.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::shortest::shortest;
use super::{BASELINE, ratio};
use crate::analysis::reliability::Judged;
use crate::analysis::stats::proportion::wilson;
use crate::analysis::stats::units::mean;
use crate::analysis::stats::{Draws, Interval, Units};
use crate::types::arm::Arm;
use crate::types::chat::Usage;
use crate::types::confidence::defers;
use crate::types::level::Level;
use crate::types::record::{Call, CellKey, Graded, LevelAnswer, Purpose, Record, Score, top_level, total_latency_ms};

/// Outcome of one item in one arm and one order.
#[derive(Debug, Clone, Copy)]
pub enum ItemOutcome<'a> {
    /// The recorded outcome.
    Whole {
        /// The item's record.
        record: &'a Record,
        /// Weak-only's answer to the same item in the same order, if the arm retrieves strategies and did not call the
        /// weak level for the item. `None` otherwise, and if the run has no such answer.
        instead: Option<&'a LevelAnswer>,
    },
    /// The derived outcome of the cascade: the weak level's answer, or the strong level's if the weak answer was
    /// deferred.
    Gated {
        /// The item's record in weak-only.
        weak: &'a Record,
        /// The item's record in strong-only.
        strong: &'a Record,
        /// True if the query was sent to the strong level.
        deferred: bool,
    },
}

impl<'a> ItemOutcome<'a> {
    /// The record that identifies the item.
    #[must_use]
    pub fn record(self) -> &'a Record {
        match self {
            Self::Whole { record, .. } | Self::Gated { weak: record, .. } => record,
        }
    }

    /// The item's group.
    #[must_use]
    pub fn group(self) -> &'a str {
        &self.record().group
    }

    /// The final answer with its score.
    #[must_use]
    pub fn graded(self) -> &'a Graded {
        match self {
            Self::Whole { record, .. } => &record.graded,
            Self::Gated { strong, deferred: true, .. } => &strong.graded,
            Self::Gated { weak, .. } => &weak.graded,
        }
    }

    /// The weak level's answer in this arm, or else weak-only's answer. `None` without either.
    #[must_use]
    pub fn weak(self) -> Option<&'a LevelAnswer> {
        self.own_weak_answer().or(match self {
            Self::Whole { instead, .. } => instead,
            Self::Gated { .. } => None,
        })
    }

    /// The weak level's answer in this arm. `None` if the arm did not call the weak level for the item.
    #[must_use]
    pub fn own_weak_answer(self) -> Option<&'a LevelAnswer> {
        self.record().first()
    }

    /// True if the item was deferred without a call of the weak level, in an arm that retrieves strategies.
    #[must_use]
    pub fn is_unasked(self) -> bool {
        is_unasked(self.record())
    }

    /// True if the query was sent beyond the weak level.
    #[must_use]
    pub fn deferred(self) -> bool {
        match self {
            Self::Whole { record, .. } => record.deferred,
            Self::Gated { deferred, .. } => deferred,
        }
    }

    /// True if the provider of this level refused to answer.
    #[must_use]
    pub fn is_refused(self, level: Level) -> bool {
        let by = |record: &Record| record.refused.contains(&level);
        match self {
            Self::Whole { record, .. } => by(record),
            Self::Gated { weak, strong, deferred } => by(weak) || (deferred && by(strong)),
        }
    }

    /// True if the final answer is correct.
    #[must_use]
    pub fn correct(self) -> bool {
        self.graded().score == Score::Correct
    }

    /// True if the answer of [`Self::weak`] is correct.
    #[must_use]
    pub fn weak_correct(self) -> bool {
        self.weak().is_some_and(|weak| weak.graded.score == Score::Correct)
    }

    /// Confidence and correctness of the weak answer. `None` without a confidence. An answer that fails a check of the
    /// gate counts with confidence 0.
    #[must_use]
    pub fn judged(self) -> Option<Judged> {
        let weak = self.weak()?;
        let confidence = weak.confidence?.value();
        let confidence = if weak.passes == Some(false) { 0.0 } else { confidence };
        Some(Judged { confidence, right: self.weak_correct() })
    }

    /// Calls that the item needed, each with the earlier calls of its record. Weak-only has no gate, so its calls for
    /// a confidence are left out; the cascades derived from it need them.
    pub fn calls(self) -> impl Iterator<Item = (&'a Call, &'a [Call])> {
        let (first, second): (&[Call], &[Call]) = match self {
            Self::Whole { record, .. } => (&record.calls, &[]),
            Self::Gated { weak, strong, deferred } => (&weak.calls, if deferred { &strong.calls } else { &[] }),
        };
        let with_earlier = |calls: &'a [Call]| calls.iter().enumerate().map(|(index, call)| (call, &calls[..index]));
        let alone = matches!(self, Self::Whole { record, .. } if record.cell.arm == Arm::WeakOnly);
        let needed = with_earlier(first).chain(with_earlier(second));
        needed.filter(move |(call, _)| !alone || call.purpose != Purpose::Confidence)
    }

    /// Number of calls of the levels above the weak one, for any purpose.
    #[must_use]
    pub fn strong_calls_all(self) -> usize {
        let is_above = |call: &Call| call.level.is_some_and(|level| !level.is_first());
        self.calls().filter(|(call, earlier)| is_above(call) && !call.shares_with(earlier)).count()
    }
}

/// Outcomes of one arm at one threshold, over all orders.
#[derive(Debug, Clone)]
pub struct Slice<'a> {
    /// The cell, of an arbitrary order.
    pub cell: Arc<CellKey>,
    /// Outcomes by order, then position.
    pub outcomes: Vec<ItemOutcome<'a>>,
    /// Number of orders.
    pub orders: usize,
    /// Items per order.
    pub n: usize,
    /// The top level of the run's cascade.
    pub top: Level,
    /// λ with the fewest digits that make the same decisions on all answers of the run. `None` if the arm has no gate.
    pub readable: Option<f64>,
}

/// Groups records by arm and threshold, in the order in which they first appear.
#[must_use]
pub fn slices(records: &[Record]) -> Vec<Slice<'_>> {
    let top = top_level(records);
    let mut indices: HashMap<(Arm, Option<u64>), usize> = HashMap::new();
    let mut found: Vec<(Arc<CellKey>, Vec<ItemOutcome>)> = Vec::new();
    let alone = alone(records);
    for record in records {
        let key = (record.cell.arm, record.cell.threshold.map(f64::to_bits));
        let index = *indices.entry(key).or_insert_with(|| {
            found.push((Arc::clone(&record.cell), Vec::new()));
            found.len() - 1
        });
        let instead = alone.get(&(record.cell.order, &*record.item_id.0)).copied().filter(|_| is_unasked(record));
        found[index].1.push(ItemOutcome::Whole { record, instead });
    }
    let mut slices = found.into_iter().map(|(cell, outcomes)| Slice::new(cell, outcomes, top)).collect::<Vec<_>>();
    make_readable(&mut slices);
    slices
}

/// Returns all confidences that gates compared with their thresholds, ascending.
pub(super) fn confidences(slices: &[Slice]) -> Vec<f64> {
    let answers = slices.iter().flat_map(|slice| &slice.outcomes);
    let mut observed: Vec<f64> =
        answers.filter_map(|outcome| Some(outcome.own_weak_answer()?.gate_confidence()?.value())).collect();
    observed.sort_by(f64::total_cmp);
    observed.dedup();
    observed
}

/// Sets the readable λ of each slice.
pub(super) fn make_readable(slices: &mut [Slice]) {
    let observed = confidences(slices);
    for slice in slices {
        slice.readable = slice.cell.threshold.map(|threshold| shortest(threshold, &observed));
    }
}

/// True if an item was deferred without a call of the weak level, in an arm that retrieves strategies.
pub(super) fn is_unasked(record: &Record) -> bool {
    record.cell.arm.shows_examples() && record.deferred && record.first().is_none()
}

/// Returns weak-only's answers by order and item.
fn alone(records: &[Record]) -> HashMap<(usize, &str), &LevelAnswer> {
    let alone = records.iter().filter(|record| record.cell.arm == Arm::WeakOnly);
    alone.filter_map(|record| Some(((record.cell.order, &*record.item_id.0), record.first()?))).collect()
}

/// Finds the cascade that `slice` is compared with: the cascade at the same threshold or, for an arm without a gate or
/// with a separate threshold, the only cascade of the run. Never the arm `cascade-tuned`.
#[must_use]
pub fn baseline<'a, 'b>(slices: &'b [Slice<'a>], slice: &Slice) -> Option<&'b Slice<'a>> {
    let cascades = || slices.iter().filter(|other| other.cell.arm == BASELINE);
    let same = cascades().find(|other| slice.cell.threshold.is_some() && other.cell.threshold == slice.cell.threshold);
    same.or_else(|| cascades().next().filter(|_| cascades().count() == 1))
}

impl<'a> Slice<'a> {
    fn new(cell: Arc<CellKey>, outcomes: Vec<ItemOutcome<'a>>, top: Level) -> Self {
        let orders = outcomes.iter().map(|outcome| outcome.record().cell.order).collect::<HashSet<_>>().len();
        Self { readable: cell.threshold, cell, n: outcomes.len() / orders.max(1), outcomes, orders, top }
    }

    /// Derives the cascade at each threshold from weak-only (this slice) and strong-only.
    #[must_use]
    pub fn gated(&self, strong: &Slice<'a>, thresholds: &[f64]) -> Vec<Self> {
        let pairs = self.paired(strong);
        let at = |threshold: &f64| {
            let gate = |(weak, strong): &(ItemOutcome<'a>, ItemOutcome<'a>)| {
                let confidence = weak.weak().and_then(LevelAnswer::gate_confidence);
                let deferred = defers(confidence, *threshold);
                ItemOutcome::Gated { weak: weak.record(), strong: strong.record(), deferred }
            };
            let cell = CellKey { arm: BASELINE, threshold: Some(*threshold), ..CellKey::clone(&self.cell) };
            let (orders, n, top) = (self.orders, self.n, self.top);
            let outcomes = pairs.iter().map(gate).collect();
            Self { cell: Arc::new(cell), outcomes, orders, n, top, readable: Some(*threshold) }
        };
        thresholds.iter().map(at).collect()
    }

    /// Returns the part of the slice with the outcomes that `keep` accepts.
    #[must_use]
    pub fn part(&self, keep: impl Fn(ItemOutcome<'a>) -> bool) -> Self {
        self.holding(self.outcomes.iter().copied().filter(|outcome| keep(*outcome)).collect())
    }

    /// Splits the slice by the number of earlier items of the same group in the same order: none, one, and so on. The
    /// last part contains all from `most` on.
    #[must_use]
    pub fn by_encounter(&self, most: usize) -> Vec<Self> {
        let mut seen: HashMap<(usize, &str), usize> = HashMap::new();
        let mut parts = vec![Vec::new(); most + 1];
        for outcome in &self.outcomes {
            let before = seen.entry((outcome.record().cell.order, outcome.group())).or_default();
            parts[(*before).min(most)].push(*outcome);
            *before += 1;
        }
        parts.into_iter().map(|outcomes| self.holding(outcomes)).collect()
    }

    /// Returns a slice of the same cell with these outcomes.
    fn holding(&self, outcomes: Vec<ItemOutcome<'a>>) -> Self {
        let (orders, top, readable) = (self.orders, self.top, self.readable);
        Self { cell: Arc::clone(&self.cell), n: outcomes.len(), outcomes, orders, top, readable }
    }

    /// True if the arm learns, so that its items depend on each other.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.record().calls.iter().any(|call| call.purpose == Purpose::Embed))
    }

    /// Number of groups of the items.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.group()).collect::<HashSet<&str>>().len()
    }

    /// True if there are several items and no two share a group, as in data without groups: which items belong
    /// together is then unknown.
    #[must_use]
    pub fn groups_are_unknown(&self) -> bool {
        let items: HashSet<&str> = self.outcomes.iter().map(|outcome| &*outcome.record().item_id.0).collect();
        items.len() > 1 && self.groups() == items.len()
    }

    /// True if items are independent: one order, one item per group, nothing learned.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        self.orders == 1 && self.groups() == self.outcomes.len() && !self.learns()
    }

    /// Share of correct answers. No answer counts as wrong.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.share(ItemOutcome::correct)
    }

    /// The interval of the accuracy: Wilson's if items are independent, else a bootstrap over groups. `None` if fewer
    /// than three groups have a correct answer, or fewer than three a wrong one.
    #[must_use]
    pub fn accuracy_interval(&self, draws: Draws) -> Option<Interval> {
        if self.is_independent() {
            return wilson(self.outcomes.iter().filter(|outcome| outcome.correct()).count(), self.outcomes.len());
        }
        let right = |outcome: &ItemOutcome<'a>| (outcome.group(), [f64::from(u8::from(outcome.correct())), 1.0]);
        let units = Units::by_group(self.outcomes.iter().map(right)).contributing(|[right, _]| right > 0.0);
        units.contributing(|[right, n]| right < n).percentile(draws, mean)?.interval
    }

    /// Accuracy of the weak level over the whole stream. If the arm did not call the weak level for an item,
    /// weak-only's answer is used. `None` if an item has neither.
    #[must_use]
    pub fn weak_accuracy(&self) -> Option<f64> {
        self.outcomes.iter().all(|outcome| outcome.weak().is_some()).then(|| self.share(ItemOutcome::weak_correct))
    }

    /// Accuracy of the weak level over the items for which it was called. `None` if it was never called.
    #[must_use]
    pub fn weak_accuracy_asked(&self) -> Option<f64> {
        self.weak_called_part().weak_accuracy().filter(|_| self.asked() > 0)
    }

    /// Number of items for which the weak level was called, over all orders.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.own_weak_answer().is_some()).count()
    }

    /// Number of items, over all orders, that an arm which retrieves strategies deferred without a call of the weak
    /// level.
    #[must_use]
    pub fn unasked(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.is_unasked()).count()
    }

    /// Number of items with weak-only's answer in place of a call of the weak level, over all orders.
    #[must_use]
    pub fn from_weak_only(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.is_unasked() && outcome.weak().is_some()).count()
    }

    /// Returns the part with the items for which the weak level was called.
    #[must_use]
    pub fn weak_called_part(&self) -> Self {
        self.part(|outcome| outcome.own_weak_answer().is_some())
    }

    /// Selective accuracy: the share of correct answers among the accepted ones. `None` if all items were deferred.
    #[must_use]
    pub fn accepted_accuracy(&self) -> Option<f64> {
        let accepted = self.outcomes.iter().filter(|outcome| !outcome.deferred());
        let right = accepted.clone().filter(|outcome| outcome.correct()).count();
        let accepted = accepted.count();
        (accepted > 0).then(|| ratio(right, accepted))
    }

    /// Coverage: the share of items that were not deferred.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        self.share(|outcome| !outcome.deferred())
    }

    /// Share of items without a readable final answer.
    #[must_use]
    pub fn no_answer(&self) -> f64 {
        self.share(|outcome| outcome.graded().score == Score::NoAnswer)
    }

    /// Number of items sent beyond the weak level, over all orders.
    #[must_use]
    pub fn strong_calls(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.deferred()).count()
    }

    /// Number of calls of the levels above the weak one for any purpose, over all orders.
    #[must_use]
    pub fn strong_calls_all(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.strong_calls_all()).sum()
    }

    /// Tokens at `level` for `purpose`, over all orders. `None` for `level` means the embedder.
    #[must_use]
    pub fn usage(&self, level: Option<Level>, purpose: Purpose) -> Usage {
        self.calls()
            .filter(|call| call.level == level && call.purpose == purpose)
            .fold(Usage::default(), |sum, call| sum.plus(call.usage))
    }

    /// Sum of the latencies of all calls, in milliseconds. `None` if an answer came in a batch.
    #[must_use]
    pub fn latency_ms(&self) -> Option<f64> {
        total_latency_ms(self.calls())
    }

    fn calls(&self) -> impl Iterator<Item = &'a Call> {
        self.outcomes.iter().flat_map(|outcome| outcome.calls().map(|(call, _)| call))
    }

    /// Mean number of retrieved strategies per item.
    #[must_use]
    pub fn strategies_shown(&self) -> f64 {
        ratio(self.outcomes.iter().map(|outcome| outcome.record().strategies_used.len()).sum(), self.outcomes.len())
    }

    /// Confidence and correctness of each weak answer.
    #[must_use]
    pub fn judged(&self) -> Vec<Judged> {
        self.outcomes.iter().filter_map(|outcome| outcome.judged()).collect()
    }

    /// Pairs the items of this slice with the same items of another slice, order by order.
    #[must_use]
    pub fn paired<'b>(&self, base: &Slice<'b>) -> Vec<(ItemOutcome<'a>, ItemOutcome<'b>)> {
        let others: HashMap<_, ItemOutcome<'b>> =
            base.outcomes.iter().map(|outcome| (item_key(*outcome), *outcome)).collect();
        self.outcomes.iter().filter_map(|outcome| Some((*outcome, *others.get(&item_key(*outcome))?))).collect()
    }

    fn share(&self, is: impl Fn(ItemOutcome<'a>) -> bool) -> f64 {
        ratio(self.outcomes.iter().filter(|outcome| is(**outcome)).count(), self.outcomes.len())
    }
}

/// Key of an item within a slice: order and item id.
fn item_key(outcome: ItemOutcome<'_>) -> (usize, &str) {
    let record = outcome.record();
    (record.cell.order, &record.item_id.0)
}
