//! Ablations as files: one config, and what is changed in it for each row of each table.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{At as _, ConfigError, refused};
use super::parse::{for_another_verb, parse, read};
use crate::types::arm::Arm;

/// What is compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ablation {
    /// Its name in reports, and of the folder for the outputs.
    pub name: String,
    /// The config that every variant starts from; in the file its path counts from where the file lies.
    pub config: PathBuf,
    /// Values laid over the config for all variants (`key.path=value`).
    #[serde(default)]
    pub set: Vec<String>,
    /// The tables.
    #[serde(rename = "table")]
    pub tables: Vec<Table>,
}

/// The variants of one question.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What it compares: a heading.
    pub title: String,
    /// Values laid over the config for its variants.
    #[serde(default)]
    pub set: Vec<String>,
    /// Its rows.
    pub variants: Vec<Variant>,
}

/// A row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Values laid over the config; once read, with the table's before them.
    #[serde(default)]
    pub set: Vec<String>,
    /// The arm that the row shows.
    #[serde(default = "inter_cascade")]
    pub arm: Arm,
}

fn inter_cascade() -> Arm {
    Arm::InterCascade
}

impl Ablation {
    /// Reads a file.
    ///
    /// # Errors
    /// Names file, line and key, and names that stand twice.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let mut ablation: Self = parse(&text, path).map_err(|error| {
            for_another_verb(&text, &["levels"], path, "a run's config: intercascade run").unwrap_or(error)
        })?;
        ablation.config = path.with_file_name(&ablation.config);
        let titles: Vec<&str> = ablation.tables.iter().map(|table| &*table.title).collect();
        unique("table", &titles).at(path.display())?;
        for Table { title, variants, .. } in &ablation.tables {
            let names: Vec<&str> = variants.iter().map(|row| &*row.name).collect();
            unique(&format!("`{title}`: variant"), &names).at(path.display())?;
        }
        if ablation.variants().next().is_none() {
            return Err(refused("name at least one variant")).at(path.display());
        }
        for Table { set, variants, .. } in &mut ablation.tables {
            for variant in variants {
                variant.set.splice(..0, set.iter().cloned());
            }
        }
        Ok(ablation)
    }

    /// All variants with their table's title.
    pub fn variants(&self) -> impl Iterator<Item = (&str, &Variant)> {
        self.tables.iter().flat_map(|table| table.variants.iter().map(|variant| (&*table.title, variant)))
    }

    /// The variants that are run, one of those that set the same, with their table's title.
    #[must_use]
    pub fn runs(&self) -> Vec<(&str, &Variant)> {
        let mut runs: Vec<(&str, &Variant)> = Vec::new();
        for (title, variant) in self.variants() {
            if !runs.iter().any(|(_, run)| run.set == variant.set) {
                runs.push((title, variant));
            }
        }
        runs
    }
}

fn unique(what: &str, names: &[&str]) -> Result<(), ConfigError> {
    match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        Some((_, name)) => Err(refused(format!("{what} `{name}` stands twice"))),
        None => Ok(()),
    }
}
