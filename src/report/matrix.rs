//! The table of the pair matrix, one row per answer, for programs that compare gates and orders.

use anyhow::Result;

use super::columns::{Column, Sheet};
use super::table::Table;
use crate::types::chat::Usage;
use crate::types::check::Check;
use crate::types::confidence::Confidence;
use crate::types::item::Item;
use crate::types::matrix::Row;
use crate::types::record::total_latency_ms;

/// Returns the table `matrix`. `level` counts from 0 = weak. `example_id` is empty for an answer without an example.
/// Token and millisecond counts sum over all calls of the answer. `journal_key` is the key of the call that gave the
/// answer. Each column `check_…` has the outcome of one check of the answer's work. `items` are the items that the rows
/// refer to by index.
///
/// # Errors
/// If polars refuses the table.
pub fn table(dataset: &str, items: &[Item], rows: &[Row]) -> Result<Table> {
    let each = || rows.iter();
    let usage = |row: &Row| row.calls.iter().fold(Usage::default(), |sum, call| sum.plus(call.usage));
    let id = |index: usize| items[index].id.to_string();
    let mut columns = vec![
        Column::text(each().map(|_| dataset.to_owned())).file("dataset"),
        Column::text(each().map(|row| id(row.item))).file("item_id"),
        Column::text(each().map(|row| items[row.item].group.to_string())).file("group"),
        Column::count(each().map(|row| row.level.index())).file("level"),
        Column::text(each().map(|row| row.example.map(id))).file("example_id"),
        Column::exact(each().map(|row| row.similarity)).file("similarity"),
        Column::text(each().map(|row| row.graded.answer.clone())).file("answer"),
        Column::text(each().map(|row| row.graded.score.name().to_owned())).file("score"),
        Column::exact(each().map(|row| row.confidence.map(Confidence::value))).file("confidence"),
        Column::count(each().map(|row| usage(row).input)).file("input_tokens"),
        Column::count(each().map(|row| usage(row).output)).file("output_tokens"),
        Column::exact(each().map(|row| total_latency_ms(&row.calls))).file("latency_ms"),
        Column::text(each().map(|row| row.calls.first()?.journal_key.map(|key| key.to_string()))).file("journal_key"),
    ];
    let checked = |check: Check| Column::flag(each().map(move |row| row.checks.of(check)));
    columns.extend(Check::ALL.into_iter().map(|check| checked(check).file(check.column())));
    Sheet { name: "matrix", columns }.table()
}
