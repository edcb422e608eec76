//! The rows of a table in a file, as JSON objects: JSONL, CSV with a header, or parquet.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use polars::prelude::{AnyValue, ParquetReader, SerReader};
use serde_json::{Map, Value};

/// One row: where it stands (one-based: the line of a text file, the row of parquet) and its fields.
pub type Row = (u64, Map<String, Value>);

/// Reads a whole table; an empty cell of a CSV is a field that is not there.
///
/// # Errors
/// Names the file and the line.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let rows = match path.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl") => jsonl(path),
        Some("csv") => csv(path),
        Some("parquet") => parquet(path),
        _ => Err(anyhow!("its name ends in neither .jsonl, .csv nor .parquet")),
    };
    rows.with_context(|| format!("cannot read {}", path.display()))
}

fn jsonl(path: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(File::open(path)?).lines()) {
        let line = line.with_context(|| format!("line {number}"))?;
        let line = line.trim_start_matches('\u{feff}');
        if !line.trim().is_empty() {
            rows.push((number, serde_json::from_str(line).with_context(|| format!("line {number}"))?));
        }
    }
    Ok(rows)
}

fn csv(path: &Path) -> Result<Vec<Row>> {
    let mut reader = ::csv::Reader::from_path(path)?;
    let names: Vec<String> =
        reader.headers()?.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, ::csv::Position::line);
        let cells = names.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
        rows.push((line, cells.map(|(name, cell)| (name.clone(), Value::String(cell.to_owned()))).collect()));
    }
    Ok(rows)
}

fn parquet(path: &Path) -> Result<Vec<Row>> {
    let frame = ParquetReader::new(File::open(path)?).finish()?;
    let mut rows: Vec<Row> = (1..).take(frame.height()).map(|number| (number, Map::new())).collect();
    for column in frame.columns() {
        for (number, fields) in &mut rows {
            let place = usize::try_from(*number - 1)?;
            if let Some(value) = json(&column.get(place)?).with_context(|| format!("column {}", column.name()))? {
                fields.insert(column.name().to_string(), value);
            }
        }
    }
    Ok(rows)
}

/// A cell's value; none where it is null.
fn json(cell: &AnyValue) -> Result<Option<Value>> {
    Ok(Some(match cell {
        AnyValue::Null => return Ok(None),
        AnyValue::Boolean(flag) => Value::Bool(*flag),
        AnyValue::String(text) => Value::String((*text).to_owned()),
        AnyValue::StringOwned(text) => Value::String(text.to_string()),
        AnyValue::List(series) => {
            let cells = series.iter().map(|cell| Ok(json(&cell)?.unwrap_or(Value::Null)));
            Value::Array(cells.collect::<Result<_>>()?)
        }
        AnyValue::UInt64(number) => (*number).into(),
        number if number.is_integer() => number.extract::<i64>().map(Value::from).unwrap_or_default(),
        number if number.is_float() => number.extract::<f64>().map(Value::from).unwrap_or_default(),
        other => bail!("values of the type {} are not read", other.dtype()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        (folder, path)
    }

    #[test]
    fn each_form_gives_the_same_fields() {
        let (_folder, lines) = written("a.jsonl", b"\xef\xbb\xbf{\"id\": \"a\", \"n\": 1}\n\n{\"id\": \"b\"}\n");
        let rows = read(&lines).expect("good rows");
        assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((&rows[0].1["n"], rows[1].1.get("n")), (&Value::from(1), None));
        let (_folder, cells) = written("a.csv", b"\xef\xbb\xbfid,n\na,1\n\"b\nc\",\nd,2\n");
        let rows = read(&cells).expect("good rows");
        assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 5]);
        assert_eq!((&rows[1].1["id"], rows[1].1.get("n")), (&Value::from("b\nc"), None));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let (_folder, path) = written("a.jsonl", b"{}\nnot JSON\n");
        let error = format!("{:#}", read(&path).expect_err("refused"));
        assert!(error.contains("a.jsonl") && error.contains("line 2"), "{error}");
        let (_folder, path) = written("a.txt", b"");
        assert!(format!("{:#}", read(&path).expect_err("refused")).contains(".parquet"));
    }
}
