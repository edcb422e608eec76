//! Reader of parquet, one row group at a time, with nested columns. The data frames of polars are built here
//! without structs, which model hubs use for options. A column that cannot be read is an error only of the cells
//! that are requested.

use std::io::Cursor;
use std::ops::ControlFlow;

use anyhow::{Result, anyhow, bail};
use polars_arrow::array::Array;
use polars_arrow::datatypes::Field;
use polars_buffer::Buffer;
use polars_parquet::read::schema::parquet_to_arrow_schema;
use polars_parquet::read::{
    BasicDecompressor, FileMetadata, PageReader, RowGroupMetadata, column_iter_to_arrays, read_metadata,
};

use polars_parquet::parquet::page::CompressedPage;

use super::error::TableError;
use super::guarded::guarded;
use super::{Fields, Location, RowHandler, Value, cells};

/// Upper limit on the rows of one file. Larger counts in its metadata are rejected.
const MOST_ROWS: usize = 1 << 30;

/// A column of one row group: its name, and its chunks or the reason why it cannot be read.
type Column<'a> = (&'a str, Result<Vec<Box<dyn Array>>, TableError>);

/// Passes the rows of a file to `handle`.
pub(super) fn each(bytes: Vec<u8>, handle: RowHandler) -> Result<()> {
    let unreadable = |what: TableError| anyhow!("not readable as parquet: {what}");
    let opened = guarded(|| {
        let metadata =
            read_metadata(&mut Cursor::new(&bytes)).map_err(|error| TableError::Parquet(error.to_string()))?;
        // Only parquet's own types are used. Types that other tools note in the metadata, such as categories, only
        // describe how these tools hold a column.
        let fields: Vec<Field> = parquet_to_arrow_schema(metadata.schema().fields()).iter_values().cloned().collect();
        Ok::<_, TableError>((metadata, fields))
    });
    let (metadata, fields) = opened.and_then(|opened| opened).map_err(unreadable)?;
    check(&metadata, &fields, bytes.len()).map_err(unreadable)?;
    let bytes = Buffer::from(bytes);
    let mut number = 0;
    for group in &metadata.row_groups {
        let columns = fields.iter().map(|field| Ok((field.name.as_str(), column(field, group, &bytes)?)));
        let columns: Vec<Column> = columns.collect::<Result<_, TableError>>().map_err(unreadable)?;
        for row in 0..group.num_rows() {
            number += 1;
            let fields = guarded(|| fields_of(&columns, row)).and_then(|fields| fields);
            let fields = fields.map_err(|what| anyhow!("not readable as parquet: row {number}: {what}"))?;
            if handle(Location::Row(number), Ok(&fields)) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Checks that the counts and offsets in the file's metadata are possible.
fn check(metadata: &FileMetadata, fields: &[Field], bytes: usize) -> Result<(), TableError> {
    if fields.is_empty() {
        return Err(TableError::NoColumns);
    }
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|earlier| earlier.name == field.name) {
            return Err(TableError::TwoColumns(field.name.to_string()));
        }
    }
    let mut rows = 0_usize;
    for group in &metadata.row_groups {
        rows = rows.saturating_add(group.num_rows());
        for column in group.parquet_columns() {
            let range = guarded(|| column.byte_range())?;
            let values = usize::try_from(column.num_values()).unwrap_or(usize::MAX);
            let inside = range.start <= range.end && usize::try_from(range.end).is_ok_and(|end| end <= bytes);
            if !inside || values > MOST_ROWS {
                let name = column.descriptor().path_in_schema.iter().map(ToString::to_string).collect::<Vec<_>>();
                return Err(TableError::Truncated(name.join(".")));
            }
        }
    }
    if rows > MOST_ROWS { Err(TableError::Rows(rows)) } else { Ok(()) }
}

/// Checks the counts in the page headers of a column, by which the decoder allocates memory. `values` is the number
/// of values in the column.
fn check_pages(pages: PageReader, values: usize) -> Result<()> {
    let mut found = 0_usize;
    for page in pages {
        if let CompressedPage::Data(page) = page? {
            found = found.saturating_add(page.num_values());
        }
        if found > values {
            bail!("the file is damaged (its pages claim more than the column's {values} values)");
        }
    }
    Ok(())
}

/// Checks the count of a column's dictionary: an entry has at least one byte.
fn check_dictionary(pages: PageReader) -> Result<()> {
    match BasicDecompressor::new(pages, Vec::new()).read_dict_page()? {
        Some(page) if page.num_values > page.buffer.len() => {
            bail!(
                "the file is damaged (its dictionary claims {} values in {} bytes)",
                page.num_values,
                page.buffer.len()
            )
        }
        _ => Ok(()),
    }
}

/// Decodes the chunks of a column. The inner error is the reason why cells of its type cannot be read.
fn column(
    field: &Field,
    group: &RowGroupMetadata,
    bytes: &Buffer<u8>,
) -> Result<Result<Vec<Box<dyn Array>>, TableError>, TableError> {
    if let Err(why) = cells::readable(&field.dtype) {
        return Ok(Err(why));
    }
    let decode = || -> Result<Vec<Box<dyn Array>>> {
        let Some(chunks) = group.columns_under_root_iter(&field.name) else {
            bail!("the column is missing in a row group")
        };
        let (pages, types) = chunks
            .map(|column| {
                let range = column.byte_range();
                let chunk = bytes.clone().sliced(usize::try_from(range.start)?..usize::try_from(range.end)?);
                let reader = || PageReader::new(Cursor::new(chunk.clone()), column, Vec::new(), usize::MAX);
                check_pages(reader(), usize::try_from(column.num_values())?)?;
                check_dictionary(reader())?;
                let pages = reader();
                Ok((BasicDecompressor::new(pages, Vec::new()), &column.descriptor().descriptor.primitive_type))
            })
            .collect::<Result<(Vec<_>, Vec<_>)>>()?;
        Ok(column_iter_to_arrays(pages, types, field.clone(), None).map(|(arrays, _)| arrays)?)
    };
    let decoded =
        guarded(decode).and_then(|decoded| decoded.map_err(|error| TableError::Parquet(format!("{error:#}"))));
    decoded.map(Ok).map_err(|error| TableError::Column { name: field.name.to_string(), error: Box::new(error) })
}

/// Returns the fields of one row of a row group.
fn fields_of<'a>(columns: &'a [Column], row: usize) -> Result<Fields<'a>, TableError> {
    let (mut found, mut unusable) = (Vec::with_capacity(columns.len()), Vec::new());
    for (name, arrays) in columns {
        let value = match arrays {
            Ok(arrays) => cell(arrays, row).ok_or_else(|| TableError::MissingCell((*name).to_owned()))?,
            Err(why) => Err(why.clone()),
        };
        found.push((
            *name,
            value.unwrap_or_else(|why| {
                unusable.push((*name, why));
                Value::Null
            }),
        ));
    }
    Ok(Fields::of_columns(found, unusable))
}

/// Returns the cell of a chunked column; `None` if the column is shorter.
fn cell(arrays: &[Box<dyn Array>], mut row: usize) -> Option<Result<Value<'_>, TableError>> {
    for array in arrays {
        if row < array.len() {
            return Some(cells::value(&**array, row));
        }
        row -= array.len();
    }
    None
}
