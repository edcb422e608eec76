//! Records by arm and threshold. The cascade at any threshold is read off the records of weak-only and strong-only: it
//! makes the same calls.

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
use crate::types::record::{Call, CellKey, Graded, LevelAnswer, Purpose, Record, Score, top_level};

/// What an arm made of one item in one order.
#[derive(Debug, Clone, Copy)]
pub enum ItemOutcome<'a> {
    /// As recorded.
    Whole {
        /// The record.
        record: &'a Record,
        /// Weak-only's answer to the same item in the same order, if the arm shows examples and did not ask the weak level of the
        /// item. `None` otherwise, and if the run has no such answer.
        instead: Option<&'a LevelAnswer>,
    },
    /// The cascade: the weak level's answer, and the strong level's where it was not sure enough.
    Gated {
        /// The weak level alone.
        weak: &'a Record,
        /// The strong level alone.
        strong: &'a Record,
        /// Whether the query went to the strong level.
        deferred: bool,
    },
}

impl<'a> ItemOutcome<'a> {
    /// The record that says which item it was.
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

    /// The answer that stands.
    #[must_use]
    pub fn graded(self) -> &'a Graded {
        match self {
            Self::Whole { record, .. } => &record.graded,
            Self::Gated { strong, deferred: true, .. } => &strong.graded,
            Self::Gated { weak, .. } => &weak.graded,
        }
    }

    /// The weak level's answer; weak-only's if that answer is there instead. `None` if there is neither.
    #[must_use]
    pub fn weak(self) -> Option<&'a LevelAnswer> {
        self.asked_answer().or(match self {
            Self::Whole { instead, .. } => instead,
            Self::Gated { .. } => None,
        })
    }

    /// The answer for which the arm asked the weak level. `None` if it did not ask.
    #[must_use]
    pub fn asked_answer(self) -> Option<&'a LevelAnswer> {
        self.record().first()
    }

    /// Whether the item was deferred without asking the weak level, in an arm that shows it examples.
    #[must_use]
    pub fn is_unasked(self) -> bool {
        is_unasked(self.record())
    }

    /// Whether the query went beyond the weak level.
    #[must_use]
    pub fn deferred(self) -> bool {
        match self {
            Self::Whole { record, .. } => record.deferred,
            Self::Gated { deferred, .. } => deferred,
        }
    }

    /// Whether the provider of this level refused to answer.
    #[must_use]
    pub fn is_refused(self, level: Level) -> bool {
        let by = |record: &Record| record.refused.contains(&level);
        match self {
            Self::Whole { record, .. } => by(record),
            Self::Gated { weak, strong, deferred } => by(weak) || (deferred && by(strong)),
        }
    }

    /// Whether the answer that stands is right.
    #[must_use]
    pub fn correct(self) -> bool {
        self.graded().score == Score::Correct
    }

    /// Whether the answer of [`Self::weak`] is right.
    #[must_use]
    pub fn weak_correct(self) -> bool {
        self.weak().is_some_and(|weak| weak.graded.score == Score::Correct)
    }

    /// The confidence in the weak answer, and whether that is right. `None` without a confidence. An answer that fails a check of the
    /// gate counts as one of confidence 0.
    #[must_use]
    pub fn judged(self) -> Option<Judged> {
        let weak = self.weak()?;
        let confidence = weak.confidence?.value();
        let confidence = if weak.passes == Some(false) { 0.0 } else { confidence };
        Some(Judged { confidence, right: self.weak_correct() })
    }

    /// The calls that the item needed, each with the earlier ones of its record. Asked alone, the weak level has no gate: what its
    /// confidence took is needed by the cascades that are read off it.
    pub fn calls(self) -> impl Iterator<Item = (&'a Call, &'a [Call])> {
        let (first, second): (&[Call], &[Call]) = match self {
            Self::Whole { record, .. } => (&record.calls, &[]),
            Self::Gated { weak, strong, deferred } => (&weak.calls, if deferred { &strong.calls } else { &[] }),
        };
        let with_earlier = |calls: &'a [Call]| calls.iter().enumerate().map(|(place, call)| (call, &calls[..place]));
        let alone = matches!(self, Self::Whole { record, .. } if record.cell.arm == Arm::WeakOnly);
        let needed = with_earlier(first).chain(with_earlier(second));
        needed.filter(move |(call, _)| !alone || call.purpose != Purpose::Confidence)
    }

    /// Calls of the levels above the weak one, for any purpose.
    #[must_use]
    pub fn strong_calls_all(self) -> usize {
        let is_above = |call: &Call| call.level.is_some_and(|level| !level.is_first());
        self.calls().filter(|(call, earlier)| is_above(call) && !call.shares_with(earlier)).count()
    }
}

