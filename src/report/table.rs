//! One table with both its file forms, CSV and parquet, which have the same columns and rows.

use anyhow::Result;
use polars::prelude::{Column, CsvWriter, DataFrame, NamedFrom, ParquetWriter, SerWriter, Series};

/// A table with its file name.
pub struct Table {
    /// File name without ending.
    pub name: &'static str,
    /// The rows.
    pub frame: DataFrame,
}

impl Table {
    pub(super) fn new(name: &'static str, columns: Vec<Column>) -> Result<Self> {
        Ok(Self { name, frame: DataFrame::new_infer_height(columns)? })
    }

    /// Replaces every value in these columns by null, since the values are unknown.
    ///
    /// # Errors
    /// If polars cannot build the column.
    pub fn empty<'a>(&mut self, columns: impl Iterator<Item = &'a str>) -> Result<()> {
        for name in columns {
            let nulls = {
                let column = self.frame.column(name)?;
                Series::full_null(name.into(), column.len(), column.dtype())
            };
            self.frame.with_column(nulls.into())?;
        }
        Ok(())
    }

    /// Returns the table's two files: name and bytes.
    ///
    /// # Errors
    /// If polars cannot write the table.
    pub fn files(&mut self) -> Result<[(String, Vec<u8>); 2]> {
        let (mut csv, mut parquet) = (Vec::new(), Vec::new());
        CsvWriter::new(&mut csv).finish(&mut self.frame)?;
        ParquetWriter::new(&mut parquet).finish(&mut self.frame)?;
        Ok([(format!("{}.csv", self.name), csv), (format!("{}.parquet", self.name), parquet)])
    }
}

pub(super) fn text<S: Into<Option<String>>>(name: &str, values: impl Iterator<Item = S>) -> Column {
    let values: Vec<Option<String>> = values.map(Into::into).collect();
    Series::new(name.into(), values).into()
}

pub(super) fn float<F: Into<Option<f64>>>(name: &str, values: impl Iterator<Item = F>) -> Column {
    let values: Vec<Option<f64>> = values.map(Into::into).collect();
    Series::new(name.into(), values).into()
}

pub(super) fn optional_int<I: TryInto<i64>>(name: &str, values: impl Iterator<Item = Option<I>>) -> Column {
    let values: Vec<Option<i64>> = values.map(|value| value?.try_into().ok()).collect();
    Series::new(name.into(), values).into()
}

pub(super) fn optional_flag(name: &str, values: impl Iterator<Item = Option<bool>>) -> Column {
    let values: Vec<Option<bool>> = values.collect();
    Series::new(name.into(), values).into()
}

pub(super) fn flag(name: &str, values: impl Iterator<Item = bool>) -> Column {
    let values: Vec<bool> = values.collect();
    Series::new(name.into(), values).into()
}
