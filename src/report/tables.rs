//! The tables of a run's records, row by row: what `records` and `calls` of the stream and of the calibration items are.

use anyhow::Result;

use super::table::Table;
use super::{calls, levels, records};
use crate::types::record::Record;

/// The tables of the stream, row by row.
pub const OF_STREAM: [&str; 2] = ["records", "calls"];
/// The table of what each level answered in the stream.
pub const LEVELS: &str = "levels";
/// The tables of the calibration items, row by row.
pub const OF_CALIBRATION: [&str; 2] = ["calibration_items", "calibration_calls"];

/// The tables of what was run, row by row, under the names of their files; of the stream what each level answered, too.
///
/// # Errors
/// Where polars refuses a table.
pub fn of_records(names: [&'static str; 2], rows: &[Record]) -> Result<Vec<Table>> {
    let mut tables = vec![records::table(names[0], rows)?, calls::table(names[1], rows)?];
    if names == OF_STREAM {
        tables.push(levels::table(LEVELS, rows)?);
    }
    Ok(tables)
}
