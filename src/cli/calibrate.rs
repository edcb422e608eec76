//! `intercascade calibrate`: what the calibration items of a config say of its threshold.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::session::{Named, Session, Sources};
use super::{Status, block_on, say, terminal_width};
use crate::analysis::metrics::Calibrated;
use crate::config::assembly::output_folder;
use crate::report::calibration;

/// Arguments of `calibrate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade calibrate --config configs/quickstart.toml --set dataset.calibration=20 --alpha 0.5 --min-accepted 5\n\nAnswers go to the journal of the run's own folder, so that `run` does not ask again. Exit status 1: nothing was certified."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    /// The tolerated risk, P(wrong | accepted) [default: the config's]
    #[arg(long, value_name = "A")]
    alpha: Option<f64>,
    /// The chance that the calibration items mislead [default: the config's, or 0.1]
    #[arg(long, value_name = "D")]
    delta: Option<f64>,
    /// Pass over candidates that accept fewer answers [default: 30]
    #[arg(long, value_name = "N")]
    min_accepted: Option<usize>,
    /// Folder of the run [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status> {
    let assembly = args.named.load(&args.sources, &overrides(args)?)?;
    if !assembly.config.deferral.wanted().asks() {
        bail!(
            "deferral.threshold is stated, so there is nothing to calibrate; ask with --alpha, or write threshold = {{ calibrate = {{ alpha = … }} }}"
        );
    }
    let folder = output_folder(&assembly.config, args.out.as_deref());
    std::fs::create_dir_all(&folder)?;
    let session = Session::open(&assembly, &folder, &args.sources)?;
    let told = block_on(async {
        let models = session.models().await?;
        session.calibrate(&models, &assembly.gates()).await
    })?;
    for line in assembly.setting() {
        say(&line);
    }
    say(&calibration::terminal(&told.arms, terminal_width()));
    for line in calibration::verdicts(&told.arms) {
        say(&line);
    }
    let certified = told.arms.iter().filter_map(Calibrated::guaranteed).all(|found| found.certified);
    Ok(if certified { Status::Done } else { Status::CheckFailed })
}

/// The arguments as values laid over the config.
fn overrides(args: &Args) -> Result<Vec<String>> {
    let Args { alpha, delta, min_accepted, .. } = args;
    let Some(alpha) = alpha else {
        if delta.is_some() || min_accepted.is_some() {
            bail!("--delta and --min-accepted go with --alpha");
        }
        return Ok(Vec::new());
    };
    let delta = delta.map(|delta| format!(", delta = {delta}")).unwrap_or_default();
    let least = min_accepted.map(|n| format!(", min_accepted = {n}")).unwrap_or_default();
    Ok(vec![format!("deferral.threshold={{ calibrate = {{ alpha = {alpha}{delta}{least} }} }}")])
}
