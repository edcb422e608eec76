//! Tables that are written row by row and can be read back. Each column is one entry of a list, with its name and the
//! functions that write and read its cells. A table of an earlier version may lack columns; these are null and are
//! reported by name.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use polars::prelude::{Column as PolarsColumn, DataFrame, DataType, ParallelStrategy, ParquetReader, SerReader};

use super::table::{Table, flag, float, optional_flag, optional_int, text};
use crate::tables::guarded::guarded;
use crate::types::check::{Check, CheckOutcomes};

/// A column of a table. A row is written from an `A` and one of its `B`s, and read into a `D`.
pub(super) struct Column<A, B, D> {
    name: &'static str,
    need: Need,
    /// Another column that has values in the same rows. If that column has values and this one has only nulls, this
    /// column counts as missing.
    paired_with: Option<&'static str>,
    /// The column's name in tables of earlier versions. `None` if it had no other.
    formerly: Option<&'static str>,
    cells: Cells<A, B, D>,
}

/// Functions that write a cell, and read a cell that is not empty.
enum Cells<A, B, D> {
    Text(fn(&A, &B) -> Option<String>, fn(&mut D, &str) -> Result<()>),
    Float(fn(&A, &B) -> Option<f64>, fn(&mut D, f64) -> Result<()>),
    Count(fn(&A, &B) -> Option<u64>, fn(&mut D, usize) -> Result<()>),
    Flag(fn(&A, &B) -> bool, fn(&mut D, bool) -> Result<()>),
    OptionalFlag(fn(&A, &B) -> Option<bool>, fn(&mut D, bool) -> Result<()>),
    Check(Check, fn(&A, &B) -> CheckOutcomes, fn(&mut D) -> &mut CheckOutcomes),
}

/// Consequence of a missing column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The file is not a table of a run. If `filled`, every row must have a value.
    Essential { filled: bool },
    /// These figures are left out. If the text is empty, only the column itself is.
    Optional(&'static str),
    /// None: the event that the column records did not exist in versions without the column.
    Later,
    /// None: the column is computed from other columns and never read.
    Derived,
}

impl<A, B, D> Column<A, B, D> {
    /// A column of texts.
    pub(super) const fn text(
        name: &'static str,
        write: fn(&A, &B) -> Option<String>,
        read: fn(&mut D, &str) -> Result<()>,
    ) -> Self {
        Self::new(name, Cells::Text(write, read))
    }

    /// A column of numbers.
    pub(super) const fn float(
        name: &'static str,
        write: fn(&A, &B) -> Option<f64>,
        read: fn(&mut D, f64) -> Result<()>,
    ) -> Self {
        Self::new(name, Cells::Float(write, read))
    }

    /// A column of counts.
    pub(super) const fn count(
        name: &'static str,
        write: fn(&A, &B) -> Option<u64>,
        read: fn(&mut D, usize) -> Result<()>,
    ) -> Self {
        Self::new(name, Cells::Count(write, read))
    }

    /// A column of flags, one in every row.
    pub(super) const fn flag(
        name: &'static str,
        write: fn(&A, &B) -> bool,
        read: fn(&mut D, bool) -> Result<()>,
    ) -> Self {
        Self::new(name, Cells::Flag(write, read))
    }

    /// A column of flags that may be unknown.
    pub(super) const fn optional_flag(
        name: &'static str,
        write: fn(&A, &B) -> Option<bool>,
        read: fn(&mut D, bool) -> Result<()>,
    ) -> Self {
        Self::new(name, Cells::OptionalFlag(write, read))
    }

    /// A column with the outcome of a check. Earlier versions do not have it.
    pub(super) const fn check(
        check: Check,
        write: fn(&A, &B) -> CheckOutcomes,
        read: fn(&mut D) -> &mut CheckOutcomes,
    ) -> Self {
        Self::new(check.column(), Cells::Check(check, write, read)).later()
    }

    const fn new(name: &'static str, cells: Cells<A, B, D>) -> Self {
        Self { name, need: Need::Optional(""), paired_with: None, formerly: None, cells }
    }

