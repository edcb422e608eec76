//! Copies of journals: from files, exports and servers into a file or a server.

use std::path::Path;

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, Row};

use super::address::{JournalPlace, ServerAddress};
use super::schema::MADE;
use super::writer::{Entry, Origin, insert};
use super::{JournalLock, JournaledCall, opened, response, schema};
use crate::types::chat::CallKey;
use crate::types::embedding::{Embedded, floats};

/// Numbers of rows that a copy added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Number of calls.
    pub calls: usize,
    /// Number of embeddings.
    pub embeddings: usize,
}

/// Copies the calls and embeddings of journals into another journal, which keeps what it holds already. Copied calls
/// count as paid for elsewhere.
///
/// # Errors
/// Names a journal that cannot be read or written.
pub fn import(from: &[JournalPlace], into: &JournalPlace) -> Result<Copied> {
    let mut entries = Vec::new();
    for place in from {
        let connections = match place {
            JournalPlace::File(path) => opened(path)?.into_iter().map(|(_, connection)| connection).collect(),
            JournalPlace::Server(address) => vec![of_server(address)?],
        };
        for connection in connections {
            read(&connection, &mut entries).with_context(|| format!("cannot read the journal {place}"))?;
        }
    }
    let [calls, embeddings] = match into {
        JournalPlace::File(path) => into_file(path, entries)?,
        JournalPlace::Server(address) => into_server(address, entries)?,
    };
    Ok(Copied { calls, embeddings })
}

fn into_file(path: &Path, entries: Vec<Entry>) -> Result<[usize; 2]> {
    if path.is_dir() {
        bail!("{} is a folder: name a file, such as {}", path.display(), path.join("journal.sqlite").display());
    }
    let _lock = JournalLock::of(path)?;
    let mut connection = schema::open(path)?;
    let transaction = connection.transaction()?;
    let mut added = [0, 0];
    for entry in entries {
        if insert(&transaction, &entry).with_context(|| format!("cannot write the journal {}", path.display()))? {
            added[usize::from(matches!(entry, Entry::Embedding { .. }))] += 1;
        }
    }
    transaction.commit()?;
    Ok(added)
}

/// Reads the rows of a journal, in the order in which they were written.
fn read(connection: &Connection, entries: &mut Vec<Entry>) -> Result<()> {
    let query = format!("SELECT key, model, item, request, response, {MADE} FROM calls ORDER BY id");
    let mut statement = connection.prepare(&query)?;
    let columns = |row: &Row| -> rusqlite::Result<([String; 5], Option<i64>)> {
        Ok(([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?], row.get(5)?))
    };
    for row in statement.query_map([], columns)? {
        let ([key, model, item, request, text], made) = row?;
        let key: CallKey = key.parse()?;
        let call = JournaledCall { key, model, item: item.into(), request, response: response(&key, &text)? };
        entries.push(Entry::call(call, made.map_or(Origin::Imported, Origin::OwnAt))?);
    }
    let mut statement = connection.prepare("SELECT key, embedder, tokens, vector FROM embeddings ORDER BY id")?;
    let columns = |row: &Row| -> rusqlite::Result<(String, String, u64, Vec<u8>)> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    };
    for row in statement.query_map([], columns)? {
        let (key, name, tokens, vector) = row?;
        let embedded = Embedded { tokens, vector: floats(&vector) };
        entries.push(Entry::Embedding { key: key.parse()?, embedder: name, embedded });
    }
    Ok(())
}

/// Reads the journal on a server into one in memory.
#[cfg(feature = "postgres")]
pub(super) fn of_server(address: &ServerAddress) -> Result<Connection> {
    let mut connection = schema::in_memory()?;
    let entries = super::postgres::rows(address)?;
    let transaction = connection.transaction()?;
    for entry in &entries {
        insert(&transaction, entry)?;
    }
    transaction.commit()?;
    Ok(connection)
}

#[cfg(feature = "postgres")]
fn into_server(address: &ServerAddress, entries: Vec<Entry>) -> Result<[usize; 2]> {
    super::postgres::store(address, entries)
}

#[cfg(not(feature = "postgres"))]
pub(super) fn of_server(address: &ServerAddress) -> Result<Connection> {
    Err(super::sharing::unsupported(address))
}

#[cfg(not(feature = "postgres"))]
fn into_server(address: &ServerAddress, _: Vec<Entry>) -> Result<[usize; 2]> {
    Err(super::sharing::unsupported(address))
}

/// Creates or migrates the tables of a journal on a server, and gives the role `worker` the rights that workers need.
/// Returns the version before; `None` if there were no tables.
///
/// # Errors
/// If the server cannot be reached, the tables are newer than this program, or the role of the address may not create
/// tables.
#[cfg(feature = "postgres")]
pub fn prepare(address: &ServerAddress, worker: Option<&str>) -> Result<Option<i32>> {
    super::postgres::prepare(address, worker)
}

/// Refuses the address: this program was built without the feature.
///
/// # Errors
/// Always.
#[cfg(not(feature = "postgres"))]
pub fn prepare(address: &ServerAddress, _: Option<&str>) -> Result<Option<i32>> {
    Err(super::sharing::unsupported(address))
}
