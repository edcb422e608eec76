//! The lock under which one process at a time makes calls for a journal.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The lock under which one process makes calls for a journal. Two processes without it would pay for the same
/// calls, and each would count only its own. The operating system releases the lock when the process ends.
#[derive(Debug)]
pub struct JournalLock {
    path: PathBuf,
    _lock: File,
}

impl JournalLock {
    /// Locks the journal at `path`.
    ///
    /// # Errors
    /// If another process holds the lock, or the lock file cannot be created.
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

    /// Locks the calls of the config `name` for all runs in `root`: two commands at once would pay for the same
    /// calls.
    ///
    /// # Errors
    /// If another process holds the lock, or the lock file cannot be created.
    pub fn of_config(root: &Path, name: &str) -> Result<Self> {
        Self::lock(root.join(format!(".{name}.lock")))?.with_context(|| {
            format!(
                "another intercascade is making calls for the config `{name}` in {}; wait for it, give this run another name with \
                 --set name=NAME, or let this run pay for its own calls with --alone",
                root.display()
            )
        })
    }

    /// Locks a file. `None` if another process holds its lock.
    fn lock(file: PathBuf) -> Result<Option<Self>> {
        let lock = File::create(&file).with_context(|| format!("cannot create {}", file.display()))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some file systems do not support locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(Self { path: file, _lock: lock })),
        }
    }
}

impl Drop for JournalLock {
    fn drop(&mut self) {
        // A lock file that remains blocks no other process.
        let _ = std::fs::remove_file(&self.path);
    }
}
