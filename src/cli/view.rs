//! `intercascade view`: opens a run's report in the browser.

use std::path::PathBuf;

use anyhow::anyhow;

use super::{Failure, Status, print, warn};
use crate::run::page::{PageSources, find_or_make};

/// Arguments of `view`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade view results/quickstart\n\nThe report is RUN/report.html: one file that needs no network. If it is missing, it is made from the run's records and journal first. `intercascade report RUN` makes it anew."
)]
pub(super) struct Args {
    /// Show the run in this folder
    run: PathBuf,
    /// Only print the path of the report
    #[arg(long)]
    no_open: bool,
    /// Take texts from this journal, too, if the report is made (repeatable)
    #[arg(long, value_name = "PATH")]
    journal: Vec<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let sources = PageSources { journals: args.journal.clone(), private: false };
    let (page, made) = find_or_make(&args.run, &sources)?;
    if made {
        warn(&format!("made {}", page.display()));
    }
    print(&page.display().to_string());
    if !args.no_open {
        open::that_detached(&page).map_err(|error| {
            anyhow!("no program opened {} ({error}). Open the file in a browser, or use --no-open", page.display())
        })?;
    }
    Ok(Status::Done)
}
