//! `intercascade journal`: a run's calls in a file that others can answer from.

use std::path::PathBuf;

use anyhow::Result;

use super::{Status, say};
use crate::gateway::journal::portable::ExportSelection;
use crate::run::export::export;

/// The verbs of `journal`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Write the calls and embeddings of a run into one parquet file, which `run --journal FILE` answers from
    #[command(
        after_help = "Examples:\n  intercascade journal export results/quickstart --out quickstart.parquet\n  intercascade run --config configs/quickstart.toml --journal quickstart.parquet --offline --out replayed\n  intercascade journal export results/mine --answers-only --except results/mine/journal-01.parquet --out results/mine/journal-02.parquet\n\nWith --answers-only the file answers for whoever has the data set: keys are computed from the questions at hand. --journal also takes a folder of parts (journal*.parquet)."
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
    /// Leave the requests out: nothing of the questions is passed on
    #[arg(long)]
    answers_only: bool,
    /// Leave out what this journal, export or folder of exports holds; may be repeated
    #[arg(long, value_name = "FILE")]
    except: Vec<PathBuf>,
}

/// Carries a verb out.
pub(super) fn run(verb: &Verb) -> Result<Status> {
    let Verb::Export(Export { run, out, answers_only, except }) = verb;
    let selection = ExportSelection { answers_only: *answers_only, except: except.clone() };
    say(&export(run, out, &selection)?);
    Ok(Status::Done)
}
