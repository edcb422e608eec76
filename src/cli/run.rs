//! `intercascade run`: runs a config and writes a folder of reports.

use super::args::{Allowed, Batch, ConfigArgs, Outputs, Sources};
use super::shard::ShardArg;
use super::{Failure, Status, drive_paid, finish, print_wrapped};
use crate::run::outputs::Wanted;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade run --config configs/quickstart.toml\n  intercascade run --config configs/quickstart.toml --set deferral.threshold=0.9 --set name=stricter\n\nThe same command resumes a stopped run; no call is paid for twice."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: ConfigArgs,
    #[command(flatten)]
    outputs: Outputs,
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
    let Args { named, outputs, shard, allowed, sources, batch } = args;
    let shard = shard.get()?;
    if outputs.dry_run {
        let run = named.run(sources.get().without_models()).in_shard(shard).prepare()?;
        run.forecast()?.iter().for_each(|line| print_wrapped(line));
        return Ok(Status::Done);
    }
    let sources = sources.get();
    let run = named.run(sources.clone()).in_folder(outputs.out.clone()).fresh(outputs.fresh);
    let run = run.in_shard(shard).in_batches(batch.batch).prepare()?;
    let report = drive_paid(&sources, async |progress| run.execute(&progress).await)?;
    finish(&report.allowing(allowed.margin), Wanted::default(), &sources)
}
