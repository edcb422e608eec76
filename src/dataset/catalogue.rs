//! The data sets that are known: `datasets/catalogue.toml`, found beside the config or the working folder. Some ship in
//! that folder; others are fetched from where they are published, into the cache folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use super::{Contents, Format, Reading, generate::Generator, package::Package, read_clean};
use crate::fetch::machine;
use crate::types::seed::Seed;

/// The file that lists the data sets.
const FILE: &str = "datasets/catalogue.toml";

/// All entries, with the folders that their paths start from.
#[derive(Debug)]
pub struct Catalogue {
    /// The folder that holds `catalogue.toml`.
    pub folder: PathBuf,
    /// The folder that what is fetched is put into; none where this user has no cache folder.
    pub fetched: Option<PathBuf>,
    /// The entries in the file's order.
    pub entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dataset: Vec<Entry>,
}

/// One data set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name used in configs and outputs.
    pub name: String,
    /// How its files are read, and with it the kind of question.
    pub format: Format,
    /// One line on what it is.
    pub summary: String,
    /// Under which terms it may be used.
    pub licence: String,
    /// What these terms permit.
    #[serde(default)]
    pub permits: Option<String>,
    /// Who made it, and where it is described.
    #[serde(default)]
    pub citation: Option<String>,
    /// Where it is published, with the revision; none for what ships here.
    #[serde(default)]
    pub source: Option<String>,
    /// The field that makes the group, where the usual ones do not.
    #[serde(default)]
    pub group: Option<String>,
    /// What is known to be wrong with it.
    #[serde(default)]
    pub defects: Vec<String>,
    /// Its files.
    pub split: Vec<Split>,
    /// How `datasets generate` makes them.
    pub generator: Option<Generator>,
    /// The Python package that `datasets fetch` draws the splits without an address with; None if there is none.
    #[serde(default)]
    pub package: Option<Package>,
}

/// One file of a data set, or a part of one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// `dev`, `test`, …
    pub name: String,
    /// Path from the catalogue's folder; of what is fetched, from the data set's folder in the cache.
    pub file: PathBuf,
    /// The folder or file in it, where it is an archive.
    #[serde(default)]
    pub member: Option<String>,
    /// Number of rows, where known.
    #[serde(default)]
    pub rows: Option<usize>,
    /// Hex sha256 of the file. Without one the file is not pinned: it is fetched only where that is asked for, and
    /// stays what it was then.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Its size in bytes, where known.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Where it is fetched from; none for what ships here, and for what nobody publishes at a lasting address.
    #[serde(default)]
    pub url: Option<String>,
}

impl Catalogue {
    /// Looks for the catalogue in the working folder, then beside and above `near` (a config file).
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub fn find(near: Option<&Path>) -> Result<Self> {
        let beside = near.and_then(Path::parent);
        let above = beside.map(|folder| folder.join(".."));
        let places = [Some(PathBuf::from(".")), beside.map(Path::to_path_buf), above];
        let file = places
            .into_iter()
            .flatten()
            .map(|folder| folder.join(FILE))
            .find(|file| file.is_file())
            .ok_or_else(|| anyhow!("there is no {FILE} in the working folder or near the config; start in the project's folder, or name a file with dataset.path"))?;
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let parsed: File = toml::from_str(&text).with_context(|| format!("{} is not a catalogue", file.display()))?;
        let folder = file.parent().unwrap_or(Path::new(".")).to_path_buf();
        let fetched = machine::cache_folder().map(|cache| cache.join("datasets"));
        Ok(Self { folder, fetched, entries: parsed.dataset })
    }

    /// Where a split's file is, or will be.
    ///
    /// # Errors
    /// Where it is to be fetched and there is no cache folder.
    pub fn path(&self, entry: &Entry, split: &Split) -> Result<PathBuf> {
        if entry.source.is_none() {
            return Ok(self.folder.join(&split.file));
        }
        let no_cache = || anyhow!("there is no cache folder for this user: set INTERCASCADE_CACHE to a folder");
        Ok(self.fetched.as_ref().ok_or_else(no_cache)?.join(&entry.name).join(&split.file))
    }

    /// Reads a split and makes sure that its file is the one that the catalogue means, or the one that was fetched.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(&self, entry: &Entry, split: &Split, seed: Seed) -> Result<Contents> {
        let path = self.path(entry, split)?;
        if entry.source.is_some() && !path.exists() {
            bail!("{} is not there; fetch it with `intercascade datasets fetch {}`", path.display(), entry.name);
        }
        let member = split.member.clone();
        let reading = Reading { member, group: entry.group.clone(), seed, ..Reading::of(entry.format) };
        let contents = read_clean(&path, &reading)?;
        let pinned = match &split.sha256 {
            Some(sha256) => Some(sha256.clone()),
            None => noted(&path)?,
        };
        if let Some(sha256) = pinned.filter(|sha256| *sha256 != contents.sha256) {
            bail!(
                "{} is not the file that the catalogue describes: sha256 {} instead of {sha256}; restore it, or name it with dataset.path",
                path.display(),
                contents.sha256,
            );
        }
        Ok(contents)
    }
}

/// The file that keeps the checksum of one that the catalogue does not pin.
pub(super) fn note(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".sha256");
    path.with_file_name(name)
}

/// The checksum that a file had when it was fetched; none where nothing was noted.
pub(super) fn noted(path: &Path) -> Result<Option<String>> {
    let note = note(path);
    match std::fs::read_to_string(&note) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", note.display())),
    }
}

impl Entry {
    /// The split of that name; without a name the only one.
    ///
    /// # Errors
    /// Lists the names there are.
    pub fn choose_split(&self, name: Option<&str>) -> Result<&Split> {
        let names: Vec<&str> = self.split.iter().map(|split| split.name.as_str()).collect();
        match (name, self.split.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => bail!(
                "the data set `{}` has several splits: set dataset.split to one of {}",
                self.name,
                names.join(", ")
            ),
            (Some(name), splits) => splits.iter().find(|split| split.name == name).ok_or_else(|| {
                anyhow!("the data set `{}` has no split `{name}`; it has {}", self.name, names.join(", "))
            }),
        }
    }
}
