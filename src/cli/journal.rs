//! `intercascade journal`: a run's calls in a file that others can answer from.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{Status, say};
use crate::model::journal::portable;
use crate::model::machine::megabytes;
use crate::report::files::write_file;
use crate::report::folder::JOURNAL;

/// The verbs of `journal`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Write the calls and embeddings of a run into one parquet file, which `run --journal FILE` answers from
    #[command(
        after_help = "Examples:\n  intercascade journal export results/quickstart --out quickstart.parquet\n  intercascade run --config configs/quickstart.toml --journal quickstart.parquet --offline --out replayed"
    )]
    Export(Export),
}

/// Arguments of `journal export`.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// The run's folder
    run: PathBuf,
    /// The file to write (parquet)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Carries a verb out.
pub(super) fn run(verb: &Verb) -> Result<Status> {
    let Verb::Export(Export { run, out }) = verb;
    let journal = run.join(JOURNAL);
    if !journal.is_file() {
        bail!("{} holds no run: there is no {JOURNAL}", run.display());
    }
    if out.exists() {
        bail!("{} is there; name another file with --out", out.display());
    }
    let (bytes, exported) = portable::export(&journal)?;
    let size = bytes.len();
    write_file(out, &bytes)?;
    say(&format!(
        "{}: {} calls and {} embeddings, {}",
        out.display(),
        exported.calls,
        exported.embeddings,
        megabytes(u64::try_from(size)?)
    ));
    Ok(Status::Done)
}
