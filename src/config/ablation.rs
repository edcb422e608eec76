//! Ablation files: a base config, and the values that each row of each table overrides.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::error::{At as _, ConfigError, invalid};
use super::parse::{for_another_verb, parse, read};
use crate::types::arm::Arm;

/// An ablation: variants of one config, grouped in tables.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ablation {
    /// Name in reports and of the output folder.
    pub name: String,
    /// Path of the base config. In the file, the path is relative to the folder of the file.
    pub config: PathBuf,
    /// Overrides of the config for all variants (`key.path=value`).
    #[serde(default)]
    pub set: Vec<String>,
    /// Tables, in the order of the report.
    #[serde(rename = "table")]
    pub tables: Vec<Table>,
}

/// Table: the variants that answer one question.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Heading of the table.
    pub title: String,
    /// Overrides of the config for the variants of the table (`key.path=value`).
    #[serde(default)]
    pub set: Vec<String>,
    /// Rows of the table.
    pub variants: Vec<Variant>,
}

/// Row of a table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Name of the variant.
    pub name: String,
    /// Overrides of the config (`key.path=value`). After loading, the overrides of the table come first.
    #[serde(default)]
    pub set: Vec<String>,
    /// Arm whose figures the row reports.
    #[serde(default = "inter_cascade")]
    pub arm: Arm,
}

fn inter_cascade() -> Arm {
    Arm::InterCascade
}

impl Ablation {
    /// Reads an ablation file.
    ///
    /// # Errors
    /// If the file is invalid or a name occurs twice. The error names file, line and key.
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
            return Err(invalid("name at least one variant")).at(path.display());
        }
        for Table { set, variants, .. } in &mut ablation.tables {
            for variant in variants {
                variant.set.splice(..0, set.iter().cloned());
            }
        }
        Ok(ablation)
    }

    /// All variants, each with the title of its table.
    pub fn variants(&self) -> impl Iterator<Item = (&str, &Variant)> {
        self.tables.iter().flat_map(|table| table.variants.iter().map(|variant| (&*table.title, variant)))
    }

    /// Variants to run, each with the title of its table. Of variants with identical overrides, only the first is run.
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

/// Returns an error if a name occurs twice.
fn unique(what: &str, names: &[&str]) -> Result<(), ConfigError> {
    match names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
        Some((_, name)) => Err(invalid(format!("{what} `{name}` is listed twice"))),
        None => Ok(()),
    }
}
