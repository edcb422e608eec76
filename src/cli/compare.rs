//! `intercascade compare`: compares two runs over the items of both.

use std::path::PathBuf;

use super::{Failure, Status, print_wrapped, terminal_width, warn};
use crate::run::compare::compare;

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade compare results/quickstart results/stricter\n  intercascade compare results/quickstart results/stricter --out results/stricter-compared\n\nArms are matched by name, and in sweeps also by threshold. All figures use only the items and orders of both runs; a change is the second run minus the first. The command lists prices that differ. With --out it writes compare.md, .tex, .csv and .parquet."
)]
pub(super) struct Args {
    /// Use the run in this folder as baseline
    first: PathBuf,
    /// Compare the run in this folder with the baseline
    second: PathBuf,
    /// Also write the tables into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let comparison = compare(&args.first, &args.second)?.tables(terminal_width())?;
    // An error about the folder comes before the tables.
    let aside = args.out.as_ref().map(|out| comparison.write(out)).transpose()?;
    comparison.notes.iter().for_each(|line| print_wrapped(line));
    if !comparison.tables.is_empty() {
        print_wrapped(&comparison.tables);
    }
    if let Some(aside) = aside.flatten() {
        warn(&aside.message());
    }
    if let Some(out) = &args.out {
        print_wrapped(&format!("tables: {} (compare.md, .tex, .csv, .parquet)", out.display()));
    }
    Ok(Status::Done)
}
