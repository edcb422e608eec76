//! The command line: a verb a file, one place where errors become an exit status.

mod ablate;
mod calibrate;
mod compare;
mod completions;
mod datasets;
mod journal;
mod logging;
mod matrix;
mod models;
mod progress;
mod prompts;
mod report;
mod reproduce;
mod results;
mod run;
mod session;
mod sweep;
mod warnings;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::types::model::ModelError;
use crate::types::shown::shown;

/// Width of tables where stdout is no terminal.
const PLAIN_WIDTH: u16 = 120;

/// Does a cheap model in front of an expensive one pay, and can the expensive one teach the cheap one?
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:\n  intercascade run --config configs/quickstart.toml\n\nExit status: 0 done; 1 a check or limit stopped it; 2 it could not run."
)]
struct Args {
    #[command(flatten)]
    logging: logging::Args,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the arms of a config and write accuracy, strong-call and fee reports
    Run(run::Args),
    /// Run the arms at many thresholds: what accuracy costs, and what is saved at equal accuracy
    Sweep(sweep::Args),
    /// Run a config with one change after the other, and put what each makes of it into one table
    Ablate(ablate::Args),
    /// Record the weak level's answers with each other item of a group as the example
    Matrix(matrix::Args),
    /// Tell a threshold with a guarantee from a config's calibration items
    Calibrate(calibrate::Args),
    /// Make the paper's tables, and judge its claims by what comes out
    Reproduce(reproduce::Args),
    /// Make a run's reports again from its records, by other prices if wanted
    Report(report::Args),
    /// Compare two runs, arm by arm
    Compare(compare::Args),
    /// List, generate and check data sets
    #[command(subcommand)]
    Datasets(datasets::Verb),
    /// List, fetch and check the weights that run in this process
    #[command(subcommand)]
    Models(models::Verb),
    /// Pass the journal of a run on
    #[command(subcommand)]
    Journal(journal::Verb),
    /// List prompts, and show what a model would be sent
    #[command(subcommand)]
    Prompts(prompts::Verb),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// How long calls that are given up may take to be noted.
const GIVING_UP: Duration = Duration::from_secs(1);

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Done,
    CheckFailed,
}

impl Status {
    /// The status of a check that has passed or not.
    fn of(passed: bool) -> Self {
        if passed { Self::Done } else { Self::CheckFailed }
    }
}

/// Parses the arguments, runs the verb, and turns what came of it into an exit status.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = args.logging.start().and_then(|()| match args.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Matrix(args) => matrix::run(&args),
        Verb::Ablate(args) => ablate::run(&args),
        Verb::Calibrate(args) => calibrate::run(&args),
        Verb::Sweep(args) => sweep::run(&args),
        Verb::Reproduce(args) => reproduce::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Compare(args) => compare::run(&args),
        Verb::Datasets(verb) => datasets::run(&verb),
        Verb::Models(verb) => models::run(&verb),
        Verb::Journal(verb) => journal::run(&verb),
        Verb::Prompts(verb) => prompts::run(&verb),
        Verb::Completions(args) => completions::run(&args),
    });
    match outcome {
        Ok(Status::Done) => ExitCode::SUCCESS,
        Ok(Status::CheckFailed) => ExitCode::from(1),
        Err(error) => {
            warn(&format!("error: {error:#}"));
            let limit = error.chain().any(|cause| {
                matches!(cause.downcast_ref(), Some(ModelError::FeeLimit(_) | ModelError::TooManyRefused(_)))
            });
            ExitCode::from(if limit { 1 } else { 2 })
        }
    }
}

/// Columns for tables: the terminal's, or as many as a page takes where stdout is none.
fn terminal_width() -> u16 {
    let stdout = console::Term::stdout();
    if stdout.is_term() { stdout.size().1 } else { PLAIN_WIDTH }
}

/// A result, to stdout, without what a terminal obeys. A reader that has gone away is no error.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", shown(text));
}

/// A message, to stderr, in the same way.
fn warn(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", shown(text));
}

/// Says which outputs were set aside, and where.
fn warn_of_old(aside: Option<(PathBuf, Vec<String>)>) {
    if let Some((aside, names)) = aside {
        warn(&format!("{} differ from before; the old ones are in {}", names.join(", "), aside.display()));
    }
}

/// Runs a future to its end.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(future);
    // After Ctrl-C calls that are under way are given up, and noted as such; nothing is waited for that computes on another thread.
    runtime.shutdown_timeout(GIVING_UP);
    outcome
}

/// Runs a future to its end, or until somebody wants the program to stop.
async fn unless_interrupted<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        outcome = future => outcome,
        () = interrupted() => Err(stopped()),
    }
}

/// Waits until somebody wants the program to stop: Ctrl-C, or the system's request to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Where no signal can be heard, nobody can interrupt.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn stopped() -> anyhow::Error {
    anyhow::anyhow!("stopped; every answer so far is kept: run the same command again to go on")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Args::command().debug_assert();
    }
}
