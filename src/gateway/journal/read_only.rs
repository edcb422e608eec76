//! Read-only access to a journal's answers by key, in a run's journal or an export.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rusqlite::Connection;

use super::{JournaledCall, call, opened, schema};
use crate::types::chat::{CallKey, Response};

/// Journals opened for reading only.
pub struct ReadOnlyJournals(Vec<(PathBuf, Connection)>);

impl ReadOnlyJournals {
    /// Opens the journal at `path`, or the parts of an export in that folder.
    ///
    /// # Errors
    /// Names a file that is not a journal, or was changed after its export.
    pub fn open(path: &Path) -> Result<Self> {
        opened(path).map(Self)
    }

    /// Opens the journal of a run in its own folder, without leaving files of the database beside it.
    ///
    /// # Errors
    /// If the file is no journal.
    pub fn of_run(path: &Path) -> Result<Self> {
        Ok(Self(vec![(path.to_owned(), schema::open_query_only(path)?)]))
    }

    /// Returns the answer to a call; `None` if the journal has none.
    ///
    /// # Errors
    /// Names the file that cannot be read.
    pub fn get(&self, key: &CallKey) -> Result<Option<Response>> {
        Ok(self.call(key)?.map(|call| call.response))
    }

    /// Returns a call with its request, which is empty if the journal holds answers only. `None` if the journal does
    /// not hold the call.
    ///
    /// # Errors
    /// Names the file that cannot be read.
    pub fn call(&self, key: &CallKey) -> Result<Option<JournaledCall>> {
        self.0.iter().find_map(|(path, connection)| call(connection, path, key).transpose()).transpose()
    }
}