/// What one arm at one threshold made of its items, over all orders.
#[derive(Debug, Clone)]
pub struct Slice<'a> {
    /// The cell, of whatever order.
    pub cell: Arc<CellKey>,
    /// By order, then position.
    pub taken: Vec<ItemOutcome<'a>>,
    /// Number of orders.
    pub orders: usize,
    /// Items per order.
    pub n: usize,
    /// The top level of the run's cascade.
    pub top: Level,
    /// λ with the fewest digits that make the same decisions on all answers of the run. `None` if the arm has no gate.
    pub readable: Option<f64>,
}

/// The records by arm and threshold, in the order in which they first appear.
#[must_use]
pub fn slices(records: &[Record]) -> Vec<Slice<'_>> {
    let top = top_level(records);
    let mut places: HashMap<(Arm, Option<u64>), usize> = HashMap::new();
    let mut found: Vec<(Arc<CellKey>, Vec<ItemOutcome>)> = Vec::new();
    let alone = alone(records);
    for record in records {
        let key = (record.cell.arm, record.cell.threshold.map(f64::to_bits));
        let place = *places.entry(key).or_insert_with(|| {
            found.push((Arc::clone(&record.cell), Vec::new()));
            found.len() - 1
        });
        let instead = alone.get(&(record.cell.order, &*record.item_id.0)).copied().filter(|_| is_unasked(record));
        found[place].1.push(ItemOutcome::Whole { record, instead });
    }
    let mut slices = found.into_iter().map(|(cell, taken)| Slice::new(cell, taken, top)).collect::<Vec<_>>();
    make_readable(&mut slices);
    slices
}

/// All confidences that gates compared with their thresholds, ascending.
pub(super) fn confidences(slices: &[Slice]) -> Vec<f64> {
    let answers = slices.iter().flat_map(|slice| &slice.taken);
    let mut observed: Vec<f64> =
        answers.filter_map(|taken| Some(taken.asked_answer()?.gate_confidence()?.value())).collect();
    observed.sort_by(f64::total_cmp);
    observed.dedup();
    observed
}

/// Gives each slice its λ for people.
pub(super) fn make_readable(slices: &mut [Slice]) {
    let observed = confidences(slices);
    for slice in slices {
        slice.readable = slice.cell.threshold.map(|threshold| shortest(threshold, &observed));
    }
}

/// Whether an item was deferred without asking the weak level, in an arm that shows it examples.
fn is_unasked(record: &Record) -> bool {
    record.cell.arm.shows_examples() && record.deferred && record.first().is_none()
}

/// Weak-only's answers by order and item.
fn alone(records: &[Record]) -> HashMap<(usize, &str), &LevelAnswer> {
    let alone = records.iter().filter(|record| record.cell.arm == Arm::WeakOnly);
    alone.filter_map(|record| Some(((record.cell.order, &*record.item_id.0), record.first()?))).collect()
}

/// The cascade that `slice` is compared with: the one at its threshold; for an arm without a gate, or with a threshold of its own,
/// the only one there is. Never the arm `cascade-tuned`.
#[must_use]
pub fn baseline<'a, 'b>(slices: &'b [Slice<'a>], slice: &Slice) -> Option<&'b Slice<'a>> {
    let cascades = || slices.iter().filter(|other| other.cell.arm == BASELINE);
    let same = cascades().find(|other| slice.cell.threshold.is_some() && other.cell.threshold == slice.cell.threshold);
    same.or_else(|| cascades().next().filter(|_| cascades().count() == 1))
}

impl<'a> Slice<'a> {
    fn new(cell: Arc<CellKey>, taken: Vec<ItemOutcome<'a>>, top: Level) -> Self {
        let orders = taken.iter().map(|taken| taken.record().cell.order).collect::<HashSet<_>>().len();
        Self { readable: cell.threshold, cell, n: taken.len() / orders.max(1), taken, orders, top }
    }

