//! Arguments that verbs share.

use std::path::PathBuf;

use crate::run::{self, Run};

/// The config that a verb reads.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// The config file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Lay a value over the config, or with none after the = take the key out; may be repeated
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
}

impl ConfigArgs {
    /// The run of the config.
    pub(super) fn run(&self, sources: run::Sources) -> Run {
        Run::new(&self.config, self.set.clone(), sources)
    }
}

/// What is written, and whether anything is.
#[derive(Debug, clap::Args)]
pub(super) struct Outputs {
    /// Folder for the outputs [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Check everything and print the calls, tokens and fee to expect; call no model
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Set outputs that are there aside and start over; the journal of calls stays in use
    #[arg(long)]
    pub(super) fresh: bool,
}

/// What a recommendation may lose.
#[derive(Debug, clap::Args)]
pub(super) struct Allowed {
    /// Accuracy that the recommendation may lose against the strong level alone (0.02 is two points) [default: 0.02]
    #[arg(long, value_name = "SHARE", value_parser = margin)]
    pub(super) margin: Option<f64>,
}

fn margin(text: &str) -> Result<f64, String> {
    let margin = share(text)?;
    if margin > 0.0 && margin < 1.0 {
        Ok(margin)
    } else {
        Err("a margin lies between 0 and 1: 0.02 is two points".to_owned())
    }
}

/// Reads a share, in [0, 1].
///
/// # Errors
/// Says what the text is, and how a percentage is written as a share.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim_end_matches('%').trim().parse().map_err(|_| format!("`{text}` is not a number"))?;
    if !text.ends_with('%') && (0.0..=1.0).contains(&number) {
        return Ok(number);
    }
    let hint =
        if (0.0..=100.0).contains(&number) { format!(": {number} % is {}", number / 100.0) } else { String::new() };
    Err(format!("a share from 0 to 1 is needed{hint}"))
}

/// Reads an amount of USD, 0 or more.
///
/// # Errors
/// Says what is wrong with the text.
pub(super) fn usd(text: &str) -> Result<f64, String> {
    let amount: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if amount.is_finite() && amount >= 0.0 { Ok(amount) } else { Err("an amount of USD is not negative".to_owned()) }
}

/// Where answers may come from, besides the run's own journal and those of the runs beside it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Sources {
    /// Take answers from another journal, an export or a folder of exports; may be repeated
    #[arg(long, value_name = "PATH")]
    journal: Vec<PathBuf>,
    /// Leave the journals of the runs beside this one alone: what they paid for is asked and paid for again
    #[arg(long)]
    alone: bool,
    /// Use answers of journals alone: no model, no weights, no network
    #[arg(long)]
    offline: bool,
    /// Ask again what a provider has refused; outputs that are there are set aside
    #[arg(long, conflicts_with = "offline")]
    retry_refused: bool,
}

impl Sources {
    /// The sources of a run.
    pub(super) fn get(&self) -> run::Sources {
        run::Sources::new(self.journal.clone(), self.offline, self.retry_refused).alone(self.alone)
    }
}
