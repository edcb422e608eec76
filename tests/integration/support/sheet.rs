//! Table that is read back from its CSV or parquet file.

use std::io::Cursor;

use polars::prelude::{AnyValue, DataFrame, ParquetReader, SerReader};

/// Columns and rows of a table.
pub(crate) struct Sheet {
    pub(crate) columns: Vec<String>,
    cells: Vec<Vec<String>>,
}

/// Row of a table.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    columns: &'a [String],
    cells: &'a [String],
}

impl Sheet {
    pub(crate) fn from_csv(bytes: &[u8]) -> Self {
        let mut reader = csv::Reader::from_reader(bytes);
        let texts = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect();
        let columns = texts(reader.headers().expect("a header"));
        let cells = reader.records().map(|record| texts(&record.expect("a row"))).collect();
        Self { columns, cells }
    }

    pub(crate) fn from_parquet(bytes: &[u8]) -> Self {
        let frame: DataFrame = ParquetReader::new(Cursor::new(bytes.to_vec())).finish().expect("a parquet file");
        let columns = frame.get_column_names().into_iter().map(ToString::to_string).collect();
        let cell = |row: usize| frame.columns().iter().map(move |column| text(&column.get(row).expect("a cell")));
        let cells = (0..frame.height()).map(|row| cell(row).collect()).collect();
        Self { columns, cells }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.cells.iter().map(|cells| Row { columns: &self.columns, cells })
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }
}

impl<'a> Row<'a> {
    /// Returns the cell as text; empty if the cell has no value.
    #[track_caller]
    pub(crate) fn text(&self, column: &str) -> &'a str {
        let index = self.columns.iter().position(|name| name == column);
        &self.cells[index.unwrap_or_else(|| panic!("no column {column}"))]
    }

    #[track_caller]
    pub(crate) fn number(&self, column: &str) -> f64 {
        let text = self.text(column);
        text.parse().unwrap_or_else(|error| panic!("{column}: `{text}`: {error}"))
    }

    /// Returns the number. `None` if the cell is empty.
    #[track_caller]
    pub(crate) fn optional(&self, column: &str) -> Option<f64> {
        (!self.text(column).is_empty()).then(|| self.number(column))
    }

    #[track_caller]
    pub(crate) fn count(&self, column: &str) -> usize {
        let text = self.text(column);
        text.parse().unwrap_or_else(|error| panic!("{column}: `{text}`: {error}"))
    }

    #[track_caller]
    pub(crate) fn flag(&self, column: &str) -> bool {
        let text = self.text(column);
        text.parse().unwrap_or_else(|error| panic!("{column}: `{text}`: {error}"))
    }

    /// Returns the elements of a cell that contains a list.
    #[track_caller]
    pub(crate) fn list(&self, column: &str) -> Vec<&'a str> {
        self.text(column).split(';').filter(|part| !part.is_empty()).collect()
    }

    pub(crate) fn cells(&self) -> &'a [String] {
        self.cells
    }
}

fn text(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Boolean(value) => value.to_string(),
        AnyValue::Int64(value) => value.to_string(),
        AnyValue::Float64(value) => value.to_string(),
        AnyValue::Binary(bytes) => format!("{} bytes", bytes.len()),
        AnyValue::BinaryOwned(bytes) => format!("{} bytes", bytes.len()),
        other => panic!("a cell of an unexpected kind: {other:?}"),
    }
}
