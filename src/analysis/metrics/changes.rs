//! Changes of an arm against its base, paired on items and orders, with their intervals and p-values.
//! docs/METHODOLOGY.md states the statistic of each change, and what the statistic does not cover.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use std::collections::BTreeMap;

use super::slices::{ItemOutcome, Slice};
use crate::analysis::stats::difference::{of_answers, of_groups, of_sums};
use crate::analysis::stats::units::relative_change;
use crate::analysis::stats::{Draws, Estimate, Units};
use crate::types::seed::Seed;

/// Number of resamples and of sign flips for every interval and test.
pub const RESAMPLES: usize = 10_000;

/// Changes of an arm against its base, as shares: the difference for accuracies and coverages, the relative change for
/// calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// The difference of the accuracies.
    pub accuracy: Estimate,
    /// The difference of the weak level's accuracies. If an arm did not call the weak level for an item, weak-only's
    /// answer is used. `None` if an item has no weak answer in either arm.
    pub weak_accuracy: Option<Estimate>,
    /// The difference of the weak level's accuracies over the items for which both arms call the weak level. `None`
    /// without such items.
    pub weak_accuracy_asked: Option<Estimate>,
    /// The difference of the coverages.
    pub coverage: Estimate,
    /// The relative change of the number of items that the strong level answers. `None` if it answers none in the
    /// base.
    pub strong_calls: Option<Estimate>,
    /// The two-sided p-value of no difference in the number of items that the strong level answers. Defined also if it
    /// answers none in the base.
    pub strong_calls_p_value: f64,
    /// The relative change of all calls of the strong level, distillation included. `None` if the base makes none.
    pub strong_calls_all: Option<Estimate>,
    /// The difference of the accuracies in each order.
    pub accuracy_by_order: Vec<f64>,
    /// The relative change of the strong calls in each order; `None` if the base makes none in it.
    pub strong_calls_by_order: Vec<Option<f64>>,
}

impl Changes {
    /// Compares two slices over the items that both contain. `None` if they share no item.
    #[must_use]
    pub fn between(slice: &Slice, base: &Slice, seed: Seed) -> Option<Self> {
        let pairs = slice.paired(base);
        let threshold = slice.cell.threshold.map(|threshold| threshold.to_string()).unwrap_or_default();
        let both = SlicePair::new(&pairs, slice, base, seed, &threshold);
        let known = pairs.iter().all(|(one, other)| one.weak().is_some() && other.weak().is_some());
        let weak_accuracy = if known { both.difference("weak", |outcome| outcome.weak_correct()) } else { None };
        let requests = |(one, other): &&Pair| one.own_weak_answer().is_some() && other.own_weak_answer().is_some();
        let requests: Vec<Pair> = pairs.iter().filter(requests).copied().collect();
        let weak_accuracy_asked = match requests.len() {
            0 => None,
            all if all == pairs.len() => weak_accuracy,
            _ => SlicePair { pairs: &requests, ..both }.difference("weak-asked", |outcome| outcome.weak_correct()),
        };
        let (strong_calls, strong_calls_p_value) = both.relative(|outcome| usize::from(outcome.deferred()));
        let (strong_calls_all, _) = both.relative(|outcome| outcome.strong_calls_all());
        Some(Self {
            accuracy: both.difference("accuracy", |outcome| outcome.correct())?,
            weak_accuracy,
            weak_accuracy_asked,
            coverage: both.difference("coverage", |outcome| !outcome.deferred())?,
            strong_calls,
            strong_calls_p_value,
            strong_calls_all,
            accuracy_by_order: both.by_order(|some| {
                let sum: f64 = some.iter().map(|(one, other)| change(*one, *other, |outcome| outcome.correct())).sum();
                sum / count(some.len())
            }),
            strong_calls_by_order: both.by_order(|some| {
                let calls = |side: fn(&Pair) -> bool| count(some.iter().filter(|pair| side(pair)).count());
                relative_change([calls(|pair| pair.0.deferred()), calls(|pair| pair.1.deferred())])
            }),
        })
    }
}

type Pair<'a, 'b> = (ItemOutcome<'a>, ItemOutcome<'b>);

/// Changes of an arm against a reference, as shares, as in [`Changes`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgainstReference {
    /// The difference of the accuracies.
    pub accuracy: Estimate,
    /// The relative change of the number of items that the strong level answers. `None` if it answers none in the
    /// reference.
    pub strong_calls: Option<Estimate>,
    /// The relative change of the fee. `None` without prices, or if the reference pays nothing.
    pub fee: Option<Estimate>,
}

