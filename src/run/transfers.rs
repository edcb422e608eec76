//! Weights and data sets put into the cache folder, with what is shown of it meanwhile.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::RunError;
use super::progress::{Progress, Unit, Work};
use crate::config::suggest;
use crate::dataset::catalogue::Catalogue as DataSets;
use crate::dataset::fetch::{Event as DataEvent, Fetched};
use crate::fetch::weights::{Catalogue, Event};

/// Fetches weights from the first source that answers, verifies them, and gives their place.
///
/// # Errors
/// [`RunError::Weights`] names the weights and what is wrong with each source.
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

/// Makes sure that weights are there and right, fetches them if they are not, and gives their place.
///
/// # Errors
/// As [`fetch_weights`].
pub async fn ensure_weights(catalogue: &Catalogue, name: &str, progress: &Progress) -> Result<PathBuf, RunError> {
    if let Ok(path) = catalogue.check(name) {
        return Ok(path);
    }
    progress.message(&format!("the weights {name} are not there yet; they are fetched once, into the cache folder"));
    fetch_weights(catalogue, name, progress).await
}

/// Fetches a data set of the catalogue, or one split of it, and gives its files; one without a checksum in the
/// catalogue only if `unverified`.
///
/// # Errors
/// [`RunError::Data`] names the nearest right name, or the file and what is wrong with it or with its source.
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

/// The progress of files that come one after the other: each is a piece of work of its own.
struct Files<'a> {
    label: &'a str,
    progress: &'a Progress,
    now: Mutex<Option<Work>>,
}

impl<'a> Files<'a> {
    fn new(label: &'a str, progress: &'a Progress) -> Self {
        Self { label, progress, now: Mutex::new(None) }
    }

    /// Ends the present file, and hands on a message.
    fn message(&self, text: &str) {
        *self.now() = None;
        self.progress.message(text);
    }

    /// Says how many bytes of the present file are there, and of how many if that is known.
    fn received(&self, bytes: u64, total: Option<u64>) {
        let begin = || self.progress.begin(self.label, total.unwrap_or_default(), Unit::Bytes);
        self.now().get_or_insert_with(begin).done(bytes, &String::new);
    }

    fn now(&self) -> MutexGuard<'_, Option<Work>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
