//! The summary's part on what the weak level's confidence is worth.

use super::Context;
use crate::report::arms::gates::{CONFIDENCE, Gauged, sheet, with_confidence};
use crate::report::format::MARK;

/// A row for each arm with a confidence of its own; empty if there is none.
pub(super) fn section(context: &Context) -> String {
    let Some(Gauged { model, signal }) = context.gauged else { return String::new() };
    let rows = with_confidence(context.comparison);
    if rows.is_empty() {
        return String::new();
    }
    let unasked = context.comparison.slices.iter().any(|slice| slice.unasked() > 0);
    format!(
        "\n## What confidence is worth\n\n{}\nOf {model}'s answers by {signal}, over the whole stream{}. AUROC: the chance that a \
         right answer is the surer one; ECE over bins of equal mass. In brackets 95 % bootstrap intervals over groups, bias-corrected, since \
         a resample's ECE lies above the sample's; none where fewer than three groups have a right answer, or a wrong one.\n",
        sheet(&rows, context.gauged).markdown_of(CONFIDENCE),
        if unasked {
            format!(
                ", and on those of its items of which it was asked; rows that bear the mark{MARK} have weak-only's answers to the \
                 others"
            )
        } else {
            String::new()
        }
    )
}
