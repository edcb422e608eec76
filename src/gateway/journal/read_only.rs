//! Read-only access to a journal's answers by key, in a run's journal or an export.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rusqlite::Connection;

use super::{call, opened};
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

    /// Returns the answer to a call; `None` if the journal has none.
    ///
    /// # Errors
    /// Names the file that cannot be read.
    pub fn get(&self, key: &CallKey) -> Result<Option<Response>> {
        let found = self.0.iter().find_map(|(path, connection)| call(connection, path, key).transpose());
        Ok(found.transpose()?.map(|call| call.response))
    }
}
