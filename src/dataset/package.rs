//! Data sets that a script of this project generates with a Python package. pip downloads the pinned package into a
//! work folder, the script runs there, and the file is moved to its path if its checksum is right.

use std::path::Path;

use serde::Deserialize;

use crate::fetch::download::checksum;
use crate::fetch::error::FetchError;
use crate::fetch::pip::{self, Received};

/// Oldest Python version on which the scripts run.
const PYTHON: (u32, u32) = (3, 10);

/// The package, and the script that uses it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name on the package index.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// Hex SHA-256 of its wheel, whose code is executed.
    pub sha256: String,
    /// Script that reads the wheel and writes the file.
    pub script: Script,
}

/// A script of this project that generates a data set; compiled into the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// Word problems of the package's reimplementation of GSM-Symbolic.
    GsmSymbolicReimplemented,
}

impl Script {
    /// Returns the text of the script.
    fn text(self) -> &'static str {
        match self {
            Self::GsmSymbolicReimplemented => include_str!("../../scripts/gsm-symbolic-reimplemented.py"),
        }
    }
}

impl Package {
    /// Generates the file at `path` and returns its SHA-256. `received` receives the bytes of the package
    /// downloaded so far.
    ///
    /// # Errors
    /// The requirement that is missing on this machine, or the error of pip, the script or the checksum. Nothing is
    /// left on disk then.
    pub(super) async fn generate(
        &self,
        path: &Path,
        expected: Option<&str>,
        received: Received<'_>,
    ) -> Result<String, FetchError> {
        let python = pip::new_enough(&pip::PYTHONS.map(str::to_owned), PYTHON)
            .ok_or(FetchError::OldPython(PYTHON.0, PYTHON.1))?;
        let work_folder = pip::work_folder(path.parent().unwrap_or(Path::new(".")))?;
        let pythons = [python];
        let wheel =
            pip::download((&self.name, &self.version), Some(&self.sha256), &pythons, work_folder.path(), received)
                .await?;
        let generated = work_folder.path().join("drawn");
        std::fs::write(work_folder.path().join("script.py"), self.script.text())?;
        let wheel = Path::new(wheel.file_name().unwrap_or_default());
        pip::script(&pythons, &[Path::new("script.py"), wheel, Path::new("drawn")], work_folder.path()).await?;
        let found = checksum(&generated).map_err(FetchError::NoFile)?;
        if let Some(expected) = expected.filter(|expected| **expected != found) {
            return Err(FetchError::Generated { found, expected: expected.to_owned() });
        }
        std::fs::rename(&generated, path).map_err(|error| FetchError::Move { file: path.to_owned(), error })?;
        Ok(found)
    }
}
