//! Storage of weights on this machine, and checks of the stored files.

use std::io;
use std::path::{Path, PathBuf};

use super::{Weights, WeightsError, WeightsFile};
use crate::fetch::download::checksum;
use crate::fetch::{machine, pip};

/// Locations where weights are stored and from which they are fetched.
#[derive(Debug, Clone)]
pub(super) struct Locations {
    pub(super) cache: PathBuf,
    /// Replaces the hub: files are at `BASE/<weights>/<file>`.
    pub(super) base_url: Option<String>,
    /// Python commands to try, in order.
    pub(super) pythons: Vec<String>,
    /// Returns the free bytes on a folder's disk; `None` if unknown.
    pub(super) free_disk: fn(&Path) -> Option<u64>,
}

impl Locations {
    pub(super) fn from_environment() -> Result<Self, WeightsError> {
        Ok(Self {
            cache: machine::cache_folder().ok_or(WeightsError::NoCache)?,
            base_url: machine::setting("INTERCASCADE_WEIGHTS_URL"),
            pythons: pip::PYTHONS.map(str::to_owned).to_vec(),
            free_disk: machine::free_disk,
        })
    }
}

impl Weights {
    pub(super) fn folder(&self, locations: &Locations) -> PathBuf {
        locations.cache.join("weights").join(&self.name)
    }

    pub(super) fn path(&self, locations: &Locations) -> PathBuf {
        match self.files.as_slice() {
            [only] => self.folder(locations).join(&only.name),
            _ => self.folder(locations),
        }
    }

    pub(super) fn check(&self, locations: &Locations) -> Result<PathBuf, WeightsError> {
        for file in &self.files {
            self.check_file(file, &self.folder(locations))?;
        }
        Ok(self.path(locations))
    }

    /// Returns the files that are missing or have a wrong checksum.
    pub(super) fn missing(&self, locations: &Locations) -> Vec<&WeightsFile> {
        let folder = self.folder(locations);
        self.files.iter().filter(|file| self.check_file(file, &folder).is_err()).collect()
    }

    fn check_file(&self, file: &WeightsFile, folder: &Path) -> Result<(), WeightsError> {
        let path = folder.join(&file.name);
        let name = self.name.clone();
        match checksum(&path) {
            Ok(found) if found == file.sha256 => Ok(()),
            Ok(found) => Err(WeightsError::Changed { name, file: path, found, expected: file.sha256.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(WeightsError::Missing { name, file: path }),
            Err(error) => Err(WeightsError::Io { file: path, error }),
        }
    }
}
