//! The figures of every arm: the tables of a run that are computed from its comparison, for files and for the summary.

pub mod fees;
pub mod figures;
pub mod frontier;
pub mod gates;
mod references;
pub mod views;

use anyhow::Result;

use self::gates::ConfidenceSource;
use super::table::Table;
use crate::analysis::metrics::Comparison;

/// Returns the tables of the arms' results.
///
/// # Errors
/// If polars refuses a table.
pub fn of_arms(comparison: &Comparison, confidence: Option<ConfidenceSource>) -> Result<Vec<Table>> {
    let figures = figures::sheet(comparison);
    let of_file = |name| figures.table_of(name, name);
    let mut tables = vec![of_file(views::ACCURACY)?, of_file(views::STRONG_CALLS)?];
    tables.push(fees::sheet(&fees::rows(comparison)).table()?);
    tables.push(frontier::sheet(comparison).table()?);
    if let Some(confidence) = confidence {
        let gates = gates::with_confidence(comparison);
        tables.extend([gates::sheet(&gates, Some(confidence)).table()?, gates::reliability(&gates).table()?]);
    }
    Ok(tables)
}
