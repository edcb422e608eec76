//! The pair matrix of a config: the calls with which any gate, store rule and order of a learning arm is judged offline.

use std::path::PathBuf;

use anyhow::anyhow;

use super::Prepared;
use super::error::RunError;
use super::progress::Progress;
use super::session::Session;
use crate::report::files::write_files;
use crate::report::matrix::table;

/// What came of a pair matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixReport {
    /// Answers in the table.
    pub rows: usize,
    /// Calls that were really made for it now.
    pub calls_made: u64,
    /// The folder of the table and the journal.
    pub folder: PathBuf,
}

impl Prepared {
    /// Asks the strong level about every item, then the weak level about every item alone and with the strong level's
    /// solution of each item that may be shown for it, and writes the table.
    ///
    /// # Errors
    /// [`RunError::Config`] if no arm learns or an answer would have several examples; else as a run.
    pub async fn matrix(&self, progress: &Progress) -> Result<MatrixReport, RunError> {
        if !self.resolved.learns() {
            return Err(RunError::Config(anyhow!(
                "`arms` names none that learns, so the weak level's prompt has no place for an example; add inter-cascade"
            )));
        }
        let k = self.resolved.config.learning.k;
        if k != 1 {
            return Err(RunError::Config(anyhow!(
                "learning.k is {k}, and the matrix has one example per answer: set learning.k = 1"
            )));
        }
        let place = self.place("");
        let folder = &place.folder;
        std::fs::create_dir_all(folder).map_err(|error| RunError::Folder(error.into()))?;
        let session = Session::open(self, &place, progress)?;
        let models = session.models().await?;
        let rows = session.matrix(&models).await?;
        let files = table(&models.setup.dataset, &models.setup.items, &rows)
            .and_then(|mut table| table.files())
            .map_err(RunError::Output)?;
        let files: Vec<_> = files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
        write_files(&files).map_err(RunError::Output)?;
        Ok(MatrixReport { rows: rows.len(), calls_made: session.means.journal.calls_made(), folder: folder.clone() })
    }
}