    /// Makes the column essential: without it, the file is not a table of a run.
    pub(super) const fn essential(self) -> Self {
        Self { need: Need::Essential { filled: false }, ..self }
    }

    /// Makes the column essential, with a value in every row.
    pub(super) const fn filled(self) -> Self {
        Self { need: Need::Essential { filled: true }, ..self }
    }

    /// Sets the figures that are left out if a table lacks this column.
    pub(super) const fn with_figures(self, figures: &'static str) -> Self {
        Self { need: Need::Optional(figures), ..self }
    }

    /// Marks a column that later versions added: its absence has no consequence.
    pub(super) const fn later(self) -> Self {
        Self { need: Need::Later, ..self }
    }

    /// Marks a column that is computed from other columns and never read.
    pub(super) const fn derived(self) -> Self {
        Self { need: Need::Derived, ..self }
    }

    /// Declares that this column has values in the same rows as `column`.
    pub(super) const fn paired_with(self, column: &'static str) -> Self {
        Self { paired_with: Some(column), ..self }
    }

    /// Sets the name that earlier versions gave the column; their tables are read under it.
    pub(super) const fn formerly(self, name: &'static str) -> Self {
        Self { formerly: Some(name), ..self }
    }
}

/// Returns the table of these rows.
///
/// # Errors
/// If polars refuses the table.
pub(super) fn written<A, B, D>(name: &'static str, columns: &[Column<A, B, D>], rows: &[(&A, &B)]) -> Result<Table> {
    Table::new(name, columns.iter().map(|column| column.written(rows)).collect())
}

impl<A, B, D> Column<A, B, D> {
    fn written(&self, rows: &[(&A, &B)]) -> PolarsColumn {
        let (name, rows) = (self.name, rows.iter());
        match self.cells {
            Cells::Text(write, _) => text(name, rows.map(|(a, b)| write(a, b))),
            Cells::Float(write, _) => float(name, rows.map(|(a, b)| write(a, b))),
            Cells::Count(write, _) => optional_int(name, rows.map(|(a, b)| write(a, b))),
            Cells::Flag(write, _) => flag(name, rows.map(|(a, b)| write(a, b))),
            Cells::OptionalFlag(write, _) => optional_flag(name, rows.map(|(a, b)| write(a, b))),
            Cells::Check(check, write, _) => optional_flag(name, rows.map(|(a, b)| write(a, b).of(check))),
        }
    }

    /// Reads the column's cells into the rows.
    fn read(&self, cells: &PolarsColumn, rows: &mut [D]) -> Result<()> {
        let filled = self.need == Need::Essential { filled: true };
        match self.cells {
            Cells::Text(_, read) => each(cells.str()?.iter(), filled, rows, read),
            Cells::Float(_, read) => each(cells.f64()?.iter(), filled, rows, read),
            Cells::Count(_, read) => {
                each(cells.i64()?.iter(), filled, rows, |row, count| read(row, usize::try_from(count)?))
            }
            Cells::Flag(_, read) | Cells::OptionalFlag(_, read) => each(cells.bool()?.iter(), filled, rows, read),
            Cells::Check(check, _, outcomes) => each(cells.bool()?.iter(), filled, rows, |row, passes| {
                outcomes(row).set(check, Some(passes));
                Ok(())
            }),
        }
    }
}

/// Reads the cells that have a value. If `filled`, an empty cell is an error.
fn each<T, D>(
    cells: impl Iterator<Item = Option<T>>,
    filled: bool,
    rows: &mut [D],
    read: impl Fn(&mut D, T) -> Result<()>,
) -> Result<()> {
    for (place, (cell, row)) in cells.zip(rows).enumerate() {
        match cell {
            Some(value) => read(row, value).with_context(|| format!("row {}", place + 1))?,
            None if filled => bail!("row {} is empty", place + 1),
            None => {}
        }
    }
    Ok(())
}

/// Converts a count to the integer type of a table.
pub(super) fn count(n: usize) -> Option<u64> {
    u64::try_from(n).ok()
}

/// Stores the value that was read from a cell.
#[expect(clippy::unnecessary_wraps, reason = "the end of a column's reading, which may fail before")]
pub(super) fn set<T>(place: &mut T, value: T) -> Result<()> {
    *place = value;
    Ok(())
}

