//! Files of a reproduction: the paper's tables, and the families of experiments that produce them.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use path_clean::PathClean;
use serde::Deserialize;

use super::error::{At as _, ConfigError, ConfigFault, invalid};
use super::parse::{parse, read};
use super::suggest::{self, UnknownName};
use crate::report::claims::Claim;
use crate::report::reproduction::Shows;

/// Name of the file with the families.
const FAMILIES: &str = "families.toml";

/// Reproduction of a paper.
#[derive(Debug)]
pub struct Paper {
    /// Families of experiments by name.
    pub families: BTreeMap<String, Family>,
    /// Tables, in the order of their file names.
    pub tables: Vec<Table>,
}

/// A family: experiments that are reported together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Description of the family and its limits.
    pub about: String,
    /// Experiments.
    #[serde(rename = "experiment")]
    pub experiments: Vec<Experiment>,
    /// Ablations.
    #[serde(default, rename = "ablation")]
    pub ablations: Vec<Ablation>,
    /// Other data sets for the experiments: overrides of the configs, by the name of the data set.
    #[serde(default)]
    pub dataset: BTreeMap<String, Vec<String>>,
}

/// An experiment: a config, with an optional recording.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name in tables.
    pub name: String,
    /// Path of the config. In the file, the path is relative to the folder of the file.
    pub config: PathBuf,
    /// Overrides of the config (`key.path=value`).
    #[serde(default)]
    pub set: Vec<String>,
    /// Journal that answers all calls. `None` if there is none.
    pub recording: Option<PathBuf>,
    /// True if the experiment must not run on other data sets.
    #[serde(default)]
    pub own_data_only: bool,
    /// Choices that differ from the paper, or that the paper does not specify.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// An ablation file, with an optional recording.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ablation {
    /// Name of the ablation and of the folder for its tables.
    pub name: String,
    /// Path of the ablation file. In `families.toml`, the path is relative to the folder of that file.
    pub file: PathBuf,
    /// Journal that answers all calls. `None` if there is none.
    pub recording: Option<PathBuf>,
}

/// A table of the paper, or an additional one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Heading.
    pub title: String,
    /// Content of the table.
    pub shows: Shows,
    /// Source of the table in the paper, or a note that the table is additional.
    pub source: String,
    /// Table `judgement` (CSV) of an earlier judgement, for the claims with a `set`. In the file, the path is relative to
    /// the folder of the file.
    pub judgement: Option<PathBuf>,
    /// Claims that the table tests.
    #[serde(default, rename = "claim")]
    pub claims: Vec<Claim>,
}

impl Paper {
    /// Reads a folder: `families.toml`, and a file for each table.
    ///
    /// # Errors
    /// If a file is invalid. The error names file, line and key.
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
            let mut table: Table = parse(&read(&path)?, &path)?;
            check(&table, &tables, &families).at(path.display())?;
            table.judgement = table.judgement.take().map(|judgement| folder.join(judgement).clean());
            tables.push(table);
        }
        Ok(Self { families, tables })
    }

    /// Finds a family by name.
    ///
    /// # Errors
    /// If no family has the name. The error suggests the nearest name.
    pub fn family(&self, name: &str) -> Result<&Family, UnknownName> {
        let names: Vec<&String> = self.families.keys().collect();
        Ok(&self.families[*suggest::find("family", name, &names, |name| name)?])
    }

    /// Selects tables and ablations of the family by name. Selects all if `names` is empty or contains `all`.
    ///
    /// # Errors
    /// If a name is unknown. The error suggests the nearest name.
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
        let is_selected = |name: &str| all || names.iter().any(|other| other == name);
        Ok((
            self.tables.iter().filter(|table| is_selected(table.shows.name())).collect(),
            family.ablations.iter().filter(|ablation| is_selected(&ablation.name)).collect(),
        ))
    }
}

/// Rejects a table that another file contains, and claims that cannot be tested.
fn check(table: &Table, others: &[Table], families: &BTreeMap<String, Family>) -> Result<(), ConfigError> {
    if others.iter().any(|other| other.shows == table.shows) {
        return Err(invalid(format!(
            "shows: another file also has the table {}. Remove one of them",
            table.shows.name()
        )));
    }
    if table.judgement.is_none() && table.claims.iter().any(|claim| claim.set.is_some()) {
        return Err(invalid("judgement: a claim has a `set`, so the file of the judgement is needed. Add it"));
    }
    let unknown_experiment = |claim: &&Claim| {
        claim.set.is_none()
            && !families.values().any(|family| family.experiments.iter().any(|other| other.name == claim.experiment))
    };
    if let Some(claim) = table.claims.iter().find(unknown_experiment) {
        return Err(invalid(format!("claim: no family has an experiment `{}`", claim.experiment)));
    }
    match table.claims.iter().find_map(Claim::invalid_reason) {
        Some(fault) => Err(invalid(format!("claim: {fault}"))),
        None => Ok(()),
    }
}

impl Family {
    /// Overrides of the configs for another data set. Empty if `dataset` is `None`.
    ///
    /// # Errors
    /// If the family has no such data set. The error suggests the nearest name.
    pub fn other_data(&self, dataset: Option<&str>) -> Result<&[String], UnknownName> {
        let Some(name) = dataset else { return Ok(&[]) };
        let names: Vec<&String> = self.dataset.keys().collect();
        Ok(&self.dataset[*suggest::find("data set of this family", name, &names, |name| name)?])
    }

    /// Recordings of the family's experiments and ablations.
    pub fn recordings(&self) -> impl Iterator<Item = &Path> {
        let experiments = self.experiments.iter().map(|one| &one.recording);
        experiments.chain(self.ablations.iter().map(|one| &one.recording)).filter_map(Option::as_deref)
    }
}
