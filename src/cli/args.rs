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
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    let wrong = || format!("{text} does not lie between 0 and 1; a share is meant, 0.02 is two points");
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err(wrong()) }
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
