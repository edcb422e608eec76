//! `intercascade report`: rewrites a run's outputs from its records.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::args::Allowed;
use super::{Failure, Status, print_wrapped, terminal_width};
use crate::run::outputs::{Outputs, Wanted};
use crate::run::page::PageSources;
use crate::run::report::{self, Rewritten};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade report results/quickstart\n  intercascade report results/quickstart --prices prices.toml --out results/quickstart-repriced\n  intercascade report --splice README.md\n\nA file of prices has one line for each model: small = { input = 0.1, output = 0.4 }, in USD per million tokens. With --splice, each part of the document between <!-- from FOLDER: HEADING --> and <!-- end --> is replaced by that table. No model is called. Outputs that change are moved aside first. The shards in a run's folder (--shard) are merged; exit status 1: some have not finished."
)]
pub(super) struct Args {
    /// Read the run in this folder
    #[arg(required_unless_present = "splice")]
    run: Option<PathBuf>,
    /// Update the tables of runs in this document
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "prices", "out", "journal", "private"])]
    splice: Option<PathBuf>,
    /// Compute fees with the prices of this file (TOML)
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Write outputs to this new folder [default: the run's folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Take the texts of report.html from this journal, too (repeatable)
    #[arg(long, value_name = "PATH")]
    journal: Vec<PathBuf>,
    /// Show questions in report.html even if their licence forbids passing them on
    #[arg(long)]
    private: bool,
    #[command(flatten)]
    allowed: Allowed,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    match (&args.splice, &args.run) {
        (Some(document), _) => splice(document),
        (None, Some(run)) => rewrite(run, args),
        (None, None) => Err(anyhow!("name a run's folder, or a document with --splice").into()),
    }
}

/// Updates the tables of runs in a document.
fn splice(document: &Path) -> Result<Status, Failure> {
    let spliced = report::splice(document)?;
    let outcome = if spliced.changed { "updated" } else { "unchanged" };
    print_wrapped(&format!("{}: {} tables of runs, {outcome}", document.display(), spliced.tables));
    Ok(Status::Done)
}

/// Rewrites a run's outputs.
fn rewrite(run: &Path, args: &Args) -> Result<Status, Failure> {
    let reported = report::read(run, args.prices.as_deref(), args.allowed.margin)?;
    let comparison = reported.finished.comparison();
    let outputs = Outputs::new(&reported.finished, &comparison);
    let sources = PageSources { journals: args.journal.clone(), private: args.private };
    match report::rewrite(&reported, &outputs, run, args.out.as_deref(), &sources)? {
        Rewritten::Own(None) => print_wrapped(&format!("nothing changed in {}", run.display())),
        Rewritten::Own(Some(aside)) => {
            print_wrapped(&format!(
                "rewritten: {}; the old versions are in {}",
                aside.names.join(", "),
                aside.folder.display()
            ));
        }
        Rewritten::Other(folder) => print_wrapped(&format!("reports: {}", folder.display())),
    }
    outputs.lines(terminal_width(), Wanted::default()).iter().for_each(|line| print_wrapped(line));
    outputs.recommendation().iter().for_each(|line| print_wrapped(line));
    Ok(Status::of(reported.is_complete()))
}
