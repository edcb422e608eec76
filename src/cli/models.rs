//! `intercascade models list | fetch | check`.

mod entry;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Subcommand;

use super::progress::Transfers;
use super::{Status, block_on, say, unless_interrupted, warn};
use crate::backend::llama_server::{Choice, Engine};
use crate::fetch::weights::{Catalogue, Event};

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
    /// Verify the checksums of weights, say which llama.cpp server would run, or ask a model's server what it gives
    #[command(
        after_help = "Examples:\n  intercascade models check all-minilm-l6-v2\n  intercascade models check llama-server\n  intercascade models check weak --config configs/openai.toml\n  intercascade models check weak --config my.toml --write\n\nThe check of a [[model]] of backend openai makes a few calls of at most 16 tokens each, and charges apply."
    )]
    Check {
        /// Name of the weights, `llama-server`, or the name of a [[model]]
        name: String,
        /// The config or file of models that the [[model]] stands in [default: configs/models.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Write the right values into the entry, and show what that changes
        #[arg(long)]
        write: bool,
    },
}

/// What `models check` calls the engine of local servers.
const ENGINE: &str = "llama-server";

pub(super) fn run(verb: &Verb) -> Result<Status> {
    let catalogue = Catalogue::builtin();
    match verb {
        Verb::List => {
            for set in catalogue.entries() {
                let path = catalogue.path(&set.name)?;
                let state = if path.exists() { "there" } else { "not there" };
                let bytes: u64 = set.files.iter().map(|file| file.bytes).sum();
                say(&format!("{}  {} MB  {}  {state}: {}", set.name, bytes / 1_000_000, set.licence, path.display()));
            }
        }
        Verb::Fetch { name } => {
            let path = block_on(unless_interrupted(fetch(catalogue, name)))?;
            say(&format!("{name}: verified, in {}", path.display()));
        }
        Verb::Check { name, config: Some(config), write } => return entry::run(config, name, *write),
        Verb::Check { name, .. } if name == ENGINE => {
            let Choice { engine, passed_over } = Engine::choose()?;
            say(&format!("{ENGINE}: {}", engine.describe()));
            for reason in passed_over {
                say(&format!("  passed over: {reason}"));
            }
        }
        Verb::Check { name, write, .. } => {
            if let (Err(_), Some(config)) = (catalogue.find(name), entry::usual(name)) {
                return entry::run(&config, name, *write);
            }
            if *write {
                return Err(anyhow!("--write changes a [[model]]: say with --config where `{name}` stands"));
            }
            catalogue.find(name).map_err(|error| anyhow!("{error}; for a [[model]] of a config add --config FILE"))?;
            let path = catalogue.check(name)?;
            say(&format!("{name}: every checksum is right, in {}", path.display()));
        }
    }
    Ok(Status::Done)
}

/// Fetches weights and shows how far it is.
async fn fetch(catalogue: &Catalogue, name: &str) -> Result<PathBuf> {
    let bar = Transfers::new(name);
    let listen = |event: Event| match event {
        Event::Trying(source) => {
            bar.finish();
            warn(&format!("fetching {name} from {source}"));
        }
        Event::Received { bytes, total } => {
            bar.received(bytes, total);
        }
        Event::Failed { source, reason } => {
            bar.finish();
            warn(&format!("{source}: {reason}"));
        }
    };
    let path = catalogue.fetch(name, &listen).await?;
    bar.finish();
    Ok(path)
}

/// Makes sure that weights are there and right, and fetches them where they are not.
pub(super) async fn ensure(catalogue: &Catalogue, name: &str) -> Result<PathBuf> {
    if let Ok(path) = catalogue.check(name) {
        return Ok(path);
    }
    warn(&format!("the weights {name} are not there yet; they are fetched once, into the cache folder"));
    fetch(catalogue, name).await
}
