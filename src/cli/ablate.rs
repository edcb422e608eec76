//! `intercascade ablate`: runs variants of one config and tabulates their results.

use std::path::{Path, PathBuf};

use super::args::{Outputs, Sources, input};
use super::shard::{self, ShardArg};
use super::{Failure, Status, drive_paid, print_wrapped, terminal_width};
use crate::run::ablate::PreparedAblation;

/// Arguments of `ablate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade ablate --config configs/ablations/pair-teaching.toml\n\nThe file names a config and tables of variants; a variant overrides values of the config. All variants share one journal, so equal calls are made and paid for once. The same command resumes."
)]
pub(super) struct Args {
    /// Read this ablation file (TOML)
    #[arg(long, value_name = "FILE", value_parser = input())]
    config: PathBuf,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    shard: ShardArg,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let Args { config, outputs, shard: named, sources } = args;
    let share = named.get()?;
    if outputs.dry_run {
        let ablation = PreparedAblation::load(config, &[], &sources.get().without_models())?;
        ablation.forecast(share)?.iter().for_each(|line| print_wrapped(line));
        return Ok(Status::Done);
    }
    let sources = sources.get();
    let ablation = PreparedAblation::load(config, &[], &sources)?;
    let out = outputs.out.clone().unwrap_or_else(|| Path::new("results").join(ablation.name()));
    if !share.is_whole() {
        let runs = async |progress| ablation.execute_shard(&out, outputs.fresh, share, &progress).await;
        return Ok(shard::finish_runs(&[drive_paid(&sources, runs)?], &sources));
    }
    let report = drive_paid(&sources, async |progress| {
        ablation.execute(&out, outputs.fresh, terminal_width(), &progress).await
    })?;
    print_wrapped(&report.tables);
    print_wrapped(&format!("reports: {}", out.display()));
    print_wrapped(&sources.money().line());
    report.endings().iter().for_each(|line| print_wrapped(line));
    Ok(Status::of(report.left_out.is_empty()))
}
