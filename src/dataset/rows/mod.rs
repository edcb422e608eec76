//! The rows of a table: JSON lines, one JSON array, CSV, or parquet, each perhaps compressed, perhaps in an archive. Every
//! row is handed on and let go, so that a table of lines needs no more memory than what is kept of it.

mod parquet;
pub mod stored;

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::Map;
pub use serde_json_borrow::{ObjectAsVec as Fields, Value};

use stored::Table;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 17;
/// What Windows tools write in front of a text in UTF-8; it is no part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A JSON object a line, or all of them in one array.
    Json,
    /// CSV.
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
pub type Take<'a> = &'a mut dyn FnMut(Place, Result<&Fields, String>) -> ControlFlow<()>;

/// What the first line of a CSV may be.
#[derive(Clone, Copy)]
pub struct FirstLine {
    /// The columns of a file whose first line is a row already; none: the first line is always a header.
    pub bare: Option<&'static [&'static str]>,
    /// What is wrong with these columns of a header, if anything.
    pub fault: fn(&[String]) -> Option<String>,
}

impl FirstLine {
    /// A header with any columns.
    pub const HEADER: Self = Self { bare: None, fault: |_| None };
}

impl Kind {
    /// The kind that a file's name ends in, once the endings of compression are taken off.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match stored::uncompressed(name).rsplit_once('.')?.1 {
            "jsonl" | "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
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
    let mut reader = BufReader::with_capacity(BUFFER, table.bytes);
    if kind == Kind::Parquet {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        return parquet::each(bytes, take);
    }
    if reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    match kind {
        Kind::Csv => csv(reader, first_line, take),
        _ if reader.fill_buf()?.trim_ascii_start().starts_with(b"[") => array(reader, take),
        _ => lines(reader, take),
    }
}

fn lines(mut reader: impl BufRead, take: Take) -> Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = Place::Line(number);
        let taken = match serde_json::from_slice(&line) {
            Ok(Value::Object(fields)) => take(place, Ok(&fields)),
            Ok(_) => take(place, Err("not a JSON object".to_owned())),
            Err(error) => take(place, Err(format!("not a JSON object: {error} (column {})", error.column()))),
        };
        if taken.is_break() {
            break;
        }
    }
    Ok(())
}

/// One array of objects. All of its bytes are held, but only one of its rows.
fn array(mut reader: impl Read, take: Take) -> Result<()> {
    struct Rows<'a>(Take<'a>);

    impl<'de> Visitor<'de> for Rows<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an array of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
            let mut going = ControlFlow::Continue(());
            for number in 1.. {
                let Some(row) = rows.next_element::<Value<'de>>()? else { break };
                // The rest is read all the same: a broken end is a fault of the file.
                if going.is_continue() {
                    going = match &row {
                        Value::Object(fields) => (self.0)(Place::Row(number), Ok(fields)),
                        _ => (self.0)(Place::Row(number), Err("not a JSON object".to_owned())),
                    };
                }
            }
            Ok(())
        }
    }

    impl<'de> DeserializeSeed<'de> for Rows<'_> {
        type Value = ();

        fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_seq(self)
        }
    }

    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
    Rows(take).deserialize(&mut deserializer).and_then(|()| deserializer.end()).context("not an array of JSON objects")
}

fn csv(reader: impl Read, first_line: FirstLine, take: Take) -> Result<()> {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(reader);
    let mut names: Option<Vec<String>> = None;
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) if error.is_io_error() => return Err(error.into()),
            Err(error) => {
                let place = Place::Line(error.position().map_or(0, ::csv::Position::line));
                if take(place, Err(format!("not readable as CSV: {error}"))).is_break() {
                    break;
                }
                continue;
            }
        };
        let place = Place::Line(record.position().map_or(0, ::csv::Position::line));
        let names = match (&names, first_line.bare) {
            (Some(names), _) => names,
            (None, Some(bare)) if !record.iter().any(|cell| cell.trim() == bare[0]) => {
                names.insert(bare.iter().map(|name| (*name).to_owned()).collect())
            }
            (None, _) => {
                let header: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
                if let Some(fault) = (first_line.fault)(&header) {
                    let _ = take(place, Err(fault));
                    break;
                }
                names = Some(header);
                continue;
            }
        };
        let taken = if record.len() == names.len() {
            let cells = names.iter().zip(&record).map(|(name, cell)| (name.as_str(), Value::from(cell)));
            take(place, Ok(&cells.collect()))
        } else {
            take(place, Err(format!("has {} fields, not {}", record.len(), names.len())))
        };
        if taken.is_break() {
            break;
        }
    }
    Ok(())
}

/// One row of a whole table: where it stands and its fields.
pub type Row = (u64, Map<String, serde_json::Value>);

/// Reads a whole table; an empty cell of a CSV is a field that is not there, and so is a null.
///
/// # Errors
/// Names the file and the line.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let whole = || {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = Kind::of(&name).ok_or_else(|| anyhow!("its name ends in neither .jsonl, .csv nor .parquet"))?;
        let mut rows = Vec::new();
        let mut fault = None;
        each(kind, Table::of_file(path)?, FirstLine::HEADER, &mut |place, fields| match fields {
            Ok(fields) => {
                let (Place::Line(number) | Place::Row(number)) = place;
                let there = |value: &Value| !(value.is_null() || kind == Kind::Csv && value.as_str() == Some(""));
                let fields = fields.iter().filter(|(_, value)| there(value));
                rows.push((number, fields.map(|(name, value)| (name.to_owned(), value.into())).collect()));
                ControlFlow::Continue(())
            }
            Err(what) => {
                fault = Some(format!("{place}: {what}"));
                ControlFlow::Break(())
            }
        })?;
        match fault {
            Some(fault) => bail!(fault),
            None => Ok(rows),
        }
    };
    whole().with_context(|| format!("cannot read {}", path.display()))
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
        assert_eq!((&rows[0].1["n"], rows[1].1.get("n")), (&serde_json::Value::from(1), None));
        let (_folder, cells) = written("a.csv", b"\xef\xbb\xbfid,n\na,1\n\"b\nc\",\nd,2\n");
        let rows = read(&cells).expect("good rows");
        assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 5]);
        assert_eq!((&rows[1].1["id"], rows[1].1.get("n")), (&serde_json::Value::from("b\nc"), None));
        let (_folder, array) = written("a.json", b"\n [{\"id\": \"a\", \"n\": null}, {\"id\": \"\"}]\n");
        let rows = read(&array).expect("good rows");
        assert_eq!(rows.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((rows[0].1.get("n"), &rows[1].1["id"]), (None, &serde_json::Value::from("")));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_named() {
        for (name, bytes, parts) in [
            ("a.jsonl", "{}\nnot JSON\n", ["a.jsonl", "line 2: not a JSON object"]),
            ("a.csv", "a,b\n1,2\n3\n", ["a.csv", "line 3: has 1 fields, not 2"]),
            ("a.json", "[{}, 7]", ["a.json", "row 2: not a JSON object"]),
            ("a.json", "[{}, {}", ["a.json", "not an array of JSON objects"]),
            ("a.txt", "", ["a.txt", ".parquet"]),
            ("a.parquet", "no", ["a.parquet", "parquet"]),
        ] {
            let (_folder, path) = written(name, bytes.as_bytes());
            let error = format!("{:#}", read(&path).expect_err("refused"));
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
