//! `intercascade run`: from a config to a folder of reports.

use super::args::{Allowed, ConfigArgs, Outputs, Sources};
use super::{Failure, Status, finish, spend, tell};
use crate::run::outputs::Wanted;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade run --config configs/quickstart.toml\n  intercascade run --config configs/quickstart.toml --set deferral.threshold=0.9 --set name=stricter\n\nThe same command resumes a run that was stopped; no call is paid for twice."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: ConfigArgs,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    allowed: Allowed,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let Args { named, outputs, allowed, sources } = args;
    if outputs.dry_run {
        named.run(sources.get().unasked()).prepare()?.forecast().iter().for_each(|line| tell(line));
        return Ok(Status::Done);
    }
    let sources = sources.get();
    let run = named.run(sources.clone()).in_folder(outputs.out.clone()).fresh(outputs.fresh).prepare()?;
    let report = spend(&sources, async |progress| run.execute(&progress).await)?;
    finish(&report.allowing(allowed.margin), Wanted::default(), &sources)
}
