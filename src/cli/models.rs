//! `intercascade models list | fetch | check`.

use std::sync::Mutex;

use anyhow::Result;
use clap::Subcommand;

use super::progress::Progress;
use super::{Status, block_on, say, unless_interrupted, warn};
use crate::model::local::weights::{self, Catalogue, Event};

/// The verbs of `models`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the weights, where they belong and whether they are there
    #[command(after_help = "Example:\n  intercascade models list")]
    List,
    /// Fetch weights from the first source that answers, and verify them
    #[command(after_help = "Example:\n  intercascade models fetch smollm2-135m-instruct")]
    Fetch {
        /// Name of the weights
        name: String,
    },
    /// Verify the checksums of weights that are there
    #[command(after_help = "Example:\n  intercascade models check all-minilm-l6-v2")]
    Check {
        /// Name of the weights
        name: String,
    },
}

pub(super) fn run(verb: &Verb) -> Result<Status> {
    match verb {
        Verb::List => {
            for set in Catalogue::builtin().entries() {
                let path = weights::path(&set.name)?;
                let state = if path.exists() { "there" } else { "not there" };
                let bytes: u64 = set.files.iter().map(|file| file.bytes).sum();
                say(&format!("{}  {} MB  {}  {state}: {}", set.name, bytes / 1_000_000, set.licence, path.display()));
            }
        }
        Verb::Fetch { name } => {
            let path = block_on(unless_interrupted(fetch(name)))?;
            say(&format!("{name}: verified, in {}", path.display()));
        }
        Verb::Check { name } => {
            let path = weights::check(name)?;
            say(&format!("{name}: every checksum is right, in {}", path.display()));
        }
    }
    Ok(Status::Done)
}

/// Fetches weights and shows how far it is.
pub(super) async fn fetch(name: &str) -> Result<std::path::PathBuf> {
    let bar: Mutex<Option<Progress>> = Mutex::new(None);
    let lock = || bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let clear = || {
        if let Some(bar) = lock().take() {
            bar.finish();
        }
    };
    let listen = |event: Event| match event {
        Event::Trying(source) => {
            clear();
            warn(&format!("fetching {name} from {source}"));
        }
        Event::Received { bytes, total } => {
            lock().get_or_insert_with(|| Progress::bytes(name, total.unwrap_or_default())).set(bytes);
        }
        Event::Failed { source, reason } => {
            clear();
            warn(&format!("{source}: {reason}"));
        }
    };
    let path = weights::fetch(name, &listen).await?;
    clear();
    Ok(path)
}

/// Makes sure that weights are there and right, and fetches them where they are not.
pub(super) async fn ensure(name: &str) -> Result<std::path::PathBuf> {
    if let Ok(path) = weights::check(name) {
        return Ok(path);
    }
    warn(&format!("the weights {name} are not there yet; they are fetched once, into the cache folder"));
    fetch(name).await
}
