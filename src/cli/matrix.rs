//! `intercascade matrix`: makes the calls for offline evaluation of any gate, store rule and order of a learning arm.

use std::path::PathBuf;

use super::args::{ConfigArgs, Sources};
use super::{Failure, Status, drive_paid, print};

/// Arguments of `matrix`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade matrix --config configs/pair-gsm-templates.toml --set dataset.split=dev --set dataset.limit=16 --out results/pairs\n\nThe strong level answers every item. The weak level then answers every item alone, and once with the strong level's solution of each other item of its group and of each item of another group with a similarity of at least learning.min_similarity. The calls equal those of a run of the same config, so `run --journal DIR/journal.sqlite --offline` replays any order. The same command resumes."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: ConfigArgs,
    /// Write journal and table to this folder [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let sources = args.sources.get();
    let run = args.named.run(sources.clone()).in_folder(args.out.clone()).prepare()?;
    let report = drive_paid(&sources, async |progress| run.matrix(&progress).await)?;
    print(&format!(
        "{} answers, {} calls made now; table: {}",
        report.rows,
        report.calls_made,
        report.folder.display()
    ));
    print(&sources.money().line());
    Ok(Status::Done)
}
