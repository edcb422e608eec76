//! The right to make calls for a journal, which one process has at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The right to make calls for a journal: two processes at once would pay for the same ones, and each know of its own alone.
/// The system ends it with the process.
#[derive(Debug)]
pub struct JournalLock {
    path: PathBuf,
    _lock: File,
}

impl JournalLock {
    /// Claims the journal at `path`.
    ///
    /// # Errors
    /// If another process has it, or its file cannot be made.
    pub fn of(path: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        Self::lock(PathBuf::from(name))?.with_context(|| {
            format!(
                "another intercascade is making calls for {}; wait for it, or name another folder with --out",
                path.display()
            )
        })
    }

    /// Claims the calls of the config `name` among the runs in `root`: two verbs at once would pay for the same calls.
    ///
    /// # Errors
    /// If another process has it, or its file cannot be made.
    pub fn of_config(root: &Path, name: &str) -> Result<Self> {
        Self::lock(root.join(format!(".{name}.lock")))?.with_context(|| {
            format!(
                "another intercascade is making calls for the config `{name}` in {}; wait for it, give this one another name with \
                 --set name=NAME, or let it pay for its own calls with --alone",
                root.display()
            )
        })
    }

    /// `None` if another process holds the lock of this file.
    fn lock(file: PathBuf) -> Result<Option<Self>> {
        let lock = File::create(&file).with_context(|| format!("cannot make {}", file.display()))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(Self { path: file, _lock: lock })),
        }
    }
}

impl Drop for JournalLock {
    fn drop(&mut self) {
        // One that stays there holds nobody up.
        let _ = std::fs::remove_file(&self.path);
    }
}
