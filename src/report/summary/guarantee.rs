//! The summary's part on what was guaranteed, and what became of it.

use crate::analysis::metrics::Comparison;
use crate::report::arms::gates::{GUARANTEE, sheet, with_guarantee};

/// A row for each arm with a guarantee; empty if there is none.
pub(super) fn section(comparison: &Comparison) -> String {
    let rows = with_guarantee(comparison);
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n## The guarantee\n\n{}\nWith probability 1 - δ over the draw of the calibration items, one of a group, at most α of \
         the accepted answers are wrong, if items are exchangeable with them and the weak level answers as it did there. The \
         system's accuracy and the strong level's are not covered. A learning arm changes the weak level's answers, so its \
         risk over the stream stands beside, with a bet against `at most α, whatever came before`: the greatest wealth of any \
         order from a stake of 1, and p, the number of orders over it, which holds at any time (alarm up to δ).\n",
        sheet(&rows, None).markdown_of(GUARANTEE)
    )
}
