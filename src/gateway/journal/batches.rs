//! Batches of calls that were submitted to a provider and whose answers are not all in the journal. A batch is noted
//! before it is submitted, so that no request is submitted twice.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::neighbours::batched;
use super::{Journal, Spend, cannot_read, lock};
use crate::types::chat::{CallKey, Usage};

/// A batch of calls to one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmittedBatch {
    /// Random name under which the provider lists the batch.
    pub label: String,
    /// Name of the model in the config.
    pub model: String,
    /// Keys of the calls whose answers are not in the journal.
    pub keys: Vec<CallKey>,
    /// Upper bound on the tokens of all calls of the batch.
    pub worst: Usage,
    /// Provider's name of the file with the requests. `None` if the file may not have been sent.
    pub file: Option<String>,
    /// Provider's name of the batch. `None` if the batch may not have been created.
    pub batch: Option<String>,
}

impl Journal {
    /// Returns the batches with a call that has no answer in the journal, the oldest first, each with these calls only.
    /// A batch whose calls are all answered ends here.
    ///
    /// # Errors
    /// If the journal cannot be read or written.
    pub fn open_batches(&self) -> Result<Vec<SubmittedBatch>> {
        let cannot = || cannot_read(&self.path);
        let found = {
            let connection = lock(&self.reader);
            let mut batches = open(&connection).with_context(cannot)?;
            let mut answered = connection.prepare_cached("SELECT count(*) FROM calls WHERE key = ?1")?;
            for batch in &mut batches {
                let mut missing = Vec::new();
                for key in &batch.keys {
                    let count: i64 = answered.query_row([key.to_string()], |row| row.get(0)).with_context(cannot)?;
                    missing.extend((count == 0).then_some(*key));
                }
                batch.keys = missing;
            }
            batches
        };
        let (ended, open): (Vec<_>, Vec<_>) = found.into_iter().partition(|batch| batch.keys.is_empty());
        ended.iter().try_for_each(|batch| self.note_batch(batch))?;
        Ok(open)
    }

    /// Stores a new batch, or the progress of a known one, and returns once it is durable. A batch without calls ends.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn note_batch(&self, batch: &SubmittedBatch) -> Result<()> {
        let SubmittedBatch { label, model, keys, worst, file, batch } = batch;
        let state = if keys.is_empty() { "ended" } else { "open" };
        let keys: Vec<String> = keys.iter().map(CallKey::to_string).collect();
        let keys = serde_json::to_string(&keys)?;
        lock(&self.reader)
            .execute(
                "INSERT INTO batches (label, model, requests, input_tokens, output_tokens, file, batch, state, made)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, unixepoch())
                 ON CONFLICT (label) DO UPDATE SET requests = ?3, file = ?6, batch = ?7, state = ?8",
                params![label, model, keys, worst.input, worst.output, file, batch, state],
            )
            .with_context(|| format!("cannot write the journal {}", self.path.display()))?;
        Ok(())
    }

    /// Returns the number and the tokens of this run's own calls whose answers came in batches, by the model's name.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn batched(&self) -> Result<BTreeMap<String, Spend>> {
        batched(&lock(&self.reader)).with_context(|| cannot_read(&self.path))
    }
}

