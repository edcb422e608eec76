//! Selection of the items that `[dataset]` describes: the stream and the calibration items.

use std::collections::HashSet;
use std::path::Path;

use super::error::{At as _, ConfigError, ConfigFault, invalid};
use super::schema::Config;
use super::suggest;
use crate::dataset::catalogue::Catalogue;
use crate::dataset::{Contents, Format, Reading, read_clean, stream, subjects};
use crate::types::item::{Item, ItemId};
use crate::types::seed::Seed;

/// Items that a config selects.
pub struct SelectedItems {
    /// Name of the data set in outputs.
    pub name: String,
    /// Format of the files.
    pub format: Format,
    /// Hexadecimal SHA-256 of the stream's file, followed by that of the calibration file if this is another file.
    pub sha256: String,
    /// Notices about the files for the reader of the results.
    pub notices: Vec<String>,
    /// True if the licence permits passing on the questions, or if the data are the user's own.
    pub redistributable: bool,
    /// Items of the stream.
    pub stream: Vec<Item>,
    /// Calibration items, in the order of drawing. Their ids differ from those of the stream.
    pub calibration: Vec<Item>,
}

impl SelectedItems {
    /// Reads and selects the items that `config` describes. `path` is the path of the config.
    ///
    /// # Errors
    /// If a file cannot be read or has too few items. The error names the key and the fix.
    pub fn of(config: &Config, path: &Path) -> Result<Self, ConfigError> {
        let settings = &config.dataset;
        let (entry, contents) = read(config, settings.split.as_deref(), path)?;
        let (mut sha256, mut notices) = (contents.sha256, contents.notices);
        let total = contents.items.len();
        let other = match &settings.calibration_split {
            None => None,
            Some(split) => {
                let (_, other) = read(config, Some(split), path).at("calibration_split")?;
                sha256 = format!("{sha256} {}", other.sha256);
                notices
                    .extend(other.notices.into_iter().filter(|notice| !notices.contains(notice)).collect::<Vec<_>>());
                Some(with_split_groups(stream::take(other.items, settings.per_group, None), split))
            }
        };
        let selected = select(config, contents.items)?;
        let drawn = draw_calibration(other.as_deref().unwrap_or(&selected), settings.calibration, config.seed)?;
        let mut stream = selected.clone();
        if settings.group_split {
            let groups: HashSet<&str> = drawn.iter().map(|item| &*item.group).collect();
            stream.retain(|item| !groups.contains(&*item.group));
        } else if other.is_none() {
            let ids: HashSet<&ItemId> = drawn.iter().map(|item| &item.id).collect();
            stream.retain(|item| !ids.contains(&item.id));
        }
        if stream.is_empty() {
            return Err(empty_stream(total, &selected, &drawn, settings.group_split));
        }
        let calibration = with_distinct_ids(drawn, &stream);
        let ReadEntry { name, format, redistributable } = entry;
        Ok(Self { name, format, sha256, notices, redistributable, stream, calibration })
    }
}

/// Selects items by `per_group`, `limit`, `sample` and `sample_groups`, before calibration items are drawn.
fn select(config: &Config, items: Vec<Item>) -> Result<Vec<Item>, ConfigError> {
    let settings = &config.dataset;
    let total = items.len();
    let of_groups = stream::take(items, settings.per_group, None);
    let available = match settings.per_group {
        Some(most) if of_groups.len() < total => {
            format!("{total} questions, of which per_group = {most} selects {}", of_groups.len())
        }
        _ => format!("{total} questions"),
    };
    let too_few = |key: &str, n: usize, count: usize| {
        (n > count).then(|| invalid(format!("{key} = {n} is too large: there are {available}. Lower {key}")))
    };
    if let Some(error) =
        settings.limit.and_then(|n| too_few("limit", n, of_groups.len()).filter(|_| settings.sample.is_none()))
    {
        return Err(error);
    }
    let mut selected = stream::take(of_groups, None, settings.limit);
    if let Some(n) = settings.sample {
        if let Some(error) = too_few("sample", n, selected.len()) {
            return Err(error);
        }
        selected = stream::sample(selected, n, config.seed);
    }
    if let Some(n) = settings.sample_groups {
        selected = stream::sample_groups(selected, n, config.seed).map_err(|groups| {
            invalid(format!("sample_groups = {n} is too large: there are {groups} groups. Lower sample_groups"))
        })?;
    }
    Ok(selected)
}

