//! `intercascade ablate`: one config, and what each change in it makes of the result.

use std::path::{Path, PathBuf};

use super::args::{Outputs, Sources};
use super::{Failure, Status, spend, tell, terminal_width};
use crate::run::ablate::PreparedAblation;

/// Arguments of `ablate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade ablate --config configs/ablations/pair-teaching.toml\n\nThe file names a config and tables of variants, each with the values that it lays over the config. All variants share one journal, so what they ask alike is asked and paid for once; the same command resumes."
)]
pub(super) struct Args {
    /// The ablation's file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let Args { config, outputs, sources } = args;
    if outputs.dry_run {
        let ablation = PreparedAblation::load(config, &[], &sources.get().unasked())?;
        ablation.forecast().iter().for_each(|line| tell(line));
        return Ok(Status::Done);
    }
    let sources = sources.get();
    let ablation = PreparedAblation::load(config, &[], &sources)?;
    let out = outputs.out.clone().unwrap_or_else(|| Path::new("results").join(ablation.name()));
    let report =
        spend(&sources, async |progress| ablation.execute(&out, outputs.fresh, terminal_width(), &progress).await)?;
    tell(&report.shown);
    tell(&format!("reports are in {}", out.display()));
    tell(&sources.money().line());
    report.endings().iter().for_each(|line| tell(line));
    Ok(Status::of(report.left_out.is_empty()))
}
