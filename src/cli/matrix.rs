//! `intercascade matrix`: the calls with which any gate, store rule and order of a learning arm can be judged offline.

use std::path::PathBuf;

use super::args::{ConfigArgs, Sources};
use super::{Failure, Status, say, spend};

/// Arguments of `matrix`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade matrix --config configs/pair-gsm-templates.toml --set dataset.split=dev --set dataset.limit=16 --out results/pairs\n\nThe strong level answers every item, then the weak level answers every item alone, then with the strong level's solution of each other item of its group, and of each item of another group that is at least as similar as learning.min_similarity. The calls are those of a run of the same config, so `run --journal DIR/journal.sqlite --offline` replays any order. The same command goes on where it was stopped."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: ConfigArgs,
    /// Folder for the journal and the table [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let sources = args.sources.get();
    let run = args.named.run(sources.clone()).in_folder(args.out.clone()).prepare()?;
    let report = spend(&sources, async |progress| run.matrix(&progress).await)?;
    say(&format!(
        "{} answers, of which {} calls were made now; the table is in {}",
        report.rows,
        report.calls_made,
        report.folder.display()
    ));
    say(&sources.money().line());
    Ok(Status::Done)
}
