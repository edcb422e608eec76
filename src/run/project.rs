//! The project of a run: the folder whose runs are neighbours and share answers.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use crate::report::folder::JOURNAL;

/// A folder that holds the folders of runs, such as `results`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Project {
    root: PathBuf,
}

impl Project {
    /// Project of the run in `folder`. `None` if the folder lies outside the working folder, because neighbouring
    /// folders there may belong to other users.
    pub(super) fn of(folder: &Path) -> Option<Self> {
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

    /// Returns the journals of the neighbouring runs, sorted by path, without the journal `own`.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn neighbour_journals(&self, own: &Path) -> Result<Vec<PathBuf>> {
        let context = || format!("cannot read the folder {}", self.root.display());
        let entries = match std::fs::read_dir(&self.root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(context)?,
        };
        let own = own.parent().and_then(Path::file_name);
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.with_context(context)?.file_name();
            let root = self.root.strip_prefix(".").unwrap_or(&self.root);
            let journal = root.join(&name).join(JOURNAL);
            if Some(&*name) != own && journal.is_file() {
                found.push(journal);
            }
        }
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
