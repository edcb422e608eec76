//! Making a data set's files from its source: items are generated, split by group, and written in their format.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Format, facts::Facts, gsm8k, mmlu, template::Templates};
use crate::types::item::{Item, Target};
use crate::types::seed::Seed;

/// How a data set is made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// What the source holds.
    pub kind: Kind,
    /// Path of the source from the catalogue's folder.
    pub source: PathBuf,
    /// Splits with sources of their own.
    #[serde(default)]
    pub further: Vec<Further>,
    /// Seed of the drawings, the shuffles and the split.
    pub seed: Seed,
    /// Problems per template; facts have as many items as questions.
    #[serde(default)]
    pub instances: usize,
    /// Share of the groups that go to `dev`; the others are `test`.
    pub dev_share: f64,
}

/// A split all of whose groups come from a source of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Further {
    /// Name of the split, and of its file without the ending.
    pub split: String,
    /// Path of the source from the catalogue's folder.
    pub source: PathBuf,
    /// Problems per template; `None` if as many as the generator's.
    #[serde(default)]
    pub instances: Option<usize>,
}

/// What a generator's source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Templates of word problems.
    Templates,
    /// Facts with questions.
    Facts,
}

/// A file that was made.
#[derive(Debug)]
pub struct Made {
    /// `dev`, `test`, or a further split's name.
    pub split: String,
    /// Where it would stand.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Number of items.
    pub rows: usize,
    /// Hex sha256 of the bytes.
    pub sha256: String,
}

impl Generator {
    /// The generator with another seed, and another number of problems per template in every split, if they are given.
    #[must_use]
    pub fn with(mut self, seed: Option<Seed>, instances: Option<usize>) -> Self {
        self.seed = seed.unwrap_or(self.seed);
        if let Some(instances) = instances {
            self.instances = instances;
            self.further.iter_mut().for_each(|further| further.instances = None);
        }
        self
    }

    /// Makes every split for the folder `out`, and writes nothing.
    ///
    /// # Errors
    /// Names the source and what is wrong with it.
    pub fn make(&self, catalogue: &Path, format: Format, out: &Path) -> Result<Vec<Made>> {
        let items = self.items(&catalogue.join(&self.source), self.instances)?;
        let (dev, others): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| self.is_dev(&item.group));
        let mut splits = vec![("dev", dev), ("test", others)];
        for Further { split, source, instances } in &self.further {
            if splits.iter().any(|(there, _)| *there == split.as_str()) {
                let file = catalogue.join("catalogue.toml");
                bail!("{}: `further`: there is a split `{split}` already: rename this one", file.display());
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

    /// A group's split depends on its name alone, so that adding a group moves no other.
    fn is_dev(&self, group: &str) -> bool {
        self.seed.unit(&["split", group]) < self.dev_share
    }
}

fn file(split: &str, format: Format, items: &[Item], out: &Path) -> Result<Made> {
    let (ending, bytes) = match format {
        Format::Gsm8k => ("jsonl", jsonl(items)?),
        Format::Mmlu => ("csv", csv(items)?),
    };
    let path = out.join(format!("{split}.{ending}"));
    Ok(Made { split: split.to_owned(), path, rows: items.len(), sha256: hex::encode(Sha256::digest(&bytes)), bytes })
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
