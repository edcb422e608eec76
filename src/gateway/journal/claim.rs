//! The right to make calls for a journal, which one process has at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The right to make calls for a journal: two processes at once would pay for the same ones, and each know of its own alone.
/// The system ends it with the process.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    _lock: File,
}

impl Claim {
    /// On the journal at `path`.
    ///
    /// # Errors
    /// Where another process has it, or its file cannot be made.
    pub fn of(path: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let file = PathBuf::from(name);
        let lock = File::create(&file).with_context(|| format!("cannot make {}", file.display()))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => bail!(
                "another intercascade is making calls for {}; wait for it, or name another folder with --out",
                path.display()
            ),
            // Some file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { path: file, _lock: lock }),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // One that stays there holds nobody up.
        let _ = std::fs::remove_file(&self.path);
    }
}
