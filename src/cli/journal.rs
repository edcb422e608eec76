//! `intercascade journal`: exports, copies and shares the calls of runs.

use std::path::PathBuf;

use anyhow::Result;

use super::args::journal;
use super::{Status, print};
use crate::gateway::journal::address::{JournalPlace, ServerAddress};
use crate::gateway::journal::portable::ExportSelection;
use crate::run::export::{export, import, prepare};

/// Subcommands of `journal`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Write a run's calls and embeddings to a file for `--journal`
    #[command(
        after_help = "Examples:\n  intercascade journal export results/quickstart --out quickstart.parquet\n  intercascade run --config configs/quickstart.toml --journal quickstart.parquet --offline --out replayed\n  intercascade journal export results/mine --answers-only --except results/mine/journal-01.parquet --out results/mine/journal-02.parquet\n  intercascade journal export postgres://worker@db.example.org/calls --out shared.parquet\n\nA file written with --answers-only works only with the same data set, since keys are computed from its questions. --journal also accepts a folder of parts (journal*.parquet)."
    )]
    Export(Export),
    /// Copy journals into a journal file or onto a server
    #[command(
        after_help = "Example:\n  intercascade journal import results/mine/journal.sqlite --into postgres://worker@db.example.org/calls\n\nCopied calls count as paid for elsewhere. What the other journal holds already stays."
    )]
    Import(Import),
    /// Create or migrate the tables of a journal on a server
    #[command(
        after_help = "Example:\n  intercascade journal prepare postgres://owner@db.example.org/calls --worker worker\n  intercascade run --config mine.toml --journal postgres://worker@db.example.org/calls\n\nThe password comes from PGPASSWORD or ~/.pgpass. docs/SCALING.md describes the settings of an address."
    )]
    Prepare(Prepare),
}

/// Arguments of `journal export`.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Read the run in this folder, or the journal at `postgres://USER@HOST/DATABASE`
    #[arg(value_name = "RUN", value_parser = journal)]
    run: JournalPlace,
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

/// Arguments of `journal import`.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// Read these journals, exports, folders of exports, or servers
    #[arg(value_name = "PATH", value_parser = journal, required = true)]
    from: Vec<JournalPlace>,
    /// Write to this journal file, or to `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "PATH", value_parser = journal)]
    into: JournalPlace,
}

/// Arguments of `journal prepare`.
#[derive(Debug, clap::Args)]
pub(super) struct Prepare {
    /// Use this database, as a role that may create tables
    #[arg(value_name = "postgres://USER@HOST/DATABASE", value_parser = address)]
    address: ServerAddress,
    /// Give this role the rights of a worker, and no others
    #[arg(long, value_name = "ROLE")]
    worker: Option<String>,
}

fn address(text: &str) -> Result<ServerAddress, String> {
    text.parse().map_err(|error: anyhow::Error| format!("{error:#}"))
}

/// Runs a subcommand of `journal`.
pub(super) fn run(verb: &Verb) -> Result<Status> {
    let line = match verb {
        Verb::Export(Export { run, out, answers_only, except }) => {
            export(run, out, &ExportSelection { answers_only: *answers_only, except: except.clone() })?
        }
        Verb::Import(Import { from, into }) => import(from, into)?,
        Verb::Prepare(Prepare { address, worker }) => prepare(address, worker.as_deref())?,
    };
    print(&line);
    Ok(Status::Done)
}
