//! The journals of the runs beside a run: what one of them paid for, the others take over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use rusqlite::{Connection, Row};

use super::{Journal, JournaledCall, Spend, cannot_read, found, lock, look_up, schema};
use crate::types::chat::{CallKey, Usage};
use crate::types::embedding::Embedded;

/// Calls of a journal that its own run made, by the model's name.
pub(super) const SPENT: &str = "SELECT model, count(*), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens)
    FROM calls WHERE NOT imported GROUP BY model";
/// Attempts without an answer, by the model's name.
pub(super) const LOST: &str =
    "SELECT model, count(*), sum(input_tokens), 0, sum(output_tokens) FROM lost GROUP BY model";

/// The sums of such a query.
pub(super) fn sums(connection: &Connection, query: &str) -> rusqlite::Result<BTreeMap<String, Spend>> {
    let mut statement = connection.prepare(query)?;
    let taken = |row: &Row| {
        let usage = Usage { input: row.get(2)?, cached_input: row.get(3)?, output: row.get(4)? };
        Ok((row.get(0)?, Spend { calls: row.get(1)?, usage }))
    };
    statement.query_map([], taken)?.collect()
}

/// What a run's own calls have taken, by the model's name.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Calls that were answered.
    pub spent: BTreeMap<String, Spend>,
    /// Attempts without an answer, at most.
    pub lost: BTreeMap<String, Spend>,
}

/// The journal of a run beside this one.
pub(super) struct Neighbour {
    path: PathBuf,
    reader: Mutex<Connection>,
}

impl Neighbour {
    fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), reader: Mutex::new(schema::open_neighbour(path)?) })
    }

    /// A call that its run made. What its run took from a recording is that run's alone: nobody named the recording here.
    pub(super) fn call(&self, key: &CallKey) -> Result<Option<JournaledCall>> {
        let query = "SELECT model, item, request, response FROM calls WHERE key = ?1 AND NOT imported";
        found(&lock(&self.reader), &self.path, key, query)
    }

    /// Fills in the embeddings that are still missing.
    pub(super) fn embeddings(&self, keys: &[CallKey], found: &mut [Option<Embedded>]) -> Result<()> {
        look_up(&self.path, &self.reader, keys, found)
    }
}

impl Journal {
    /// Looks into the journal of a run beside this one too, after all others. Only calls that its own run made are taken;
    /// they are copied, and count as never spent here.
    ///
    /// # Errors
    /// Names the file if it is no journal that can be read.
    pub fn add_neighbour(&mut self, path: &Path) -> Result<()> {
        self.neighbours.push(Neighbour::open(path)?);
        Ok(())
    }

    /// What the calls and lost attempts of this journal's own run have taken.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn account(&self) -> Result<Account> {
        Ok(Account { spent: self.spent()?, lost: self.lost()? })
    }

    /// The same of each run beside this one, with the file of its journal.
    ///
    /// # Errors
    /// Names the journal that cannot be read.
    pub fn neighbours(&self) -> Result<Vec<(&Path, Account)>> {
        let account = |neighbour: &Neighbour| -> rusqlite::Result<Account> {
            let reader = lock(&neighbour.reader);
            Ok(Account { spent: sums(&reader, SPENT)?, lost: sums(&reader, LOST)? })
        };
        let of = |neighbour| account(neighbour).with_context(|| cannot_read(&neighbour.path));
        self.neighbours.iter().map(|neighbour| Ok((&*neighbour.path, of(neighbour)?))).collect()
    }
}
