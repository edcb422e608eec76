//! Arguments that several commands share.

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::fetch::shipped::located;
use crate::gateway::journal::address::{JournalPlace, ServerAddress};
use crate::run::{self, Run};

/// Arguments that name the config of a command.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// Read this config file (TOML)
    #[arg(long, value_name = "FILE", value_parser = input())]
    config: PathBuf,
    /// Override a config value; an empty VALUE removes the key; repeatable
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
}

impl ConfigArgs {
    /// Returns the run of the config, with answers from `sources`.
    pub(super) fn run(&self, sources: run::Sources) -> Run {
        Run::new(&self.config, self.set.clone(), sources)
    }
}

/// Reads the path of an input. A path that does not exist here and names a file of the program means that file.
pub(super) fn input() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| located(&path).map_err(|error| format!("{error:#}")))
}

/// Reads the place of a journal.
///
/// # Errors
/// If an address is faulty, or the built-in files cannot be unpacked.
pub(super) fn journal(text: &str) -> Result<JournalPlace, String> {
    if ServerAddress::is_one(text) {
        return text.parse().map(JournalPlace::Server).map_err(|error| format!("{error:#}"));
    }
    located(Path::new(text)).map(JournalPlace::File).map_err(|error| format!("{error:#}"))
}

/// Separates the files from the servers.
pub(super) fn by_kind(journals: &[JournalPlace]) -> (Vec<PathBuf>, Vec<ServerAddress>) {
    let (mut files, mut servers) = (Vec::new(), Vec::new());
    for place in journals {
        match place {
            JournalPlace::File(file) => files.push(file.clone()),
            JournalPlace::Server(address) => servers.push(address.clone()),
        }
    }
    (files, servers)
}

/// Arguments for the output folder.
#[derive(Debug, clap::Args)]
pub(super) struct Outputs {
    /// Write outputs to this folder [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Check everything and print the expected cost; call no model
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Move existing outputs aside and start over; reuse the journal
    #[arg(long)]
    pub(super) fresh: bool,
}

/// Arguments for the recommendation.
#[derive(Debug, clap::Args)]
pub(super) struct Allowed {
    /// Allow this accuracy loss against strong-only in the recommendation [default: 0.02]
    #[arg(long, value_name = "SHARE", value_parser = margin)]
    pub(super) margin: Option<f64>,
}

fn margin(text: &str) -> Result<f64, String> {
    let margin = share(text)?;
    if margin > 0.0 && margin < 1.0 {
        Ok(margin)
    } else {
        Err("a margin must be between 0 and 1: 0.02 is two points".to_owned())
    }
}

/// Reads a share, in [0, 1].
///
/// # Errors
/// If the text is no number in [0, 1]. For a percentage the message states the share.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim_end_matches('%').trim().parse().map_err(|_| format!("`{text}` is not a number"))?;
    if !text.ends_with('%') && (0.0..=1.0).contains(&number) {
        return Ok(number);
    }
    let hint =
        if (0.0..=100.0).contains(&number) { format!(": {number} % is {}", number / 100.0) } else { String::new() };
    Err(format!("expected a share from 0 to 1{hint}"))
}

/// Reads an amount of USD, 0 or more.
///
/// # Errors
/// If the text is no finite number of at least 0.
pub(super) fn usd(text: &str) -> Result<f64, String> {
    let amount: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if amount.is_finite() && amount >= 0.0 { Ok(amount) } else { Err("an amount in USD must be at least 0".to_owned()) }
}

/// Arguments of the commands that can use a provider's batch API.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Batch {
    /// Make the calls that no learning arm makes through the provider's batch API: cheaper, up to a day later
    #[arg(long, conflicts_with = "offline")]
    pub(super) batch: bool,
}

/// Sources of answers, besides the run's journal and the journals of the runs in the same project.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Sources {
    /// Read answers from a journal, export or folder of exports; repeatable. The address of a journal on a server,
    /// `postgres://USER@HOST/DATABASE`, also shares all calls with other workers
    #[arg(long, value_name = "PATH", value_parser = journal)]
    journal: Vec<JournalPlace>,
    /// Ignore journals of neighbouring runs; repeat and pay their calls again
    #[arg(long)]
    alone: bool,
    /// Use only answers from journals: no model, weights or network
    #[arg(long)]
    offline: bool,
    /// Repeat calls that a provider refused; move existing outputs aside
    #[arg(long, conflicts_with = "offline")]
    retry_refused: bool,
}

impl Sources {
    /// Returns the sources for the library.
    pub(super) fn get(&self) -> run::Sources {
        let (files, servers) = by_kind(&self.journal);
        run::Sources::new(files, self.offline, self.retry_refused).alone(self.alone).shared(servers)
    }
}
