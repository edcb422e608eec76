//! How tables lie on the disk: as they are, compressed (`.gz`, `.zst`), in a folder, or in a tar archive.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use zstd::stream::read::Decoder;

use super::Kind;

/// A table that is about to be read.
pub struct Table<'a> {
    /// Its file, or the archive and its path in there: for messages.
    pub path: PathBuf,
    /// Its bytes, decompressed.
    pub bytes: Box<dyn Read + 'a>,
}

impl Table<'_> {
    /// The table that is this file.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn of_file(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self { path: path.to_owned(), bytes: decompressed(&name, file)? })
    }

    /// Its name without folders and endings: `abstract_algebra_test`.
    #[must_use]
    pub fn stem(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let plain = uncompressed(&name);
        plain.rsplit_once('.').map_or(plain, |(stem, _)| stem).to_owned()
    }
}

/// A file's name without the ending of a compression.
#[must_use]
pub fn uncompressed(name: &str) -> &str {
    name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(name)
}

/// Whether a path is a tar archive, by its name.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".tar", ".tgz"].iter().any(|ending| uncompressed(&name).ends_with(ending))
}

fn decompressed<'a>(name: &str, packed: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    Ok(match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("gz" | "tgz") => Box::new(MultiGzDecoder::new(packed)),
        Some("zst") => Box::new(Decoder::new(packed)?),
        _ => Box::new(packed),
    })
}

/// The tables' files in a folder, in the order of their names.
///
/// # Errors
/// Where the folder cannot be read.
pub fn of_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut files = files.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.file_name().and_then(|name| Kind::of(name.to_str()?)).is_some());
    files.sort();
    Ok(files)
}

/// Hands on the tables of an archive that lie in one of its folders (or are the file of that name), in the order of
/// their names. They are held while the archive is read.
///
/// # Errors
/// Where the archive cannot be read, or holds no such table.
pub fn each_of_archive(path: &Path, member: Option<&str>, take: &mut dyn FnMut(Table) -> Result<()>) -> Result<()> {
    let wanted = Path::new(member.unwrap_or_default());
    let mut archive = tar::Archive::new(Table::of_file(path)?.bytes);
    let mut found: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let inside = entry.path()?.into_owned();
        let name = inside.file_name().unwrap_or_default().to_string_lossy();
        // What macOS puts beside its files begins with a dot.
        if inside.starts_with(wanted) && entry.header().entry_type().is_file() && !name.starts_with('.') {
            if Kind::of(&name).is_none() {
                continue;
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            found.push((inside, bytes));
        }
    }
    if found.is_empty() {
        bail!("{} holds no tables{}", path.display(), member.map(|name| format!(" in {name}")).unwrap_or_default());
    }
    found.sort();
    for (inside, bytes) in &found {
        let name = inside.file_name().unwrap_or_default().to_string_lossy();
        take(Table { path: path.join(inside), bytes: decompressed(&name, bytes.as_slice())? })?;
    }
    Ok(())
}
