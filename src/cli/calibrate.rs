//! `intercascade calibrate`: what the calibration items of a config say of its threshold.

use std::path::PathBuf;

use super::args::{ConfigArgs, Sources};
use super::{Failure, Status, spend, tell, terminal_width};
use crate::report::{calibration, left_out};
use crate::run::calibrate::GuaranteeOverrides;

/// Arguments of `calibrate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade calibrate --config configs/quickstart.toml --set dataset.calibration=25 --alpha 0.7 --min-accepted 12\n\nAnswers go to the journal of the run's own folder, so that `run` and `sweep` do not ask again. Without an α, in the config or here, it says which α can be certified at which λ. Exit status 1: nothing was certified."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: ConfigArgs,
    /// The tolerated risk, P(wrong | accepted) [default: the config's; without one, every α is shown]
    #[arg(long, value_name = "A")]
    alpha: Option<f64>,
    /// How often the guarantee may fail: 0.1 is one set of calibration items in ten [default: the config's, or 0.1]
    #[arg(long, value_name = "D")]
    delta: Option<f64>,
    /// Pass over candidates that accept fewer answers [default: the config's, or 30]
    #[arg(long, value_name = "N")]
    min_accepted: Option<usize>,
    /// Folder of the run [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Check everything and print the calls, tokens and fee to expect; call no model
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let Args { named, alpha, delta, min_accepted, out, dry_run, sources } = args;
    let certify = GuaranteeOverrides { alpha: *alpha, delta: *delta, min_accepted: *min_accepted };
    let sources = sources.get();
    if *dry_run {
        let run = named.run(sources.unasked()).prepare_calibration(certify)?;
        run.prepared().forecast_calibration().iter().for_each(|line| tell(line));
        return Ok(Status::Done);
    }
    let run = named.run(sources.clone()).in_folder(out.clone()).prepare_calibration(certify)?;
    let report = spend(&sources, async |progress| run.calibrate(&progress).await)?;
    let arms = &report.calibration.arms;
    report.setting.iter().for_each(|line| tell(line));
    let (table, lines) = if report.is_open {
        (calibration::terminal_by_alpha(arms, terminal_width()), calibration::notes_by_alpha(arms))
    } else {
        (calibration::terminal(arms, terminal_width()), calibration::verdicts(arms))
    };
    tell(&table);
    for line in lines {
        tell(&line);
    }
    tell(&format!("each λ of the grid is in {}", report.folder.join("certifiable.csv").display()));
    for line in left_out::lines(&report.left_out, |threshold| threshold) {
        tell(&format!("note: {line}"));
    }
    tell(&sources.money().line());
    let ending = left_out::ending(&report.left_out);
    if let Some(line) = &ending {
        tell(line);
    }
    Ok(Status::of(report.is_certified() && ending.is_none()))
}
