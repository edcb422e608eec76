//! The summary's section on the guarantees and on the risk over the stream.

use std::fmt::Write;

use crate::analysis::metrics::Comparison;
use crate::report::arms::gates::{GUARANTEE, sheet, with_guarantee};
use crate::report::calibration::verdict;

/// Returns a sentence for each arm whose λ was certified: what is guaranteed, or why nothing is.
#[must_use]
pub fn lines(comparison: &Comparison) -> Vec<String> {
    let line = |slice| {
        let found = comparison.guaranteed(slice).filter(|found| found.certified)?;
        Some(verdict(comparison.calibrated(slice.cell.arm)?, &found))
    };
    comparison.slices.iter().filter_map(line).collect()
}

/// Returns the section: a row for each arm with a guarantee. Empty if there is none.
pub(super) fn section(comparison: &Comparison) -> String {
    let rows = with_guarantee(comparison);
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("\n## The guarantee\n\n{}\n", sheet(&rows, None).markdown_of(GUARANTEE));
    for line in lines(comparison) {
        let _ = writeln!(text, "- {line}");
    }
    text += "\nThe guarantee does not cover the system's accuracy, the strong level's answers, or a stream that \
             differs from the calibration items, one of each group. The table also has the risk over the stream, \
             tested by betting against the hypothesis that the risk is at most α at every step: the greatest wealth \
             of any order from a stake of 1, and p, the number of orders divided by that wealth. p is valid at any \
             time and raises an alarm if it is at most δ.\n";
    text
}
