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
    let message = in_words(message).unwrap_or_else(|| message.to_owned());
    ConfigFault::Syntax { line, key: key.filter(|key| key != "."), message: format!("{message}{suggestion}") }
}

/// A message on a value of the wrong kind, in the words of a config. `None` if it is another message.
fn in_words(message: &str) -> Option<String> {
    static KIND: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?s)^invalid (?:type|value): (.+), expected (.+?)$").expect("the pattern is valid")
    });
    let found = KIND.captures(message)?;
    let (value, expected) = (found.get(1)?.as_str(), found.get(2)?.as_str());
    let wanted = match expected {
        "usize" | "u8" | "u16" | "u32" | "u64" | "a nonzero usize" | "a nonzero u32" => "a whole number from 0 on",
        "i64" | "isize" => "a whole number",
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" | "string or table" => "a text in quotes",
        "a sequence" => "a list in brackets, as in [\"a\", \"b\"]",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    let given = match value.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "boolean", value)) => value.trim_matches('`').to_owned(),
        Some(("floating", value)) => value.trim_start_matches("point ").trim_matches('`').to_owned(),
        _ => match value {
            "sequence" => "a list".to_owned(),
            "map" => "a table".to_owned(),
            other => other.to_owned(),
        },
    };
    let must = if wanted.starts_with("must ") { "" } else { "must be " };
    Some(format!("{must}{wanted}, not {given}"))
}