    /// The cascade at each threshold, out of the weak level alone (this slice) and the strong level alone.
    #[must_use]
    pub fn gated(&self, strong: &Slice<'a>, thresholds: &[f64]) -> Vec<Self> {
        let pairs = self.paired(strong);
        let at = |threshold: &f64| {
            let gate = |(weak, strong): &(ItemOutcome<'a>, ItemOutcome<'a>)| {
                let sure = weak.weak().and_then(LevelAnswer::gate_confidence);
                let deferred = defers(sure, *threshold);
                ItemOutcome::Gated { weak: weak.record(), strong: strong.record(), deferred }
            };
            let cell = CellKey { arm: BASELINE, threshold: Some(*threshold), ..CellKey::clone(&self.cell) };
            let (orders, n, top) = (self.orders, self.n, self.top);
            let taken = pairs.iter().map(gate).collect();
            Self { cell: Arc::new(cell), taken, orders, n, top, readable: Some(*threshold) }
        };
        thresholds.iter().map(at).collect()
    }

    /// The slice's items of one kind.
    #[must_use]
    pub fn part(&self, keep: impl Fn(ItemOutcome<'a>) -> bool) -> Self {
        self.holding(self.taken.iter().copied().filter(|taken| keep(*taken)).collect())
    }

    /// The items by how many of their group came before them in their order: none, one, and so on, the last part from `most` on.
    #[must_use]
    pub fn by_encounter(&self, most: usize) -> Vec<Self> {
        let mut met: HashMap<(usize, &str), usize> = HashMap::new();
        let mut parts = vec![Vec::new(); most + 1];
        for taken in &self.taken {
            let before = met.entry((taken.record().cell.order, taken.group())).or_default();
            parts[(*before).min(most)].push(*taken);
            *before += 1;
        }
        parts.into_iter().map(|taken| self.holding(taken)).collect()
    }

    /// A part of the slice, of these items.
    fn holding(&self, taken: Vec<ItemOutcome<'a>>) -> Self {
        let (orders, top, readable) = (self.orders, self.top, self.readable);
        Self { cell: Arc::clone(&self.cell), n: taken.len(), taken, orders, top, readable }
    }

    /// Whether the arm learns: its items then depend on each other.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.taken.iter().any(|taken| taken.record().calls.iter().any(|call| call.purpose == Purpose::Embed))
    }

