//! A single `[[model]]`, with the file that it stands in.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::file::{Config, ModelsFile, models_file, parse, read};
use super::suggest;
use crate::backend::raw::RawEntry;

/// The entry called `name` of a config, of the `models.toml` beside it, or of a file that holds models alone, and the file
/// that it stands in.
///
/// # Errors
/// Names file, line and key of what cannot be read, and the nearest right name if there is no such entry.
pub fn find(path: &Path, name: &str) -> Result<(PathBuf, RawEntry)> {
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
    suggest::find(&what, name, &known, |(_, entry)| &entry.name).cloned()
}
