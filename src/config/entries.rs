//! `[[model]]` entries that a config can name, and the files that contain them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{At as _, ConfigError, ConfigFault};
use super::parse::{models_file, parse, read};
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
    /// Returns all entries that the config can name: its own, then those of the `models.toml` in the same folder.
    ///
    /// # Errors
    /// If `models.toml` cannot be read.
    pub fn known_entries(&self, path: &Path) -> Result<Vec<RawEntry>, ConfigError> {
        let file = models_file(path);
        let mut known = self.models.clone();
        if file.is_file() {
            known.extend(parse::<ModelsFile>(&read(&file)?, &file)?.model);
        }
        Ok(known)
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

/// Finds the entry called `name` in a config, in the `models.toml` of the same folder, or in a file with models only.
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
        let shared = models_file(path);
        if shared.is_file() {
            add(&shared, parse::<ModelsFile>(&read(&shared)?, &shared)?.model);
        }
    } else {
        add(path, parse::<ModelsFile>(&text, path)?.model);
    }
    let what = format!("[[model]] in {}", path.display());
    Ok(suggest::find(&what, name, &known, |(_, entry)| &entry.name).cloned()?)
}
