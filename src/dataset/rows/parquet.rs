//! Parquet, a row group at a time, nested columns included: the data frames of polars as they are built here know no
//! structs, and hubs publish options as one.

use std::io::Cursor;
use std::ops::ControlFlow;

use anyhow::{Result, anyhow, bail};
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, ListArray, NullArray, PrimitiveArray, StructArray, Utf8ViewArray,
};
use polars_buffer::Buffer;
use polars_parquet::read::{BasicDecompressor, PageReader, column_iter_to_arrays, infer_schema, read_metadata};

use super::{Fields, Place, Take, Value};

/// Hands on the rows of a file's bytes.
pub(super) fn each(bytes: Vec<u8>, take: Take) -> Result<()> {
    let unreadable = |error: polars_error::PolarsError| anyhow!("not readable as parquet: {error}");
    let metadata = read_metadata(&mut Cursor::new(&bytes)).map_err(unreadable)?;
    let schema = infer_schema(&metadata).map_err(unreadable)?;
    let bytes = Buffer::from(bytes);
    let mut number = 0;
    for group in &metadata.row_groups {
        let mut columns = Vec::new();
        for field in schema.iter_values() {
            let (pages, types) = group
                .columns_under_root_iter(&field.name)
                .into_iter()
                .flatten()
                .map(|column| {
                    let range = column.byte_range();
                    let chunk = bytes.clone().sliced(usize::try_from(range.start)?..usize::try_from(range.end)?);
                    let pages = PageReader::new(Cursor::new(chunk), column, Vec::new(), usize::MAX);
                    Ok((BasicDecompressor::new(pages, Vec::new()), &column.descriptor().descriptor.primitive_type))
                })
                .collect::<Result<(Vec<_>, Vec<_>)>>()?;
            let (arrays, _) = column_iter_to_arrays(pages, types, field.clone(), None).map_err(unreadable)?;
            columns.push((field.name.as_str(), arrays));
        }
        for row in 0..group.num_rows() {
            number += 1;
            let cells = columns.iter().map(|(name, arrays)| {
                let value = cell(arrays, row).map_err(|error| anyhow!("row {number}: column {name}: {error}"))?;
                Ok((*name, value))
            });
            let fields: Fields = cells.collect::<Result<Vec<_>>>()?.into();
            if take(Place::Row(number), Ok(&fields)) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The cell of a column in pieces.
fn cell(arrays: &[Box<dyn Array>], mut row: usize) -> Result<Value<'_>> {
    for array in arrays {
        if row < array.len() {
            return value(&**array, row);
        }
        row -= array.len();
    }
    bail!("it has no such row")
}

fn value(array: &dyn Array, row: usize) -> Result<Value<'_>> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let any = array.as_any();
    macro_rules! number {
        ($($native:ty as $wide:ty),*) => {
            $(if let Some(numbers) = any.downcast_ref::<PrimitiveArray<$native>>() {
                return Ok(Value::from(<$wide>::from(numbers.value(row))));
            })*
        };
    }
    number!(i8 as i64, i16 as i64, i32 as i64, i64 as i64, u8 as u64, u16 as u64, u32 as u64, u64 as u64);
    number!(f32 as f64, f64 as f64);
    if let Some(texts) = any.downcast_ref::<Utf8ViewArray>() {
        return Ok(Value::from(texts.value(row)));
    }
    if let Some(texts) = any.downcast_ref::<BinaryViewArray>() {
        return Ok(Value::from(std::str::from_utf8(texts.value(row))?));
    }
    if let Some(flags) = any.downcast_ref::<BooleanArray>() {
        return Ok(Value::from(flags.value(row)));
    }
    if let Some(lists) = any.downcast_ref::<ListArray<i64>>() {
        let (start, end) = lists.offsets().start_end(row);
        let cells = (start..end).map(|place| value(&**lists.values(), place));
        return Ok(Value::Array(cells.collect::<Result<_>>()?));
    }
    if let Some(structs) = any.downcast_ref::<StructArray>() {
        let cells = structs.fields().iter().zip(structs.values());
        let cells = cells.map(|(field, cells)| Ok((field.name.as_str(), value(&**cells, row)?)));
        return Ok(Value::Object(cells.collect::<Result<Vec<_>>>()?.into()));
    }
    if any.is::<NullArray>() {
        return Ok(Value::Null);
    }
    bail!("values of the type {:?} are not read", array.dtype())
}
