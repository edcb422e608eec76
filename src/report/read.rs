//! Reads a run's records back from its tables, also from those of earlier versions: a missing column is null, and is
//! reported with the figures that are left out.

use std::collections::VecDeque;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::calls::calls;
use super::levels;
use super::records::{self, RecordKey};
pub use super::rows::Lacking;
use super::tables::{LEVELS, OF_STREAM};
use crate::types::level::Level;
use crate::types::record::{Call, Record};

/// Reads the records from the tables with these two names, those of the items and of the calls, and lists their missing
/// columns. Both are empty if there are no such tables. `known` are records of other tables whose items may have been
/// retrieved here.
///
/// # Errors
/// If a file cannot be read or does not fit; the error names the file.
pub fn records(folder: &Path, names: [&str; 2], known: &[Record]) -> Result<(Vec<Record>, Vec<Lacking>)> {
    let [items_file, calls_file] = names.map(|name| folder.join(format!("{name}.parquet")));
    if !items_file.exists() && names != OF_STREAM {
        return Ok((Vec::new(), Vec::new()));
    }
    let (items, call_rows) = (records::rows(&items_file, names[0])?, calls(&calls_file, names[1])?);
    let top = call_rows.rows.iter().filter_map(|(_, call)| call.level).fold(Level::SECOND, Level::max);
    let records = records::records(items.rows, known, top);
    let mut records = records.with_context(|| format!("{} cannot be read back", items_file.display()))?;
    let mut waiting: VecDeque<(RecordKey, Call)> = call_rows.rows.into();
    for record in &mut records {
        let key = RecordKey::of(record);
        while waiting.front().is_some_and(|(call_key, _)| *call_key == key) {
            record.calls.extend(waiting.pop_front().map(|(_, call)| call));
        }
    }
    if let Some((key, _)) = waiting.front() {
        bail!(
            "{} has a call for item `{}` of {}, but {} has no such record at that position",
            calls_file.display(),
            key.item,
            key.arm,
            items_file.display()
        );
    }
    if names == OF_STREAM {
        levels::complete(&folder.join(format!("{LEVELS}.parquet")), LEVELS, &mut records)?;
    }
    Ok((records, [items.lacking, call_rows.lacking].concat()))
}
