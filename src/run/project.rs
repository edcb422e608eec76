//! The runs that lie beside a run in one folder of the project: its neighbours, whose answers it takes over.

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
    /// The project of the run in `folder`; `None` if the folder lies outside the working folder, so that what is beside it
    /// may be anybody's.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let inside =
            if folder.is_absolute() { folder.strip_prefix(std::env::current_dir().ok()?).ok()? } else { folder };
        let below = inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let root = inside.file_name().and(inside.parent()).filter(|_| below)?;
        Some(Self { root: if root == Path::new("") { PathBuf::from(".") } else { root.to_owned() } })
    }

    /// The folder that holds the runs.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The journals of the runs beside the one of `own`, in the order of their folders.
    ///
    /// # Errors
    /// Names the folder if it cannot be read.
    pub(super) fn journals_beside(&self, own: &Path) -> Result<Vec<PathBuf>> {
        let cannot = || format!("cannot read the folder {}", self.root.display());
        let entries = match std::fs::read_dir(&self.root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(cannot)?,
        };
        let own = own.parent().and_then(Path::file_name);
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.with_context(cannot)?.file_name();
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
    fn a_folder_below_the_working_folder_has_a_project() {
        let root = |folder: &str| Project::of(Path::new(folder)).map(|project| project.root);
        assert_eq!(root("results/mine"), Some("results".into()));
        assert_eq!(root("./results/mine/"), Some("./results".into()));
        assert_eq!(root("out"), Some(".".into()));
        for other in [".", "..", "../out", "results/../out", "/out", ""] {
            assert_eq!(root(other), None, "{other}");
        }
        let here = std::env::current_dir().expect("a working folder").join("results").join("mine");
        assert_eq!(Project::of(&here).map(|project| project.root), Some("results".into()));
    }
}
