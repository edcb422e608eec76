//! Ablations as files: one config, and what is changed in it for each row of each table.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::Deserialize;

use super::file::{parse, read};
use crate::cascade::arm::Arm;

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
    /// Its rows.
    pub variants: Vec<Variant>,
}

/// A row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Values laid over the config last.
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
    pub fn load(path: &Path) -> Result<Self> {
        let mut ablation: Self = parse(&read(path)?, path)?;
        ablation.config = path.with_file_name(&ablation.config);
        let titles: Vec<&str> = ablation.tables.iter().map(|table| &*table.title).collect();
        unique("table", &titles, path)?;
        for Table { title, variants } in &ablation.tables {
            unique(&format!("`{title}`: variant"), &variants.iter().map(|row| &*row.name).collect::<Vec<_>>(), path)?;
        }
        if ablation.variants().next().is_none() {
            bail!("{}: name at least one variant", path.display());
        }
        Ok(ablation)
    }

    /// All variants, table by table.
    pub fn variants(&self) -> impl Iterator<Item = &Variant> {
        self.tables.iter().flat_map(|table| &table.variants)
    }

    /// The distinct runs that the variants need, each as the values laid over the config: what variants set alike is
    /// run once.
    #[must_use]
    pub fn runs(&self) -> Vec<&[String]> {
        let mut runs: Vec<&[String]> = Vec::new();
        for variant in self.variants() {
            if !runs.contains(&&*variant.set) {
                runs.push(&variant.set);
            }
        }
        runs
    }
}

fn unique(what: &str, names: &[&str], path: &Path) -> Result<()> {
    match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        Some((_, name)) => bail!("{}: {what} `{name}` stands twice", path.display()),
        None => Ok(()),
    }
}
