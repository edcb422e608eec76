//! Choice of the slices that a figure shows: one of each arm, and places along the stream.

use crate::analysis::metrics::{Comparison, Slice};
use crate::types::arm::{Arm, Deferral};

/// One slice of each arm, in the order of the arms. Of an arm at several thresholds it is the one in the middle.
pub(super) fn one_of_each<'c, 'a>(comparison: &'c Comparison<'a>) -> Vec<&'c Slice<'a>> {
    let one = |arm| {
        let mut slices: Vec<&Slice> = comparison.of_arm(arm).map(|(slice, _)| slice).collect();
        let lambda = |slice: &Slice| slice.cell.threshold.unwrap_or(f64::INFINITY);
        slices.sort_by(|one, other| lambda(one).total_cmp(&lambda(other)));
        slices.get(slices.len().saturating_sub(1) / 2).copied()
    };
    comparison.arms().into_iter().filter_map(one).collect()
}

/// The slices whose weak answers differ from each other's: the weak level alone, then each arm that shows it examples
/// and has a confidence gate.
pub(super) fn with_own_confidence<'c, 'a>(comparison: &'c Comparison<'a>) -> Vec<&'c Slice<'a>> {
    let own = |slice: &&Slice| {
        let arm = slice.cell.arm;
        arm.deferral() == Deferral::BelowThreshold && (arm.shows_examples() || arm == Arm::FixedExample)
    };
    let weak_only = comparison.of_arm(Arm::WeakOnly).map(|(slice, _)| slice).next();
    let alone = weak_only.or_else(|| comparison.untaught());
    alone.into_iter().chain(one_of_each(comparison).into_iter().filter(own)).collect()
}

/// The cascade and the arms that learn. Empty if none learns.
pub(super) fn along_the_stream<'c, 'a>(comparison: &'c Comparison<'a>) -> Vec<&'c Slice<'a>> {
    let slices = one_of_each(comparison);
    let learns = |slice: &&Slice| slice.cell.arm.learning().is_some();
    if !slices.iter().any(learns) {
        return Vec::new();
    }
    let is_shown = |slice: &&Slice| slice.cell.arm == Arm::Cascade || learns(slice);
    slices.into_iter().filter(is_shown).collect()
}

/// A count of items or strategies as a position on an axis.
#[expect(clippy::cast_precision_loss, reason = "counts of items and strategies")]
pub(super) fn position(count: usize) -> f64 {
    count as f64
}
