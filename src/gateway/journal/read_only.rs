//! A journal's answers by their keys, as a run left it or as it was exported; nothing is written.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rusqlite::Connection;

use super::{call, opened};
use crate::types::chat::{CallKey, Response};

/// Journals that are only looked into.
pub struct ReadOnlyJournals(Vec<(PathBuf, Connection)>);

impl ReadOnlyJournals {
    /// Opens the journal at `path`, or an export's parts in the folder there.
    ///
    /// # Errors
    /// Names a file that is no journal, or was changed after its export.
    pub fn open(path: &Path) -> Result<Self> {
        opened(path).map(Self)
    }

    /// The answer to a call; `None` if the journal has none.
    ///
    /// # Errors
    /// Names the file if it cannot be read.
    pub fn get(&self, key: &CallKey) -> Result<Option<Response>> {
        let found = self.0.iter().find_map(|(path, connection)| call(connection, path, key).transpose());
        Ok(found.transpose()?.map(|made| made.response))
    }
}
