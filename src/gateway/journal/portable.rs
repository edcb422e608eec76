//! Export of a journal to one parquet file: the calls and the embeddings in the order in which they were written.
//! An export contains the requests, or only the answers, so that no text of the questions is passed on. Attempts
//! without an answer are left out.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use polars::prelude::{
    Column, DataFrame, NamedFrom, ParquetCompression, ParquetReader, ParquetWriter, SerReader, Series,
};
use rusqlite::Connection;
use serde_json::Value;

use super::address::JournalPlace;
use super::schema::MADE;
use super::writer::{Entry, Origin, insert};
use super::{JournaledCall, copies, opened, schema};
use crate::types::chat::CallKey;
use crate::types::embedding::{Embedded, floats};

/// First bytes of every parquet file.
const MAGIC: &[u8] = b"PAR1";

/// Selection of the rows and columns of an export.
#[derive(Debug, Clone, Default)]
pub struct ExportSelection {
    /// True if requests are left out, and with them all text of the questions.
    pub answers_only: bool,
    /// Journals or exports whose rows are left out.
    pub except: Vec<PathBuf>,
}

/// Number of rows in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Number of calls.
    pub calls: usize,
    /// Number of embeddings.
    pub embeddings: usize,
}

/// The row of a call or of an embedding. For an embedding, `model` is the embedder and only `tokens` and `vector`
/// are set. `made` and `processor` are set for calls that the exported run made itself.
struct Row {
    key: String,
    model: String,
    item: Option<String>,
    request: Option<String>,
    response: Option<String>,
    tokens: Option<i64>,
    vector: Option<Vec<u8>>,
    made: Option<i64>,
    processor: Option<String>,
}

/// Exports a journal as the bytes of a parquet file.
///
/// # Errors
/// Names the journal that cannot be read, or a file of `except` that is not a journal.
pub fn export(place: &JournalPlace, selection: &ExportSelection) -> Result<(Vec<u8>, Exported)> {
    let connection = match place {
        JournalPlace::File(path) => schema::open_further(path)?,
        JournalPlace::Server(address) => copies::of_server(address)?,
    };
    let cannot = || format!("cannot read the journal {place}");
    let except = selection.except.iter().map(|path| keys(path)).collect::<Result<Vec<_>>>()?.concat();
    let except: HashSet<String> = except.into_iter().collect();
    let mut rows = rows(&connection).with_context(cannot)?;
    rows.retain(|row| !except.contains(&row.key));
    let calls = rows.iter().filter(|row| row.vector.is_none()).count();
    let exported = Exported { calls, embeddings: rows.len() - calls };
    let mut frame = DataFrame::new_infer_height(columns(&rows, selection.answers_only).with_context(cannot)?)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Zstd(None)).finish(&mut frame)?;
    Ok((bytes, exported))
}

/// Reads a journal's calls, then its embeddings.
fn rows(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    let read = |query: &str| -> rusqlite::Result<Vec<Row>> {
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([], |row| {
            Ok(Row {
                key: row.get(0)?,
                model: row.get(1)?,
                item: row.get(2)?,
                request: row.get(3)?,
                response: row.get(4)?,
                tokens: row.get(5)?,
                vector: row.get(6)?,
                made: row.get(7)?,
                processor: row.get(8)?,
            })
        })?;
        rows.collect()
    };
    let processor = schema::processor(connection)?;
    let mut rows = read(&format!(
        "SELECT key, model, item, request, response, NULL, NULL, {MADE}, {processor} FROM calls ORDER BY id"
    ))?;
    rows.extend(read(
        "SELECT key, embedder, NULL, NULL, NULL, tokens, vector, NULL, NULL FROM embeddings ORDER BY id",
    )?);
    Ok(rows)
}

/// Returns the keys of the calls and embeddings in a journal, an export, or a folder with an export in parts.
fn keys(path: &Path) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for (part, connection) in opened(path)? {
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = connection.prepare("SELECT key FROM calls UNION ALL SELECT key FROM embeddings")?;
            statement.query_map([], |row| row.get(0))?.try_for_each(|key| key.map(|key| keys.push(key)))
        };
        read().with_context(|| format!("cannot read the journal {}", part.display()))?;
    }
    Ok(keys)
}

