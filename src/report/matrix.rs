//! The table of the pair matrix: one row per answer, to be read by programs that compare gates and orders.

use anyhow::Result;

use super::tables::{Table, float, int, text};
use crate::cascade::matrix::Row;
use crate::cascade::setup::Setup;
use crate::types::chat::Usage;
use crate::types::confidence::Confidence;

/// The table `matrix`: `level` counts from 0 = weak; `example_id` is empty for an answer without an example; tokens and
/// milliseconds are those of all calls that the answer took; `journal_key` is that of the answer's own call.
///
/// # Errors
/// If polars refuses the table.
pub fn table(setup: &Setup, rows: &[Row]) -> Result<Table> {
    let each = || rows.iter();
    let usage = |row: &Row| row.calls.iter().fold(Usage::default(), |sum, call| sum.plus(call.usage));
    let id = |index: usize| setup.items[index].id.to_string();
    Table::new(
        "matrix",
        vec![
            text("dataset", each().map(|_| setup.dataset.to_string())),
            text("item_id", each().map(|row| id(row.item))),
            text("group", each().map(|row| setup.items[row.item].group.to_string())),
            int("level", each().map(|row| row.level)),
            text("example_id", each().map(|row| row.example.map(id))),
            float("similarity", each().map(|row| row.similarity)),
            text("answer", each().map(|row| row.graded.answer.clone())),
            text("score", each().map(|row| row.graded.score.name().to_owned())),
            float("confidence", each().map(|row| row.confidence.map(Confidence::value))),
            int("input_tokens", each().map(|row| usage(row).input)),
            int("output_tokens", each().map(|row| usage(row).output)),
            float("latency_ms", each().map(|row| row.calls.iter().map(|call| call.latency_ms).sum::<f64>())),
            text("journal_key", each().map(|row| row.calls.first()?.journal_key.map(|key| key.to_string()))),
        ],
    )
}
