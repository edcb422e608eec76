//! `--set`: values that are laid over a config.

use std::path::Path;

use super::error::{At as _, ConfigError, ConfigFault, SetFault};
use super::parse::syntax;
use super::schema::Config;

/// The config with `--set` values laid over it. A value is TOML where it reads as such, else a text; an empty one takes the key
/// out.
pub(super) fn overridden(text: &str, path: &Path, sets: &[String]) -> Result<Config, ConfigError> {
    let mut table: toml::Table = toml::from_str(text).map_err(|error| syntax(None, None, &error)).at(path.display())?;
    for set in sets {
        lay(&mut table, set, path)?;
    }
    let whole = toml::to_string(&table).map_err(ConfigFault::from)?;
    let deserializer =
        toml::Deserializer::parse(&whole).map_err(|error| syntax(None, None, &error)).at(path.display())?;
    match serde_path_to_error::deserialize(deserializer) {
        Ok(config) => Ok(config),
        Err(error) => {
            let key = error.path().to_string();
            let error = error.into_inner();
            let place = match responsible(sets, &key, error.message()) {
                Some(set) => format!("{} with --set {set}", path.display()),
                None => path.display().to_string(),
            };
            Err(syntax(None, Some(key), &error)).at(place)
        }
    }
}

/// The last `--set` that is about the key of an error. `None` if the error is of the file itself.
fn responsible<'a>(sets: &'a [String], key: &str, message: &str) -> Option<&'a String> {
    let is_it = |set: &&String| {
        let (name, _) = set.split_once('=').unwrap_or((set, ""));
        let last = name.rsplit('.').next().unwrap_or(name);
        key == name
            || name.starts_with(&format!("{key}."))
            || key.starts_with(&format!("{name}."))
            || key.starts_with(&format!("{name}["))
            || message.contains(&format!("`{last}`"))
    };
    sets.iter().rev().find(is_it)
}

/// Lays one value over the config's table.
fn lay(table: &mut toml::Table, set: &str, path: &Path) -> Result<(), ConfigFault> {
    let (key, value) = set.split_once('=').ok_or_else(|| ConfigFault::SetForm(set.to_owned()))?;
    let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
    let place = place(table, parents);
    let place = place.map_err(|fault| ConfigFault::SetKey { set: set.to_owned(), fault, path: path.to_owned() })?;
    if value.is_empty() {
        place.remove(last);
        return Ok(());
    }
    let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    place.insert(last.to_owned(), value);
    Ok(())
}

/// The table at `a.b`; a `[[model]]` is named as in `model.NAME`, where the name may have dots of its own.
fn place<'a>(table: &'a mut toml::Table, path: &str) -> Result<&'a mut toml::Table, SetFault> {
    let mut place = table;
    let mut rest = path;
    while !rest.is_empty() {
        let (part, after) = rest.split_once('.').unwrap_or((rest, ""));
        rest = after;
        if part == "model" && !place.contains_key(part) {
            return Err(SetFault::NoModels);
        }
        let value = place.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = match value {
            toml::Value::Table(table) => table,
            toml::Value::Array(_) if rest.is_empty() => return Err(SetFault::NoName(part.to_owned())),
            toml::Value::Array(entries) => {
                let named = |entry: &'a mut toml::Table| {
                    let after = rest.strip_prefix(entry.get("name")?.as_str()?)?;
                    let after = if after.is_empty() { after } else { after.strip_prefix('.')? };
                    Some((entry, after))
                };
                let found = entries.iter_mut().filter_map(toml::Value::as_table_mut).filter_map(named);
                // Of `a` and `a.b` the longer name is meant.
                let found = found.min_by_key(|(_, after)| after.len());
                let missing = || SetFault::NoEntry { list: part.to_owned(), name: rest.to_owned() };
                let (entry, after) = found.ok_or_else(missing)?;
                rest = after;
                entry
            }
            _ => return Err(SetFault::NoTable(part.to_owned())),
        };
    }
    Ok(place)
}
