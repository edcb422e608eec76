//! `intercascade compare`: compares runs with a baseline, and checks conditions on the changes.

use std::path::PathBuf;

use super::{Failure, Status, print_wrapped, terminal_width, warn};
use crate::run::compare::{Condition, Verdict, compare};

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade compare results/quickstart results/stricter\n  intercascade compare results/main results/a results/b --out results/compared\n  intercascade compare results/main results/new --fail-on 'accuracy < -1pp' --fail-on 'inter-cascade:fee > 5%'\n\nArms are matched by name, and in sweeps also by threshold. Items of the same data set are paired: figures then use only the items and orders of both runs. Without common items the comparison is unpaired, and the table marks it. A change is the run minus the baseline. The command lists what differs in data, config, prompts, models, versions and prices. With --out it writes compare.html, .md, .tex, .csv, .parquet and figure-differences.svg.\n\nA condition is [ARM:]FIGURE OP VALUE UNIT: FIGURE is accuracy or weak-accuracy (unit pp), strong-calls or fee (unit %); OP is <, <=, > or >=. It is checked for every compared arm, or for ARM alone. After UNIT, the word surely requires the whole 95 % interval to meet the condition.\n\nExit status: 0 success; 1 a condition of --fail-on holds; 2 error, also if a condition cannot be judged."
)]
pub(super) struct Args {
    /// Use the run in this folder as baseline
    #[arg(value_name = "BASELINE")]
    baseline: PathBuf,
    /// Compare the runs in these folders with the baseline
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Also write tables, page and figure into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Exit with status 1 if this holds for a compared arm; repeatable
    #[arg(long, value_name = "CONDITION")]
    fail_on: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let conditions = args.fail_on.iter().map(|text| text.parse()).collect::<Result<Vec<Condition>, String>>();
    let conditions = conditions.map_err(anyhow::Error::msg)?;
    let comparison = compare(&args.baseline, &args.runs)?.tables(terminal_width(), &conditions)?;
    let verdicts = comparison.verdicts.iter().map(|verdict| verdict.clone().map_err(anyhow::Error::msg));
    let verdicts = verdicts.collect::<anyhow::Result<Vec<Verdict>>>()?;
    // Errors about conditions and the folder come before the tables.
    let aside = args.out.as_ref().map(|out| comparison.write(out)).transpose()?;
    comparison.notes.iter().for_each(|line| print_wrapped(line));
    print_wrapped(&comparison.tables);
    if let Some(aside) = aside.flatten() {
        warn(&aside.message());
    }
    if let Some(out) = &args.out {
        print_wrapped(&format!(
            "written: {} (compare.html, .md, .tex, .csv, .parquet, figure-differences.svg)",
            out.display()
        ));
    }
    verdicts.iter().flat_map(|verdict| &verdict.lines).for_each(|line| print_wrapped(line));
    Ok(Status::of(verdicts.iter().all(|verdict| !verdict.holds)))
}
