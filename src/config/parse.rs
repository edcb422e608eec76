//! From TOML to a struct, with errors that name file, line, key and the nearest right key.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde::de::DeserializeOwned;

use super::error::{At as _, ConfigError, ConfigFault};
use super::suggest;

/// The file of models that configs of a folder share.
pub(super) fn models_file(config: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new(".")).join("models.toml")
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let what = || format!("cannot read the config {}", path.display());
    Ok(std::fs::read_to_string(path).map_err(|source| ConfigFault::Unreadable { what: what(), source })?)
}

/// The error of a file that could not be read because it is for another verb: it has that one's keys at its top.
pub(super) fn for_another_verb(text: &str, keys: &[&str], path: &Path, verb: &'static str) -> Option<ConfigError> {
    let table: toml::Table = toml::from_str(text).ok()?;
    let is = keys.iter().all(|key| table.contains_key(*key));
    let fault = || ConfigFault::OtherVerb { verb, path: path.to_owned() };
    is.then(|| Err::<(), _>(fault()).at(path.display()).err()).flatten()
}

/// The struct that a file's text describes.
pub(super) fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    deserialized(text).at(path.display())
}

fn deserialized<T: DeserializeOwned>(text: &str) -> Result<T, ConfigFault> {
    let line = |error: &toml::de::Error| error.span().map(|span| line(text, span.start));
    let parsed = toml::Deserializer::parse(text).map_err(|error| syntax(line(&error), None, &error))?;
    serde_path_to_error::deserialize(parsed).map_err(|error| {
        let key = error.path().to_string();
        let error = error.into_inner();
        syntax(line(&error), Some(key), &error)
    })
}

/// The one-based line of a place in a text.
pub(super) fn line(text: &str, place: usize) -> usize {
    text[..place.min(text.len())].matches('\n').count() + 1
}

/// Line and key of an error, what is wrong, and the nearest right name.
pub(super) fn syntax(line: Option<usize>, key: Option<String>, error: &toml::de::Error) -> ConfigFault {
    static NAMES: LazyLock<Regex> = LazyLock::new(|| Regex::new("`([^`]+)`").expect("the pattern is valid"));
    let message = error.message();
    let names: Vec<&str> = NAMES.captures_iter(message).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    let suggestion = match names.as_slice() {
        [wrong, right @ ..] if message.starts_with("unknown") => {
            suggest::replaced(wrong).unwrap_or_else(|| suggest::nearest(wrong, right))
        }
        _ => String::new(),
    };
    ConfigFault::Syntax { line, key: key.filter(|key| key != "."), message: format!("{message}{suggestion}") }
}
