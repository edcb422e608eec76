//! `intercascade journal`: exports a run's calls to a file from which other runs can answer.

use std::path::PathBuf;

use anyhow::Result;

use super::{Status, print};
use crate::gateway::journal::portable::ExportSelection;
use crate::run::export::export;

/// Subcommands of `journal`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Write a run's calls and embeddings to a file for `--journal`
    #[command(
        after_help = "Examples:\n  intercascade journal export results/quickstart --out quickstart.parquet\n  intercascade run --config configs/quickstart.toml --journal quickstart.parquet --offline --out replayed\n  intercascade journal export results/mine --answers-only --except results/mine/journal-01.parquet --out results/mine/journal-02.parquet\n\nA file written with --answers-only works only with the same data set, since keys are computed from its questions. --journal also accepts a folder of parts (journal*.parquet)."
    )]
    Export(Export),
}

/// Arguments of `journal export`.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Read the run in this folder
    run: PathBuf,
    /// Write this file (parquet)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Omit the requests, and with them the text of the questions
    #[arg(long)]
    answers_only: bool,
    /// Omit calls in this journal, export or folder of exports; repeatable
    #[arg(long, value_name = "FILE")]
    except: Vec<PathBuf>,
}

/// Runs a subcommand of `journal`.
pub(super) fn run(verb: &Verb) -> Result<Status> {
    let Verb::Export(Export { run, out, answers_only, except }) = verb;
    let selection = ExportSelection { answers_only: *answers_only, except: except.clone() };
    print(&export(run, out, &selection)?);
    Ok(Status::Done)
}
