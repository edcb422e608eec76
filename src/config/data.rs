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
pub struct Chosen {
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

impl Chosen {
    /// Reads what `config` names; `path` is the config's own.
    ///
    /// # Errors
    /// Names the key and the mend.
    pub fn of(config: &Config, path: &Path) -> Result<Self, ConfigError> {
        let wanted = &config.dataset;
        let (name, format, contents) = read(config, wanted.split.as_deref(), path)?;
        let (mut sha256, mut notices) = (contents.sha256, contents.notices);
        let mut rest = contents.items;
        let other = match &wanted.calibration_split {
            None => None,
            Some(split) => {
                let (_, _, other) = read(config, Some(split), path).at("calibration_split")?;
                sha256 = format!("{sha256} {}", other.sha256);
                notices
                    .extend(other.notices.into_iter().filter(|notice| !notices.contains(notice)).collect::<Vec<_>>());
                Some(of_split(other.items, split))
            }
        };
        let drawn = drawn(other.as_deref().unwrap_or(&rest), wanted.calibration, config.seed)?;
        if wanted.group_split {
            let groups: HashSet<&str> = drawn.iter().map(|item| &*item.group).collect();
            rest.retain(|item| !groups.contains(&*item.group));
        } else if other.is_none() {
            let ids: HashSet<&ItemId> = drawn.iter().map(|item| &item.id).collect();
            rest.retain(|item| !ids.contains(&item.id));
        }
        let calibration = apart(drawn, &rest);
        let mut stream = stream::take(rest, wanted.per_group, wanted.limit);
        if let Some(n) = wanted.sample {
            stream = stream::sample(stream, n, config.seed);
        }
        if let Some(n) = wanted.sample_groups {
            stream = stream::sample_groups(stream, n, config.seed)
                .map_err(|there| refused(format!("sample_groups is {n}, and there are {there} groups")))?;
        }
        let (key, least) = wanted.sample.map_or(("limit", wanted.limit.unwrap_or(1)), |n| ("sample", n));
        if least > stream.len() {
            return Err(refused(format!("{key} is {least}, and there are {} items", stream.len())));
        }
        Ok(Self { name, format, sha256, notices, stream, calibration })
    }
}

/// `n` items, one of each of as many groups.
fn drawn(pool: &[Item], n: usize, seed: Seed) -> Result<Vec<Item>, ConfigError> {
    if n == 0 {
        return Ok(Vec::new());
    }
    let mut drawn = stream::drawn_for_calibration(pool, seed);
    if n > drawn.len() {
        return Err(refused(format!(
            "calibration is {n}, and there are {} groups: one item of each is drawn, since variants of one problem are right or \
             wrong together; ask for fewer",
            drawn.len()
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
