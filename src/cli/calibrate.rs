//! `intercascade calibrate`: calibrates a threshold on the calibration items of a config.

use std::path::PathBuf;

use super::args::{Batch, ConfigArgs, Sources};
use super::{Failure, Status, drive_paid, print_wrapped, terminal_width};
use crate::report::{calibration, left_out};
use crate::run::calibrate::GuaranteeOverrides;

/// Arguments of `calibrate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade calibrate --config configs/quickstart.toml --set dataset.calibration=25 --alpha 0.7 --min-accepted 12\n\nAnswers go to the journal of the run's folder, so `run` and `sweep` do not repeat these calls. If neither the config nor --alpha states α, the command reports which α can be certified at which λ. Exit status 1: nothing was certified."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: ConfigArgs,
    /// Bound the risk, P(wrong | accepted) [default: config, else report every α]
    #[arg(long, value_name = "A")]
    alpha: Option<f64>,
    /// Set the failure probability of the guarantee [default: config, else 0.1]
    #[arg(long, value_name = "D")]
    delta: Option<f64>,
    /// Skip candidate thresholds that accept fewer answers [default: config, else 30]
    #[arg(long, value_name = "N")]
    min_accepted: Option<usize>,
    /// Use this run folder [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Check everything and print the expected cost; call no model
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    batch: Batch,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let Args { named, alpha, delta, min_accepted, out, dry_run, sources, batch } = args;
    let overrides = GuaranteeOverrides { alpha: *alpha, delta: *delta, min_accepted: *min_accepted };
    let sources = sources.get();
    if *dry_run {
        let run = named.run(sources.without_models()).prepare_calibration(overrides)?;
        run.prepared().forecast_calibration()?.iter().for_each(|line| print_wrapped(line));
        return Ok(Status::Done);
    }
    let run =
        named.run(sources.clone()).in_folder(out.clone()).in_batches(batch.batch).prepare_calibration(overrides)?;
    let report = drive_paid(&sources, async |progress| run.calibrate(&progress).await)?;
    let arms = &report.calibration.arms;
    report.setting.iter().for_each(|line| print_wrapped(line));
    let (table, lines) = if report.is_open {
        (calibration::terminal_by_alpha(arms, terminal_width()), calibration::notes_by_alpha(arms))
    } else {
        (calibration::terminal(arms, terminal_width()), calibration::verdicts(arms))
    };
    print_wrapped(&table);
    for line in lines {
        print_wrapped(&line);
    }
    print_wrapped(&format!("results for each λ of the grid: {}", report.folder.join("certifiable.csv").display()));
    for line in left_out::lines(&report.left_out, |threshold| threshold) {
        print_wrapped(&format!("note: {line}"));
    }
    print_wrapped(&sources.money().line());
    let ending = left_out::ending(&report.left_out);
    if let Some(line) = &ending {
        print_wrapped(line);
    }
    Ok(Status::of(report.is_certified() && ending.is_none()))
}
