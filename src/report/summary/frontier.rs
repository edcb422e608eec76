//! The summary's part on accuracy against cost.

use crate::analysis::metrics::Comparison;
use crate::report::arms::frontier::sheet;

/// A row for each arm at each threshold; empty of a run with one arm.
pub(super) fn section(comparison: &Comparison) -> String {
    if comparison.slices.len() < 2 {
        return String::new();
    }
    format!(
        "\n## Accuracy against strong calls and fee\n\n{}\nAll arms, those with the fewest requests of the strong level for any purpose \
         first. An arm is dominated by one that is at least as accurate and has no more requests (costs no more), and is better in one \
         of the two; of several the most accurate one is named. These are point estimates: dominance is not a test. In brackets 95 % \
         intervals of the accuracy alone.\n",
        sheet(comparison).markdown()
    )
}
