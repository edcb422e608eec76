//! `intercascade sweep`: runs the arms at many thresholds.

use std::path::PathBuf;

use super::args::{Allowed, Batch, ConfigArgs, Sources, share, usd};
use super::shard::ShardArg;
use super::{Failure, Status, drive_paid, finish, print_wrapped};
use crate::run::outputs::Wanted;
use crate::run::sweep::Thresholds;

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade sweep --config configs/quickstart.toml\n  intercascade sweep --config configs/quickstart.toml --thresholds 0.5:0.95:0.05 --accuracy 0.8\n\nThe cascade needs one weak and one strong answer per item, for any number of thresholds. A learning arm runs once per threshold. SPEC is first:last:step, a list as in 0.5,0.7,0.9, or auto:N for N of the weak level's own confidences."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: ConfigArgs,
    /// Sweep these thresholds: first:last:step, a list, or auto:N
    #[arg(long, value_name = "SPEC", default_value = "auto:21")]
    thresholds: Thresholds,
    /// Recommend arm and threshold for this fee per item, in USD
    #[arg(long, value_name = "USD", value_parser = usd)]
    budget: Option<f64>,
    /// Recommend arm and threshold for this maximum share of strong calls
    #[arg(long, value_name = "SHARE", value_parser = share)]
    strong_calls: Option<f64>,
    /// Recommend the cheapest arm and threshold with this accuracy (0 to 1)
    #[arg(long, value_name = "SHARE", value_parser = share)]
    accuracy: Option<f64>,
    /// Write outputs to this folder [default: results/<name>-sweep]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Check everything and print the expected cost; call no model
    #[arg(long)]
    dry_run: bool,
    /// Move existing outputs aside and start over; reuse the journal
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    shard: ShardArg,
    #[command(flatten)]
    allowed: Allowed,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    batch: Batch,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let sources = args.sources.get();
    let shard = args.shard.get()?;
    if args.dry_run {
        let run = args.named.run(sources.without_models()).in_shard(shard).prepare()?;
        run.forecast_sweep(&args.thresholds)?.iter().for_each(|line| print_wrapped(line));
        return Ok(Status::Done);
    }
    let run = args.named.run(sources.clone()).in_folder(args.out.clone()).fresh(args.fresh);
    let run = run.in_shard(shard).in_batches(args.batch.batch).prepare()?;
    let report = drive_paid(&sources, async |progress| run.sweep(&args.thresholds, &progress).await)?;
    finish(
        &report.allowing(args.allowed.margin),
        Wanted { budget: args.budget, strong_calls: args.strong_calls, accuracy: args.accuracy },
        &sources,
    )
}
