//! The summary's parts on what was stored, and on what asking for strategies does to the strong level.

use crate::analysis::metrics::learning::{StoreStats, distilling};
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::plus_minus;
use crate::types::arm::Arm;

/// What the store rule kept, and what of it was wrong; empty if nothing was deferred.
pub(super) fn section(comparison: &Comparison) -> String {
    let rows: Vec<(&Slice, StoreStats)> = comparison
        .learners()
        .map(|slice| (slice, StoreStats::of(slice)))
        .filter(|(_, found)| found.deferred > 0)
        .collect();
    let count = |of: fn(&StoreStats) -> usize, heading: &str| {
        Column::count(rows.iter().map(move |(_, found)| of(found))).aside(heading)
    };
    let mut columns = head(rows.iter().map(|(slice, _)| *slice));
    columns.extend([
        count(|found| found.deferred, "deferred"),
        count(|found| found.stored, "stored"),
        count(|found| found.stored_wrong, "of them wrong"),
        count(|found| found.dropped, "kept out"),
        count(|found| found.dropped_right, "of them right"),
        count(|found| found.unreadable, "unreadable"),
    ]);
    let sheet = Sheet { name: "stored", columns };
    if sheet.is_empty() {
        return String::new();
    }
    format!(
        "\n## What was stored\n\n{}\nWhich strategies come from wrong strong answers is known after the fact, from the \
         targets; only a store rule that is called an oracle uses it. Of the stream's items: what calibration items left in the \
         repository is not counted.\n",
        sheet.markdown()
    )
}

/// The strong level's answers with and without a strategy behind them; empty if no answer's call holds a strategy.
pub(super) fn of_strong_level(comparison: &Comparison) -> String {
    let Some((strong, _)) = comparison.of_arm(Arm::StrongOnly).next() else { return String::new() };
    let found = comparison.learners().filter_map(|slice| {
        let found = distilling(slice, strong)?;
        Some((slice, found, found.change?))
    });
    let rows: Vec<_> = found.collect();
    let each = || rows.iter();
    let mut columns = head(each().map(|(slice, ..)| *slice));
    columns.extend([
        Column::count(each().map(|(_, found, _)| found.n)).aside("deferred items"),
        Column::share(each().map(|(_, found, _)| found.with)).aside("right while distilling"),
        Column::written(each().map(|(.., change)| plus_minus(*change))).aside("change against answering alone"),
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
        Column::text(slices.clone().map(|slice| slice.cell.arm.to_string())).aside("arm"),
        Column::exact(slices.map(|slice| slice.readable)).aside("λ"),
    ]
}
