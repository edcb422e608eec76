//! What two files share that should have nothing in common, such as calibration and stream.

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

/// How many near-duplicates are shown.
const PAIRS_SHOWN: usize = 10;

/// What two files share: groups and near-duplicates.
pub struct Shared {
    files: [PathBuf; 2],
    found: Leakage,
    /// The number of questions in the first file.
    questions: usize,
    embedder: EmbedderName,
    /// The least cosine of near-duplicates.
    from: f64,
}

impl Shared {
    /// Compares two files; near-duplicates have at least the cosine `from` by the embedder, whose weights are fetched if
    /// they are not there.
    ///
    /// # Errors
    /// [`RunError::Data`] names a file and its faults, [`RunError::Weights`] weights that cannot be had.
    pub async fn between(
        files: [&Path; 2],
        reading: &Reading,
        embedder: EmbedderName,
        from: f64,
        progress: &Progress,
    ) -> Result<Self, RunError> {
        let weights = match embedder.weights() {
            Some(name) => Some(ensure_weights(Catalogue::builtin(), name, progress).await?),
            None => None,
        };
        let (one, one_rows) = embedded(files[0], reading, embedder, weights.clone(), progress).await?;
        let (other, other_rows) = embedded(files[1], reading, embedder, weights, progress).await?;
        let found = leakage((&one, &one_rows), (&other, &other_rows), from);
        Ok(Self { files: files.map(Path::to_owned), found, questions: one.len(), embedder, from })
    }

    /// Whether no group has items in both files.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.found.shared_groups == 0
    }

    /// The lines that show it: the most similar pairs, then the counts.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Leakage { shared_groups, near } = &self.found;
        let shown = near.iter().take(PAIRS_SHOWN);
        let mut lines: Vec<String> =
            shown.map(|pair| format!("{} and {}: {:.3}", pair.one, pair.other, pair.similarity)).collect();
        lines.push(format!(
            "{} and {}: {shared_groups} groups in both; {} of {} questions have a near-duplicate (cosine at least {} by {})",
            self.files[0].display(),
            self.files[1].display(),
            near.len(),
            self.questions,
            self.from,
            self.embedder.name()
        ));
        lines
    }
}

/// The items of a file with the embeddings of their questions, in the file's order.
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
    // Off this thread, so that a wish to stop is heard meanwhile.
    let rows = tokio::task::spawn_blocking(move || {
        embedder::embed(embedder, weights.as_deref(), &queries, |done| work.done(done as u64, &String::new))
    });
    let rows = async { rows.await.map_err(Error::from).and_then(|rows| rows).map_err(RunError::Weights) };
    Ok((items, progress.unless_stopped(rows).await?))
}
