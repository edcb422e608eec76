//! The rows of a table: JSON lines, one JSON array, CSV, or parquet, each perhaps compressed, perhaps in an archive. Every
//! row is handed on and let go, so that a table of lines needs no more memory than what is kept of it.

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
use self::fields::same;
use self::stored::Table;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 17;
/// Bytes of a text that are looked at before it is read.
const HEAD: u64 = 1 << 16;
/// What Windows tools write in front of a text in UTF-8; it is no part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A JSON object a line, or all of them in one array.
    Json,
    /// CSV; with semicolons or tabs in the place of commas if the header has them.
    Csv,
    /// Parquet.
    Parquet,
}

/// Where a row stands, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The line of a text on which it begins.
    Line(u64),
    /// Its number, where there are no lines.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// Takes a row where it stands, or what is wrong with it, and says whether to go on.
pub type Take<'a> = &'a mut dyn FnMut(Place, Result<&Fields, TableError>) -> ControlFlow<()>;

/// What the first line of a CSV may be.
#[derive(Clone, Copy)]
pub struct FirstLine {
    /// The columns of a file whose first line is a row already; `None` if the first line is always a header.
    pub bare: Option<&'static [&'static str]>,
    /// Names of which every header has one; empty if the first line is always a header.
    pub lead: &'static [&'static str],
    /// Whether a column is one that is read; the delimiter is found by it.
    pub known: fn(&str) -> bool,
    /// What is wrong with these columns of a header; `None` if nothing is.
    pub fault: fn(&[String]) -> Option<String>,
}

impl FirstLine {
    /// A header with any columns.
    pub const HEADER: Self = Self { bare: None, lead: &[], known: |_| false, fault: |_| None };

    /// The number of columns that are read.
    fn known(self, cells: &[&str]) -> usize {
        if self.leads(cells).is_none() { 0 } else { cells.iter().filter(|cell| (self.known)(cell)).count() + 1 }
    }

    /// The place of the column that every header has.
    fn leads(self, cells: &[&str]) -> Option<usize> {
        if self.lead.is_empty() {
            return Some(0);
        }
        cells.iter().position(|cell| self.lead.iter().any(|name| same(cell, name)))
    }

    /// Whether these cells are names of columns and not a row.
    fn is_header(self, cells: &[&str]) -> bool {
        self.leads(cells).is_some_and(|place| place == 0 || self.known(cells) > 1)
    }
}

impl Kind {
    /// The kind that a file's name ends in, once the endings of compression are taken off.
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

/// Hands on the rows of a table in their order.
///
/// # Errors
/// Where the table cannot be read at all, or no further.
pub fn each(kind: Kind, table: Table, first_line: FirstLine, take: Take) -> Result<()> {
    let Table { path, bytes } = table;
    let mut reader = BufReader::with_capacity(BUFFER, bytes);
    if kind == Kind::Parquet {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        return parquet::each(bytes, take);
    }
    let mut head = Vec::new();
    reader.by_ref().take(HEAD).read_to_end(&mut head)?;
    if let Some(what) = encoding::of_start(&head, &path) {
        bail!(what);
    }
    let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&head);
    let whole = Cursor::new(head).chain(reader);
    match kind {
        Kind::Csv => csv::each(whole, head, first_line, &path, take),
        _ if head.trim_ascii_start().starts_with(b"[") => json::array(whole, &path, take),
        _ => json::lines(whole, &path, take),
    }
}

/// One row of a whole table: where it stands and its fields, under the names that were asked for.
pub type Row = (u64, Map<String, serde_json::Value>);

/// The columns that are taken out of a table.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Their names.
    pub columns: &'a [&'a str],
    /// Of these, the columns whose empty cells in a CSV are texts of length zero.
    pub empty: &'a [&'a str],
}

/// A table's rows in its order, and those of the wanted columns that any row has.
pub type Rows = (Vec<Row>, BTreeSet<String>);

/// Reads some columns of a whole table; an empty cell of a CSV is a field that is not there, and so is a null.
///
/// # Errors
/// Names the file and the line or row, and a wanted column whose value cannot be used.
pub fn read(path: &Path, wanted: Wanted) -> Result<Rows> {
    let whole = || {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind =
            Kind::of(&name).ok_or_else(|| anyhow!("its name ends in neither .jsonl, .csv, .tsv nor .parquet"))?;
        let known = |fields: &Fields| picked(fields, wanted, kind);
        let (mut rows, mut columns, mut fault) = (Vec::new(), BTreeSet::new(), None);
        each(kind, Table::of_file(path)?, FirstLine { known: |_| true, ..FirstLine::HEADER }, &mut |place, fields| {
            match fields.and_then(known) {
                Ok(fields) => {
                    let (Place::Line(number) | Place::Row(number)) = place;
                    columns.extend(fields.keys().filter(|name| !columns.contains(*name)).cloned().collect::<Vec<_>>());
                    rows.push((number, fields));
                    ControlFlow::Continue(())
                }
                Err(what) => {
                    fault = Some(format!("{place}: {what}"));
                    ControlFlow::Break(())
                }
            }
        })?;
        match fault {
            Some(fault) => bail!(fault),
            None => Ok((rows, columns)),
        }
    };
    whole().with_context(|| format!("cannot read {}", path.display()))
}

/// The wanted fields of a row.
fn picked(fields: &Fields, wanted: Wanted, kind: Kind) -> Result<Map<String, serde_json::Value>, TableError> {
    let mut found = Map::new();
    for name in wanted.columns {
        let value =
            fields.get(name).map_err(|error| TableError::Field { name: (*name).to_owned(), error: Box::new(error) })?;
        let there = |value: &&Value| kind != Kind::Csv || value.as_str() != Some("") || wanted.empty.contains(name);
        if let Some(value) = value.filter(there) {
            found.insert((*name).to_owned(), value.into());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
