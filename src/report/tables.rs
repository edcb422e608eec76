//! The tables of a run's records, row by row: what `records` and `calls` of the stream and of the calibration items are.

use anyhow::Result;

pub use super::table::Table;
pub(super) use super::table::{float, int, optional_flag, optional_int, text};
use super::{calls, records};
use crate::types::record::Record;

/// The tables of the stream, row by row.
pub const OF_STREAM: [&str; 2] = ["records", "calls"];
/// The tables of the calibration items, row by row.
pub const OF_CALIBRATION: [&str; 2] = ["calibration_items", "calibration_calls"];

/// The tables of what was run, row by row, under the names of their files.
///
/// # Errors
/// Where polars refuses a table.
pub fn of_records([items, called]: [&'static str; 2], rows: &[Record]) -> Result<Vec<Table>> {
    Ok(vec![records::table(items, rows)?, calls::table(called, rows)?])
}
