//! Conversion of parquet cells to values: texts, numbers, booleans, lists and structs; decimals and dates as text
//! or number in their usual notation; and the reason why a cell cannot be read.

use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, Float16Array, ListArray, NullArray, PrimitiveArray,
    StructArray, Utf8ViewArray,
};
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};
use serde_json_borrow::Value;
use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, OffsetDateTime, Time};

use super::error::TableError;

/// The Julian day of 1970-01-01.
const EPOCH: i32 = 2_440_588;

/// Checks that cells of a type can be read.
///
/// # Errors
/// Names the type and the type to write instead.
pub(super) fn readable(dtype: &ArrowDataType) -> Result<(), TableError> {
    use ArrowDataType as Type;
    match dtype {
        Type::LargeList(item) => readable(&item.dtype),
        Type::Struct(fields) => fields.iter().try_for_each(|field| readable(&field.dtype)),
        Type::Null
        | Type::Boolean
        | Type::Int8
        | Type::Int16
        | Type::Int32
        | Type::Int64
        | Type::UInt8
        | Type::UInt16
        | Type::UInt32
        | Type::UInt64
        | Type::Float16
        | Type::Float32
        | Type::Float64
        | Type::Utf8View
        | Type::BinaryView
        | Type::FixedSizeBinary(_)
        | Type::Decimal(..)
        | Type::Date32
        | Type::Time32(_)
        | Type::Time64(_)
        | Type::Timestamp(..) => Ok(()),
        other => Err(TableError::Type(format!("{other:?}"))),
    }
}

/// Reads a cell.
///
/// # Errors
/// Names the reason why the cell holds no usable value: a number that is not finite, bytes that are not UTF-8, or a
/// date out of range.
pub(super) fn value(array: &dyn Array, row: usize) -> Result<Value<'_>, TableError> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let any = array.as_any();
    macro_rules! number {
        ($($native:ty as $wide:ty),*) => {
            $(if let Some(numbers) = any.downcast_ref::<PrimitiveArray<$native>>() {
                return dated(array.dtype(), i128::from(numbers.value(row)))
                    .unwrap_or_else(|| Ok(Value::from(<$wide>::from(numbers.value(row)))));
            })*
        };
    }
    number!(i8 as i64, i16 as i64, i32 as i64, i64 as i64, u8 as u64, u16 as u64, u32 as u64, u64 as u64);
    if let Some(numbers) = any.downcast_ref::<PrimitiveArray<f64>>() {
        return finite(numbers.value(row));
    }
    if let Some(numbers) = any.downcast_ref::<PrimitiveArray<f32>>() {
        // The shortest decimal that rounds to this number: 0.1 and not 0.10000000149.
        let number = numbers.value(row);
        return finite(number.to_string().parse().unwrap_or_else(|_| f64::from(number)));
    }
    if let Some(numbers) = any.downcast_ref::<Float16Array>() {
        return finite(numbers.value(row).0.to_f64());
    }
    if let (Some(numbers), ArrowDataType::Decimal(_, scale)) =
        (any.downcast_ref::<PrimitiveArray<i128>>(), array.dtype())
    {
        return decimal(numbers.value(row), *scale);
    }
    if let Some(texts) = any.downcast_ref::<Utf8ViewArray>() {
        return Ok(Value::from(texts.value(row)));
    }
    if let Some(texts) = any.downcast_ref::<BinaryViewArray>() {
        return text(texts.value(row));
    }
    if let Some(texts) = any.downcast_ref::<FixedSizeBinaryArray>() {
        return text(texts.value(row));
    }
    if let Some(flags) = any.downcast_ref::<BooleanArray>() {
        return Ok(Value::from(flags.value(row)));
    }
    if let Some(lists) = any.downcast_ref::<ListArray<i64>>() {
        let (start, end) = lists.offsets().start_end(row);
        let cells = (start..end).map(|index| value(&**lists.values(), index));
        return Ok(Value::Array(cells.collect::<Result<_, TableError>>()?));
    }
    if let Some(structs) = any.downcast_ref::<StructArray>() {
        let cells = structs.fields().iter().zip(structs.values());
        let cells = cells.map(|(field, cells)| Ok((field.name.as_str(), value(&**cells, row)?)));
        return Ok(Value::Object(cells.collect::<Result<Vec<_>, TableError>>()?.into()));
    }
    if any.is::<NullArray>() {
        return Ok(Value::Null);
    }
    Err(TableError::Type(format!("{:?}", array.dtype())))
}