/// Reads the batches that have not ended, with all of their calls.
fn open(connection: &Connection) -> rusqlite::Result<Vec<SubmittedBatch>> {
    let mut statement = connection.prepare(
        "SELECT label, model, requests, input_tokens, output_tokens, file, batch FROM batches WHERE state = 'open' ORDER BY id",
    )?;
    let read = |row: &Row| {
        let keys: String = row.get(2)?;
        let unreadable = |error| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error));
        let keys: Vec<String> = serde_json::from_str(&keys).map_err(unreadable)?;
        Ok(SubmittedBatch {
            label: row.get(0)?,
            model: row.get(1)?,
            keys: keys.iter().filter_map(|key| key.parse().ok()).collect(),
            worst: Usage { input: row.get(3)?, cached_input: 0, output: row.get(4)? },
            file: row.get(5)?,
            batch: row.get(6)?,
        })
    };
    statement.query_map([], read)?.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::gateway::journal::{JournaledCall, schema};
    use crate::types::chat::Response;

    fn key(byte: u8) -> CallKey {
        CallKey([byte; 32])
    }

    fn call(byte: u8, batched: bool) -> JournaledCall {
        let usage = Usage { input: 10, cached_input: 1, output: u64::from(byte) };
        let response = Response { text: r#"{"batched":true}"#.to_owned(), usage, batched, ..Response::default() };
        JournaledCall { key: key(byte), model: "m".into(), item: "i".into(), request: "{}".into(), response }
    }

    fn batch(keys: &[u8]) -> SubmittedBatch {
        SubmittedBatch {
            label: "one".into(),
            model: "m".into(),
            keys: keys.iter().copied().map(key).collect(),
            worst: Usage { input: 90, cached_input: 0, output: 30 },
            file: None,
            batch: None,
        }
    }

    fn journal(folder: &Path) -> Journal {
        Journal::open(&folder.join("journal.sqlite")).expect("opens")
    }

    #[tokio::test]
    async fn a_batch_is_open_until_all_of_its_calls_are_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = journal(folder.path());
        first.note_batch(&batch(&[1, 2, 3])).expect("written");
        let named = SubmittedBatch { file: Some("f".into()), batch: Some("b".into()), ..batch(&[1, 2, 3]) };
        first.note_batch(&named).expect("written");
        first.put(call(2, true)).await.expect("durable");
        drop(first);
        let next = journal(folder.path());
        let open = next.open_batches().expect("readable");
        assert_eq!(open, [SubmittedBatch { keys: vec![key(1), key(3)], ..named }]);
        next.put(call(1, true)).await.expect("durable");
        next.put(call(3, true)).await.expect("durable");
        assert_eq!(next.open_batches().expect("readable"), []);
        let connection = Connection::open(next.path()).expect("opens");
        let state: String = connection.query_row("SELECT state FROM batches", [], |row| row.get(0)).expect("a row");
        assert_eq!(state, "ended");
    }

    #[tokio::test]
    async fn only_answers_with_the_mark_count_as_batched() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = journal(folder.path());
        journal.put(call(4, true)).await.expect("durable");
        assert!(journal.batched().expect("sums").is_empty(), "a journal without batches");
        journal.note_batch(&batch(&[4])).expect("written");
        journal.put(call(5, false)).await.expect("durable");
        let usage = Usage { input: 10, cached_input: 1, output: 4 };
        assert_eq!(journal.batched().expect("sums"), BTreeMap::from([("m".to_owned(), Spend { calls: 1, usage })]));
        let account = journal.account().expect("sums");
        assert_eq!((account.spent["m"].calls, account.batched["m"].calls), (2, 1));
        assert!(!serde_json::to_string(&Response::default()).expect("JSON").contains("batched"));
    }

    #[tokio::test]
    async fn a_journal_of_version_three_is_read_and_migrated() {
        let folder = tempfile::tempdir().expect("a folder");
        let [old, own] = ["old.sqlite", "own.sqlite"].map(|name| folder.path().join(name));
        let journal = Journal::open(&old).expect("opens");
        journal.put(call(6, false)).await.expect("durable");
        drop(journal);
        let connection = Connection::open(&old).expect("opens");
        connection.execute_batch("DROP TABLE batches; UPDATE schema SET version = 3;").expect("the third version");
        drop(connection);
        let before = std::fs::read(&old).expect("exists");
        let mut journal = Journal::open(&own).expect("opens").with_further(&old).expect("is read");
        journal.add_neighbour(&old).expect("is read");
        assert_eq!(journal.neighbours().expect("readable")[0].1.spent["m"].calls, 1);
        assert_eq!(journal.get(&key(6)).await.expect("readable"), Some(call(6, false).response));
        assert!(std::fs::read(&old).expect("exists") == before, "a journal of another run is not changed");
        drop(journal);

        let journal = Journal::open(&old).expect("is migrated");
        journal.note_batch(&batch(&[7])).expect("written");
        assert_eq!(journal.open_batches().expect("readable").len(), 1);
        assert_eq!(journal.get(&key(6)).await.expect("readable"), Some(call(6, false).response));
        schema::open_further(&old).expect("the present version");
    }
}