impl AgainstReference {
    /// Compares two slices over the items that both contain, and adds the change of the fee. `None` if they share no
    /// item.
    #[must_use]
    pub(super) fn between(slice: &Slice, base: &Slice, fee: Option<Estimate>, seed: Seed) -> Option<Self> {
        let pairs = slice.paired(base);
        let threshold = slice.cell.threshold.map(|threshold| threshold.to_string()).unwrap_or_default();
        let both = SlicePair::new(&pairs, slice, base, seed, &threshold);
        let accuracy = both.difference("accuracy", |outcome| outcome.correct())?;
        let (strong_calls, _) = both.relative(|outcome| usize::from(outcome.deferred()));
        Some(Self { accuracy, strong_calls, fee })
    }
}

/// Outcomes of the same items in two slices.
#[derive(Clone, Copy)]
struct SlicePair<'p, 'a, 'b> {
    pairs: &'p [Pair<'a, 'b>],
    /// True if items are independent of each other.
    independent: bool,
    seed: Seed,
    /// Labels of arm and threshold. Each pair of labels has separate random draws.
    cell: [&'p str; 2],
}

impl<'p, 'a, 'b> SlicePair<'p, 'a, 'b> {
    fn new(pairs: &'p [Pair<'a, 'b>], slice: &Slice, base: &Slice, seed: Seed, threshold: &'p str) -> Self {
        let independent = slice.is_independent() && !base.learns();
        Self { pairs, independent, seed, cell: [slice.cell.arm.name(), threshold] }
    }

    fn difference(&self, what: &str, is: fn(ItemOutcome) -> bool) -> Option<Estimate> {
        let labels = [what, self.cell[0], self.cell[1]];
        let draws = Draws { seed: self.seed, labels: &labels, count: RESAMPLES };
        if self.independent {
            let answers: Vec<(bool, bool)> = self.pairs.iter().map(|(one, other)| (is(*one), is(*other))).collect();
            return of_answers(&answers, draws);
        }
        of_groups(self.per_item(|one, other| change(one, other, is)), draws)
    }

    /// Computes the relative change of a call count with its BCa interval over groups, and the p-value of no
    /// difference from sign flips of the groups' sums.
    fn relative(&self, calls: fn(ItemOutcome) -> usize) -> (Option<Estimate>, f64) {
        let labels = ["strong-calls", self.cell[0], self.cell[1]];
        let draws = Draws { seed: self.seed, labels: &labels, count: RESAMPLES };
        let sums = |(one, other): &Pair<'a, 'b>| (one.group(), [count(calls(*one)), count(calls(*other))]);
        of_sums(&self.pairs.iter().map(sums).collect::<Vec<_>>(), draws)
    }

    /// Averages a figure of each item over the orders, and returns it with the item's group.
    fn per_item(&self, figure: impl Fn(ItemOutcome<'a>, ItemOutcome<'b>) -> f64) -> Vec<(&'p str, f64)> {
        let mut items: BTreeMap<&str, (&str, f64, f64)> = BTreeMap::new();
        for (one, other) in self.pairs {
            let item = items.entry(&one.record().item_id.0).or_insert((one.group(), 0.0, 0.0));
            item.1 += figure(*one, *other);
            item.2 += 1.0;
        }
        items.into_values().map(|(group, sum, times)| (group, sum / times)).collect()
    }

    fn by_order<T>(&self, figure: impl Fn(&[Pair<'a, 'b>]) -> T) -> Vec<T> {
        let mut orders: BTreeMap<usize, Vec<Pair<'a, 'b>>> = BTreeMap::new();
        for pair in self.pairs {
            orders.entry(pair.0.record().cell.order).or_default().push(*pair);
        }
        orders.into_values().map(|pairs| figure(&pairs)).collect()
    }
}

fn change(one: ItemOutcome, other: ItemOutcome, is: fn(ItemOutcome) -> bool) -> f64 {
    f64::from(u8::from(is(one))) - f64::from(u8::from(is(other)))
}

#[expect(clippy::cast_precision_loss, reason = "a count of calls or items")]
fn count(n: usize) -> f64 {
    n as f64
}

/// Computes the relative changes of costs, each with its interval from the same resamples of groups. A cost consists
/// of what each group pays in both slices, and of two constants that are added to the sums.
pub(super) fn relative_changes(costs: &[(Units<2>, [f64; 2])], seed: Seed) -> Vec<Option<Estimate>> {
    let figure = |[c, c_base]: [f64; 2]| [move |[own, base]: [f64; 2]| relative_change([own + c, base + c_base])];
    let figures: Vec<_> = costs.iter().map(|(_, apart)| figure(*apart)).collect();
    let requests: Vec<_> = costs.iter().zip(&figures).map(|((units, _), figures)| (units, &figures[..])).collect();
    let draws = Draws { seed, labels: &["fees"], count: RESAMPLES };
    Units::bca_of_all(&requests, draws).into_iter().map(|found| found[0]).collect()
}