fn finite(number: f64) -> Result<Value<'static>, TableError> {
    if number.is_finite() { Ok(Value::from(number)) } else { Err(TableError::NotFinite(number.to_string())) }
}

fn text(bytes: &[u8]) -> Result<Value<'_>, TableError> {
    let text = std::str::from_utf8(bytes);
    text.map(Value::from).map_err(|_| TableError::NotUtf8)
}

/// Reads a decimal, as an integer if it has no fraction.
fn decimal(unscaled: i128, scale: usize) -> Result<Value<'static>, TableError> {
    let one = u32::try_from(scale).ok().and_then(|scale| 10_i128.checked_pow(scale));
    let one = one.ok_or(TableError::DecimalPlaces(scale))?;
    if unscaled % one == 0
        && let Ok(whole) = i64::try_from(unscaled / one)
    {
        return Ok(Value::from(whole));
    }
    let sign = if unscaled < 0 { "-" } else { "" };
    let (whole, part) = ((unscaled / one).unsigned_abs(), (unscaled % one).unsigned_abs());
    let written = format!("{sign}{whole}.{part:0scale$}");
    finite(written.parse().unwrap_or(f64::NAN))
}

/// Formats a date or time; `None` if the type is another.
fn dated(dtype: &ArrowDataType, count: i128) -> Option<Result<Value<'static>, TableError>> {
    let nanoseconds = |unit: &TimeUnit| {
        count.checked_mul(match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1000,
            TimeUnit::Nanosecond => 1,
        })
    };
    let written = match dtype {
        ArrowDataType::Date32 => i32::try_from(count)
            .ok()
            .and_then(|days| Date::from_julian_day(days.checked_add(EPOCH)?).ok())
            .map(|date| date.to_string()),
        ArrowDataType::Timestamp(unit, _) => nanoseconds(unit)
            .and_then(|count| OffsetDateTime::from_unix_timestamp_nanos(count).ok())
            .and_then(|moment| moment.format(&Rfc3339).ok()),
        ArrowDataType::Time32(unit) | ArrowDataType::Time64(unit) => nanoseconds(unit)
            .and_then(|count| i64::try_from(count).ok())
            .filter(|count| (0..86_400_000_000_000).contains(count))
            .map(|count| (Time::MIDNIGHT + Duration::nanoseconds(count)).to_string()),
        _ => return None,
    };
    Some(written.map(Value::from).ok_or(TableError::Date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_and_dates_keep_their_written_form() {
        let text = |value: Result<Value, TableError>| value.map(|value| value.to_string());
        assert_eq!(text(decimal(400, 2)), Ok("4".into()));
        assert_eq!(text(decimal(-405, 2)), Ok("-4.05".into()));
        assert_eq!(text(decimal(-5, 2)), Ok("-0.05".into()));
        assert_eq!(text(decimal(7, 0)), Ok("7".into()));
        assert!(decimal(7, 99).is_err() && finite(f64::NAN).is_err() && finite(f64::NEG_INFINITY).is_err());
        let date = |dtype, count| {
            dated(&dtype, count).map(|value| value.map(|value| value.as_str().unwrap_or_default().to_owned()))
        };
        assert_eq!(date(ArrowDataType::Date32, 19_722), Some(Ok("2023-12-31".into())));
        let moment = ArrowDataType::Timestamp(TimeUnit::Millisecond, None);
        assert_eq!(date(moment.clone(), 1_500), Some(Ok("1970-01-01T00:00:01.5Z".into())));
        assert_eq!(date(ArrowDataType::Time32(TimeUnit::Second), 61), Some(Ok("0:01:01.0".into())));
        assert!(date(moment, i128::MAX).is_some_and(|value| value.is_err()));
        assert_eq!(date(ArrowDataType::Int64, 1), None);
        assert!(
            readable(&ArrowDataType::Duration(TimeUnit::Second)).is_err_and(|why| why.to_string().contains("Duration"))
        );
    }
}
