//! Weights and data sets put into the cache folder, with what is shown of it meanwhile.

use std::path::PathBuf;

use anyhow::Result;

use crate::config::suggest;
use crate::dataset::catalogue::Catalogue as DataSets;
use crate::dataset::fetch::{Event as DataEvent, Fetched};
use crate::fetch::weights::{Catalogue, Event};

/// What happens during a transfer, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transfer {
    /// A line about it; a file that was under way before has ended.
    Said(String),
    /// Bytes of the present file so far, and in all if that is known.
    Received(u64, Option<u64>),
    /// The last file has ended.
    Ended,
}

/// Is called with what happens during a transfer.
pub type Hear<'a> = &'a (dyn Fn(Transfer) + Send + Sync);

/// Fetches weights from the first source that answers, verifies them, and gives their folder.
///
/// # Errors
/// Names the weights and what is wrong with each source.
pub async fn fetch_weights(catalogue: &Catalogue, name: &str, hear: Hear<'_>) -> Result<PathBuf> {
    let listen = |event| {
        hear(match event {
            Event::Trying(source) => Transfer::Said(format!("fetching {name} from {source}")),
            Event::Received { bytes, total } => Transfer::Received(bytes, total),
            Event::Failed { source, reason } => Transfer::Said(format!("{source}: {reason}")),
        });
    };
    let fetched = catalogue.fetch(name, &listen).await;
    hear(Transfer::Ended);
    Ok(fetched?)
}

/// Makes sure that weights are there and right, fetches them if they are not, and gives their folder.
///
/// # Errors
/// As [`fetch_weights`].
pub async fn ensure_weights(catalogue: &Catalogue, name: &str, hear: Hear<'_>) -> Result<PathBuf> {
    if let Ok(path) = catalogue.check(name) {
        return Ok(path);
    }
    hear(Transfer::Said(format!("the weights {name} are not there yet; they are fetched once, into the cache folder")));
    fetch_weights(catalogue, name, hear).await
}

/// Fetches a data set of the catalogue, or one split of it, and gives its files; one without a checksum in the
/// catalogue only if `unverified`.
///
/// # Errors
/// Names the nearest right name, or the file and what is wrong with it or with its source.
pub async fn fetch_data_set(name: &str, split: Option<&str>, unverified: bool, hear: Hear<'_>) -> Result<Vec<Fetched>> {
    let catalogue = DataSets::find(None)?;
    let entry = suggest::find("data set", name, &catalogue.entries, |entry| &entry.name)?;
    if let Some(permits) = &entry.permits {
        hear(Transfer::Said(format!("{name}: {} ({permits})", entry.licence)));
    }
    let listen = |event| {
        hear(match event {
            DataEvent::Trying(url) => Transfer::Said(format!("fetching {url}")),
            DataEvent::Received(bytes, total) => Transfer::Received(bytes, total),
        });
    };
    let fetched = catalogue.fetch(entry, split, unverified, &listen).await;
    hear(Transfer::Ended);
    fetched
}
