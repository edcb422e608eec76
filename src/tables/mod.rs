//! Readers of tables: JSON lines, one JSON array, CSV or parquet, optionally compressed or in an archive. Each row
//! is passed on and then dropped, so that a table of lines needs no more memory than the caller stores.

mod cells;
mod csv;
mod encoding;
pub mod error;
pub mod fields;
pub mod guarded;
mod json;
mod parquet;
pub mod stored;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufReader, Cursor, Read};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Map;
pub use serde_json_borrow::Value;

use self::error::TableError;
pub use self::fields::Fields;
use self::fields::same_name;
use self::stored::Table;

/// Number of bytes read at a time.
const BUFFER: usize = 1 << 17;
/// Number of bytes of a text that are examined before it is read.
const HEAD: u64 = 1 << 16;
/// Byte order mark that Windows tools write before a text in UTF-8. The mark is not part of the text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// File format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One JSON object per line, or one array of objects.
    Json,
    /// CSV, with commas, semicolons or tabs.
    Csv,
    /// Parquet.
    Parquet,
}

/// Location of a row, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// The line of the text on which the row begins.
    Line(u64),
    /// The number of the row, if the file has no lines.
    Row(u64),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// Receives each row, or its error, with its location. The return value decides if reading continues.
pub type RowHandler<'a> = &'a mut dyn FnMut(Location, Result<&Fields, TableError>) -> ControlFlow<()>;

/// Rules for the first line of a CSV.
#[derive(Clone, Copy)]
pub struct FirstLine {
    /// Columns of a file without a header; `None` if the first line is always a header.
    pub bare: Option<&'static [&'static str]>,
    /// Names of which every header contains one; empty if the first line is always a header.
    pub lead: &'static [&'static str],
    /// Returns true for a column that is read. The delimiter is found with this function.
    pub known: fn(&str) -> bool,
    /// Returns the fault of a header with these columns; `None` if there is none.
    pub fault: fn(&[String]) -> Option<String>,
}

impl FirstLine {
    /// A header that may have any columns.
    pub const HEADER: Self = Self { bare: None, lead: &[], known: |_| false, fault: |_| None };

    /// Returns the number of columns that are read.
    fn known(self, cells: &[&str]) -> usize {
        if self.leads(cells).is_none() { 0 } else { cells.iter().filter(|cell| (self.known)(cell)).count() + 1 }
    }

    /// Returns the index of the column that every header has.
    fn leads(self, cells: &[&str]) -> Option<usize> {
        if self.lead.is_empty() {
            return Some(0);
        }
        cells.iter().position(|cell| self.lead.iter().any(|name| same_name(cell, name)))
    }

    /// Returns true if these cells are column names and not a row.
    fn is_header(self, cells: &[&str]) -> bool {
        self.leads(cells).is_some_and(|index| index == 0 || self.known(cells) > 1)
    }
}

impl Kind {
    /// Returns the format given by the ending of a file's name, without the ending of a compression.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match stored::uncompressed(name).rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "jsonl" | "json" | "ndjson" => Some(Self::Json),
            "csv" | "tsv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Passes the rows of a table to `handle`, in order.
///
/// # Errors
/// If the table cannot be read, or not to its end.
pub fn each(kind: Kind, table: Table, first_line: FirstLine, handle: RowHandler) -> Result<()> {
    let Table { path, bytes } = table;
    let mut reader = BufReader::with_capacity(BUFFER, bytes);
    if kind == Kind::Parquet {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        return parquet::each(bytes, handle);
    }
    let mut head = Vec::new();
    reader.by_ref().take(HEAD).read_to_end(&mut head)?;
    if let Some(what) = encoding::of_start(&head, &path) {
        bail!(what);
    }
    let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&head);
    let whole = Cursor::new(head).chain(reader);
    match kind {
        Kind::Csv => csv::each(whole, head, first_line, &path, handle),
        _ if head.trim_ascii_start().starts_with(b"[") => json::array(whole, &path, handle),
        _ => json::lines(whole, &path, handle),
    }
}

/// One row of a table: its line or number, and its fields under the requested names.
pub type Row = (u64, Map<String, serde_json::Value>);

/// Selection of the columns to read from a table.
#[derive(Debug, Clone, Copy)]
pub struct ColumnSelection<'a> {
    /// Names of the columns.
    pub columns: &'a [&'a str],
    /// The columns among them whose empty cells in a CSV are empty texts and not absent.
    pub empty: &'a [&'a str],
}

/// The rows of a table in order, and the requested columns that occur in any row.
pub type Rows = (Vec<Row>, BTreeSet<String>);

/// Reads the selected columns of a whole table. An empty cell of a CSV and a null are absent fields.
///
/// # Errors
/// Names the file and the line or row, and a selected column whose value cannot be used.
pub fn read(path: &Path, selection: ColumnSelection) -> Result<Rows> {
    let read_whole = || {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind =
            Kind::of(&name).ok_or_else(|| anyhow!("the file name must end in .jsonl, .csv, .tsv or .parquet"))?;
        let known = |fields: &Fields| selected(fields, selection, kind);
        let (mut rows, mut columns, mut fault) = (Vec::new(), BTreeSet::new(), None);
        each(
            kind,
            Table::of_file(path)?,
            FirstLine { known: |_| true, ..FirstLine::HEADER },
            &mut |location, fields| match fields.and_then(known) {
                Ok(fields) => {
                    let (Location::Line(number) | Location::Row(number)) = location;
                    columns.extend(fields.keys().filter(|name| !columns.contains(*name)).cloned().collect::<Vec<_>>());
                    rows.push((number, fields));
                    ControlFlow::Continue(())
                }
                Err(what) => {
                    fault = Some(format!("{location}: {what}"));
                    ControlFlow::Break(())
                }
            },
        )?;
        match fault {
            Some(fault) => bail!(fault),
            None => Ok((rows, columns)),
        }
    };
    read_whole().with_context(|| format!("cannot read {}", path.display()))
}

/// Returns the selected fields of a row.
fn selected(
    fields: &Fields,
    selection: ColumnSelection,
    kind: Kind,
) -> Result<Map<String, serde_json::Value>, TableError> {
    let mut found = Map::new();
    for name in selection.columns {
        let value =
            fields.get(name).map_err(|error| TableError::Field { name: (*name).to_owned(), error: Box::new(error) })?;
        let has_value =
            |value: &&Value| kind != Kind::Csv || value.as_str() != Some("") || selection.empty.contains(name);
        if let Some(value) = value.filter(has_value) {
            found.insert((*name).to_owned(), value.into());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
