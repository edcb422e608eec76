//! The tables with a row for each record or call, of the stream and of the calibration items.

use anyhow::Result;

pub use super::table::Table;
use super::{calls, levels, records};
use crate::types::record::Record;

/// Names of the stream's tables of records and calls.
pub const OF_STREAM: [&str; 2] = ["records", "calls"];
/// Name of the table of each level's answers in the stream.
pub const LEVELS: &str = "levels";
/// Names of the calibration items' tables of records and calls.
pub const OF_CALIBRATION: [&str; 2] = ["calibration_items", "calibration_calls"];

/// Returns the tables of records and calls under the names of their files. For the stream, also the table of each
/// level's answers.
///
/// # Errors
/// If polars refuses a table.
pub fn of_records(names: [&'static str; 2], rows: &[Record]) -> Result<Vec<Table>> {
    let mut tables = vec![records::table(names[0], rows)?, calls::table(names[1], rows)?];
    if names == OF_STREAM {
        tables.push(levels::table(LEVELS, rows)?);
    }
    Ok(tables)
}
