//! The arms of two runs, each kept to the items and orders that both took.

use std::collections::HashSet;

use crate::analysis::metrics::fees::{item_fee, token_fee};
use crate::analysis::metrics::slices::ItemOutcome;
use crate::analysis::metrics::{Changes, Comparison, Prices, Reference, Slice};
use crate::analysis::stats::units::relative_change;
use crate::types::arm::Arm;

/// An arm of both runs over the same items.
pub(super) struct Row<'c> {
    /// The arm in the first run, over the items in both.
    pub(super) old: Slice<'c>,
    /// The arm in the second run, over the same items.
    pub(super) new: Slice<'c>,
    /// The number of items that the arm took in either run, over all orders.
    pub(super) of: [usize; 2],
    /// The number of items in both.
    pub(super) items: usize,
    /// What changes over them. `None` if there are none.
    pub(super) changes: Option<Changes>,
    /// The accuracy less that of strong-only over the same items, a share, in either run. `None` if the run does not have strong-only,
    /// or not on these items.
    pub(super) against_strong: [Option<f64>; 2],
    /// The fee of the items in either run in USD, at its own prices. `None` if a model has no price.
    pub(super) fees: [Option<f64>; 2],
    /// The relative change of that fee, as a share.
    pub(super) fee_change: Option<f64>,
    /// The relative change of the fee with the first run's prices in both, as a share. `None` if it has no price for a model of the
    /// second.
    pub(super) fee_change_at_first: Option<f64>,
}

impl<'c> Row<'c> {
    fn new(first: &'c Comparison<'c>, second: &'c Comparison<'c>, base: &'c Slice<'c>, slice: &'c Slice<'c>) -> Self {
        let shared: HashSet<_> = slice.paired(base).iter().map(|(taken, _)| place(*taken)).collect();
        let of = [base.taken.len(), slice.taken.len()];
        let kept = |slice: &'c Slice<'c>| slice.part(|taken| shared.contains(&place(taken)));
        let against = |comparison: &'c Comparison<'c>, own: &Slice| {
            let strong = comparison.reference(Reference::StrongOnly).filter(|_| own.cell.arm != Arm::StrongOnly)?;
            let strong = kept(strong);
            (strong.taken.len() == own.taken.len()).then(|| own.accuracy() - strong.accuracy())
        };
        let (old, new) = (kept(base), kept(slice));
        let fees = [fee(&old, first.prices), fee(&new, second.prices)];
        let at_first = [&old, &new]
            .map(|slice| slice.taken.iter().map(|taken| token_fee(*taken, None, first.prices)).sum::<Option<f64>>());
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

    /// The arm, with the second run's λ if it has one.
    pub(super) fn name(&self) -> String {
        named(&self.new)
    }
}

/// What the items of a slice cost in USD.
fn fee(slice: &Slice, prices: &Prices) -> Option<f64> {
    slice.taken.iter().map(|taken| item_fee(*taken, None, prices)).sum()
}

/// What tells an item of a run apart: order and id.
fn place(taken: ItemOutcome<'_>) -> (usize, &str) {
    let record = taken.record();
    (record.cell.order, &record.item_id.0)
}

fn named(slice: &Slice) -> String {
    let at = slice.readable.map(|threshold| format!(" at {}", crate::report::format::lambda(threshold)));
    format!("{}{}", slice.cell.arm, at.unwrap_or_default())
}

/// The arms in both runs, in the order of the second, and a line on those of one run alone.
pub(super) fn rows<'c>(first: &'c Comparison<'c>, second: &'c Comparison<'c>) -> (Vec<Row<'c>>, Vec<String>) {
    let pairs: Vec<(&'c Slice<'c>, &'c Slice<'c>)> =
        second.slices.iter().filter_map(|slice| Some((counterpart(first, second, slice)?, slice))).collect();
    let line = |which: &str, slices: &[Slice], is_paired: &dyn Fn(&Slice) -> bool| {
        let names: Vec<String> = slices.iter().filter(|slice| !is_paired(slice)).map(named).collect();
        (!names.is_empty()).then(|| format!("note: only in the {which} run: {}", names.join(", ")))
    };
    let of_first = |slice: &Slice| pairs.iter().any(|(base, _)| base.cell == slice.cell);
    let of_second = |slice: &Slice| pairs.iter().any(|(_, own)| own.cell == slice.cell);
    let alone = [line("first", &first.slices, &of_first), line("second", &second.slices, &of_second)];
    let alone = alone.into_iter().flatten().collect();
    (pairs.into_iter().map(|(base, slice)| Row::new(first, second, base, slice)).collect(), alone)
}

/// The same arm of the other run: at the same threshold, or its only one where both have one.
fn counterpart<'c>(first: &'c Comparison<'c>, second: &Comparison, slice: &Slice) -> Option<&'c Slice<'c>> {
    let of_arm = || first.of_arm(slice.cell.arm).map(|(slice, _)| slice);
    let same = of_arm().find(|other| other.cell.threshold == slice.cell.threshold);
    let single = of_arm().count() == 1 && second.of_arm(slice.cell.arm).count() == 1;
    same.or_else(|| of_arm().next().filter(|_| single))
}
