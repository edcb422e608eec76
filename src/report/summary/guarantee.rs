//! The summary's part on what was guaranteed, and what became of it.

use std::fmt::Write;

use crate::analysis::metrics::Comparison;
use crate::report::arms::gates::{GUARANTEE, sheet, with_guarantee};
use crate::report::calibration::verdict;

/// What is guaranteed of each arm whose λ was certified, or why nothing is, a sentence each.
#[must_use]
pub fn lines(comparison: &Comparison) -> Vec<String> {
    let line = |slice| {
        let found = comparison.guaranteed(slice).filter(|found| found.certified)?;
        Some(verdict(comparison.calibrated(slice.cell.arm)?, &found))
    };
    comparison.slices.iter().filter_map(line).collect()
}

/// A row for each arm with a guarantee; empty if there is none.
pub(super) fn section(comparison: &Comparison) -> String {
    let rows = with_guarantee(comparison);
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("\n## The guarantee\n\n{}\n", sheet(&rows, None).markdown_of(GUARANTEE));
    for line in lines(comparison) {
        let _ = writeln!(text, "- {line}");
    }
    text += "\nThe system's accuracy and the strong level's answers are not covered, nor is a stream unlike the calibration items, one of \
             each group. The risk over the stream stands beside, with a bet against `at most α, whatever came before`: the greatest \
             wealth of any order from a stake of 1, and p, the number of orders over it, which holds at any time (alarm up to δ).\n";
    text
}
