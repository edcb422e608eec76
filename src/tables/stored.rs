//! How tables lie on the disk: as they are, compressed (`.gz`, `.zst`), in a folder, or in a tar or zip archive.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

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

/// Whether a path is a tar or zip archive, by its name.
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
/// Where the archive cannot be read, or holds no such table, or one twice.
pub fn each_of_archive(path: &Path, member: Option<&str>, take: &mut dyn FnMut(Table) -> Result<()>) -> Result<()> {
    let wanted = plain(Path::new(member.unwrap_or_default()));
    let mut found: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    let mut keep = |inside: &Path, bytes: &mut dyn Read| -> Result<()> {
        let inside = plain(inside);
        let name = inside.file_name().unwrap_or_default().to_string_lossy();
        // What macOS puts beside its files begins with a dot.
        if inside.starts_with(&wanted) && !name.starts_with('.') && Kind::of(&name).is_some() {
            let mut whole = Vec::new();
            bytes.read_to_end(&mut whole).with_context(|| format!("member {}", inside.display()))?;
            found.push((inside, whole));
        }
        Ok(())
    };
    if is_zip(path) {
        of_zip(path, &mut keep)?;
    } else {
        of_tar(path, &mut keep)?;
    }
    if found.is_empty() {
        bail!("{} holds no tables{}", path.display(), member.map(|name| format!(" in {name}")).unwrap_or_default());
    }
    found.sort();
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        bail!("{} holds {} twice: pack it anew with one of them", path.display(), pair[0].0.display());
    }
    for (inside, bytes) in &found {
        let name = inside.file_name().unwrap_or_default().to_string_lossy();
        take(Table { path: path.join(inside), bytes: decompressed(&name, bytes.as_slice())? })?;
    }
    Ok(())
}

/// Takes a member's path and its bytes.
type Keep<'a> = &'a mut dyn FnMut(&Path, &mut dyn Read) -> Result<()>;

fn of_tar(path: &Path, keep: Keep) -> Result<()> {
    let mut archive = tar::Archive::new(Table::of_file(path)?.bytes);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let inside = entry.path()?.into_owned();
        if entry.header().entry_type().is_file() {
            keep(&inside, &mut entry)?;
        }
    }
    Ok(())
}

fn of_zip(path: &Path, keep: Keep) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(path)?)?;
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number)?;
        if entry.is_file() {
            let inside = PathBuf::from(&*entry.name()?);
            keep(&inside, &mut entry)?;
        }
    }
    Ok(())
}

/// A path without the `./` that tar writes in front of what it packs.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}
