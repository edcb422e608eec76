//! Rows as JSON: an object a line, or all of them in one array.

use std::fmt;
use std::io::{BufRead, Read};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json_borrow::Value;

use super::error::TableError;
use super::{Fields, Place, Take, encoding};

/// Hands on an object a line.
pub(super) fn lines(mut reader: impl BufRead, path: &Path, take: Take) -> Result<()> {
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
        let taken = match std::str::from_utf8(&line) {
            Ok(text) => match serde_json::from_str(text) {
                Ok(value) => row(place, value, take),
                Err(error) => take(place, Err(broken(&error, text))),
            },
            Err(_) => take(place, Err(TableError::Encoding(encoding::of_bytes(&line, path).unwrap_or_default()))),
        };
        if taken.is_break() {
            break;
        }
    }
    Ok(())
}

fn row(place: Place, value: Value, take: Take) -> ControlFlow<()> {
    match value {
        Value::Object(cells) => match Fields::new(cells) {
            Ok(fields) => take(place, Ok(&fields)),
            Err(what) => take(place, Err(what)),
        },
        _ => take(place, Err(TableError::NoObject)),
    }
}

fn broken(error: &serde_json::Error, line: &str) -> TableError {
    let words = ["NaN", "Infinity"];
    let hint = words.iter().find(|word| line.contains(*word)).map(|word| format!("; JSON has no {word}: write null"));
    let said = error.to_string();
    // The parser counts lines within the row, which is one line of the file.
    let said = said.split(" at line ").next().unwrap_or_default();
    let said = if said.starts_with("control character") {
        "a text in quotes is not closed, or holds a line break or tab that is not written as \\n or \\t"
    } else {
        said
    };
    let column = if error.line() > 1 { line.trim_end().len() } else { error.column() };
    TableError::Json { error: said.to_owned(), column, hint: hint.unwrap_or_default() }
}

/// Hands on the objects of one array. All of its bytes are held, but only one of its rows.
pub(super) fn array(mut reader: impl Read, path: &Path, take: Take) -> Result<()> {
    struct Rows<'a>(Take<'a>);

    impl<'de> Visitor<'de> for Rows<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an array of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
            let mut going = ControlFlow::Continue(());
            for number in 1.. {
                let Some(value) = rows.next_element::<Value<'de>>()? else { break };
                // The rest is read all the same: a broken end is a fault of the file.
                if going.is_continue() {
                    going = row(Place::Row(number), value, &mut *self.0);
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
    Rows(take).deserialize(&mut deserializer).and_then(|()| deserializer.end()).context("not an array of JSON objects")
}
