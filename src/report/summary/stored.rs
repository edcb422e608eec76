//! The summary's sections on the stored strategies, and on the effect that distilling has on the strong level's
//! answers.

use crate::analysis::metrics::learning::{StoreStats, distilling};
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::plus_minus;
use crate::types::arm::Arm;

/// Returns the section on stored strategies: those that the store rule stored, and those of them that are wrong. Empty
/// if nothing was deferred.
pub(super) fn section(comparison: &Comparison) -> String {
    let rows: Vec<(&Slice, StoreStats)> = comparison
        .learners()
        .map(|slice| (slice, StoreStats::of(slice)))
        .filter(|(_, found)| found.deferred > 0)
        .collect();
    let count = |of: fn(&StoreStats) -> usize, heading: &str| {
        Column::count(rows.iter().map(move |(_, found)| of(found))).in_documents(heading)
    };
    let mut columns = head(rows.iter().map(|(slice, _)| *slice));
    columns.extend([
        count(|found| found.deferred, "deferred"),
        count(|found| found.stored, "stored"),
        count(|found| found.stored_wrong, "of them wrong"),
        count(|found| found.dropped, "rejected"),
        count(|found| found.dropped_right, "of them right"),
        count(|found| found.unreadable, "unreadable"),
    ]);
    let sheet = Sheet { name: "stored", columns };
    if sheet.is_empty() {
        return String::new();
    }
    format!(
        "\n## What was stored\n\n{}\nWrong strategies come from wrong strong answers. They are known only after the \
         fact, from the targets; only a store rule that is called an oracle uses this knowledge. The table covers the \
         items of the stream, not the strategies that calibration items left in the repository.\n",
        sheet.markdown()
    )
}

/// Returns the section on the strong level's answers with and without a request for a strategy in the same call. Empty
/// if no call asks for both.
pub(super) fn strong_level(comparison: &Comparison) -> String {
    let Some((strong, _)) = comparison.of_arm(Arm::StrongOnly).next() else { return String::new() };
    let found = comparison.learners().filter_map(|slice| {
        let found = distilling(slice, strong)?;
        Some((slice, found, found.change?))
    });
    let rows: Vec<_> = found.collect();
    let each = || rows.iter();
    let mut columns = head(each().map(|(slice, ..)| *slice));
    columns.extend([
        Column::count(each().map(|(_, found, _)| found.n)).in_documents("deferred items"),
        Column::share(each().map(|(_, found, _)| found.with)).in_documents("right while distilling"),
        Column::preformatted(each().map(|(.., change)| plus_minus(*change)))
            .in_documents("change against answering alone"),
    ]);
    let sheet = Sheet { name: "distilling", columns };
    if sheet.is_empty() {
        return String::new();
    }
    format!("\n## Whether teaching costs the strong level accuracy\n\n{}", sheet.markdown())
}

/// Arm and λ.
fn head<'c>(slices: impl Iterator<Item = &'c Slice<'c>> + Clone) -> Vec<Column> {
    vec![
        Column::text(slices.clone().map(|slice| slice.cell.arm.to_string())).in_documents("arm"),
        Column::exact(slices.map(|slice| slice.readable)).in_documents("λ"),
    ]
}
