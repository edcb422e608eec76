//! The arms of two runs, each restricted to the items and orders that both have.

use std::collections::HashSet;

use crate::analysis::metrics::fees::{item_fee, token_fee};
use crate::analysis::metrics::slices::ItemOutcome;
use crate::analysis::metrics::{Changes, Comparison, Prices, Reference, Slice};
use crate::analysis::stats::units::relative_change;
use crate::types::arm::Arm;

/// An arm of both runs, over the same items.
pub(super) struct Row<'c> {
    /// The arm in the first run, over the shared items.
    pub(super) old: Slice<'c>,
    /// The arm in the second run, over the shared items.
    pub(super) new: Slice<'c>,
    /// Number of the arm's items in each run, over all orders.
    pub(super) of: [usize; 2],
    /// Number of shared items.
    pub(super) items: usize,
    /// Changes over the shared items. `None` if there are none.
    pub(super) changes: Option<Changes>,
    /// Accuracy minus that of strong-only over the shared items in each run, as a share. `None` if the run does not
    /// have strong-only on these items.
    pub(super) against_strong: [Option<f64>; 2],
    /// Fee of the shared items in each run, in USD at the run's own prices. `None` if a model has no price.
    pub(super) fees: [Option<f64>; 2],
    /// Relative change of the fee, as a share.
    pub(super) fee_change: Option<f64>,
    /// Relative change of the fee with the first run's prices in both, as a share. `None` if the first run has no price
    /// for a model of the second.
    pub(super) fee_change_at_first: Option<f64>,
}

impl<'c> Row<'c> {
    fn new(first: &'c Comparison<'c>, second: &'c Comparison<'c>, base: &'c Slice<'c>, slice: &'c Slice<'c>) -> Self {
        let shared: HashSet<_> = slice.paired(base).iter().map(|(outcome, _)| item_key(*outcome)).collect();
        let of = [base.outcomes.len(), slice.outcomes.len()];
        let restricted = |slice: &'c Slice<'c>| slice.part(|outcome| shared.contains(&item_key(outcome)));
        let against = |comparison: &'c Comparison<'c>, own: &Slice| {
            let strong = comparison.reference(Reference::StrongOnly).filter(|_| own.cell.arm != Arm::StrongOnly)?;
            let strong = restricted(strong);
            (strong.outcomes.len() == own.outcomes.len()).then(|| own.accuracy() - strong.accuracy())
        };
        let (old, new) = (restricted(base), restricted(slice));
        let fees = [fee(&old, first.prices), fee(&new, second.prices)];
        let at_first = [&old, &new].map(|slice| {
            slice.outcomes.iter().map(|outcome| token_fee(*outcome, None, first.prices)).sum::<Option<f64>>()
        });
        let change = |[old, new]: [Option<f64>; 2]| old.zip(new).and_then(|(old, new)| relative_change([new, old]));
        Self {
            items: shared.len(),
            of,
            changes: Changes::between(&new, &old, first.seed),
            against_strong: [against(first, &old), against(second, &new)],
            fees,
            fee_change: change(fees),
            fee_change_at_first: change(at_first),
            old,
            new,
        }
    }

    /// Returns the arm's name, with the second run's λ if there is one.
    pub(super) fn name(&self) -> String {
        named(&self.new)
    }
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

/// Returns the arms that both runs have, in the order of the second, and a line on those of only one run.
pub(super) fn rows<'c>(first: &'c Comparison<'c>, second: &'c Comparison<'c>) -> (Vec<Row<'c>>, Vec<String>) {
    let pairs: Vec<(&'c Slice<'c>, &'c Slice<'c>)> =
        second.slices.iter().filter_map(|slice| Some((counterpart(first, second, slice)?, slice))).collect();
    let line = |which: &str, slices: &[Slice], is_paired: &dyn Fn(&Slice) -> bool| {
        let names: Vec<String> = slices.iter().filter(|slice| !is_paired(slice)).map(named).collect();
        (!names.is_empty()).then(|| format!("note: only in the {which} run: {}", names.join(", ")))
    };
    let of_first = |slice: &Slice| pairs.iter().any(|(base, _)| base.cell == slice.cell);
    let of_second = |slice: &Slice| pairs.iter().any(|(_, own)| own.cell == slice.cell);
    let unpaired = [line("first", &first.slices, &of_first), line("second", &second.slices, &of_second)];
    let unpaired = unpaired.into_iter().flatten().collect();
    (pairs.into_iter().map(|(base, slice)| Row::new(first, second, base, slice)).collect(), unpaired)
}

/// Returns the same arm of the first run: at the same threshold, or the only one if both runs have the arm once.
fn counterpart<'c>(first: &'c Comparison<'c>, second: &Comparison, slice: &Slice) -> Option<&'c Slice<'c>> {
    let of_arm = || first.of_arm(slice.cell.arm).map(|(slice, _)| slice);
    let same = of_arm().find(|other| other.cell.threshold == slice.cell.threshold);
    let single = of_arm().count() == 1 && second.of_arm(slice.cell.arm).count() == 1;
    same.or_else(|| of_arm().next().filter(|_| single))
}
