//! Pair matrix of a config: the calls for offline evaluation of any gate, store rule and order of a learning arm.

use std::path::PathBuf;

use anyhow::anyhow;

use super::Prepared;
use super::error::RunError;
use super::progress::Progress;
use super::session::Session;
use crate::report::files::write_files;
use crate::report::matrix::table;

/// Result of a pair matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixReport {
    /// Number of answers in the table.
    pub rows: usize,
    /// Number of calls that this execution made.
    pub calls_made: u64,
    /// Folder of the table and the journal.
    pub folder: PathBuf,
}

impl Prepared {
    /// Calls the strong level on every item, then the weak level on every item alone and with the strong level's
    /// solution of each item that may be retrieved for the item. Writes the table.
    ///
    /// # Errors
    /// [`RunError::Config`] if no arm learns or `learning.k` is not 1; otherwise the errors of a run.
    pub async fn matrix(&self, progress: &Progress) -> Result<MatrixReport, RunError> {
        if !self.resolved.learns() {
            return Err(RunError::Config(anyhow!(
                "`arms` names no learning arm, so the weak level's prompt holds no example. Add inter-cascade to `arms`"
            )));
        }
        let k = self.resolved.config.learning.k;
        if k != 1 {
            return Err(RunError::Config(anyhow!(
                "learning.k is {k}, but the matrix uses one example per answer. Set learning.k = 1"
            )));
        }
        let place = self.location("");
        let folder = &place.folder;
        std::fs::create_dir_all(folder).map_err(|error| RunError::Folder(error.into()))?;
        let session = Session::open(self, &place, progress)?;
        let models = session.models().await?;
        let rows = session.matrix(&models).await?;
        let files = table(&models.context.dataset, &models.context.items, &rows)
            .and_then(|mut table| table.files())
            .map_err(RunError::Output)?;
        let files: Vec<_> = files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
        write_files(&files).map_err(RunError::Output)?;
        Ok(MatrixReport {
            rows: rows.len(),
            calls_made: session.resources.journal.calls_made(),
            folder: folder.clone(),
        })
    }
}
