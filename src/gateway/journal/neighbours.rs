//! The journals of neighbouring runs, that is, of other runs in the same folder of results. Calls that one run has
//! paid for are copied by the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use rusqlite::{Connection, Row};

use super::embeddings::look_up;
use super::{Journal, JournaledCall, Spend, cannot_read, found, lock, schema};
use crate::types::chat::{CallKey, Usage};
use crate::types::embedding::Embedded;

/// Sums the calls that the journal's own run made, by the model's name.
pub(super) const SPENT: &str = "SELECT model, count(*), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens)
    FROM calls WHERE NOT imported GROUP BY model";
/// Sums the attempts without an answer, by the model's name.
pub(super) const LOST: &str =
    "SELECT model, count(*), sum(input_tokens), 0, sum(output_tokens) FROM lost GROUP BY model";

/// Sums the run's own calls whose answers came in batches, by the model's name. The mark is the last field of an answer.
const BATCHED: &str = r#"SELECT model, count(*), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens)
    FROM calls WHERE NOT imported AND response LIKE '%"batched":true}' GROUP BY model"#;

/// Runs one of these queries.
pub(super) fn sums(connection: &Connection, query: &str) -> rusqlite::Result<BTreeMap<String, Spend>> {
    let mut statement = connection.prepare(query)?;
    let spend = |row: &Row| {
        let usage = Usage { input: row.get(2)?, cached_input: row.get(3)?, output: row.get(4)? };
        Ok((row.get(0)?, Spend { calls: row.get(1)?, usage }))
    };
    statement.query_map([], spend)?.collect()
}

/// Sums the calls whose answers came in batches. A journal without batches is not searched.
pub(super) fn batched(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Spend>> {
    let exists = |query: &str| connection.query_row(query, [], |row| row.get::<_, bool>(0));
    let has_batches = exists("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'batches'")?
        && exists("SELECT count(*) > 0 FROM batches")?;
    if has_batches { sums(connection, BATCHED) } else { Ok(BTreeMap::new()) }
}

/// Tokens of a run's own calls, by the model's name.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Answered calls.
    pub spent: BTreeMap<String, Spend>,
    /// Upper bound on the tokens of attempts without an answer.
    pub lost: BTreeMap<String, Spend>,
    /// The part of the answered calls whose answers came in batches.
    pub batched: BTreeMap<String, Spend>,
}

/// The journal of a neighbouring run.
pub(super) struct Neighbour {
    path: PathBuf,
    reader: Mutex<Connection>,
}

impl Neighbour {
    fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), reader: Mutex::new(schema::open_neighbour(path)?) })
    }

    /// Returns a call that the neighbouring run made itself. A call that it copied from a recording is left out,
    /// because that recording was not named for this run.
    pub(super) fn call(&self, key: &CallKey) -> Result<Option<JournaledCall>> {
        let query = "SELECT model, item, request, response FROM calls WHERE key = ?1 AND NOT imported";
        found(&lock(&self.reader), &self.path, key, query)
    }

    /// Fills in the missing embeddings that this journal holds.
    pub(super) fn embeddings(&self, keys: &[CallKey], found: &mut [Option<Embedded>]) -> Result<()> {
        look_up(&self.path, &self.reader, keys, found)
    }
}

impl Journal {
    /// Adds the journal of a neighbouring run, which is searched after all others. Only calls that its own run made
    /// are used; they are copied, and count as not paid for by this run.
    ///
    /// # Errors
    /// Names the file that is not a readable journal.
    pub fn add_neighbour(&mut self, path: &Path) -> Result<()> {
        self.neighbours.push(Neighbour::open(path)?);
        Ok(())
    }

    /// Returns the tokens of this run's own calls and unanswered attempts.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn account(&self) -> Result<Account> {
        Ok(Account { spent: self.spent()?, lost: self.lost()?, batched: self.batched()? })
    }

    /// Returns the account of each neighbouring run, with the file of its journal.
    ///
    /// # Errors
    /// Names the journal that cannot be read.
    pub fn neighbours(&self) -> Result<Vec<(&Path, Account)>> {
        let account = |neighbour: &Neighbour| -> rusqlite::Result<Account> {
            let reader = lock(&neighbour.reader);
            Ok(Account { spent: sums(&reader, SPENT)?, lost: sums(&reader, LOST)?, batched: batched(&reader)? })
        };
        let read = |neighbour| account(neighbour).with_context(|| cannot_read(&neighbour.path));
        self.neighbours.iter().map(|neighbour| Ok((&*neighbour.path, read(neighbour)?))).collect()
    }
}
