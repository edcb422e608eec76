//! `intercascade reproduce`: makes a paper's tables from a family of experiments and tests its claims.

use std::path::PathBuf;

use super::args::{Sources, input};
use super::shard::{self, ShardArg};
use super::{Failure, Status, drive_paid, print_wrapped, terminal_width, warn};
use crate::run::reproduce::{ReproduceOptions, Reproduction, paper};

/// Arguments of `reproduce`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade reproduce --list\n  intercascade reproduce headline\n  intercascade reproduce all --recompute\n\nThe family `offline` replays recordings: no model, weights or key is needed. The paper's own figures are quoted from its abstract only. Exit status 1: a figure is outside the range that its file allows."
)]
pub(super) struct Args {
    /// Make these tables [default: all]
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// Use this family of experiments: offline, paper-pair or live
    #[arg(long, default_value = "offline")]
    family: String,
    /// Run the experiments on another data set of the family
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Write outputs to this folder
    #[arg(long, value_name = "DIR", default_value = "results/reproduce")]
    out: PathBuf,
    /// List tables, experiments, costs and recordings; call no model
    #[arg(long)]
    list: bool,
    /// Ignore recordings and call the models
    #[arg(long)]
    recompute: bool,
    /// Move existing outputs aside and start over; reuse the journal
    #[arg(long)]
    fresh: bool,
    /// Read the paper's files from this folder
    #[arg(long, value_name = "DIR", default_value = "configs/paper", value_parser = input())]
    paper: PathBuf,
    #[command(flatten)]
    shard: ShardArg,
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
        list_only: args.list,
        sources: args.sources.get(),
    };
    let paper = paper(&args.paper)?;
    let reproduction = Reproduction::prepare(&paper, &options)?;
    let width = terminal_width();
    if args.list {
        reproduction.listing()?.texts(width).iter().for_each(|text| print_wrapped(text));
        return Ok(Status::Done);
    }
    let share = args.shard.get()?;
    if !share.is_whole() {
        let runs = async |progress| reproduction.execute_shard(share, &progress).await;
        return Ok(shard::finish_runs(&drive_paid(&options.sources, runs)?, &options.sources));
    }
    let report = drive_paid(&options.sources, async |progress| reproduction.execute(width, &progress).await)?;
    report.ablations.iter().for_each(|table| print_wrapped(table));
    if !report.has_tables() {
        return Ok(Status::Done);
    }
    report.printed.iter().for_each(|(title, figures)| print_wrapped(&format!("{title}\n{}", figures.terminal(width))));
    report.notes.iter().for_each(|note| print_wrapped(note));
    if let Some(aside) = report.write(&args.out)? {
        warn(&aside.message());
    }
    print_wrapped(&format!("tables: {} (.md, .tex, .csv, .parquet)", args.out.display()));
    let money = options.sources.money();
    if money.calls > 0 {
        print_wrapped(&money.line());
    }
    report.unexpected.iter().for_each(|line| warn(&format!("outside the expected range: {line}")));
    Ok(Status::of(report.unexpected.is_empty()))
}
