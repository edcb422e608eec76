//! A journal's answers by their keys, as a run left it or as it was exported; nothing is written.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rusqlite::Connection;

use super::{call, opened};
use crate::types::chat::{CallKey, Response};

/// A journal that is only looked into.
pub struct Answers {
    path: PathBuf,
    connection: Connection,
}

impl Answers {
    /// Opens the journal at `path`.
    ///
    /// # Errors
    /// Names a file that is no journal, or was changed after its export.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), connection: opened(path)? })
    }

    /// The answer to a call; `None` if the journal has none.
    ///
    /// # Errors
    /// Names the file if it cannot be read.
    pub fn get(&self, key: &CallKey) -> Result<Option<Response>> {
        Ok(call(&self.connection, &self.path, key)?.map(|made| made.response))
    }
}
