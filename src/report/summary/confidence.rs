//! The summary's section on the quality of the weak level's confidence.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use super::Context;
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::arms::gates::{CONFIDENCE, ConfidenceSource, sheet, with_confidence};
use crate::report::format::MARK;

/// Returns the section: a row for each arm with its own confidence. Empty if there is none.
pub(super) fn section(context: &Context) -> String {
    let Some(ConfidenceSource { model, signal }) = context.confidence else { return String::new() };
    let rows = with_confidence(context.comparison);
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n## What confidence is worth\n\n{}\nConfidence of {model}'s answers by {signal}, over the whole stream{}. \
         AUROC: the probability that a correct answer has a higher confidence than a wrong one. ECE: expected \
         calibration error over bins of equal size. Brackets contain 95 % bootstrap intervals over groups, \
         bias-corrected because a resample's ECE tends to exceed the sample's. There is no interval if fewer than \
         three groups have a correct answer, or fewer than three a wrong one.\n",
        sheet(&rows, context.confidence).markdown_of(CONFIDENCE),
        unasked_items(context.comparison)
    )
}

/// Describes how the figures treat items that the weak level was not asked. Empty if it was asked every item.
fn unasked_items(comparison: &Comparison) -> String {
    let any = |count: fn(&Slice) -> usize| comparison.slices.iter().any(|slice| count(slice) > 0);
    match (any(|slice| slice.unasked()), any(|slice| slice.from_weak_only())) {
        (false, _) => String::new(),
        (true, false) => ", limited to the items that the weak level was asked".to_owned(),
        (true, true) => format!(
            ", limited to the items that the weak level was asked; rows marked with{MARK} use weak-only's answers to \
             the other items"
        ),
    }
}
