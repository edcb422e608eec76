//! `intercascade compare`: two runs side by side, paired item by item where they share items.

use std::path::PathBuf;

use super::{Failure, Status, tell, terminal_width};
use crate::run::compare::compare;

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade compare results/quickstart results/stricter\n\nArms are matched by name, and in sweeps by threshold. Differences are of the second run against the first, paired on items and orders."
)]
pub(super) struct Args {
    /// The folder of the run that is compared with
    first: PathBuf,
    /// The folder of the other run
    second: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let compared = compare(&args.first, &args.second)?;
    compared.notes.iter().for_each(|line| tell(line));
    tell(&compared.tables(terminal_width()));
    Ok(Status::Done)
}