/// Error of a stream without items. The text reports how many items were read, selected and drawn.
fn empty_stream(total: usize, selected: &[Item], drawn: &[Item], whole_groups: bool) -> ConfigError {
    if drawn.is_empty() {
        return invalid(format!("the stream is empty: the file has {total} questions and none is selected"));
    }
    let of_groups = if whole_groups { " with all others of their groups" } else { "" };
    let of_file = if selected.len() < total { format!(" (of {total} in the file)") } else { String::new() };
    invalid(format!(
        "the stream is empty: of {} questions{of_file}, {} are set apart for calibration{of_groups}, in {} groups, and 0 remain. \
         Lower dataset.calibration, or draw the calibration items from a separate split with calibration_split",
        selected.len(),
        drawn.len(),
        drawn.iter().map(|item| &*item.group).collect::<HashSet<&str>>().len(),
    ))
}

/// Draws `n` calibration items from `pool`, each from another group.
fn draw_calibration(pool: &[Item], n: usize, seed: Seed) -> Result<Vec<Item>, ConfigError> {
    if n == 0 {
        return Ok(Vec::new());
    }
    let mut drawn = stream::drawn_for_calibration(pool, seed);
    if n > drawn.len() {
        return Err(invalid(format!(
            "calibration = {n} is too large: there are {} groups among {} questions, and one question of each group is drawn, \
             because variants of one problem are not independent. Lower calibration",
            drawn.len(),
            pool.len()
        )));
    }
    drawn.truncate(n);
    Ok(drawn.into_iter().map(|index| pool[index].clone()).collect())
}

/// Prefixes the group of each item without variants with the name of the split. Row numbers repeat between files, so
/// equal numbers must not join items of different files.
fn with_split_groups(mut items: Vec<Item>, split: &str) -> Vec<Item> {
    for item in items.iter_mut().filter(|item| *item.group == *item.id.0) {
        item.group = format!("{split}: {}", item.id).into();
    }
    items
}

/// Changes ids that occur in the stream. Row numbers repeat between files.
fn with_distinct_ids(mut items: Vec<Item>, stream: &[Item]) -> Vec<Item> {
    if items.is_empty() {
        return items;
    }
    let ids: HashSet<&ItemId> = stream.iter().map(|item| &item.id).collect();
    for item in &mut items {
        while ids.contains(&item.id) {
            item.id = format!("calibration-{}", item.id).into();
        }
    }
    items
}

/// Facts on a data set that was read.
struct ReadEntry {
    name: String,
    format: Format,
    redistributable: bool,
}

/// Reads one split.
fn read(config: &Config, split: Option<&str>, path: &Path) -> Result<(ReadEntry, Contents), ConfigError> {
    let settings = &config.dataset;
    if let Some(file) = &settings.path {
        if split.is_some() {
            return Err(invalid("`split` applies to a data set of the catalogue, not to a path. Remove it"));
        }
        let format = settings.format.or_else(|| Format::of_path(file));
        let format = format.ok_or_else(|| invalid("add format = \"gsm8k\" or \"mmlu\"")).at(file.display())?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (member, group) = (settings.member.clone(), settings.group.clone());
        let reading = Reading { member, group, seed: config.seed, ..Reading::of(format) };
        let contents = read_clean(file, &reading).map_err(ConfigFault::dataset)?;
        let entry = ReadEntry { name: settings.name.clone().unwrap_or(stem), format, redistributable: true };
        return Ok((entry, subjects_of(config, contents)?));
    }
    if settings.member.is_some() || settings.group.is_some() {
        return Err(invalid("`member` and `group` apply to a path, not to a data set of the catalogue. Remove them"));
    }
    let catalogue = Catalogue::find(Some(path)).map_err(ConfigFault::dataset)?;
    let entry = suggest::find("data set", settings.name.as_deref().unwrap_or_default(), &catalogue.entries, |entry| {
        &entry.name
    })?;
    if settings.format.is_some_and(|format| format != entry.format) {
        return Err(invalid(format!("`{}` has the format of its catalogue entry. Remove `format`", entry.name)));
    }
    let split = entry.choose_split(split).map_err(ConfigFault::dataset)?;
    let contents = catalogue.load(entry, split, config.seed).map_err(ConfigFault::dataset)?;
    let found = ReadEntry { name: entry.name.clone(), format: entry.format, redistributable: entry.redistributable };
    Ok((found, subjects_of(config, contents)?))
}

/// Restricts the contents to the subjects in the config.
fn subjects_of(config: &Config, contents: Contents) -> Result<Contents, ConfigError> {
    let Some(names) = &config.dataset.subjects else { return Ok(contents) };
    let items = subjects::only(contents.items, names).map_err(ConfigFault::dataset).at("subjects")?;
    Ok(Contents { items, ..contents })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::testing::item;

    #[test]
    fn equal_row_numbers_of_two_files_are_not_siblings() {
        let items = with_split_groups(vec![item("7", "7"), item("8", "trains")], "train");
        let groups: Vec<&str> = items.iter().map(|item| &*item.group).collect();
        assert_eq!(groups, ["train: 7", "trains"], "a named group is the same in every file");
        assert_eq!(items[0].id, "7".into());
    }
}
