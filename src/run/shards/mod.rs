//! Runs that are divided over the tasks of a job array: the share of a task, the folders of the shards, and the merged
//! run.

pub mod environment;
pub(super) mod merge;
pub(super) mod partition;
pub mod runs;
mod spent;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::report::manifest::Manifest;
use crate::types::shard::Shard;

/// Folder of the whole run of a shard's folder; any other folder itself.
pub(super) fn whole(folder: &Path) -> &Path {
    Shard::of_folder(folder).and_then(|_| folder.parent()).unwrap_or(folder)
}

/// Folders of the shards of the run in `folder`, sorted by shard. Empty if the run is not divided, or if there is no
/// such folder.
///
/// # Errors
/// If the folder cannot be read.
pub(super) fn folders(folder: &Path) -> Result<Vec<(Shard, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read the folder {}", folder.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path =
            folder.join(entry.with_context(|| format!("cannot read the folder {}", folder.display()))?.file_name());
        found.extend(Shard::of_folder(&path).filter(|_| path.is_dir()).map(|shard| (shard, path)));
    }
    found.sort();
    Ok(found)
}

/// True if the shard in `folder` has finished, so that its journal is at rest.
pub(super) fn has_ended(folder: &Path) -> bool {
    let of_run = Manifest::read(folder).ok().flatten().is_some_and(|manifest| manifest.ended.is_some());
    of_run || runs::RunsShard::read(folder).ok().flatten().is_some_and(|shard| shard.ended.is_some())
}