/// A column that a table of an earlier version lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The table's name.
    pub table: String,
    /// The column's name.
    pub column: &'static str,
    /// The figures that are left out; empty if only the column is.
    pub figures: &'static str,
}

impl Lacking {
    /// Returns the note for a reader of the report.
    #[must_use]
    pub fn note(&self) -> String {
        let Self { table, column, figures } = self;
        let left_out = if figures.is_empty() { String::new() } else { format!("; left out: {figures}") };
        format!(
            "{table}.parquet has no column `{column}`, since an earlier version wrote the file. The column stays \
             empty in this report{left_out}."
        )
    }
}

/// The content of a table that was read back.
pub(super) struct Rows<D> {
    /// The rows.
    pub(super) rows: Vec<D>,
    /// The missing columns, in the order of the column list.
    pub(super) lacking: Vec<Lacking>,
}

/// Reads a table's parquet file with the list of its columns. `table` is the table's name.
///
/// # Errors
/// If the file cannot be read or does not fit; the error names the file and the column.
pub(super) fn read<A, B, D: Default>(path: &Path, table: &str, columns: &[Column<A, B, D>]) -> Result<Rows<D>> {
    let mut frame = frame(path)?;
    for column in columns {
        if let Some(old) = column.formerly.filter(|_| frame.column(column.name).is_err()) {
            // A table that has neither name lacks the column.
            let _ = frame.rename(old, column.name.into());
        }
    }
    let is_missing =
        |column: &&Column<A, B, D>| matches!(column.need, Need::Essential { .. }) && frame.column(column.name).is_err();
    let missing: Vec<String> = columns.iter().filter(is_missing).map(|column| format!("`{}`", column.name)).collect();
    if !missing.is_empty() {
        bail!("{} is not a table of a run: it lacks the column {}", path.display(), missing.join(", "));
    }
    let mut rows: Vec<D> = (0..frame.height()).map(|_| D::default()).collect();
    let mut lacking = Vec::new();
    for column in columns.iter().filter(|column| column.need != Need::Derived) {
        let name = column.name;
        match found(&frame, name, column.paired_with) {
            ColumnLookup::Cells(cells) => column
                .read(cells, &mut rows)
                .with_context(|| format!("{} cannot be read back: column `{name}`", path.display()))?,
            ColumnLookup::Nothing if column.need == (Need::Essential { filled: true }) && !rows.is_empty() => {
                bail!("{} cannot be read back: column `{name}`: row 1 is empty", path.display())
            }
            ColumnLookup::Nothing => {}
            ColumnLookup::Absent => {
                if let Need::Optional(figures) = column.need {
                    lacking.push(Lacking { table: table.to_owned(), column: name, figures });
                }
            }
        }
    }
    Ok(Rows { rows, lacking })
}

/// Result of looking up a column in a table.
enum ColumnLookup<'a> {
    /// The column's cells.
    Cells(&'a PolarsColumn),
    /// The column exists but has no value.
    Nothing,
    /// No such column, or a column without values although its neighbour has some: a report on a table without the
    /// column writes it this way.
    Absent,
}

fn found<'a>(frame: &'a DataFrame, name: &str, paired_with: Option<&str>) -> ColumnLookup<'a> {
    let Ok(column) = frame.column(name) else { return ColumnLookup::Absent };
    let is_blank = |column: &PolarsColumn| column.null_count() == column.len();
    if is_blank(column) && paired_with.and_then(|name| frame.column(name).ok()).is_some_and(|paired| !is_blank(paired))
    {
        return ColumnLookup::Absent;
    }
    if *column.dtype() == DataType::Null { ColumnLookup::Nothing } else { ColumnLookup::Cells(column) }
}

fn frame(path: &Path) -> Result<DataFrame> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let read = || ParquetReader::new(file).read_parallel(ParallelStrategy::None).finish();
    guarded(read)
        .map_err(|panic| anyhow!("{} cannot be read: {panic}", path.display()))?
        .with_context(|| format!("{} is not a parquet file", path.display()))
}
