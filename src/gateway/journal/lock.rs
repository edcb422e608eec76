//! The lock under which one process at a time makes calls for a journal.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The lock under which one process makes calls for a journal. Two processes without it would pay for the same
/// calls, and each would count only its own. The operating system releases the lock when the process ends.
#[derive(Debug)]
pub struct JournalLock {
    /// File that is removed with the lock. `None` if others may hold the lock as well.
    path: Option<PathBuf>,
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
        Self::lock(Path::new(&name))?.with_context(|| {
            format!(
                "another intercascade is making calls for {}; wait for it, or name another folder with --out",
                path.display()
            )
        })
    }

    /// Locks the calls of the config `name` for all runs in `root`: two commands at once would pay for the same
    /// calls. Shards of one run hold the lock together, and exclude a whole run.
    ///
    /// # Errors
    /// If another process holds the lock, or the lock file cannot be created.
    pub fn of_config(root: &Path, name: &str, is_shard: bool) -> Result<Self> {
        let file = root.join(format!(".{name}.lock"));
        let locked = if is_shard { Self::lock_together(&file) } else { Self::lock(&file) };
        locked?.with_context(|| {
            format!(
                "another intercascade is making calls for the config `{name}` in {}; wait for it, give this run another name with \
                 --set name=NAME, or let this run pay for its own calls with --alone",
                root.display()
            )
        })
    }

    /// Locks a file. `None` if another process holds its lock.
    fn lock(file: &Path) -> Result<Option<Self>> {
        Self::locked(file, Some(file.to_owned()), File::try_lock)
    }

    /// Locks a file together with other processes that do the same. `None` if a process holds the lock alone.
    fn lock_together(file: &Path) -> Result<Option<Self>> {
        // The file stays: another process may hold it.
        Self::locked(file, None, File::try_lock_shared)
    }

    fn locked(
        file: &Path,
        removed: Option<PathBuf>,
        lock: fn(&File) -> std::result::Result<(), TryLockError>,
    ) -> Result<Option<Self>> {
        let open = File::create(file).with_context(|| format!("cannot create {}", file.display()))?;
        match lock(&open) {
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some file systems do not support locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(Self { path: removed, _lock: open })),
        }
    }
}

impl Drop for JournalLock {
    fn drop(&mut self) {
        // A lock file that remains blocks no other process.
        let _ = self.path.as_ref().map(std::fs::remove_file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_hold_the_lock_of_a_config_together_and_a_whole_run_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let locked = |is_shard: bool| JournalLock::of_config(folder.path(), "trial", is_shard);
        let shards = [locked(true).expect("free"), locked(true).expect("held by a shard")];
        let error = locked(false).expect_err("held by shards").to_string();
        assert!(error.contains("config `trial`"), "{error}");
        drop(shards);
        let whole = locked(false).expect("free again");
        assert!(locked(true).is_err() && locked(false).is_err());
        drop(whole);
        locked(true).expect("free again");
    }
}
