//! Embeddings in the journal.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension};

use super::writer::{self, Entry};
use super::{Journal, cannot_read, lock};
use crate::types::chat::CallKey;
use crate::types::embedding::{Embedded, floats};

impl Journal {
    /// Returns the stored embeddings of the texts with these keys, `None` for each that is not stored. Embeddings
    /// found in other journals are copied.
    ///
    /// # Errors
    /// If a journal cannot be read, or this journal cannot be written.
    pub async fn embeddings(&self, embedder: &str, keys: &[CallKey]) -> Result<Vec<Option<Embedded>>> {
        let mut found = vec![None; keys.len()];
        look_up(&self.path, &self.reader, keys, &mut found)?;
        let missing: Vec<usize> = (0..keys.len()).filter(|at| found[*at].is_none()).collect();
        if let Some(shared) = self.shared.as_ref().filter(|_| !missing.is_empty()) {
            let sought: Vec<CallKey> = missing.iter().map(|at| keys[*at]).collect();
            for (at, embedded) in missing.iter().zip(shared.embeddings(&sought).await?) {
                found[*at] = embedded;
            }
        }
        for (path, further) in &self.further {
            look_up(path, further, keys, &mut found)?;
        }
        for neighbour in &self.neighbours {
            neighbour.embeddings(keys, &mut found)?;
        }
        let copied = missing.into_iter().filter_map(|at| Some((keys[at], found[at].clone()?))).collect();
        self.put_embeddings(embedder, copied).await?;
        Ok(found)
    }

    /// Stores embeddings, each under its key, and returns once they are durable.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub async fn put_embeddings(&self, embedder: &str, rows: Vec<(CallKey, Embedded)>) -> Result<()> {
        if let Some(shared) = self.shared.as_ref().filter(|_| self.calls_models && !rows.is_empty()) {
            shared.put_embeddings(embedder, &rows).await?;
        }
        let mut last = None;
        for (key, embedded) in rows {
            last = Some(self.writer.begin(Entry::Embedding { key, embedder: embedder.to_owned(), embedded })?);
        }
        // Rows are written in this order, so all are durable once the last row is.
        match last {
            Some(last) => writer::finish(last).await.map(|_| ()),
            None => Ok(()),
        }
    }
}

/// Fills in the missing embeddings that this journal holds.
pub(super) fn look_up(
    path: &Path,
    connection: &Mutex<Connection>,
    keys: &[CallKey],
    found: &mut [Option<Embedded>],
) -> Result<()> {
    let connection = lock(connection);
    for (key, entry) in keys.iter().zip(found).filter(|(_, entry)| entry.is_none()) {
        *entry = embedding(&connection, key).with_context(|| cannot_read(path))?;
    }
    Ok(())
}

fn embedding(connection: &Connection, key: &CallKey) -> rusqlite::Result<Option<Embedded>> {
    let mut statement = connection.prepare_cached("SELECT tokens, vector FROM embeddings WHERE key = ?1")?;
    let row = statement.query_row([key.to_string()], |row| {
        Ok(Embedded { tokens: row.get(0)?, vector: floats(&row.get::<_, Vec<u8>>(1)?) })
    });
    row.optional()
}