fn columns(rows: &[Row], answers_only: bool) -> Result<Vec<Column>> {
    let text = |name: &str, of: fn(&Row) -> Option<&str>| -> Column {
        Series::new(name.into(), rows.iter().map(of).collect::<Vec<_>>()).into()
    };
    let request_column = if answers_only {
        let purposes =
            rows.iter().map(|row| row.request.as_deref().map(|request| purpose(&row.key, request)).transpose());
        Series::new("purpose".into(), purposes.collect::<Result<Vec<_>>>()?).into()
    } else {
        text("request", |row| row.request.as_deref())
    };
    Ok(vec![
        text("key", |row| Some(&row.key)),
        text("model", |row| Some(&row.model)),
        text("item", |row| row.item.as_deref()),
        request_column,
        text("response", |row| row.response.as_deref()),
        Series::new("tokens".into(), rows.iter().map(|row| row.tokens).collect::<Vec<_>>()).into(),
        Series::new("vector".into(), rows.iter().map(|row| row.vector.as_deref()).collect::<Vec<_>>()).into(),
        Series::new("made".into(), rows.iter().map(|row| row.made).collect::<Vec<_>>()).into(),
        text("processor", |row| row.processor.as_deref()),
    ])
}

/// Returns the purpose of a call, as stated in its canonical request: `answer`, `answer-and-strategy`, `strategy`
/// or `confidence`.
fn purpose(key: &str, request: &str) -> Result<String> {
    if request.is_empty() {
        bail!(
            "call {key} was copied from a recording without requests and never used. Run the config that uses it before the export"
        );
    }
    let request: Value = serde_json::from_str(request).with_context(|| format!("call {key} cannot be decoded"))?;
    Ok(request["wanted"].as_str().unwrap_or("answer").to_owned())
}

/// Returns true if the first bytes of a file are those of an export.
pub(super) fn is_portable(path: &Path) -> bool {
    use std::io::Read;
    let mut first = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == *MAGIC
}

/// Opens an export as a journal in memory. The key of each call is recomputed from its request, so that no answer
/// can be stored under another question. In an export without requests the keys are read from the file; this is
/// safe, because a run finds an answer only by the key that it computes from its own data. The text of an embedding
/// is never in the file.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let mut connection = schema::in_memory()?;
    fill(&mut connection, path).with_context(|| format!("the journal {}", path.display()))?;
    Ok(connection)
}

fn fill(connection: &mut Connection, path: &Path) -> Result<()> {
    let frame = ParquetReader::new(File::open(path)?).finish().context("is not readable as parquet")?;
    let column =
        |name: &str| frame.column(name).with_context(|| format!("is not an export: column `{name}` is missing"));
    let answers_only = frame.column("request").is_err() && frame.column("purpose").is_ok();
    let request_column = if answers_only { "purpose" } else { "request" };
    let [keys, models, items, requests, responses] = ["key", "model", "item", request_column, "response"]
        .map(|name| column(name).and_then(|column| Ok(column.str()?)));
    let (keys, models, items, requests, responses) = (keys?, models?, items?, requests?, responses?);
    let (tokens, vectors) = (column("tokens")?.i64()?, column("vector")?.binary()?);
    // Exports of the first version have no such column.
    let made_at = frame.column("made").ok().map(|column| column.i64()).transpose()?;
    let transaction = connection.transaction()?;
    for row in 0..frame.height() {
        let fault = |what: &str| format!("row {}: {what}", row + 1);
        let key = keys.get(row).with_context(|| fault("the key is missing"))?;
        let key: CallKey = key.parse().with_context(|| fault("the key cannot be read"))?;
        let model = models.get(row).with_context(|| fault("the model is missing"))?.to_owned();
        let entry = match (requests.get(row), tokens.get(row), vectors.get(row)) {
            (Some(request), ..) => {
                if !answers_only && CallKey::of(request) != key {
                    bail!(fault("the key does not match the request: the file was changed after its export"));
                }
                let response = responses.get(row).with_context(|| fault("the answer is missing"))?;
                let response = serde_json::from_str(response).with_context(|| fault("the answer cannot be read"))?;
                let item = items.get(row).unwrap_or_default().into();
                let origin = made_at.and_then(|at| at.get(row)).map_or(Origin::Imported, Origin::OwnAt);
                let request = if answers_only { String::new() } else { request.to_owned() };
                Entry::call(JournaledCall { key, model, item, request, response }, origin)?
            }
            (None, Some(tokens), Some(vector)) => {
                let tokens = tokens.try_into().with_context(|| fault("the number of tokens is out of range"))?;
                Entry::Embedding { key, embedder: model, embedded: Embedded { tokens, vector: floats(vector) } }
            }
            _ => bail!(fault("holds neither a call nor an embedding")),
        };
        if !insert(&transaction, &entry).with_context(|| fault("cannot be copied"))? {
            bail!(fault("the key occurs twice"));
        }
    }
    Ok(transaction.commit()?)
}
