//! Overrides of config values (`--set`).

use std::path::Path;

use super::error::{At as _, ConfigError, ConfigFault, SetFault};
use super::parse::syntax;
use super::schema::Config;

/// Applies `--set` values to a config. A value is parsed as TOML if possible, otherwise it is a text. An empty value
/// removes the key.
pub(super) fn with_overrides(text: &str, path: &Path, sets: &[String]) -> Result<Config, ConfigError> {
    let mut table: toml::Table = toml::from_str(text).map_err(|error| syntax(None, None, &error)).at(path.display())?;
    for set in sets {
        apply(&mut table, set, path)?;
    }
    let whole = toml::to_string(&table).map_err(ConfigFault::from)?;
    let deserializer =
        toml::Deserializer::parse(&whole).map_err(|error| syntax(None, None, &error)).at(path.display())?;
    match serde_path_to_error::deserialize(deserializer) {
        Ok(config) => Ok(config),
        Err(error) => {
            let key = error.path().to_string();
            let error = error.into_inner();
            let source = match responsible(sets, &key, error.message()) {
                Some(set) => format!("{} with --set {set}", path.display()),
                None => path.display().to_string(),
            };
            Err(syntax(None, Some(key), &error)).at(source)
        }
    }
}

/// Returns the last `--set` argument that concerns the key of an error. `None` if the file itself causes the error.
fn responsible<'a>(sets: &'a [String], key: &str, message: &str) -> Option<&'a String> {
    let concerns_key = |set: &&String| {
        let (name, _) = set.split_once('=').unwrap_or((set, ""));
        let last = name.rsplit('.').next().unwrap_or(name);
        key == name
            || name.starts_with(&format!("{key}."))
            || key.starts_with(&format!("{name}."))
            || key.starts_with(&format!("{name}["))
            || message.contains(&format!("`{last}`"))
    };
    sets.iter().rev().find(concerns_key)
}

/// Applies one `--set` argument to the config's table.
fn apply(table: &mut toml::Table, set: &str, path: &Path) -> Result<(), ConfigFault> {
    let (key, value) = set.split_once('=').ok_or_else(|| ConfigFault::SetForm(set.to_owned()))?;
    let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
    let target = table_at(table, parents);
    let target = target.map_err(|fault| ConfigFault::SetKey { set: set.to_owned(), fault, path: path.to_owned() })?;
    if value.is_empty() {
        target.remove(last);
        return Ok(());
    }
    let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    target.insert(last.to_owned(), value);
    Ok(())
}

/// Finds or creates the table at the path `a.b`. A `[[model]]` is addressed as `model.NAME`; the name may contain dots.
fn table_at<'a>(table: &'a mut toml::Table, path: &str) -> Result<&'a mut toml::Table, SetFault> {
    let mut current = table;
    let mut rest = path;
    while !rest.is_empty() {
        let (part, after) = rest.split_once('.').unwrap_or((rest, ""));
        rest = after;
        if part == "model" && !current.contains_key(part) {
            return Err(SetFault::NoModels);
        }
        let value = current.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        current = match value {
            toml::Value::Table(table) => table,
            toml::Value::Array(_) if rest.is_empty() => return Err(SetFault::NoName(part.to_owned())),
            toml::Value::Array(entries) => {
                let named = |entry: &'a mut toml::Table| {
                    let after = rest.strip_prefix(entry.get("name")?.as_str()?)?;
                    let after = if after.is_empty() { after } else { after.strip_prefix('.')? };
                    Some((entry, after))
                };
                let found = entries.iter_mut().filter_map(toml::Value::as_table_mut).filter_map(named);
                // If both `a` and `a.b` match, the longer name counts.
                let found = found.min_by_key(|(_, after)| after.len());
                let missing = || SetFault::NoEntry { list: part.to_owned(), name: rest.to_owned() };
                let (entry, after) = found.ok_or_else(missing)?;
                rest = after;
                entry
            }
            _ => return Err(SetFault::NoTable(part.to_owned())),
        };
    }
    Ok(current)
}
