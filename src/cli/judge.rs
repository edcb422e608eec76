//! `intercascade judge`: judges Inter-Cascade over many orders of recorded streams.

use std::path::PathBuf;

use super::args::{by_kind, input, journal};
use super::{Failure, Status, drive, print_wrapped, terminal_width, warn};
use crate::gateway::journal::address::JournalPlace;
use crate::run::Sources;
use crate::run::judge::{JudgeOptions, replay};

/// Arguments of `judge`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade judge --config configs/pair-gsm-templates-holdout-2.toml --journal results/pair-gsm-templates-holdout-2 --out DIR\n\nEvery arm is replayed over many orders of the stream, and figures are means over the orders. No model is called. The answers come from the recordings of `intercascade matrix`; groups that are not recorded whole are left out. docs/JUDGING.md defines the endpoints. The first config has the primary endpoint."
)]
pub(super) struct Args {
    /// Judge on the data of this config file; repeatable
    #[arg(long, value_name = "FILE", required = true, value_parser = input())]
    config: Vec<PathBuf>,
    /// Override a value of every config; an empty VALUE removes the key; repeatable
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Read answers from a journal, export or folder of exports; repeatable
    #[arg(long, value_name = "PATH", required = true, value_parser = journal)]
    journal: Vec<JournalPlace>,
    /// Replay this number of orders
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    orders: u32,
    /// Write the tables to this folder
    #[arg(long, value_name = "DIR", default_value = "results/judgement")]
    out: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let (files, servers) = by_kind(&args.journal);
    let options = JudgeOptions {
        configs: args.config.clone(),
        overrides: args.set.clone(),
        orders: args.orders as usize,
        out: args.out.clone(),
        sources: Sources::new(files, true, false).alone(true).shared(servers),
    };
    let judgement = drive(async |progress| Box::pin(replay(&options, &progress)).await)?;
    let tables = judgement.tables(terminal_width())?;
    print_wrapped(&tables.printed);
    if let Some(aside) = tables.write(&args.out)? {
        warn(&aside.message());
    }
    print_wrapped(&format!("tables: {} (summary.md, and .csv and .parquet)", args.out.display()));
    Ok(Status::Done)
}
