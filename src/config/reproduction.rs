//! A paper's tables as files, and the families of experiments that they are made from.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use path_clean::PathClean;
use serde::Deserialize;

use super::error::{At as _, ConfigError, ConfigFault, refused};
use super::parse::{parse, read};
use super::suggest::{self, UnknownName};
use crate::report::claims::Claim;
use crate::report::reproduction::Shows;

/// The file of the families.
const FAMILIES: &str = "families.toml";

/// All of a paper.
#[derive(Debug)]
pub struct Paper {
    /// By name.
    pub families: BTreeMap<String, Family>,
    /// Its tables, in the order of their files' names.
    pub tables: Vec<Table>,
}

/// Experiments that go together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// What it is, and what it is not.
    pub about: String,
    /// Its experiments.
    #[serde(rename = "experiment")]
    pub experiments: Vec<Experiment>,
    /// Its ablations.
    #[serde(default, rename = "ablation")]
    pub ablations: Vec<Ablation>,
    /// Other data that they can be run on: values laid over their configs, by the name that is given for it.
    #[serde(default)]
    pub dataset: BTreeMap<String, Vec<String>>,
}

/// A config and, where there is one, its recording.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Its name in tables.
    pub name: String,
    /// The config; in the file its path counts from where the file lies.
    pub config: PathBuf,
    /// Values laid over the config.
    #[serde(default)]
    pub set: Vec<String>,
    /// A journal that answers all its calls.
    pub recording: Option<PathBuf>,
    /// Whether it makes no sense on other data.
    #[serde(default)]
    pub own_data_only: bool,
    /// What the paper's setting is not, or is not known to be.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// An ablation's file and, where there is one, its recording.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ablation {
    /// Its name: that of the folder for its tables.
    pub name: String,
    /// The file; its path counts from where this one lies.
    pub file: PathBuf,
    /// A journal that answers all its calls.
    pub recording: Option<PathBuf>,
}

/// A table of the paper's, or one that it lacks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its heading.
    pub title: String,
    /// What stands in it.
    pub shows: Shows,
    /// Where it is known from that the paper has it, or that it is ours.
    pub source: String,
    /// The claims that it judges.
    #[serde(default, rename = "claim")]
    pub claims: Vec<Claim>,
}

impl Paper {
    /// Reads a folder: `families.toml`, and a file for each table.
    ///
    /// # Errors
    /// Names file, line and key.
    pub fn load(folder: &Path) -> Result<Self, ConfigError> {
        let path = folder.join(FAMILIES);
        let mut families: BTreeMap<String, Family> = parse(&read(&path)?, &path)?;
        for family in families.values_mut() {
            let experiments = family.experiments.iter_mut().map(|one| (&mut one.config, &mut one.recording));
            let ablations = family.ablations.iter_mut().map(|one| (&mut one.file, &mut one.recording));
            for (file, recording) in experiments.chain(ablations) {
                *file = folder.join(&*file).clean();
                *recording = recording.take().map(|recording| folder.join(recording).clean());
            }
        }
        let unlisted = ConfigFault::unreadable(format!("cannot list {}", folder.display()));
        let listing = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut paths: Vec<PathBuf> = listing.map_err(unlisted)?.iter().map(DirEntry::path).collect();
        paths.retain(|other| other.extension().is_some_and(|kind| kind == "toml") && *other != path);
        paths.sort();
        let mut tables: Vec<Table> = Vec::new();
        for path in paths {
            let table: Table = parse(&read(&path)?, &path)?;
            check(&table, &tables, &families).at(path.display())?;
            tables.push(table);
        }
        Ok(Self { families, tables })
    }

    /// A family by name.
    ///
    /// # Errors
    /// Names the nearest.
    pub fn family(&self, name: &str) -> Result<&Family, UnknownName> {
        let names: Vec<&String> = self.families.keys().collect();
        Ok(&self.families[*suggest::find("family", name, &names, |name| name)?])
    }

    /// The tables and the family's ablations by their names, all where none is named or `all` is.
    ///
    /// # Errors
    /// Names the nearest.
    pub fn chosen<'a>(
        &'a self,
        family: &'a Family,
        names: &[String],
    ) -> Result<(Vec<&'a Table>, Vec<&'a Ablation>), UnknownName> {
        let tables = self.tables.iter().map(|table| table.shows.name());
        let known: Vec<&str> = tables.chain(family.ablations.iter().map(|ablation| &*ablation.name)).collect();
        for name in names.iter().filter(|name| *name != "all") {
            suggest::find("table", name, &known, |name| name)?;
        }
        let all = names.is_empty() || names.iter().any(|name| name == "all");
        let wanted = |name: &str| all || names.iter().any(|other| other == name);
        Ok((
            self.tables.iter().filter(|table| wanted(table.shows.name())).collect(),
            family.ablations.iter().filter(|ablation| wanted(&ablation.name)).collect(),
        ))
    }
}

/// Refuses a table that another file has too, and claims that cannot be judged.
fn check(table: &Table, others: &[Table], families: &BTreeMap<String, Family>) -> Result<(), ConfigError> {
    if others.iter().any(|other| other.shows == table.shows) {
        return Err(refused(format!("shows: another file has the table {} too", table.shows.name())));
    }
    let lacking = |claim: &&Claim| {
        !families.values().any(|family| family.experiments.iter().any(|other| other.name == claim.experiment))
    };
    if let Some(claim) = table.claims.iter().find(lacking) {
        return Err(refused(format!("claim: no family has an experiment `{}`", claim.experiment)));
    }
    match table.claims.iter().find_map(Claim::fault) {
        Some(fault) => Err(refused(format!("claim: {fault}"))),
        None => Ok(()),
    }
}

impl Family {
    /// What is laid over the configs, on other data where `dataset` names some.
    ///
    /// # Errors
    /// Names the nearest data set that the family can be run on.
    pub fn other_data(&self, dataset: Option<&str>) -> Result<&[String], UnknownName> {
        let Some(name) = dataset else { return Ok(&[]) };
        let names: Vec<&String> = self.dataset.keys().collect();
        Ok(&self.dataset[*suggest::find("data set of this family", name, &names, |name| name)?])
    }

    /// The recordings that it names.
    pub fn recordings(&self) -> impl Iterator<Item = &Path> {
        let experiments = self.experiments.iter().map(|one| &one.recording);
        experiments.chain(self.ablations.iter().map(|one| &one.recording)).filter_map(Option::as_deref)
    }
}
