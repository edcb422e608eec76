//! Rows as delimited text. The delimiter is a comma, a semicolon or a tab, found from the header.

use std::io::Read;
use std::path::Path;

use ::csv::{ByteRecord, Reader, ReaderBuilder};
use anyhow::Result;
use serde_json_borrow::Value;

use super::error::TableError;
use super::fields::{same_name, significant};
use super::{Fields, FirstLine, Location, RowHandler, encoding};

/// The supported delimiters, the default first.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

fn reader<R: Read>(delimiter: u8, bytes: R) -> Reader<R> {
    ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(bytes)
}

/// Passes the rows after the header to `handle`; `head` are the first bytes of `bytes`.
pub(super) fn each(
    bytes: impl Read,
    head: &[u8],
    first_line: FirstLine,
    path: &Path,
    handle: RowHandler,
) -> Result<()> {
    let mut reader = reader(delimiter(head, first_line), bytes);
    let mut names: Option<Vec<String>> = None;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        let location = Location::Line(record.position().map_or(0, ::csv::Position::line));
        let Some(cells) = texts(&record) else {
            let bytes = record.iter().collect::<Vec<_>>().join(&b',');
            if handle(location, Err(TableError::Encoding(encoding::of_bytes(&bytes, path).unwrap_or_default())))
                .is_break()
            {
                break;
            }
            continue;
        };
        let names = match (&names, first_line.bare) {
            (Some(names), _) => names,
            (None, Some(bare)) if !first_line.is_header(&cells) => {
                names.insert(bare.iter().map(|name| (*name).to_owned()).collect())
            }
            (None, _) => {
                let header: Vec<String> = cells.iter().map(|name| trimmed(name)).collect();
                if let Some(fault) = repeated(&header).or_else(|| (first_line.fault)(&header)) {
                    let _ = handle(location, Err(TableError::Header(fault)));
                    break;
                }
                names = Some(header);
                continue;
            }
        };
        let flow = if cells.len() == names.len() {
            let pairs = names.iter().zip(&cells).map(|(name, cell)| (name.as_str(), Value::from(*cell)));
            handle(location, Ok(&Fields::of_columns(pairs.collect(), Vec::new())))
        } else {
            handle(location, Err(TableError::Cells { found: cells.len(), expected: names.len() }))
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// Removes the spaces and byte order marks that some tools put around a column's name.
fn trimmed(name: &str) -> String {
    name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').to_owned()
}

/// Returns the cells as texts; `None` if one is not UTF-8.
fn texts(record: &ByteRecord) -> Option<Vec<&str>> {
    record.iter().map(|cell| std::str::from_utf8(cell).ok()).collect()
}

/// Describes a column that the header names twice. Columns without a name are never read, so they may repeat.
fn repeated(header: &[String]) -> Option<String> {
    let named = |name: &&String| significant(name).next().is_some();
    let mut columns = header.iter().filter(named).enumerate();
    columns.find_map(|(index, name)| {
        let first = header.iter().filter(named).take(index).find(|earlier| same_name(earlier, name))?;
        let as_what = if first == name { String::new() } else { format!(", once as `{first}`") };
        Some(format!("the header names the column `{name}` twice{as_what}: rename or remove one of the two"))
    })
}

/// Finds the delimiter with which the first line is a header. If there is none, returns the delimiter with which it
/// has as many columns as a file without a header, otherwise a comma.
fn delimiter(head: &[u8], first_line: FirstLine) -> u8 {
    let first = |delimiter: u8| {
        let mut record = ByteRecord::new();
        let _ = reader(delimiter, head).read_byte_record(&mut record);
        record
    };
    let records = DELIMITERS.map(first);
    let known = |record: &ByteRecord| texts(record).map_or(0, |cells| first_line.known(&cells));
    let most = records.iter().map(known).max().filter(|most| *most > 0);
    let bare_columns = first_line.bare.map(<[_]>::len);
    let chosen = records.iter().position(|record| match most {
        Some(most) => known(record) == most,
        None => bare_columns == Some(record.len()),
    });
    DELIMITERS[chosen.unwrap_or_default()]
}
