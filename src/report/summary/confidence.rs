//! The summary's part on what the weak level's confidence is worth.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use super::Context;
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::arms::gates::{CONFIDENCE, ConfidenceSource, sheet, with_confidence};
use crate::report::format::MARK;

/// A row for each arm with a confidence of its own; empty if there is none.
pub(super) fn section(context: &Context) -> String {
    let Some(ConfidenceSource { model, signal }) = context.gauged else { return String::new() };
    let rows = with_confidence(context.comparison);
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n## What confidence is worth\n\n{}\nOf {model}'s answers by {signal}, over the whole stream{}. AUROC: the chance that a \
         right answer is the surer one; ECE over bins of equal mass. In brackets 95 % bootstrap intervals over groups, bias-corrected, since \
         a resample's ECE lies above the sample's; none where fewer than three groups have a right answer, or a wrong one.\n",
        sheet(&rows, context.gauged).markdown_of(CONFIDENCE),
        of_unasked(context.comparison)
    )
}

/// What the figures have of items of which the weak level was not asked; empty if it was asked of all.
fn of_unasked(comparison: &Comparison) -> String {
    let any = |count: fn(&Slice) -> usize| comparison.slices.iter().any(|slice| count(slice) > 0);
    match (any(|slice| slice.unasked()), any(|slice| slice.from_weak_only())) {
        (false, _) => String::new(),
        (true, false) => ", and on those of its items of which it was asked".to_owned(),
        (true, true) => format!(
            ", and on those of its items of which it was asked; rows that bear the mark{MARK} have weak-only's answers to the others"
        ),
    }
}
