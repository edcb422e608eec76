//! A run's outputs as files: its tables in both forms, and the summary.

use anyhow::Result;

use super::summary::{Context, markdown};
use super::tables::{OF_CALIBRATION, OF_STREAM, Table, of_arms, of_records};
use crate::types::record::Record;

/// What a run's outputs are made from.
pub struct Outputs<'a> {
    /// The stream's records.
    pub records: &'a [Record],
    /// The calibration items' records; empty where nothing was told from any.
    pub calibration: &'a [Record],
    /// The comparison of the arms, and what the records do not tell.
    pub context: &'a Context<'a>,
}

impl Outputs<'_> {
    /// All tables.
    ///
    /// # Errors
    /// Where polars refuses one.
    pub fn tables(&self) -> Result<Vec<Table>> {
        let mut tables = of_records(OF_STREAM, self.records)?;
        if !self.calibration.is_empty() {
            tables.extend(of_records(OF_CALIBRATION, self.calibration)?);
        }
        tables.extend(of_arms(self.context.comparison, self.context.gauged)?);
        Ok(tables)
    }

    /// All files: name and bytes.
    ///
    /// # Errors
    /// Where polars cannot write a table.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = vec![("summary.md".to_owned(), markdown(self.context).into_bytes())];
        for mut table in self.tables()? {
            files.extend(table.files()?);
        }
        Ok(files)
    }
}
