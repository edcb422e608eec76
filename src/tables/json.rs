//! Rows as JSON: one object per line, or one array of objects.

use std::fmt;
use std::io::{BufRead, Read};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json_borrow::Value;

use super::error::TableError;
use super::{Fields, Location, RowHandler, encoding};

/// Passes the object of each line to `handle`.
pub(super) fn lines(mut reader: impl BufRead, path: &Path, handle: RowHandler) -> Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let location = Location::Line(number);
        let flow = match std::str::from_utf8(&line) {
            Ok(text) => match serde_json::from_str(text) {
                Ok(value) => row(location, value, handle),
                Err(error) => handle(location, Err(broken(&error, text))),
            },
            Err(_) => handle(location, Err(TableError::Encoding(encoding::of_bytes(&line, path).unwrap_or_default()))),
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

fn row(location: Location, value: Value, handle: RowHandler) -> ControlFlow<()> {
    match value {
        Value::Object(cells) => match Fields::new(cells) {
            Ok(fields) => handle(location, Ok(&fields)),
            Err(what) => handle(location, Err(what)),
        },
        _ => handle(location, Err(TableError::NotAnObject)),
    }
}

fn broken(error: &serde_json::Error, line: &str) -> TableError {
    let words = ["NaN", "Infinity"];
    let hint = words.iter().find(|word| line.contains(*word)).map(|word| format!("; JSON has no {word}: write null"));
    let message = error.to_string();
    // The parser counts lines within the row, which is a single line of the file.
    let message = message.split(" at line ").next().unwrap_or_default();
    let message = if message.starts_with("control character") {
        "a text in quotes is not closed, or holds a line break or tab that is not written as \\n or \\t"
    } else {
        message
    };
    let column = if error.line() > 1 { line.trim_end().len() } else { error.column() };
    TableError::Json { error: message.to_owned(), column, hint: hint.unwrap_or_default() }
}

/// Passes the objects of one array to `handle`. All bytes of the array are in memory, but only one of its rows.
pub(super) fn array(mut reader: impl Read, path: &Path, handle: RowHandler) -> Result<()> {
    struct Rows<'a>(RowHandler<'a>);

    impl<'de> Visitor<'de> for Rows<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an array of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
            let mut flow = ControlFlow::Continue(());
            for number in 1.. {
                let Some(value) = rows.next_element::<Value<'de>>()? else { break };
                // The rest is read although it is not needed, because a broken end is a fault of the file.
                if flow.is_continue() {
                    flow = row(Location::Row(number), value, &mut *self.0);
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
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            bail!("line {line}: {}", encoding::of_bytes(&bytes[start..], path).unwrap_or_default());
        }
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Rows(handle)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .context("not an array of JSON objects")
}
