//! The project of a run: the folder whose runs are neighbours and share answers.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use super::shards;
use crate::report::folder::JOURNAL;
use crate::types::shard::Shard;

/// A folder that holds the folders of runs, such as `results`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Project {
    root: PathBuf,
}

impl Project {
    /// Project of the run in `folder`; a shard belongs to the project of its whole run. `None` if the folder lies
    /// outside the working folder, because neighbouring folders there may belong to other users.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let folder = shards::whole(folder);
        let inside =
            if folder.is_absolute() { folder.strip_prefix(std::env::current_dir().ok()?).ok()? } else { folder };
        let below = inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let root = inside.file_name().and(inside.parent()).filter(|_| below)?;
        Some(Self { root: if root == Path::new("") { PathBuf::from(".") } else { root.to_owned() } })
    }

    /// Returns the folder that holds the runs.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the journals of the neighbouring runs and of their finished shards, sorted by path, without the journal
    /// `own`. A shard that has not finished may be writing its journal on another machine.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn neighbour_journals(&self, own: &Path) -> Result<Vec<PathBuf>> {
        let context = || format!("cannot read the folder {}", self.root.display());
        let entries = match std::fs::read_dir(&self.root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(context)?,
        };
        let mut folders = Vec::new();
        for entry in entries {
            let name = entry.with_context(context)?.file_name();
            let folder = self.root.strip_prefix(".").unwrap_or(&self.root).join(&name);
            // A folder that cannot be read belongs to no run of this user.
            folders.extend(shards::folders(&folder).unwrap_or_default().into_iter().map(|(_, shard)| shard));
            folders.push(folder);
        }
        // A shard may have a path of another form than the project's root.
        let inner = |folder: &Path| {
            let name = folder.file_name().map(ToOwned::to_owned);
            (name, Shard::of_folder(folder).and_then(|_| folder.parent()?.file_name().map(ToOwned::to_owned)))
        };
        let own = own.parent().map(inner);
        folders.retain(|folder| {
            Some(inner(folder)) != own && (Shard::of_folder(folder).is_none() || shards::has_ended(folder))
        });
        let journals = folders.into_iter().map(|folder| folder.join(JOURNAL));
        let mut found: Vec<PathBuf> = journals.filter(|journal| journal.is_file()).collect();
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_below_working_folder_has_project() {
        let root = |folder: &str| Project::of(Path::new(folder)).map(|project| project.root);
        assert_eq!(root("results/mine"), Some("results".into()));
        assert_eq!(root("./results/mine/"), Some("./results".into()));
        assert_eq!(root("out"), Some(".".into()));
        for other in [".", "..", "../out", "results/../out", "/out", ""] {
            assert_eq!(root(other), None, "{other}");
        }
        let absolute = std::env::current_dir().expect("a working folder").join("results").join("mine");
        assert_eq!(Project::of(&absolute).map(|project| project.root), Some("results".into()));
    }
}
