//! Downloads of weights and data sets to the cache folder, with progress.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::RunError;
use super::progress::{Progress, Unit, Work};
use crate::config::suggest;
use crate::dataset::catalogue::Catalogue as DataSets;
use crate::dataset::fetch::{Event as DataEvent, Fetched};
use crate::fetch::weights::{Catalogue, Event};

/// Fetches weights from the first source that answers, verifies them, and returns their path.
///
/// # Errors
/// [`RunError::Weights`] with the weights and the fault of each source.
pub async fn fetch_weights(catalogue: &Catalogue, name: &str, progress: &Progress) -> Result<PathBuf, RunError> {
    let files = Files::new(name, progress);
    let listen = |event| match event {
        Event::Trying(source) => files.message(&format!("fetching {name} from {source}")),
        Event::Received { bytes, total } => files.received(bytes, total),
        Event::Failed { source, reason } => files.message(&format!("{source}: {reason}")),
    };
    let fetch = async { catalogue.fetch(name, &listen).await.map_err(|error| RunError::Weights(error.into())) };
    progress.unless_stopped(fetch).await
}

/// Verifies local weights, fetches them if they are missing or damaged, and returns their path.
///
/// # Errors
/// The errors of [`fetch_weights`].
pub async fn ensure_weights(catalogue: &Catalogue, name: &str, progress: &Progress) -> Result<PathBuf, RunError> {
    if let Ok(path) = catalogue.check(name) {
        return Ok(path);
    }
    progress.message(&format!("the weights {name} are missing; fetching them once into the cache folder"));
    fetch_weights(catalogue, name, progress).await
}

/// Fetches a data set of the catalogue, or one split of the data set, and returns its files. Files without a checksum
/// in the catalogue are fetched only if `unverified`.
///
/// # Errors
/// [`RunError::Data`] with the nearest known name, or with the file and its fault or the fault of its source.
pub async fn fetch_data_set(
    name: &str,
    split: Option<&str>,
    unverified: bool,
    progress: &Progress,
) -> Result<Vec<Fetched>, RunError> {
    let files = Files::new(name, progress);
    let listen = |event| match event {
        DataEvent::Trying(url) => files.message(&format!("fetching {url}")),
        DataEvent::Received(bytes, total) => files.received(bytes, total),
    };
    let fetch = async {
        let catalogue = DataSets::find(None)?;
        let entry = suggest::find("data set", name, &catalogue.entries, |entry| &entry.name)?;
        if let Some(permits) = &entry.permits {
            progress.message(&format!("{name}: {} ({permits})", entry.licence));
        }
        catalogue.fetch(entry, split, unverified, &listen).await
    };
    progress.unless_stopped(async { fetch.await.map_err(RunError::Data) }).await
}

/// Progress of consecutive downloads. Each file is a separate task.
struct Files<'a> {
    label: &'a str,
    progress: &'a Progress,
    current: Mutex<Option<Work>>,
}

impl<'a> Files<'a> {
    fn new(label: &'a str, progress: &'a Progress) -> Self {
        Self { label, progress, current: Mutex::new(None) }
    }

    /// Ends the task of the current file and passes on a message.
    fn message(&self, text: &str) {
        *self.current() = None;
        self.progress.message(text);
    }

    /// Reports the received bytes of the current file, and the total if it is known.
    fn received(&self, bytes: u64, total: Option<u64>) {
        let begin = || self.progress.begin(self.label, total.unwrap_or_default(), Unit::Bytes);
        self.current().get_or_insert_with(begin).done(bytes);
    }

    fn current(&self) -> MutexGuard<'_, Option<Work>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
