//! Overlap of two files that should be disjoint, such as calibration items and stream.

use std::path::{Path, PathBuf};

use anyhow::Error;

use super::error::RunError;
use super::progress::{Progress, Unit};
use super::transfers::ensure_weights;
use crate::dataset::{Reading, read_clean};
use crate::fetch::weights::Catalogue;
use crate::retrieval::embedder::{self, EmbedderName};
use crate::retrieval::leakage::{Leakage, leakage};
use crate::types::embedding::Embedded;
use crate::types::item::Item;

/// Maximum number of near-duplicates that are listed.
const PAIRS_SHOWN: usize = 10;

/// Groups and near-duplicates that two files share.
pub struct FileOverlap {
    files: [PathBuf; 2],
    found: Leakage,
    /// Number of questions in the first file.
    questions: usize,
    embedder: EmbedderName,
    /// Minimum cosine of near-duplicates.
    min_cosine: f64,
}

impl FileOverlap {
    /// Compares two files. Near-duplicates have a cosine of at least `min_cosine` under the embedder, whose weights are
    /// fetched if they are missing.
    ///
    /// # Errors
    /// [`RunError::Data`] with a file and its faults; [`RunError::Weights`] if the weights cannot be fetched.
    pub async fn between(
        files: [&Path; 2],
        reading: &Reading,
        embedder: EmbedderName,
        min_cosine: f64,
        progress: &Progress,
    ) -> Result<Self, RunError> {
        let weights = match embedder.weights() {
            Some(name) => Some(ensure_weights(Catalogue::builtin(), name, progress).await?),
            None => None,
        };
        let (one, one_rows) = embedded(files[0], reading, embedder, weights.clone(), progress).await?;
        let (other, other_rows) = embedded(files[1], reading, embedder, weights, progress).await?;
        let found = leakage((&one, &one_rows), (&other, &other_rows), min_cosine);
        Ok(Self { files: files.map(Path::to_owned), found, questions: one.len(), embedder, min_cosine })
    }

    /// True if no group has items in both files.
    #[must_use]
    pub fn is_disjoint(&self) -> bool {
        self.found.shared_groups == 0
    }

    /// Lines for the user: the most similar pairs, then the counts.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Leakage { shared_groups, near } = &self.found;
        let listed = near.iter().take(PAIRS_SHOWN);
        let mut lines: Vec<String> =
            listed.map(|pair| format!("{} and {}: {:.3}", pair.one, pair.other, pair.similarity)).collect();
        lines.push(format!(
            "{} and {}: {shared_groups} groups in both; {} of {} questions have a near-duplicate (cosine at least {} by {})",
            self.files[0].display(),
            self.files[1].display(),
            near.len(),
            self.questions,
            self.min_cosine,
            self.embedder.name()
        ));
        lines
    }
}

/// Items of a file with the embeddings of their questions, in the order of the file.
async fn embedded(
    path: &Path,
    reading: &Reading,
    embedder: EmbedderName,
    weights: Option<PathBuf>,
    progress: &Progress,
) -> Result<(Vec<Item>, Vec<Embedded>), RunError> {
    let items = read_clean(path, reading).map_err(RunError::Data)?.items;
    let queries: Vec<String> = items.iter().map(|item| item.query.clone()).collect();
    let work = progress.begin(&path.display().to_string(), queries.len() as u64, Unit::Steps);
    // A blocking thread keeps this task responsive to stop requests.
    let rows = tokio::task::spawn_blocking(move || {
        embedder::embed(embedder, weights.as_deref(), &queries, |done| work.done(done as u64))
    });
    let rows = async { rows.await.map_err(Error::from).and_then(|rows| rows).map_err(RunError::Weights) };
    Ok((items, progress.unless_stopped(rows).await?))
}
