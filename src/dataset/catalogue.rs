//! The data sets that ship: `datasets/catalogue.toml`, found beside the config or the working folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use super::{Contents, Format, generate::Generator, read_clean};

/// The file that lists the data sets.
const FILE: &str = "datasets/catalogue.toml";

/// All entries, with the folder that their paths start from.
#[derive(Debug)]
pub struct Catalogue {
    /// The folder that holds `catalogue.toml`.
    pub folder: PathBuf,
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
    /// How its files are read.
    pub format: Format,
    /// One line on what it is.
    pub summary: String,
    /// Under which terms it may be used.
    pub licence: String,
    /// Its files.
    pub split: Vec<Split>,
    /// How `datasets generate` makes them.
    pub generator: Option<Generator>,
}

/// One file of a data set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// `dev`, `test`, …
    pub name: String,
    /// Path from the catalogue's folder.
    pub file: PathBuf,
    /// Number of rows.
    pub rows: usize,
    /// Hex sha256 of the file.
    pub sha256: String,
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
        Ok(Self { folder, entries: parsed.dataset })
    }

    /// Reads a split and makes sure that its file is the one that the catalogue means.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn load(&self, entry: &Entry, split: &Split) -> Result<Contents> {
        let path = self.folder.join(&split.file);
        let contents = read_clean(&path, entry.format)?;
        if contents.sha256 != split.sha256 {
            bail!(
                "{} is not the file that the catalogue describes: sha256 {} instead of {}; restore it, or name it with dataset.path",
                path.display(),
                contents.sha256,
                split.sha256
            );
        }
        Ok(contents)
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
