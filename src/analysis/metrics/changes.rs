//! What an arm changes against its base, paired on items and orders, and how sure that is. Which statistic is used, and
//! what it does not cover, is in docs/METHODOLOGY.md.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use std::collections::BTreeMap;

use super::change_percent;
use super::slices::{Slice, Taken};
use crate::analysis::stats::difference::{of_answers, of_groups};
use crate::analysis::stats::sign_flip::{group_sums, sign_flip_p};
use crate::analysis::stats::units::{differ, relative_change};
use crate::analysis::stats::{Difference, Draws, Interval, Units};
use crate::types::seed::Seed;

/// Resamples and sign flips of every interval and test.
pub const RESAMPLES: usize = 10_000;

/// A relative change, in shares: -0.2 is a fifth less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relative {
    /// The change; none where the base has nothing.
    pub change: Option<f64>,
    /// Its BCa interval over groups.
    pub interval: Option<Interval>,
    /// The two-sided p-value of no change, by sign flips of the groups' sums.
    pub p: f64,
}

/// What an arm changes against its base.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// Of the accuracy.
    pub accuracy: Difference,
    /// Of the weak level's accuracy; none where either does not ask it of every item.
    pub weak_accuracy: Option<Difference>,
    /// Of the coverage.
    pub coverage: Difference,
    /// Of the items that the strong level answers.
    pub strong_calls: Relative,
    /// Of all calls of the strong level.
    pub strong_calls_all: Relative,
    /// The accuracy's change in each order.
    pub accuracy_by_order: Vec<f64>,
    /// The strong calls' relative change in each order; none where the base makes none there.
    pub strong_calls_by_order: Vec<Option<f64>>,
}

impl Changes {
    /// Between the same items of two slices; none where they share none.
    #[must_use]
    pub fn between(slice: &Slice, base: &Slice, seed: Seed) -> Option<Self> {
        let pairs = slice.paired(base);
        let threshold = slice.cell.threshold.map(|threshold| threshold.to_string()).unwrap_or_default();
        let independent = slice.is_independent() && !base.learns();
        let both = Both { pairs: &pairs, independent, seed, cell: [slice.cell.arm.name(), &threshold] };
        let asked = pairs.iter().all(|(one, other)| one.weak().is_some() && other.weak().is_some());
        let weak = || both.difference("weak", |taken| taken.weak_correct());
        Some(Self {
            accuracy: both.difference("accuracy", |taken| taken.correct())?,
            weak_accuracy: if asked { weak() } else { None },
            coverage: both.difference("coverage", |taken| !taken.deferred())?,
            strong_calls: both.relative("strong-calls", |taken| usize::from(taken.deferred())),
            strong_calls_all: both.relative("strong-calls", |taken| taken.strong_calls_all()),
            accuracy_by_order: both.by_order(|some| {
                let sum: f64 = some.iter().map(|(one, other)| change(*one, *other, |taken| taken.correct())).sum();
                sum / count(some.len())
            }),
            strong_calls_by_order: both.by_order(|some| {
                let calls = |side: fn(&Pair) -> bool| count(some.iter().filter(|pair| side(pair)).count());
                change_percent(calls(|pair| pair.0.deferred()), calls(|pair| pair.1.deferred())).map(|c| c / 100.0)
            }),
        })
    }
}

type Pair<'a, 'b> = (Taken<'a>, Taken<'b>);

/// The pairs of two slices.
struct Both<'p, 'a, 'b> {
    pairs: &'p [Pair<'a, 'b>],
    /// Whether each item can be taken by itself.
    independent: bool,
    seed: Seed,
    /// Arm and threshold, which have draws of their own.
    cell: [&'p str; 2],
}

impl<'p, 'a, 'b> Both<'p, 'a, 'b> {
    fn difference(&self, what: &str, is: fn(Taken) -> bool) -> Option<Difference> {
        let labels = [what, self.cell[0], self.cell[1]];
        let draws = Draws { seed: self.seed, labels: &labels, count: RESAMPLES };
        if self.independent {
            let answers: Vec<(bool, bool)> = self.pairs.iter().map(|(one, other)| (is(*one), is(*other))).collect();
            return of_answers(&answers, draws);
        }
        of_groups(self.per_item(|one, other| change(one, other, is)), draws)
    }

    fn relative(&self, what: &str, calls: fn(Taken) -> usize) -> Relative {
        let labels = [what, self.cell[0], self.cell[1]];
        let draws = Draws { seed: self.seed, labels: &labels, count: RESAMPLES };
        let sums = |(one, other): &Pair<'a, 'b>| (one.group(), [count(calls(*one)), count(calls(*other))]);
        let units = Units::by_group(self.pairs.iter().map(sums)).contributing(differ);
        let found = units.bca(draws, relative_change);
        let difference = |(one, other): &Pair<'a, 'b>| (one.group(), count(calls(*one)) - count(calls(*other)));
        Relative {
            change: found.map(|found| found.value),
            interval: found.and_then(|found| found.interval),
            p: sign_flip_p(&group_sums(self.pairs.iter().map(difference)), draws),
        }
    }

    /// A figure of each item, averaged over the orders first, with the item's group.
    fn per_item(&self, figure: impl Fn(Taken<'a>, Taken<'b>) -> f64) -> Vec<(&'p str, f64)> {
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

fn change(one: Taken, other: Taken, is: fn(Taken) -> bool) -> f64 {
    f64::from(u8::from(is(one))) - f64::from(u8::from(is(other)))
}

#[expect(clippy::cast_precision_loss, reason = "a count of calls or items")]
fn count(n: usize) -> f64 {
    n as f64
}
