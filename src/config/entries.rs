//! The `[[model]]`s that a config can name, with the files that they stand in.

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
    /// All entries that can be named: this config's, then those of the `models.toml` beside it.
    ///
    /// # Errors
    /// Where that file cannot be read.
    pub fn known_entries(&self, path: &Path) -> Result<Vec<RawEntry>, ConfigError> {
        let file = models_file(path);
        let mut known = self.models.clone();
        if file.is_file() {
            known.extend(parse::<ModelsFile>(&read(&file)?, &file)?.model);
        }
        Ok(known)
    }

    /// The entries of `levels` among those that are known, weak to strong.
    ///
    /// # Errors
    /// Names a model that is in neither file, and the nearest name.
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

/// The entry called `name` of a config, of the `models.toml` beside it, or of a file that holds models alone, and the file
/// that it stands in.
///
/// # Errors
/// Names file, line and key of what cannot be read, and the nearest right name if there is no such entry.
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
    let what = format!("[[model]] in {} called", path.display());
    Ok(suggest::find(&what, name, &known, |(_, entry)| &entry.name).cloned()?)
}
