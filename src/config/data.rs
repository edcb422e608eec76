//! From `[dataset]` to items: those of the stream, and those set apart for calibration.

use std::collections::HashSet;
use std::path::Path;

use super::error::{At as _, ConfigError, ConfigFault, refused};
use super::schema::Config;
use super::suggest;
use crate::dataset::catalogue::Catalogue;
use crate::dataset::{Contents, Format, Reading, read_clean, stream, subjects};
use crate::types::item::{Item, ItemId};
use crate::types::seed::Seed;

/// The items that a config names.
pub struct SelectedItems {
    /// The data set's name in outputs.
    pub name: String,
    /// How its files are read.
    pub format: Format,
    /// Hex sha256 of the stream's file, and of the calibration items' where it is another.
    pub sha256: String,
    /// What a reader must know of the files.
    pub notices: Vec<String>,
    /// The items of the stream.
    pub stream: Vec<Item>,
    /// Those set apart, in the order in which they were drawn; their ids differ from the stream's.
    pub calibration: Vec<Item>,
}

impl SelectedItems {
    /// Reads what `config` names; `path` is the config's own.
    ///
    /// # Errors
    /// Names the key and the mend.
    pub fn of(config: &Config, path: &Path) -> Result<Self, ConfigError> {
        let wanted = &config.dataset;
        let (name, format, contents) = read(config, wanted.split.as_deref(), path)?;
        let (mut sha256, mut notices) = (contents.sha256, contents.notices);
        let there = contents.items.len();
        let other = match &wanted.calibration_split {
            None => None,
            Some(split) => {
                let (_, _, other) = read(config, Some(split), path).at("calibration_split")?;
                sha256 = format!("{sha256} {}", other.sha256);
                notices
                    .extend(other.notices.into_iter().filter(|notice| !notices.contains(notice)).collect::<Vec<_>>());
                Some(of_split(stream::take(other.items, wanted.per_group, None), split))
            }
        };
        let taken = taken(config, contents.items)?;
        let drawn = drawn(other.as_deref().unwrap_or(&taken), wanted.calibration, config.seed)?;
        let mut stream = taken.clone();
        if wanted.group_split {
            let groups: HashSet<&str> = drawn.iter().map(|item| &*item.group).collect();
            stream.retain(|item| !groups.contains(&*item.group));
        } else if other.is_none() {
            let ids: HashSet<&ItemId> = drawn.iter().map(|item| &item.id).collect();
            stream.retain(|item| !ids.contains(&item.id));
        }
        if stream.is_empty() {
            return Err(nothing_left(there, &taken, &drawn, wanted.group_split));
        }
        let calibration = apart(drawn, &stream);
        Ok(Self { name, format, sha256, notices, stream, calibration })
    }
}

/// The items that `per_group`, `limit`, `sample` and `sample_groups` take, of which calibration items are then set apart.
fn taken(config: &Config, items: Vec<Item>) -> Result<Vec<Item>, ConfigError> {
    let wanted = &config.dataset;
    let there = items.len();
    let of_groups = stream::take(items, wanted.per_group, None);
    let rest = match wanted.per_group {
        Some(most) if of_groups.len() < there => {
            format!("{there} questions, of which per_group = {most} takes {}", of_groups.len())
        }
        _ => format!("{there} questions"),
    };
    let lacking =
        |key: &str, n: usize, there: usize| (n > there).then(|| refused(format!("{key} is {n}, and there are {rest}")));
    if let Some(error) =
        wanted.limit.and_then(|n| lacking("limit", n, of_groups.len()).filter(|_| wanted.sample.is_none()))
    {
        return Err(error);
    }
    let mut taken = stream::take(of_groups, None, wanted.limit);
    if let Some(n) = wanted.sample {
        if let Some(error) = lacking("sample", n, taken.len()) {
            return Err(error);
        }
        taken = stream::sample(taken, n, config.seed);
    }
    if let Some(n) = wanted.sample_groups {
        taken = stream::sample_groups(taken, n, config.seed)
            .map_err(|there| refused(format!("sample_groups is {n}, and there are {there} groups")))?;
    }
    Ok(taken)
}

