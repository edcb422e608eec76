//! Parsing of TOML into structs. Errors name file, line and key, and suggest the nearest key.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde::de::DeserializeOwned;

use super::error::{At as _, ConfigError, ConfigFault};
use super::suggest;
use crate::fetch::machine::config_folder;

/// Path of the `models.toml` that the configs of a folder share.
pub(super) fn models_file(config: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new(".")).join("models.toml")
}

/// Model entries of the program.
const BUILTIN_MODELS: (&str, &str) = ("configs/models.toml (built in)", include_str!("../../configs/models.toml"));

/// Path and text of each file of models that a config shares: the one beside it, the one in the user's config folder, and
/// the program's own.
///
/// # Errors
/// If a file cannot be read.
pub(super) fn models_files(config: &Path) -> Result<Vec<(PathBuf, String)>, ConfigError> {
    let users = config_folder().map(|folder| folder.join("models.toml"));
    let mut files = Vec::new();
    for file in std::iter::once(models_file(config)).chain(users).filter(|file| file.is_file()) {
        let text = read(&file)?;
        files.push((file, text));
    }
    let (name, text) = BUILTIN_MODELS;
    files.push((PathBuf::from(name), text.to_owned()));
    Ok(files)
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let what = || format!("cannot read the config {}", path.display());
    Ok(std::fs::read_to_string(path).map_err(|source| ConfigFault::Unreadable { what: what(), source })?)
}

/// Error of a file that belongs to another subcommand: its top level has all of `keys`. `None` if it lacks one of them.
pub(super) fn for_another_verb(text: &str, keys: &[&str], path: &Path, verb: &'static str) -> Option<ConfigError> {
    let table: toml::Table = toml::from_str(text).ok()?;
    let matches = keys.iter().all(|key| table.contains_key(*key));
    let fault = || ConfigFault::OtherVerb { verb, path: path.to_owned() };
    matches.then(|| Err::<(), _>(fault()).at(path.display()).err()).flatten()
}

/// Parses the text of a file.
pub(super) fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    deserialize(text).at(path.display())
}

/// Parses a text. Errors name line and key.
fn deserialize<T: DeserializeOwned>(text: &str) -> Result<T, ConfigFault> {
    let line = |error: &toml::de::Error| error.span().map(|span| line(text, span.start));
    let parsed = toml::Deserializer::parse(text).map_err(|error| syntax(line(&error), None, &error))?;
    serde_path_to_error::deserialize(parsed).map_err(|error| {
        let key = error.path().to_string();
        let error = error.into_inner();
        syntax(line(&error), Some(key), &error)
    })
}

/// One-based line of a byte offset in a text.
pub(super) fn line(text: &str, offset: usize) -> usize {
    text[..offset.min(text.len())].matches('\n').count() + 1
}

/// Converts a TOML error: adds line and key to its message in terms of a config.
pub(super) fn syntax(line: Option<usize>, key: Option<String>, error: &toml::de::Error) -> ConfigFault {
    ConfigFault::Syntax { line, key: key.filter(|key| key != "."), message: message(error) }
}

/// Returns the message of a TOML error in terms of keys and values, with the nearest name for an unknown one.
pub(super) fn message(error: &toml::de::Error) -> String {
    static NAMES: LazyLock<Regex> = LazyLock::new(|| Regex::new("`([^`]+)`").expect("the pattern is valid"));
    let message = error.message();
    let names: Vec<&str> = NAMES.captures_iter(message).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    match names.as_slice() {
        [unknown, known @ ..] if message.starts_with("unknown") => {
            let suggestion = suggest::replaced(unknown).unwrap_or_else(|| suggest::nearest(unknown, known));
            let (what, list) = if message.starts_with("unknown field") { ("key", "keys") } else { ("value", "values") };
            format!("unknown {what} `{unknown}`{suggestion}; the {list} are {}", known.join(", "))
        }
        [missing] if message.starts_with("missing field") => format!("the key `{missing}` is missing"),
        _ => type_error(message).unwrap_or_else(|| message.to_owned()),
    }
}

/// Rewrites the message of a type error in terms of a config. `None` if the message is about something else.
fn type_error(message: &str) -> Option<String> {
    static KIND: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?s)^invalid (?:type|value): (.+), expected (.+?)$").expect("the pattern is valid")
    });
    let found = KIND.captures(message)?;
    let (value, expected) = (found.get(1)?.as_str(), found.get(2)?.as_str());
    let required = match expected {
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
    let actual = match value.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "boolean", value)) => value.trim_matches('`').to_owned(),
        Some(("floating", value)) => value.trim_start_matches("point ").trim_matches('`').to_owned(),
        _ => match value {
            "sequence" => "a list".to_owned(),
            "map" => "a table".to_owned(),
            other => other.to_owned(),
        },
    };
    let must = if required.starts_with("must ") { "" } else { "must be " };
    Some(format!("{must}{required}, not {actual}"))
}
