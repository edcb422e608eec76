//! Files that are there whole or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// How the files that are not finished yet are called.
pub const UNFINISHED: &str = ".part-";

/// Writes a file beside its place and moves it there, so that a full disk or a crash leaves no half of one.
///
/// # Errors
/// Names the file.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_files(&[(path, bytes)])
}

/// Writes files that belong together: all beside their places first, then each is moved there. A disk that fills up
/// meanwhile changes none of them.
///
/// # Errors
/// Names the file.
pub fn write_files<P: AsRef<Path>, B: AsRef<[u8]>>(files: &[(P, B)]) -> Result<()> {
    Staged::new(files)?.persist()
}

/// Files that are written, and not yet in their places.
pub struct Staged(Vec<(PathBuf, NamedTempFile)>);

impl Staged {
    /// Writes them beside their places.
    ///
    /// # Errors
    /// Names the file.
    pub fn new<P: AsRef<Path>, B: AsRef<[u8]>>(files: &[(P, B)]) -> Result<Self> {
        let staged = |(path, bytes): &(P, B)| {
            let path = path.as_ref();
            let file = stage(path, bytes.as_ref())
                .with_context(|| format!("cannot write {}; nothing that was there has changed", path.display()))?;
            Ok((path.to_owned(), file))
        };
        files.iter().map(staged).collect::<Result<_>>().map(Self)
    }

    /// Moves each to its place.
    ///
    /// # Errors
    /// Names the file.
    pub fn persist(self) -> Result<()> {
        for (path, file) in self.0 {
            // The error alone: with the file in it, the file would live as long.
            file.persist(&path)
                .map_err(|refused| refused.error)
                .with_context(|| format!("cannot write {}: it cannot be moved to its place", path.display()))?;
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
    // Temporary files are their owner's alone; these become files like any other, as the umask says.
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
    fn a_file_that_cannot_be_put_in_its_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("table.csv");
        std::fs::create_dir(&path).expect("made");
        std::fs::write(path.join("inside"), "there").expect("written");
        let error = write_file(&path, b"a,b\n").expect_err("a folder stands there");
        assert!(error.to_string().contains("table.csv"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    }
}
