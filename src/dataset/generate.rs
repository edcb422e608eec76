//! Generation of a data set's files from its source. Items are generated, split by group, and written in their
//! format.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Format, facts::Facts, gsm8k, mmlu, template::Templates};
use crate::types::item::{Item, Target};
use crate::types::seed::Seed;

/// Settings for generating a data set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// Kind of the source.
    pub kind: Kind,
    /// Path of the source, relative to the catalogue's folder.
    pub source: PathBuf,
    /// Splits with separate sources.
    #[serde(default)]
    pub further: Vec<Further>,
    /// Seed of the draws, the shuffles and the split.
    pub seed: Seed,
    /// Number of problems per template. Facts have one item per question.
    #[serde(default)]
    pub instances: usize,
    /// Share of the groups in `dev`, in [0, 1]; the others are in `test`.
    pub dev_share: f64,
}

/// A split whose groups all come from a separate source.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Further {
    /// Name of the split, and of its file without the ending.
    pub split: String,
    /// Path of the source, relative to the catalogue's folder.
    pub source: PathBuf,
    /// Number of problems per template; `None` for the generator's number.
    #[serde(default)]
    pub instances: Option<usize>,
}

/// Kind of a generator's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Templates of word problems.
    Templates,
    /// Facts with questions.
    Facts,
}

/// A generated file.
#[derive(Debug)]
pub struct GeneratedFile {
    /// `dev`, `test`, or a further split's name.
    pub split: String,
    /// Path to which the file would be written.
    pub path: PathBuf,
    /// Content of the file.
    pub bytes: Vec<u8>,
    /// Number of items.
    pub rows: usize,
    /// Hex SHA-256 of the content.
    pub sha256: String,
}

impl Generator {
    /// Returns the generator with another seed, and with another number of problems per template in every split, if
    /// given.
    #[must_use]
    pub fn with(mut self, seed: Option<Seed>, instances: Option<usize>) -> Self {
        self.seed = seed.unwrap_or(self.seed);
        if let Some(instances) = instances {
            self.instances = instances;
            self.further.iter_mut().for_each(|further| further.instances = None);
        }
        self
    }

    /// Generates every split for the folder `out`, without writing a file.
    ///
    /// # Errors
    /// Names the source and its fault.
    pub fn make(&self, catalogue: &Path, format: Format, out: &Path) -> Result<Vec<GeneratedFile>> {
        let items = self.items(&catalogue.join(&self.source), self.instances)?;
        let (dev, others): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| self.is_dev(&item.group));
        let mut splits = vec![("dev", dev), ("test", others)];
        for Further { split, source, instances } in &self.further {
            if splits.iter().any(|(existing, _)| *existing == split.as_str()) {
                let file = catalogue.join("catalogue.toml");
                bail!("{}: `further`: the split `{split}` exists already. Rename this split", file.display());
            }
            splits.push((split.as_str(), self.items(&catalogue.join(source), instances.unwrap_or(self.instances))?));
        }
        splits.into_iter().map(|(split, items)| file(split, format, &items, out)).collect()
    }

    fn items(&self, source: &Path, instances: usize) -> Result<Vec<Item>> {
        let text = std::fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
        match self.kind {
            Kind::Templates => Templates::parse(&text).and_then(|templates| templates.items(self.seed, instances)),
            Kind::Facts => Facts::parse(&text).map(|facts| facts.items(self.seed)),
        }
        .with_context(|| format!("{}", source.display()))
    }

    /// Returns true if a group belongs to `dev`. The result depends only on the group's name, so that adding a
    /// group moves no other.
    fn is_dev(&self, group: &str) -> bool {
        self.seed.unit(&["split", group]) < self.dev_share
    }
}

fn file(split: &str, format: Format, items: &[Item], out: &Path) -> Result<GeneratedFile> {
    let (ending, bytes) = match format {
        Format::Gsm8k => ("jsonl", jsonl(items)?),
        Format::Mmlu => ("csv", csv(items)?),
    };
    let path = out.join(format!("{split}.{ending}"));
    Ok(GeneratedFile {
        split: split.to_owned(),
        path,
        rows: items.len(),
        sha256: hex::encode(Sha256::digest(&bytes)),
        bytes,
    })
}

fn jsonl(items: &[Item]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for item in items {
        let answer = item.solution.as_deref().unwrap_or_default();
        let row = gsm8k::Written { id: &item.id.0, group: &item.group, question: &item.query, answer };
        serde_json::to_writer(&mut bytes, &row)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn csv(items: &[Item]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(mmlu::COLUMNS.iter().chain(&mmlu::OPTIONAL_COLUMNS))?;
    for item in items {
        let Target::Choice(target) = item.target else { bail!("{} has no options", item.id) };
        let target = target.to_string();
        let explanation = item.solution.as_deref().unwrap_or_default();
        let mut row = vec![item.query.as_str()];
        row.extend(item.options.iter().map(String::as_str));
        row.extend([target.as_str(), &item.id.0, &item.group, explanation]);
        writer.write_record(row)?;
    }
    writer.into_inner().context("cannot write CSV")
}