/// The error of a stream without items, which says where they went.
fn nothing_left(there: usize, taken: &[Item], drawn: &[Item], whole_groups: bool) -> ConfigError {
    if drawn.is_empty() {
        return refused(format!("there are {there} questions, and none is left for the stream"));
    }
    let of_groups = if whole_groups { " with all others of their groups" } else { "" };
    let of_file = if taken.len() < there { format!(" (of {there} in the file)") } else { String::new() };
    refused(format!(
        "{} questions{of_file}: {} are set apart for calibration{of_groups}, in {} groups, and 0 are left for the stream; lower \
         dataset.calibration, or give the calibration items a split of their own with calibration_split",
        taken.len(),
        drawn.len(),
        drawn.iter().map(|item| &*item.group).collect::<HashSet<&str>>().len(),
    ))
}

/// `n` items, one of each of as many groups.
fn drawn(pool: &[Item], n: usize, seed: Seed) -> Result<Vec<Item>, ConfigError> {
    if n == 0 {
        return Ok(Vec::new());
    }
    let mut drawn = stream::drawn_for_calibration(pool, seed);
    if n > drawn.len() {
        return Err(refused(format!(
            "calibration is {n}, and there are {} groups among {} questions: one question of each is drawn, since variants of one \
             problem are right or wrong together; ask for fewer",
            drawn.len(),
            pool.len()
        )));
    }
    drawn.truncate(n);
    Ok(drawn.into_iter().map(|index| pool[index].clone()).collect())
}

/// Another split's items. Files number their rows alike, and an item of no group has no siblings in another file.
fn of_split(mut items: Vec<Item>, split: &str) -> Vec<Item> {
    for item in items.iter_mut().filter(|item| *item.group == *item.id.0) {
        item.group = format!("{split}: {}", item.id).into();
    }
    items
}

/// The items, under ids that no item of the stream has: files number their rows alike.
fn apart(mut items: Vec<Item>, stream: &[Item]) -> Vec<Item> {
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

/// The data set's name, format and the contents of one split.
fn read(config: &Config, split: Option<&str>, path: &Path) -> Result<(String, Format, Contents), ConfigError> {
    let wanted = &config.dataset;
    if let Some(file) = &wanted.path {
        if split.is_some() {
            return Err(refused("`split` goes with a name of the catalogue, not with a path"));
        }
        let format = wanted.format.or_else(|| Format::of_path(file));
        let format = format.ok_or_else(|| refused("add format = \"gsm8k\" or \"mmlu\"")).at(file.display())?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (member, group) = (wanted.member.clone(), wanted.group.clone());
        let reading = Reading { member, group, seed: config.seed, ..Reading::of(format) };
        let contents = read_clean(file, &reading).map_err(ConfigFault::dataset)?;
        return Ok((wanted.name.clone().unwrap_or(stem), format, subjects_of(config, contents)?));
    }
    if wanted.member.is_some() || wanted.group.is_some() {
        return Err(refused("`member` and `group` go with a path; the catalogue has its own"));
    }
    let catalogue = Catalogue::find(Some(path)).map_err(ConfigFault::dataset)?;
    let entry =
        suggest::find("data set", wanted.name.as_deref().unwrap_or_default(), &catalogue.entries, |entry| &entry.name)?;
    if wanted.format.is_some_and(|format| format != entry.format) {
        return Err(refused(format!("`{}` has the format of its catalogue entry; leave `format` out", entry.name)));
    }
    let split = entry.choose_split(split).map_err(ConfigFault::dataset)?;
    let contents = catalogue.load(entry, split, config.seed).map_err(ConfigFault::dataset)?;
    Ok((entry.name.clone(), entry.format, subjects_of(config, contents)?))
}

/// The contents, of the subjects that the config names alone.
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
    fn rows_of_two_files_are_no_siblings_by_their_numbers() {
        let items = of_split(vec![item("7", "7"), item("8", "trains")], "train");
        let groups: Vec<&str> = items.iter().map(|item| &*item.group).collect();
        assert_eq!(groups, ["train: 7", "trains"], "a named group is the same in every file");
        assert_eq!(items[0].id, "7".into());
    }
}
