//! The columns of a comparison: one table of all runs for files, one table for each run for people.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use super::shared::Row;
use crate::analysis::metrics::Slice;
use crate::analysis::metrics::recommendation::QUERIES;
use crate::analysis::stats::Estimate;
use crate::report::columns::{Column, Sheet};
use crate::report::format::{bare_percent, lambda, or_dash, signed, usd};

/// A row with the names of both runs.
pub(super) struct NamedRow<'r, 'c> {
    /// Name of the run that is compared with the baseline.
    pub(super) run: &'r str,
    /// The arm in both runs.
    pub(super) row: &'r Row<'c>,
}

/// Returns the table of some rows. `repriced` is true if the prices of the runs differ.
pub(super) fn sheet(name: &'static str, rows: &[NamedRow], repriced: bool) -> Sheet {
    Sheet { name, columns: head(rows).into_iter().chain(right(rows)).chain(paid(rows, repriced)).collect() }
}

/// Returns the tables of a run for a page: accuracy, and cost.
pub(super) fn page_sheets(name: &'static str, rows: &[NamedRow], repriced: bool) -> [Sheet; 2] {
    [right(rows), paid(rows, repriced)]
        .map(|columns| Sheet { name, columns: head(rows).into_iter().chain(columns).collect() })
}

/// The column for people of a figure of both runs: one figure if both are displayed alike.
fn together(
    rows: &[NamedRow],
    heading: &str,
    text: fn(f64) -> String,
    of: impl Fn(&Row) -> [Option<f64>; 2],
) -> Column {
    let cells: Vec<String> = rows.iter().map(|row| arrow(of(row.row).map(|side| or_dash(side.map(text))))).collect();
    Column::preformatted(cells.into_iter()).heading(heading)
}

fn arrow([old, new]: [String; 2]) -> String {
    if old == new { old } else { format!("{old} → {new}") }
}

/// The columns of a file with a figure of both runs.
fn apart(rows: &[NamedRow], key: &str, of: impl Fn(&Row) -> [Option<f64>; 2]) -> [Column; 2] {
    [(0, "first"), (1, "second")].map(|(place, which)| {
        let cells: Vec<Option<f64>> = rows.iter().map(|row| of(row.row)[place]).collect();
        Column::exact(cells.into_iter()).file(format!("{key}_{which}"))
    })
}

/// The column of a change.
fn change(rows: &[NamedRow], key: &str, heading: &str, of: impl Fn(&Row) -> Option<Estimate>) -> Column {
    Column::change(rows.iter().map(|row| of(row.row)).collect::<Vec<_>>().into_iter()).file(key).heading(heading)
}

/// The columns with run, arm, λ and the number of items.
fn head(rows: &[NamedRow]) -> Vec<Column> {
    let text = |of: fn(&NamedRow) -> String| Column::text(rows.iter().map(of).collect::<Vec<_>>().into_iter());
    let items = |of: fn(&Row) -> usize| Column::count(rows.iter().map(move |row| of(row.row)));
    let threshold = |of: fn(&Row) -> Option<f64>| Column::exact(rows.iter().map(move |row| of(row.row)));
    let readable = |row: &Row| arrow([&row.old, &row.new].map(|slice| or_dash(slice.readable.map(lambda))));
    let paired = Column::flag(rows.iter().map(|row| Some(row.row.changes.paired))).file("paired");
    let in_both = items(|row| row.items).file("items_in_both");
    let mut columns = vec![
        text(|row| row.run.to_owned()).file("run"),
        text(|row| row.row.new.cell.arm.to_string()).file("arm").heading("arm"),
        threshold(|row| row.old.cell.threshold).file("threshold_first"),
        threshold(|row| row.new.cell.threshold).file("threshold_second"),
        Column::preformatted(rows.iter().map(|row| readable(row.row))).heading("λ"),
        paired,
        items(|row| row.of[0]).file("items_first"),
        items(|row| row.of[1]).file("items_second"),
    ];
    if rows.iter().all(|row| row.row.changes.paired) {
        columns.push(in_both.heading("items in both"));
    } else {
        let compared = |row: &Row| {
            let items = arrow([&row.old, &row.new].map(|slice| slice.outcomes.len().to_string()));
            if row.changes.paired { format!("{items} paired") } else { format!("{items} unpaired") }
        };
        columns.push(in_both);
        columns.push(Column::preformatted(rows.iter().map(|row| compared(row.row))).heading("items compared"));
    }
    columns
}

/// The columns of accuracy.
fn right(rows: &[NamedRow]) -> Vec<Column> {
    let accuracy = |row: &Row| [&row.old, &row.new].map(|slice| Some(slice.accuracy()));
    let weak = |row: &Row| [&row.old, &row.new].map(Slice::weak_accuracy);
    let p_values = rows.iter().map(|row| row.row.changes.accuracy.p_value);
    let mut columns = Vec::from(apart(rows, "accuracy", accuracy));
    columns.push(together(rows, "accuracy, %", bare_percent, accuracy));
    columns.push(change(rows, "accuracy_change_pp", "accuracy change, points", |row| Some(row.changes.accuracy)));
    columns.push(Column::p_value(p_values).file("accuracy_p_value").heading("p"));
    columns.extend(apart(rows, "weak_accuracy", weak));
    columns.push(together(rows, "weak accuracy, %", bare_percent, weak));
    let weak_change = |row: &Row| row.changes.weak_accuracy;
    columns.push(change(rows, "weak_accuracy_change_pp", "weak accuracy change, points", weak_change));
    if rows.iter().any(|row| row.row.against_strong.iter().any(Option::is_some)) {
        columns.extend(apart(rows, "accuracy_vs_strong_only", |row| row.against_strong));
        columns.push(together(rows, "accuracy vs strong-only, points", signed, |row| row.against_strong));
    }
    columns
}

/// The columns of cost: sums over the items in a file, figures per item for people.
fn paid(rows: &[NamedRow], repriced: bool) -> Vec<Column> {
    let calls = |row: &Row| row.per_item(row.strong_calls());
    let fees = |row: &Row| row.per_item(row.fees).map(|fee| Some(fee? * QUERIES));
    let mut columns = Vec::from(apart(rows, "strong_calls", |row| row.strong_calls()));
    columns.push(together(rows, "strong calls, %", bare_percent, calls));
    let fewer = |row: &Row| row.changes.strong_calls;
    columns.push(change(rows, "strong_calls_change_percent", "strong calls change, %", fewer));
    columns.extend(apart(rows, "fee_usd", |row| row.fees));
    columns.push(together(rows, "USD per 1,000 queries", usd, fees));
    columns.push(change(rows, "fee_change_percent", "fee change, %", |row| row.changes.fee));
    let at_first = Column::signed(rows.iter().map(|row| row.row.fee_change_at_first));
    let at_first = at_first.file("fee_change_at_first_prices_percent");
    columns.push(if repriced { at_first.heading("fee change at the first run's prices, %") } else { at_first });
    columns
}
