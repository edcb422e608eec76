//! A journal in one parquet file, to be passed on: the calls and the embeddings, in the order in which they were written.
//! What was lost stays behind, for it answers nothing.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use polars::prelude::{
    Column, DataFrame, NamedFrom, ParquetCompression, ParquetReader, ParquetWriter, SerReader, Series,
};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::schema::MADE;
use super::writer::{Entry, Origin, insert};
use super::{Made, floats, schema};
use crate::retrieval::Embedded;
use crate::types::chat::CallKey;

/// What every parquet file begins with.
const MAGIC: &[u8] = b"PAR1";

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Calls.
    pub calls: usize,
    /// Embeddings.
    pub embeddings: usize,
}

/// A call's row, or an embedding's: `model` is then the embedder, and only `tokens` and `vector` follow. `made` is known of
/// calls that the exported run made itself.
struct Row {
    key: String,
    model: String,
    item: Option<String>,
    request: Option<String>,
    response: Option<String>,
    tokens: Option<i64>,
    vector: Option<Vec<u8>>,
    made: Option<i64>,
}

/// The journal at `path` as a parquet file's bytes.
///
/// # Errors
/// Names the journal where it cannot be read.
pub fn export(path: &Path) -> Result<(Vec<u8>, Exported)> {
    let connection = schema::open_further(path)?;
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
            })
        })?;
        rows.collect()
    };
    let calls = read(&format!("SELECT key, model, item, request, response, NULL, NULL, {MADE} FROM calls ORDER BY id"));
    let embeddings = read("SELECT key, embedder, NULL, NULL, NULL, tokens, vector, NULL FROM embeddings ORDER BY id");
    let cannot = || format!("cannot read the journal {}", path.display());
    let (mut rows, embeddings) = (calls.with_context(cannot)?, embeddings.with_context(cannot)?);
    let exported = Exported { calls: rows.len(), embeddings: embeddings.len() };
    rows.extend(embeddings);
    let text = |name: &str, of: fn(&Row) -> Option<&str>| -> Column {
        Series::new(name.into(), rows.iter().map(of).collect::<Vec<_>>()).into()
    };
    let mut frame = DataFrame::new_infer_height(vec![
        text("key", |row| Some(&row.key)),
        text("model", |row| Some(&row.model)),
        text("item", |row| row.item.as_deref()),
        text("request", |row| row.request.as_deref()),
        text("response", |row| row.response.as_deref()),
        Series::new("tokens".into(), rows.iter().map(|row| row.tokens).collect::<Vec<_>>()).into(),
        Series::new("vector".into(), rows.iter().map(|row| row.vector.as_deref()).collect::<Vec<_>>()).into(),
        Series::new("made".into(), rows.iter().map(|row| row.made).collect::<Vec<_>>()).into(),
    ])?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Zstd(None)).finish(&mut frame)?;
    Ok((bytes, exported))
}

/// Whether a file is one of these, by its first bytes.
pub(super) fn is_portable(path: &Path) -> bool {
    use std::io::Read;
    let mut first = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == *MAGIC
}

/// The journal in such a file, in memory. The key of each call is computed again from what was asked, so that no answer can
/// stand under another question; an embedding's text is not in the file, so its key is taken as it stands.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let mut connection = schema::in_memory()?;
    fill(&mut connection, path).with_context(|| format!("the journal {}", path.display()))?;
    Ok(connection)
}

fn fill(connection: &mut Connection, path: &Path) -> Result<()> {
    let frame = ParquetReader::new(File::open(path)?).finish().context("is not readable as parquet")?;
    let column =
        |name: &str| frame.column(name).with_context(|| format!("is no exported one: there is no column `{name}`"));
    let [keys, models, items, requests, responses] =
        ["key", "model", "item", "request", "response"].map(|name| column(name).and_then(|column| Ok(column.str()?)));
    let (keys, models, items, requests, responses) = (keys?, models?, items?, requests?, responses?);
    let (tokens, vectors) = (column("tokens")?.i64()?, column("vector")?.binary()?);
    // The first exports did not tell it.
    let made_at = frame.column("made").ok().map(|column| column.i64()).transpose()?;
    let transaction = connection.transaction()?;
    for row in 0..frame.height() {
        let wrong = |what: &str| format!("row {}: {what}", row + 1);
        let key = keys.get(row).with_context(|| wrong("the key is missing"))?;
        let key: CallKey = key.parse().with_context(|| wrong("the key cannot be read"))?;
        let model = models.get(row).with_context(|| wrong("the model is missing"))?.to_owned();
        let entry = match (requests.get(row), tokens.get(row), vectors.get(row)) {
            (Some(request), ..) => {
                if CallKey(Sha256::digest(request).into()) != key {
                    bail!(wrong("the key does not fit what was asked: the file was changed after its export"));
                }
                let response = responses.get(row).with_context(|| wrong("the answer is missing"))?;
                let response = serde_json::from_str(response).with_context(|| wrong("the answer cannot be read"))?;
                let item = items.get(row).unwrap_or_default().into();
                let origin = made_at.and_then(|at| at.get(row)).map_or(Origin::Imported, Origin::OwnAt);
                Entry::call(Made { key, model, item, request: request.to_owned(), response }, origin)?
            }
            (None, Some(tokens), Some(vector)) => {
                let tokens = tokens.try_into().with_context(|| wrong("the tokens are no count"))?;
                Entry::Embedding { key, embedder: model, embedded: Embedded { tokens, vector: floats(vector) } }
            }
            _ => bail!(wrong("holds neither a call nor an embedding")),
        };
        if !insert(&transaction, &entry).with_context(|| wrong("cannot be taken over"))? {
            bail!(wrong("the key stands twice"));
        }
    }
    Ok(transaction.commit()?)
}
