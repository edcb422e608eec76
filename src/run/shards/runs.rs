//! Shards of verbs that make several runs, `ablate` and `reproduce`: a shard makes whole runs, and the same command
//! without a shard makes the tables from their journals.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::report::files::write_file;
use crate::run::provenance::now;
use crate::run::{Prepared, Progress, RunError, RunLocation};
use crate::types::left_out::LeftOut;
use crate::types::shard::{Assignment, Shard};

/// Name of the file in the shard's folder.
pub(in crate::run) const FILE: &str = "shard.json";

/// `shard.json`: the runs of a shard, and all runs of the verb.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsShard {
    /// Name of the verb.
    pub verb: String,
    /// Number of the shard, from 1 to `count`.
    pub index: usize,
    /// Number of shards.
    pub count: usize,
    /// All runs in their order, each with its shard.
    pub runs: Vec<ShardRun>,
    /// When the last run of the shard was complete. `None` until then.
    pub ended: Option<String>,
}

/// A run of `ablate` or `reproduce`, and the shard that makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRun {
    /// Name of the run.
    pub name: String,
    /// Number of the shard that makes the run.
    pub shard: usize,
}

/// Outcome of a shard of several runs.
#[derive(Debug)]
pub struct RunsReport {
    /// Folder of the shard.
    pub folder: PathBuf,
    /// Number of runs that the shard made.
    pub made: usize,
    /// Number of runs of all shards.
    pub all: usize,
    /// Name of each run of the shard from which arms were left out, with these arms.
    pub left_out: Vec<(String, Vec<LeftOut>)>,
}

impl RunsShard {
    /// Divides runs, each given by its name and its number of steps.
    pub(in crate::run) fn new(verb: &str, shard: Shard, runs: &[(String, usize)]) -> Self {
        let shards = Assignment::of(shard.count(), runs.iter().map(|(_, steps)| *steps));
        let named = runs.iter().zip(shards).map(|((name, _), shard)| ShardRun { name: name.clone(), shard });
        let (index, count) = (shard.index(), shard.count());
        Self { verb: verb.to_owned(), index, count, runs: named.collect(), ended: None }
    }

    /// Makes the runs of this shard, each with its name and location, in the folder `out`.
    ///
    /// # Errors
    /// [`RunError`]. The journal holds every answer up to the error.
    pub(in crate::run) async fn execute(
        &self,
        out: &Path,
        own: Vec<(&str, &Prepared, RunLocation)>,
        progress: &Progress,
    ) -> Result<RunsReport, RunError> {
        std::fs::create_dir_all(out).map_err(|error| RunError::Folder(error.into()))?;
        self.write(out, false).map_err(RunError::Output)?;
        let (made, mut left_out) = (own.len(), Vec::new());
        for (number, (name, run, location)) in own.into_iter().enumerate() {
            progress.message(&format!("{} of {made}: {name}", number + 1));
            let missing = run.execute_shared(location, progress).await?;
            if !missing.is_empty() {
                left_out.push((name.to_owned(), missing));
            }
        }
        self.write(out, true).map_err(RunError::Output)?;
        Ok(RunsReport { folder: out.to_owned(), made, all: self.runs.len(), left_out })
    }

    /// True if this shard makes the run at `index`.
    pub(in crate::run) fn makes(&self, index: usize) -> bool {
        self.runs.get(index).is_some_and(|run| run.shard == self.index)
    }

    /// Reads the file of a shard's folder. `None` if the folder has none.
    ///
    /// # Errors
    /// If the file cannot be read or is no such file.
    pub(in crate::run) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("{} is not a shard's file", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the file, with the present time as the end if the shard `has_ended`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(in crate::run) fn write(&self, folder: &Path, has_ended: bool) -> Result<()> {
        let ended = has_ended.then(now);
        let mut bytes = serde_json::to_vec_pretty(&Self { ended, ..self.clone() })?;
        bytes.push(b'\n');
        write_file(&folder.join(FILE), &bytes)
    }
}
