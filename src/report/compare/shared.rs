//! The arms of two runs: paired over the items and orders that both have, else over all items of each.

use std::collections::HashSet;

use crate::analysis::metrics::fees::{item_fee, token_fee};
use crate::analysis::metrics::slices::ItemOutcome;
use crate::analysis::metrics::{ArmInRun, Comparison, Prices, Reference, RunChanges, Slice};
use crate::analysis::stats::units::relative_change;
use crate::types::arm::Arm;

/// An arm of both runs.
pub(super) struct Row<'c> {
    /// The arm in the baseline, over the compared items.
    pub(super) old: Slice<'c>,
    /// The arm in the other run, over the compared items.
    pub(super) new: Slice<'c>,
    /// Number of the arm's items in each run, over all orders.
    pub(super) of: [usize; 2],
    /// Number of shared items, over all orders; 0 if the runs are independent samples.
    pub(super) items: usize,
    /// Changes over the compared items.
    pub(super) changes: RunChanges,
    /// Accuracy minus that of strong-only over the compared items in each run, as a share. `None` if the run does not
    /// have strong-only on these items.
    pub(super) against_strong: [Option<f64>; 2],
    /// Fee of the compared items in each run, in USD at the run's own prices. `None` if a model has no price.
    pub(super) fees: [Option<f64>; 2],
    /// Relative change of the fee per item with the baseline's prices in both, as a share. `None` if the baseline has no
    /// price for a model of the other run.
    pub(super) fee_change_at_first: Option<f64>,
}

/// An arm of both runs, before the choice of items.
struct Counterparts<'c> {
    first: &'c Comparison<'c>,
    second: &'c Comparison<'c>,
    old: &'c Slice<'c>,
    new: &'c Slice<'c>,
}

impl<'c> Counterparts<'c> {
    /// Compares the arm. Without `pairing`, equal ids are different items. `None` if the arm has no item in a run.
    fn row(&self, pairing: bool) -> Option<Row<'c>> {
        let shared: HashSet<_> = if pairing {
            self.new.paired(self.old).iter().map(|(outcome, _)| item_key(*outcome)).collect()
        } else {
            HashSet::new()
        };
        let covered = |slice: &'c Slice<'c>| {
            if shared.is_empty() { slice.clone() } else { slice.part(|outcome| shared.contains(&item_key(outcome))) }
        };
        let (old, new) = (covered(self.old), covered(self.new));
        let [base, own] = [(&old, self.first), (&new, self.second)]
            .map(|(slice, comparison)| ArmInRun { slice, prices: comparison.prices });
        let changes = if shared.is_empty() { RunChanges::unpaired } else { RunChanges::paired };
        let changes = changes(own, base, self.first.seed)?;
        let at_first = [&new, &old].map(|slice| {
            let fees = slice.outcomes.iter().map(|outcome| token_fee(*outcome, None, self.first.prices));
            Some(fees.sum::<Option<f64>>()? / count(slice.outcomes.len()))
        });
        let [new_at_first, old_at_first] = at_first;
        Some(Row {
            of: [self.old.outcomes.len(), self.new.outcomes.len()],
            items: shared.len(),
            changes,
            against_strong: [against_strong(self.first, &old), against_strong(self.second, &new)],
            fees: [fee(&old, self.first.prices), fee(&new, self.second.prices)],
            fee_change_at_first: new_at_first.zip(old_at_first).and_then(|(new, old)| relative_change([new, old])),
            old,
            new,
        })
    }
}

impl Row<'_> {
    /// Returns the arm's name, with the other run's λ if there is one.
    pub(super) fn name(&self) -> String {
        named(&self.new)
    }

    /// Returns a figure of both runs per compared item.
    pub(super) fn per_item(&self, figures: [Option<f64>; 2]) -> [Option<f64>; 2] {
        let [old, new] = figures;
        [(old, &self.old), (new, &self.new)].map(|(figure, slice)| Some(figure? / count(slice.outcomes.len())))
    }

    /// Returns the strong calls of both runs over the compared items.
    pub(super) fn strong_calls(&self) -> [Option<f64>; 2] {
        [&self.old, &self.new].map(|slice| Some(count(slice.strong_calls())))
    }
}

/// Returns the accuracy minus that of strong-only on the same items.
fn against_strong<'c>(comparison: &'c Comparison<'c>, own: &Slice<'c>) -> Option<f64> {
    let strong = comparison.reference(Reference::StrongOnly).filter(|_| own.cell.arm != Arm::StrongOnly)?;
    let keys: HashSet<_> = own.outcomes.iter().map(|outcome| item_key(*outcome)).collect();
    let strong = strong.part(|outcome| keys.contains(&item_key(outcome)));
    (strong.outcomes.len() == own.outcomes.len()).then(|| own.accuracy() - strong.accuracy())
}

/// Returns the fee of a slice's items in USD.
fn fee(slice: &Slice, prices: &Prices) -> Option<f64> {
    slice.outcomes.iter().map(|outcome| item_fee(*outcome, None, prices)).sum()
}

/// Returns the key of an item in a run: order and id.
fn item_key(outcome: ItemOutcome<'_>) -> (usize, &str) {
    let record = outcome.record();
    (record.cell.order, &record.item_id.0)
}

fn named(slice: &Slice) -> String {
    let at = slice.readable.map(|threshold| format!(" at {}", crate::report::format::lambda(threshold)));
    format!("{}{}", slice.cell.arm, at.unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "a count of items")]
fn count(n: usize) -> f64 {
    n as f64
}

/// Arms of two runs.
pub(super) struct Matched<'c> {
    /// Arms that both runs have, in the order of the other run.
    pub(super) rows: Vec<Row<'c>>,
    /// Names of the arms that only the baseline has, then of those that only the other run has.
    pub(super) only: [Vec<String>; 2],
}

/// Matches the arms by name, and by threshold if an arm has several. Without `pairing`, equal ids are different items.
pub(super) fn matched<'c>(first: &'c Comparison<'c>, second: &'c Comparison<'c>, pairing: bool) -> Matched<'c> {
    let pairs: Vec<(&'c Slice<'c>, &'c Slice<'c>)> =
        second.slices.iter().filter_map(|slice| Some((counterpart(first, second, slice)?, slice))).collect();
    let without = |slices: &[Slice], is_matched: &dyn Fn(&Slice) -> bool| {
        slices.iter().filter(|slice| !is_matched(slice)).map(named).collect::<Vec<String>>()
    };
    let of_first = |slice: &Slice| pairs.iter().any(|(base, _)| base.cell == slice.cell);
    let of_second = |slice: &Slice| pairs.iter().any(|(_, own)| own.cell == slice.cell);
    let only = [without(&first.slices, &of_first), without(&second.slices, &of_second)];
    let counterparts = pairs.into_iter().map(|(old, new)| Counterparts { first, second, old, new });
    Matched { rows: counterparts.filter_map(|counterparts| counterparts.row(pairing)).collect(), only }
}

/// Returns the same arm of the first run: at the same threshold, or the only one if both runs have the arm once.
fn counterpart<'c>(first: &'c Comparison<'c>, second: &Comparison, slice: &Slice) -> Option<&'c Slice<'c>> {
    let of_arm = || first.of_arm(slice.cell.arm).map(|(slice, _)| slice);
    let same = of_arm().find(|other| other.cell.threshold == slice.cell.threshold);
    let single = of_arm().count() == 1 && second.of_arm(slice.cell.arm).count() == 1;
    same.or_else(|| of_arm().next().filter(|_| single))
}
