//! `intercascade report`: a run's outputs made again from its records.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::args::Allowed;
use super::{Failure, Status, tell, terminal_width};
use crate::run::outputs::{Outputs, Wanted};
use crate::run::report::{self, Rewritten};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade report results/quickstart\n  intercascade report results/quickstart --prices prices.toml --out results/quickstart-repriced\n  intercascade report --splice README.md\n\nA file of prices has a line for each model: small = { input = 0.1, output = 0.4 }, in USD a million tokens. No model is called. Outputs that change are set aside, none is written over."
)]
pub(super) struct Args {
    /// The run's folder
    #[arg(required_unless_present = "splice")]
    run: Option<PathBuf>,
    /// Put tables of runs into a document, between <!-- from FOLDER: HEADING --> and <!-- end -->
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "prices", "out"])]
    splice: Option<PathBuf>,
    /// Prices to tell fees by, instead of the run's (TOML)
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Another folder for the outputs [default: the run's own]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    allowed: Allowed,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    match (&args.splice, &args.run) {
        (Some(document), _) => splice(document),
        (None, Some(run)) => again(run, args),
        (None, None) => Err(anyhow!("name a run's folder, or a document with --splice").into()),
    }
}

/// Puts the tables of the runs that a document names into it.
fn splice(document: &Path) -> Result<Status, Failure> {
    let spliced = report::splice(document)?;
    let what = if spliced.changed { "written" } else { "nothing changed" };
    tell(&format!("{}: {} tables of runs, {what}", document.display(), spliced.tables));
    Ok(Status::Done)
}

/// Makes a run's outputs again.
fn again(run: &Path, args: &Args) -> Result<Status, Failure> {
    let kept = report::read(run, args.prices.as_deref(), args.allowed.margin)?;
    let comparison = kept.comparison();
    let outputs = Outputs::new(&kept, &comparison);
    match report::again(&kept, &outputs, run, args.out.as_deref())? {
        Rewritten::Own(None) => tell(&format!("nothing changed in {}", run.display())),
        Rewritten::Own(Some(aside)) => {
            tell(&format!("made again: {}; the old ones are in {}", aside.names.join(", "), aside.folder.display()));
        }
        Rewritten::Other(folder) => tell(&format!("reports are in {}", folder.display())),
    }
    outputs.lines(terminal_width(), Wanted::default()).iter().for_each(|line| tell(line));
    outputs.recommendation().iter().for_each(|line| tell(line));
    Ok(Status::Done)
}
