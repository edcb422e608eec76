//! The summary's section on accuracy against cost.

use crate::analysis::metrics::Comparison;
use crate::report::arms::frontier::sheet;

/// Returns the section: a row for each arm at each threshold. Empty for a run with one arm.
pub(super) fn section(comparison: &Comparison) -> String {
    if comparison.slices.len() < 2 {
        return String::new();
    }
    format!(
        "\n## Accuracy against strong calls and fee\n\n{}\nAll arms, sorted by the number of requests to the strong \
         level for any purpose. An arm is dominated if another arm is at least as accurate and has no more requests \
         (or no higher fee), and is strictly better in one of the two. If several arms dominate it, the most accurate \
         one is named. These are point estimates: dominance is not a test. Brackets contain 95 % intervals of the \
         accuracy alone.\n",
        sheet(comparison).markdown()
    )
}
