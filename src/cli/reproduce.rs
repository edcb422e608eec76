//! `intercascade reproduce`: a paper's tables over a family of experiments, and its claims judged by what comes out.

use std::path::PathBuf;

use super::args::Sources;
use super::{Failure, Status, spend, tell, terminal_width, warn};
use crate::run::reproduce::{ReproduceOptions, Reproduction, paper};

/// Arguments of `reproduce`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade reproduce --list\n  intercascade reproduce headline\n  intercascade reproduce all --recompute\n\nThe family `offline` answers from recordings, with no model, no weights and no key. Only figures of the paper's abstract are called the paper's. Exit status 1: a figure is further from what its file expects than the file allows."
)]
pub(super) struct Args {
    /// The tables, by name [default: all]
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// Which experiments: offline, paper-pair or live
    #[arg(long, default_value = "offline")]
    family: String,
    /// The same experiments on another data set, one that the family names
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Folder for the outputs
    #[arg(long, value_name = "DIR", default_value = "results/reproduce")]
    out: PathBuf,
    /// Say what there is, what it takes and whether it is recorded; call no model
    #[arg(long)]
    list: bool,
    /// Leave recordings aside and ask the models
    #[arg(long)]
    recompute: bool,
    /// Set the experiments' outputs that are there aside and start over; the journal stays in use
    #[arg(long)]
    fresh: bool,
    /// The paper's folder
    #[arg(long, value_name = "DIR", default_value = "configs/paper")]
    paper: PathBuf,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let options = ReproduceOptions {
        tables: args.tables.clone(),
        family: args.family.clone(),
        dataset: args.dataset.clone(),
        out: args.out.clone(),
        recompute: args.recompute,
        fresh: args.fresh,
        only_listed: args.list,
        sources: args.sources.get(),
    };
    let paper = paper(&args.paper)?;
    let reproduction = Reproduction::prepare(&paper, &options)?;
    let width = terminal_width();
    if args.list {
        reproduction.listing()?.texts(width).iter().for_each(|text| tell(text));
        return Ok(Status::Done);
    }
    let made = spend(&options.sources, async |progress| reproduction.execute(width, &progress).await)?;
    made.ablations.iter().for_each(|shown| tell(shown));
    if !made.has_tables() {
        return Ok(Status::Done);
    }
    made.shown.iter().for_each(|(title, figures)| tell(&format!("{title}\n{}", figures.terminal(width))));
    made.notes.iter().for_each(|note| tell(note));
    if let Some(aside) = made.write(&args.out)? {
        warn(&aside.message());
    }
    tell(&format!("tables are in {} (.md, .tex, .csv, .parquet)", args.out.display()));
    let money = options.sources.money();
    if money.calls > 0 {
        tell(&money.line());
    }
    made.missed.iter().for_each(|line| warn(&format!("not as expected: {line}")));
    Ok(Status::of(made.missed.is_empty()))
}
