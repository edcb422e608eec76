//! A run's records, read back from its tables, those of earlier versions too: a column that they lack is null, and is
//! named with the figures that it takes away.

use std::collections::VecDeque;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::calls::calls;
use super::levels;
use super::records::{self, Place};
pub use super::rows::Lacking;
use super::tables::{LEVELS, OF_STREAM};
use crate::types::level::Level;
use crate::types::record::{Call, Record};

/// The records in the tables of these two names, the items' and the calls', and the columns that they lack; none if there
/// are no such tables. `known` are records of other tables whose items may have been shown here.
///
/// # Errors
/// Names the file and what does not fit.
pub fn records(folder: &Path, names: [&str; 2], known: &[Record]) -> Result<(Vec<Record>, Vec<Lacking>)> {
    let [items_file, calls_file] = names.map(|name| folder.join(format!("{name}.parquet")));
    if !items_file.exists() && names != OF_STREAM {
        return Ok((Vec::new(), Vec::new()));
    }
    let (items, called) = (records::rows(&items_file, names[0])?, calls(&calls_file, names[1])?);
    let top = called.rows.iter().filter_map(|(_, call)| call.level).fold(Level::SECOND, Level::max);
    let records = records::records(items.rows, known, top);
    let mut records = records.with_context(|| format!("{} cannot be read back", items_file.display()))?;
    let mut waiting: VecDeque<(Place, Call)> = called.rows.into();
    for record in &mut records {
        let place = Place::of(record);
        while waiting.front().is_some_and(|(of, _)| *of == place) {
            record.calls.extend(waiting.pop_front().map(|(_, call)| call));
        }
    }
    if let Some((place, _)) = waiting.front() {
        bail!(
            "{} has a call for item `{}` of {} that {} does not list in its place",
            calls_file.display(),
            place.item,
            place.arm,
            items_file.display()
        );
    }
    if names == OF_STREAM {
        levels::complete(&folder.join(format!("{LEVELS}.parquet")), LEVELS, &mut records)?;
    }
    Ok((records, [items.lacking, called.lacking].concat()))
}
