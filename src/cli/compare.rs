//! `intercascade compare`: two runs side by side, over the items that both took.

use std::path::PathBuf;

use super::{Failure, Status, tell, terminal_width, warn};
use crate::run::compare::compare;

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade compare results/quickstart results/stricter\n  intercascade compare results/quickstart results/stricter --out results/stricter-compared\n\nArms are matched by name, and in sweeps by threshold. All figures are over the items and orders that are in both runs; changes are of the second run against the first. Prices that differ are named. With --out the tables are written as compare.md, .tex, .csv and .parquet."
)]
pub(super) struct Args {
    /// The folder of the baseline run
    first: PathBuf,
    /// The folder of the run that is compared with it
    second: PathBuf,
    /// Write the tables into this folder, too
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let shown = compare(&args.first, &args.second)?.shown(terminal_width())?;
    // A folder that cannot be written to is named before anything is shown.
    let aside = args.out.as_ref().map(|out| shown.write(out)).transpose()?;
    shown.notes.iter().for_each(|line| tell(line));
    if !shown.tables.is_empty() {
        tell(&shown.tables);
    }
    if let Some(aside) = aside.flatten() {
        warn(&aside.message());
    }
    if let Some(out) = &args.out {
        tell(&format!("tables are in {} (compare.md, .tex, .csv, .parquet)", out.display()));
    }
    Ok(Status::Done)
}
