//! Atomic file writes: a file is written completely or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// Prefix of the names of unfinished files.
pub const UNFINISHED: &str = ".part-";

/// Writes a temporary file in the target's folder and renames it, so that a full disk or a crash never leaves a partial
/// file.
///
/// # Errors
/// If a file cannot be written; the error names it.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_files(&[(path, bytes)])
}

/// Writes files that belong together: all as temporary files first, then renames each. If the disk becomes full during
/// the writes, no target changes.
///
/// # Errors
/// If a file cannot be written; the error names it.
pub fn write_files<P: AsRef<Path>, B: AsRef<[u8]>>(files: &[(P, B)]) -> Result<()> {
    Staged::new(files)?.persist()
}

/// Files that are written under temporary names and not yet renamed.
pub struct Staged(Vec<(PathBuf, NamedTempFile)>);

impl Staged {
    /// Writes the files under temporary names, each in the folder of its target.
    ///
    /// # Errors
    /// If a file cannot be written; the error names it.
    pub fn new<P: AsRef<Path>, B: AsRef<[u8]>>(files: &[(P, B)]) -> Result<Self> {
        let staged = |(path, bytes): &(P, B)| {
            let path = path.as_ref();
            let file = stage(path, bytes.as_ref())
                .with_context(|| format!("cannot write {}; no existing file was changed", path.display()))?;
            Ok((path.to_owned(), file))
        };
        files.iter().map(staged).collect::<Result<_>>().map(Self)
    }

    /// Renames each file to its target.
    ///
    /// # Errors
    /// If a file cannot be written; the error names it.
    pub fn persist(self) -> Result<()> {
        for (path, file) in self.0 {
            // Only the I/O error is kept: the whole error would hold the file, and the file would live as long.
            file.persist(&path)
                .map_err(|refused| refused.error)
                .with_context(|| format!("cannot write {}: the temporary file cannot be renamed", path.display()))?;
        }
        Ok(())
    }
}

fn stage(path: &Path, bytes: &[u8]) -> Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = builder().tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(unix)]
fn builder() -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt;
    let mut builder = tempfile::Builder::new();
    // By default only the owner can read temporary files. These become ordinary files, so the umask decides.
    builder.prefix(UNFINISHED).permissions(std::fs::Permissions::from_mode(0o666));
    builder
}

#[cfg(not(unix))]
fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_rename_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("table.csv");
        std::fs::create_dir(&path).expect("created");
        std::fs::write(path.join("inside"), "there").expect("written");
        let error = write_file(&path, b"a,b\n").expect_err("a folder has that name");
        assert!(error.to_string().contains("table.csv"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    }
}
