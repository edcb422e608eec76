//! `intercascade sweep`: the arms at many thresholds.

use std::path::PathBuf;

use super::args::{Allowed, ConfigArgs, Sources, share, usd};
use super::{Failure, Status, finish, spend, tell};
use crate::run::outputs::Wanted;
use crate::run::sweep::Thresholds;

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade sweep --config configs/quickstart.toml\n  intercascade sweep --config configs/quickstart.toml --thresholds 0.5:0.95:0.05 --accuracy 0.8\n\nThe cascade costs weak-only and strong-only once, whatever the number of thresholds; an arm that learns is run at each."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: ConfigArgs,
    /// first:last:step, a list as in 0.5,0.7,0.9, or auto:N for N of the weak level's own confidences
    #[arg(long, value_name = "SPEC", default_value = "auto:21")]
    thresholds: Thresholds,
    /// Say which arm and threshold to take for this fee in USD an item
    #[arg(long, value_name = "USD", value_parser = usd)]
    budget: Option<f64>,
    /// Say which arm and threshold to take if at most this share of the items (0 to 1) may go to the strong level
    #[arg(long, value_name = "SHARE", value_parser = share)]
    strong_calls: Option<f64>,
    /// Say which arm and threshold reach this accuracy (0 to 1) for the least
    #[arg(long, value_name = "SHARE", value_parser = share)]
    accuracy: Option<f64>,
    /// Folder for the outputs [default: results/<name>-sweep]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Check everything and print the calls, tokens and fee to expect; call no model
    #[arg(long)]
    dry_run: bool,
    /// Set outputs that are there aside and start over; the journal of calls stays in use
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    allowed: Allowed,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let sources = args.sources.get();
    if args.dry_run {
        let run = args.named.run(sources.unasked()).prepare()?;
        run.forecast_sweep(&args.thresholds).iter().for_each(|line| tell(line));
        return Ok(Status::Done);
    }
    let run = args.named.run(sources.clone()).in_folder(args.out.clone()).fresh(args.fresh).prepare()?;
    let report = spend(&sources, async |progress| run.sweep(&args.thresholds, &progress).await)?;
    finish(
        &report.allowing(args.allowed.margin),
        Wanted { budget: args.budget, strong_calls: args.strong_calls, accuracy: args.accuracy },
        &sources,
    )
}
