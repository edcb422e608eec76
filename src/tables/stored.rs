//! Storage of tables on disk: uncompressed, compressed (`.gz`, `.zst`), in a folder, or in a tar or zip archive.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use zstd::stream::read::Decoder;

use super::Kind;

/// A table to be read.
pub struct Table<'a> {
    /// Path of its file, or of the archive with the path inside it, for messages.
    pub path: PathBuf,
    /// Its decompressed bytes.
    pub bytes: Box<dyn Read + 'a>,
}

impl Table<'_> {
    /// Opens the table in this file.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn of_file(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self { path: path.to_owned(), bytes: decompressed(&name, file)? })
    }

    /// Returns the table's name without folders and endings, such as `abstract_algebra_test`.
    #[must_use]
    pub fn stem(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let plain = uncompressed(&name);
        plain.rsplit_once('.').map_or(plain, |(stem, _)| stem).to_owned()
    }
}

/// Returns a file's name without the ending of a compression.
#[must_use]
pub fn uncompressed(name: &str) -> &str {
    name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(name)
}

/// Returns true if the name of the path is that of a tar or zip archive.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    is_zip(path) || [".tar", ".tgz"].iter().any(|ending| uncompressed(&name).ends_with(ending))
}

fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"))
}

fn decompressed<'a>(name: &str, packed: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    Ok(match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("gz" | "tgz") => Box::new(MultiGzDecoder::new(packed)),
        Some("zst") => Box::new(Decoder::new(packed)?),
        _ => Box::new(packed),
    })
}

/// Returns the files of the tables in a folder, in the order of their names.
///
/// # Errors
/// If the folder cannot be read.
pub fn of_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut files = files.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.file_name().and_then(|name| Kind::of(name.to_str()?)).is_some());
    files.sort();
    Ok(files)
}

/// Passes the tables of an archive to `handle`, in the order of their names. With `member`, only the tables in this
/// folder of the archive, or the file with this name. All tables are in memory while the archive is read.
///
/// # Errors
/// If the archive cannot be read, holds no such table, or holds a table twice.
pub fn each_of_archive(path: &Path, member: Option<&str>, handle: &mut dyn FnMut(Table) -> Result<()>) -> Result<()> {
    let prefix = plain(Path::new(member.unwrap_or_default()));
    let mut found: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    let mut store = |inside: &Path, bytes: &mut dyn Read| -> Result<()> {
        let inside = plain(inside);
        let name = inside.file_name().unwrap_or_default().to_string_lossy();
        // The names of files that macOS adds begin with a dot.
        if inside.starts_with(&prefix) && !name.starts_with('.') && Kind::of(&name).is_some() {
            let mut whole = Vec::new();
            bytes.read_to_end(&mut whole).with_context(|| format!("member {}", inside.display()))?;
            found.push((inside, whole));
        }
        Ok(())
    };
    if is_zip(path) {
        of_zip(path, &mut store)?;
    } else {
        of_tar(path, &mut store)?;
    }
    if found.is_empty() {
        bail!("{} holds no tables{}", path.display(), member.map(|name| format!(" in {name}")).unwrap_or_default());
    }
    found.sort();
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        bail!("{} holds {} twice: rebuild it with one of them", path.display(), pair[0].0.display());
    }
    for (inside, bytes) in &found {
        let name = inside.file_name().unwrap_or_default().to_string_lossy();
        handle(Table { path: path.join(inside), bytes: decompressed(&name, bytes.as_slice())? })?;
    }
    Ok(())
}

/// Receives the path and the bytes of a member.
type MemberHandler<'a> = &'a mut dyn FnMut(&Path, &mut dyn Read) -> Result<()>;

fn of_tar(path: &Path, store: MemberHandler) -> Result<()> {
    let mut archive = tar::Archive::new(Table::of_file(path)?.bytes);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let inside = entry.path()?.into_owned();
        if entry.header().entry_type().is_file() {
            store(&inside, &mut entry)?;
        }
    }
    Ok(())
}

fn of_zip(path: &Path, store: MemberHandler) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(path)?)?;
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number)?;
        if entry.is_file() {
            let inside = PathBuf::from(&*entry.name()?);
            store(&inside, &mut entry)?;
        }
    }
    Ok(())
}

/// Removes the `./` that tar writes before member paths.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}