    /// The number of groups of its items.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.taken.iter().map(|taken| taken.group()).collect::<HashSet<&str>>().len()
    }

    /// Whether no two of several items are of one group, as in data that name no groups: what belongs together is then not known.
    #[must_use]
    pub fn groups_are_unknown(&self) -> bool {
        let items: HashSet<&str> = self.taken.iter().map(|taken| &*taken.record().item_id.0).collect();
        items.len() > 1 && self.groups() == items.len()
    }

    /// Whether items can be taken as independent: one order, no siblings, nothing learned.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        self.orders == 1 && self.groups() == self.taken.len() && !self.learns()
    }

    /// Share of right answers, no-answers counted as wrong.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.share(ItemOutcome::correct)
    }

    /// The interval of the accuracy: Wilson's where items are independent, else a bootstrap over groups. None if fewer than three
    /// groups have a right answer, or fewer than three a wrong one.
    #[must_use]
    pub fn accuracy_interval(&self, draws: Draws) -> Option<Interval> {
        if self.is_independent() {
            return wilson(self.taken.iter().filter(|taken| taken.correct()).count(), self.taken.len());
        }
        let right = |taken: &ItemOutcome<'a>| (taken.group(), [f64::from(u8::from(taken.correct())), 1.0]);
        let units = Units::by_group(self.taken.iter().map(right)).contributing(|[right, _]| right > 0.0);
        units.contributing(|[right, n]| right < n).percentile(draws, mean)?.interval
    }

    /// Share of right weak answers over the whole stream, weak-only's among them where those are there instead. `None` if an item has
    /// neither.
    #[must_use]
    pub fn weak_accuracy(&self) -> Option<f64> {
        self.taken.iter().all(|taken| taken.weak().is_some()).then(|| self.share(ItemOutcome::weak_correct))
    }

    /// Share of right weak answers among the items of which the weak level was asked. `None` if it was asked of none.
    #[must_use]
    pub fn weak_accuracy_asked(&self) -> Option<f64> {
        self.asked_part().weak_accuracy().filter(|_| self.asked() > 0)
    }

    /// Items of which the weak level was asked, over all orders.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.taken.iter().filter(|taken| taken.asked_answer().is_some()).count()
    }

    /// Items of which an arm that shows examples did not ask the weak level, over all orders.
    #[must_use]
    pub fn unasked(&self) -> usize {
        self.taken.iter().filter(|taken| taken.is_unasked()).count()
    }

    /// Items whose weak answer is weak-only's, since the arm did not ask for one, over all orders.
    #[must_use]
    pub fn from_weak_only(&self) -> usize {
        self.taken.iter().filter(|taken| taken.is_unasked() && taken.weak().is_some()).count()
    }

    /// The items of which the weak level was asked.
    #[must_use]
    pub fn asked_part(&self) -> Self {
        self.part(|taken| taken.asked_answer().is_some())
    }

    /// Share of right answers among those that were not deferred; none where all were.
    #[must_use]
    pub fn accepted_accuracy(&self) -> Option<f64> {
        let accepted = self.taken.iter().filter(|taken| !taken.deferred());
        let right = accepted.clone().filter(|taken| taken.correct()).count();
        let accepted = accepted.count();
        (accepted > 0).then(|| ratio(right, accepted))
    }

    /// Share of the items that were not deferred.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        self.share(|taken| !taken.deferred())
    }

    /// Share of the items whose final answer could not be read.
    #[must_use]
    pub fn no_answer(&self) -> f64 {
        self.share(|taken| taken.graded().score == Score::NoAnswer)
    }

    /// Items that went beyond the weak level, over all orders.
    #[must_use]
    pub fn strong_calls(&self) -> usize {
        self.taken.iter().filter(|taken| taken.deferred()).count()
    }

    /// Calls of the levels above the weak one for any purpose, over all orders.
    #[must_use]
    pub fn strong_calls_all(&self) -> usize {
        self.taken.iter().map(|taken| taken.strong_calls_all()).sum()
    }

    /// Tokens at `level` (none: the embedder's) for `purpose`, over all orders.
    #[must_use]
    pub fn usage(&self, level: Option<Level>, purpose: Purpose) -> Usage {
        self.calls()
            .filter(|call| call.level == level && call.purpose == purpose)
            .fold(Usage::default(), |sum, call| sum.plus(call.usage))
    }

    /// Time that all calls took, one after the other, in milliseconds.
    #[must_use]
    pub fn latency_ms(&self) -> f64 {
        self.calls().map(|call| call.latency_ms).sum()
    }

    fn calls(&self) -> impl Iterator<Item = &'a Call> {
        self.taken.iter().flat_map(|taken| taken.calls().map(|(call, _)| call))
    }

    /// Strategies shown per item, on average.
    #[must_use]
    pub fn strategies_shown(&self) -> f64 {
        ratio(self.taken.iter().map(|taken| taken.record().strategies_used.len()).sum(), self.taken.len())
    }

    /// The weak level's confidence in each answer, and whether it is right.
    #[must_use]
    pub fn judged(&self) -> Vec<Judged> {
        self.taken.iter().filter_map(|taken| taken.judged()).collect()
    }

    /// The items of this slice beside the same ones of another, order by order.
    #[must_use]
    pub fn paired<'b>(&self, base: &Slice<'b>) -> Vec<(ItemOutcome<'a>, ItemOutcome<'b>)> {
        let others: HashMap<_, ItemOutcome<'b>> = base.taken.iter().map(|taken| (place(*taken), *taken)).collect();
        self.taken.iter().filter_map(|taken| Some((*taken, *others.get(&place(*taken))?))).collect()
    }

    fn share(&self, is: impl Fn(ItemOutcome<'a>) -> bool) -> f64 {
        ratio(self.taken.iter().filter(|taken| is(**taken)).count(), self.taken.len())
    }
}

/// What tells the items of a slice apart.
fn place(taken: ItemOutcome<'_>) -> (usize, &str) {
    let record = taken.record();
    (record.cell.order, &record.item_id.0)
}
