//! The argument `--shard`, and the lines at the end of a shard: its cells, and how the shards are merged.

use super::{Failure, Status, calls_made, print_wrapped, warn};
use crate::report::left_out;
use crate::report::manifest::ShardPart;
use crate::run::shards::environment;
use crate::run::shards::runs::RunsReport;
use crate::run::{RunReport, Sources};
use crate::types::shard::Shard;

/// Argument that names the share of a job array's task.
#[derive(Debug, clap::Args)]
pub(super) struct ShardArg {
    /// Run share I of N of the cells [default: the task of a job array]
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
}

impl ShardArg {
    /// Returns the shard of this command: the argument, or the task of a job array of Slurm or Kubernetes. A message
    /// says which shard it is.
    pub(super) fn get(&self) -> Result<Shard, Failure> {
        let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let (shard, source) = match self.shard {
            Some(shard) => (shard, "--shard".to_owned()),
            None => match environment::shard(variable)? {
                Some(found) => found,
                None => return Ok(Shard::WHOLE),
            },
        };
        let cells = if shard.is_whole() { ", the whole run" } else { "" };
        warn(&format!("this is {shard}{cells}, by {source}"));
        Ok(shard)
    }
}

/// Prints the cells, the spending and the folder of a shard of a run or a sweep, and the command that merges the shards.
pub(super) fn finish(report: &RunReport, part: &ShardPart, sources: &Sources) -> Status {
    print_wrapped(&format!(
        "shard {} of {}: {} of {} cells",
        part.index,
        part.count,
        part.own().count(),
        part.cells.len()
    ));
    print_wrapped(&format!("{}. Records: {}", calls_made(report), report.folder().display()));
    print_wrapped(&sources.money().line());
    if let Some(whole) = report.folder().parent() {
        print_wrapped(&format!("merge the shards with: intercascade report {}", whole.display()));
    }
    let ending = left_out::ending(&report.manifest().left_out);
    if let Some(line) = &ending {
        print_wrapped(line);
    }
    Status::of(ending.is_none())
}

/// Prints the runs and the spending of a shard of `ablate` or `reproduce`, and how the tables are made.
pub(super) fn finish_runs(reports: &[RunsReport], sources: &Sources) -> Status {
    for report in reports {
        print_wrapped(&format!("{} of {} runs are in {}", report.made, report.all, report.folder.display()));
    }
    print_wrapped(&sources.money().line());
    let mut left_out = reports.iter().flat_map(|report| &report.left_out).peekable();
    let is_complete = left_out.peek().is_none();
    for (name, cells) in left_out {
        for line in left_out::lines(cells, |threshold| threshold) {
            print_wrapped(&format!("{name}: {line}"));
        }
    }
    print_wrapped(
        "once all shards have finished, the same command without --shard copies their answers and makes the tables",
    );
    Status::of(is_complete)
}
