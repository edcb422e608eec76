//! `intercascade matrix`: the calls with which any gate, store rule and order of a learning arm can be judged offline.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::session::{Named, Session, Sources};
use super::{Status, block_on, say};
use crate::config::assembly::output_folder;
use crate::report::files::write_files;
use crate::report::matrix::table;

/// Arguments of `matrix`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade matrix --config configs/pair-gsm-templates.toml --set dataset.split=dev --set dataset.limit=16 --out results/pairs\n\nThe strong level answers every item, then the weak level answers every item alone, then with the strong level's solution of each other item of its group. The calls are those of a run of the same config, so `run --journal DIR/journal.sqlite --offline` replays any order. The same command goes on where it was stopped."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    /// Folder for the journal and the table [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status> {
    let assembly = args.named.load(&args.sources, &[])?;
    if !assembly.learns() {
        bail!(
            "`arms` names none that learns, so the weak level's prompt has no place for an example; add inter-cascade"
        );
    }
    if assembly.config.learning.k != 1 {
        bail!(
            "learning.k is {}, and the matrix has one example per answer: set learning.k = 1",
            assembly.config.learning.k
        );
    }
    let folder = output_folder(&assembly.config, args.out.as_deref());
    std::fs::create_dir_all(&folder)?;
    let session = Session::open(&assembly, &folder, &args.sources)?;
    let rows = block_on(async {
        let models = session.models().await?;
        let rows = session.matrix(&models).await?;
        let files = table(&models.setup.dataset, &models.setup.items, &rows)?.files()?;
        let files: Vec<_> = files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
        write_files(&files)?;
        Ok(rows.len())
    })?;
    say(&format!(
        "{rows} answers, of which {} calls were made now; the table is in {}",
        session.calls_made(),
        folder.display()
    ));
    Ok(Status::Done)
}
