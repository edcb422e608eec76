//! `[[model]]` entries that a config can name, and the files that contain them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{At as _, ConfigError, ConfigFault};
use super::parse::{models_file, models_files, parse, read};
use super::schema::Config;
use super::suggest::{self, UnknownName};
use crate::backend::raw::RawEntry;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelsFile {
    #[serde(default)]
    model: Vec<RawEntry>,
}

impl Config {
    /// Returns all entries that the config can name: its own, then those of the `models.toml` in the same folder, in the
    /// user's config folder and of the program. Of entries with one name, the first one applies.
    ///
    /// # Errors
    /// If a `models.toml` cannot be read.
    pub fn known_entries(&self, path: &Path) -> Result<Vec<RawEntry>, ConfigError> {
        let mut known = self.models.clone();
        for (file, text) in models_files(path)? {
            known.extend(parse::<ModelsFile>(&text, &file)?.model);
        }
        Ok(known)
    }

    /// Returns the files besides the config that the entries of `levels` come from, each once.
    ///
    /// # Errors
    /// If a `models.toml` cannot be read.
    pub fn shared_files(&self, path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
        let own = |level: &&String| self.models.iter().any(|entry| entry.name == **level);
        let mut missing: Vec<&String> = self.levels.iter().filter(|level| !own(level)).collect();
        let mut used = Vec::new();
        for (file, text) in models_files(path)? {
            let known = parse::<ModelsFile>(&text, &file)?.model;
            let before = missing.len();
            missing.retain(|level| known.iter().all(|entry| entry.name != **level));
            if missing.len() < before {
                used.push(file);
            }
        }
        Ok(used)
    }

    /// Returns the entries of `levels`, weak to strong.
    ///
    /// # Errors
    /// If a model is in neither file. The error suggests the nearest name.
    pub fn level_entries(&self, known: &[RawEntry], path: &Path) -> Result<Vec<RawEntry>, ConfigError> {
        let found = self.levels.iter().map(|name| {
            suggest::find("model", name, known, |entry| &entry.name)
                .cloned()
                .map_err(|unknown| unknown_model(unknown, path))
        });
        found.collect::<Result<_, _>>().at("levels").at(path.display())
    }
}

fn unknown_model(unknown: UnknownName, config: &Path) -> ConfigFault {
    ConfigFault::UnknownModel { unknown, models: models_file(config) }
}

/// Finds the entry called `name` in a config or in the files of models that it shares, or in a file with models only.
/// Returns the file that contains the entry, and the entry.
///
/// # Errors
/// If a file is invalid or no entry has the name. The error names file, line and key, or suggests the nearest name.
pub fn find(path: &Path, name: &str) -> Result<(PathBuf, RawEntry), ConfigError> {
    let text = read(path)?;
    let is_config = toml::from_str::<toml::Table>(&text).is_ok_and(|table| table.keys().any(|key| key != "model"));
    let mut known: Vec<(PathBuf, RawEntry)> = Vec::new();
    let mut add = |file: &Path, entries: Vec<RawEntry>| {
        known.extend(entries.into_iter().map(|entry| (file.to_owned(), entry)));
    };
    if is_config {
        add(path, Config::load(path, &[])?.models);
        for (file, text) in models_files(path)? {
            add(&file, parse::<ModelsFile>(&text, &file)?.model);
        }
    } else {
        add(path, parse::<ModelsFile>(&text, path)?.model);
    }
    let what = format!("[[model]] in {}", path.display());
    Ok(suggest::find(&what, name, &known, |(_, entry)| &entry.name).cloned()?)
}
