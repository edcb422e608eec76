//! `intercascade calibrate`: what the calibration items of a config say of its threshold.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::session::{Named, Session, Sources};
use super::{Status, block_on, say, terminal_width};
use crate::analysis::metrics::Calibrated;
use crate::report::calibration;
use crate::run::resources::{gates, output_folder};
use crate::types::arm::Deferral;

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
    /// Pass over candidates that accept fewer answers [default: the config's, or 30]
    #[arg(long, value_name = "N")]
    min_accepted: Option<usize>,
    /// Folder of the run [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status> {
    let mut assembly = args.named.load(&args.sources, &[])?;
    let overrides = overrides(args, assembly.config.deferral.stated().is_some())?;
    if !overrides.is_empty() {
        assembly = args.named.load(&args.sources, &overrides)?;
    }
    if !assembly.config.deferral.wanted().asks() {
        bail!(
            "deferral.threshold is stated, so there is nothing to calibrate; ask with --alpha, or write threshold = {{ calibrate = {{ alpha = … }} }}"
        );
    }
    if !assembly.config.arms.iter().any(|arm| arm.deferral() == Deferral::BelowThreshold) {
        bail!("`arms` names none that is gated by confidence, so there is no threshold to tell");
    }
    let folder = output_folder(&assembly.config, args.out.as_deref());
    std::fs::create_dir_all(&folder)?;
    let session = Session::open(&assembly, &folder, &args.sources)?;
    let told = block_on(async {
        let models = session.models().await?;
        session.calibrate(&models, &gates(&assembly)).await
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

/// The arguments as values laid over the config: over what it calibrates for, or in place of the threshold that it states.
fn overrides(args: &Args, stated: bool) -> Result<Vec<String>> {
    let Args { alpha, delta, min_accepted, .. } = args;
    if stated && alpha.is_none() && (delta.is_some() || min_accepted.is_some()) {
        bail!("--delta and --min-accepted go with --alpha, where the config states a threshold");
    }
    let alpha = alpha.map(|alpha| format!("alpha={alpha}"));
    let delta = delta.map(|delta| format!("delta={delta}"));
    let least = min_accepted.map(|least| format!("min_accepted={least}"));
    let given: Vec<String> = alpha.into_iter().chain(delta).chain(least).collect();
    Ok(match (given.is_empty(), stated) {
        (true, _) => Vec::new(),
        (_, true) => vec![format!("deferral.threshold={{ calibrate = {{ {} }} }}", given.join(", "))],
        (_, false) => given.iter().map(|one| format!("deferral.threshold.calibrate.{one}")).collect(),
    })
}
