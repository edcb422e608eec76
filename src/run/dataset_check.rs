//! What two files share that should have nothing in common, such as calibration and stream.

use std::path::Path;

use anyhow::Result;

use crate::retrieval::embedder::{self, EmbedderName};
use crate::retrieval::leakage::{Leakage, leakage};
use crate::types::embedding::Embedded;
use crate::types::item::Item;

/// How many near-duplicates are shown.
const PAIRS_SHOWN: usize = 10;

/// The items of a file with the embeddings of their questions, in the file's order.
pub struct Questions {
    items: Vec<Item>,
    rows: Vec<Embedded>,
}

impl Questions {
    /// Embeds the questions of a file. `weights` is the folder of the embedder's files, if it has any; `progress` is
    /// called with the number of questions done.
    ///
    /// # Errors
    /// If the weights cannot be loaded.
    pub fn embed(
        items: Vec<Item>,
        embedder: EmbedderName,
        weights: Option<&Path>,
        progress: impl FnMut(usize),
    ) -> Result<Self> {
        let queries: Vec<String> = items.iter().map(|item| item.query.clone()).collect();
        let rows = embedder::embed(embedder, weights, &queries, progress)?;
        Ok(Self { items, rows })
    }
}

/// What two files share: groups and near-duplicates.
pub struct Shared {
    found: Leakage,
    /// The number of questions in the first file.
    questions: usize,
    from: f64,
}

impl Shared {
    /// Compares two files; near-duplicates have at least the cosine `from`.
    #[must_use]
    pub fn between(one: &Questions, other: &Questions, from: f64) -> Self {
        let found = leakage((&one.items, &one.rows), (&other.items, &other.rows), from);
        Self { found, questions: one.items.len(), from }
    }

    /// Whether no group has items in both files.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.found.shared_groups == 0
    }

    /// The lines that show it: the most similar pairs, then the counts. `one` and `other` are the files' paths.
    #[must_use]
    pub fn lines(&self, one: &Path, other: &Path, embedder: EmbedderName) -> Vec<String> {
        let Leakage { shared_groups, near } = &self.found;
        let shown = near.iter().take(PAIRS_SHOWN);
        let mut lines: Vec<String> =
            shown.map(|pair| format!("{} and {}: {:.3}", pair.one, pair.other, pair.similarity)).collect();
        lines.push(format!(
            "{} and {}: {shared_groups} groups in both; {} of {} questions have a near-duplicate (cosine at least {} by {})",
            one.display(),
            other.display(),
            near.len(),
            self.questions,
            self.from,
            embedder.name()
        ));
        lines
    }
}
