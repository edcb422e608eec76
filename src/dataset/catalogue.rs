//! The catalogue of data sets, `datasets/catalogue.toml`, searched next to the config and in the working folder.
//! Some data sets ship in that folder; others are fetched from their publishers into the cache folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use super::{Contents, Format, Reading, generate::Generator, package::Package, read_clean};
use crate::fetch::{machine, shipped};
use crate::types::seed::Seed;

/// Path of the catalogue file.
const FILE: &str = "datasets/catalogue.toml";

/// All entries, with the folders to which their paths are relative.
#[derive(Debug)]
pub struct Catalogue {
    /// The folder that holds `catalogue.toml`.
    pub folder: PathBuf,
    /// The folder of fetched files; `None` if this user has no cache folder.
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
    /// Name in configs and outputs.
    pub name: String,
    /// Format of its files, which determines the kind of question.
    pub format: Format,
    /// One-line description.
    pub summary: String,
    /// Licence.
    pub licence: String,
    /// Uses that the licence permits.
    #[serde(default)]
    pub permits: Option<String>,
    /// False if the licence does not permit passing on questions, or if this is unknown. Pages that others may see then
    /// show no question.
    #[serde(default = "yes")]
    pub redistributable: bool,
    /// Authors and publication.
    #[serde(default)]
    pub citation: Option<String>,
    /// Where it is published, with the revision; `None` if the data set ships with the program.
    #[serde(default)]
    pub source: Option<String>,
    /// Field that determines the group; `None` for the default fields.
    #[serde(default)]
    pub group: Option<String>,
    /// Known defects.
    #[serde(default)]
    pub defects: Vec<String>,
    /// Its splits.
    pub split: Vec<Split>,
    /// Settings of `datasets generate`; `None` if the data set is not generated.
    pub generator: Option<Generator>,
    /// Python package with which `datasets fetch` generates the splits without an address; `None` if there is none.
    #[serde(default)]
    pub package: Option<Package>,
}

fn yes() -> bool {
    true
}

/// One file of a data set, or a part of one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// `dev`, `test`, …
    pub name: String,
    /// Path relative to the catalogue's folder; for fetched files, relative to the data set's folder in the cache.
    pub file: PathBuf,
    /// The folder or file to read inside an archive.
    #[serde(default)]
    pub member: Option<String>,
    /// Number of rows; `None` if unknown.
    #[serde(default)]
    pub rows: Option<usize>,
    /// Hex SHA-256 of the file. `None` if the file is not pinned: it is fetched only on request, and its checksum
    /// is recorded then.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Size in bytes; `None` if unknown.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Address of the file; `None` if it ships with the program or has no permanent address.
    #[serde(default)]
    pub url: Option<String>,
}

impl Catalogue {
    /// Searches the catalogue in the working folder, next to and above `near` (a config file), in the user's config
    /// folder, and among the files of the program.
    ///
    /// # Errors
    /// If the catalogue cannot be read, or the program's own cannot be unpacked.
    pub fn find(near: Option<&Path>) -> Result<Self> {
        let config_folder = near.and_then(Path::parent);
        let parent = config_folder.map(|folder| folder.join(".."));
        let places = [Some(PathBuf::from(".")), config_folder.map(Path::to_path_buf), parent, machine::config_folder()];
        let own = places.into_iter().flatten().map(|folder| folder.join(FILE)).find(|file| file.is_file());
        let file = own.map_or_else(|| shipped::copy(FILE), Ok)?;
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let parsed: File = toml::from_str(&text).with_context(|| format!("{} is not a catalogue", file.display()))?;
        let folder = file.parent().unwrap_or(Path::new(".")).to_path_buf();
        let fetched = machine::cache_folder().map(|cache| cache.join("datasets"));
        Ok(Self { folder, fetched, entries: parsed.dataset })
    }

    /// Returns the path of the catalogue's own file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join("catalogue.toml")
    }

    /// Returns the path of a split's file, which need not exist.
    ///
    /// # Errors
    /// If the file is one to be fetched and this user has no cache folder.
    pub fn path(&self, entry: &Entry, split: &Split) -> Result<PathBuf> {
        if entry.source.is_none() {
            return Ok(self.folder.join(&split.file));
        }
        let no_cache = || anyhow!("this user has no cache folder: set INTERCASCADE_CACHE to a folder");
        Ok(self.fetched.as_ref().ok_or_else(no_cache)?.join(&entry.name).join(&split.file))
    }

    /// Reads a split and verifies the checksum in the catalogue, or the one recorded when the file was fetched.
    ///
    /// # Errors
    /// Names the file and its fault.
    pub fn load(&self, entry: &Entry, split: &Split, seed: Seed) -> Result<Contents> {
        let path = self.path(entry, split)?;
        if entry.source.is_some() && !path.exists() {
            bail!("{} is missing; fetch it with `intercascade datasets fetch {}`", path.display(), entry.name);
        }
        let member = split.member.clone();
        let reading = Reading { member, group: entry.group.clone(), seed, ..Reading::of(entry.format) };
        let contents = read_clean(&path, &reading)?;
        let pinned = match &split.sha256 {
            Some(sha256) => Some(sha256.clone()),
            None => recorded_checksum(&path)?,
        };
        if let Some(sha256) = pinned.filter(|sha256| *sha256 != contents.sha256) {
            bail!(
                "{} is not the file that the catalogue describes: sha256 {} instead of {sha256}. Restore it, or name it with dataset.path",
                path.display(),
                contents.sha256,
            );
        }
        Ok(contents)
    }
}

/// Returns the file with the recorded checksum of a file that the catalogue does not pin.
pub(super) fn checksum_file(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".sha256");
    path.with_file_name(name)
}

/// Returns the checksum that a file had when it was fetched; `None` if none was recorded.
pub(super) fn recorded_checksum(path: &Path) -> Result<Option<String>> {
    let checksum_file = checksum_file(path);
    match std::fs::read_to_string(&checksum_file) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", checksum_file.display())),
    }
}

impl Entry {
    /// Returns the split with this name, or the only split if `name` is `None`.
    ///
    /// # Errors
    /// Lists the existing names.
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
