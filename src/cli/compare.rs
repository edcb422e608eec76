//! `intercascade compare`: two runs side by side, paired item by item where they share items.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::report::Kept;
use super::results::Results;
use super::{Status, say, terminal_width};
use crate::report::compare::{differences, same_data, tables};

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

pub(super) fn run(args: &Args) -> Result<Status> {
    let runs = [Kept::read(&args.first)?, Kept::read(&args.second)?];
    let [first, second] = &runs;
    if !same_data(&first.manifest, &second.manifest) {
        bail!("the runs took other data sets, or other versions of one: no item is in both");
    }
    for line in differences(&first.manifest, &second.manifest) {
        say(&line);
    }
    for (run, folder) in runs.iter().zip([&args.first, &args.second]) {
        for lacking in &run.lacking {
            say(&format!("note: {}: {}", folder.display(), lacking.told()));
        }
    }
    let [first, second] = [first, second].map(|run| Results::new(&run.manifest, &run.records, &run.told));
    let (first, second) = (first?, second?);
    say(&tables(&first.comparison(), &second.comparison(), terminal_width()));
    Ok(Status::Done)
}
