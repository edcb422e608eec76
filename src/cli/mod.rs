//! The command line: one file per command, and one place that maps errors to an exit status.

mod ablate;
mod args;
mod calibrate;
mod compare;
mod completions;
mod config;
mod datasets;
mod demo;
mod init;
mod journal;
mod judge;
mod logging;
mod matrix;
mod models;
mod progress;
mod prompts;
mod report;
mod reproduce;
mod run;
mod shard;
mod strategies;
mod sweep;
mod view;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::progress::{Console, above_progress};
use crate::report::grid::wrapped;
use crate::report::left_out;
use crate::run::outputs::{Outputs, Wanted};
use crate::run::{Progress, RunError, RunReport, Sources, Stop};
use crate::types::escaped::escaped;

/// Width of tables, in columns, if stdout is no terminal.
const PLAIN_WIDTH: u16 = 120;

/// Minimum width of tables, in columns.
const LEAST_WIDTH: u16 = 40;

/// Measure LLM cascades whose strong model teaches the weak one
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:\n  intercascade run --config configs/quickstart.toml\n\nExit status: 0 success; 1 failed check or reached limit; 2 error; 130 stopped by Ctrl-C."
)]
struct Args {
    #[command(flatten)]
    logging: logging::LogArgs,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// Shown if no command is named.
const WELCOME: &str =
    "intercascade measures whether a cheap model in front of an expensive one pays, and whether the expensive \
one can teach the cheap one while it works.

First steps:
  intercascade demo    replay a recorded pair of models and explain its table; seconds, no key, nothing paid
  intercascade init    write a config for your own questions and models
  intercascade run --config configs/quickstart.toml    run a small model on this machine

All commands: intercascade --help";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Replay a recorded pair of models and explain its table
    Demo(demo::Args),
    /// Write a first config for your own questions and models
    Init(init::Args),
    /// Run a config's arms; report accuracy, strong calls and fees
    Run(run::Args),
    /// Run the arms at many thresholds and report cost against accuracy
    Sweep(sweep::Args),
    /// Run variants of a config and tabulate their results
    Ablate(ablate::Args),
    /// Record weak answers with each other item of a group as example
    Matrix(matrix::Args),
    /// Judge Inter-Cascade over many orders of recorded data sets
    Judge(judge::Args),
    /// Calibrate a deferral threshold with a risk guarantee on held-out items
    Calibrate(calibrate::Args),
    /// Reproduce the paper's tables and test its claims against the results
    Reproduce(reproduce::Args),
    /// Rewrite a run's reports from its records, optionally with other prices
    Report(report::Args),
    /// Open a run's report in the browser
    View(view::Args),
    /// Compare runs with a baseline, arm by arm; check limits on the changes
    Compare(compare::Args),
    /// List, generate and check data sets
    #[command(subcommand)]
    Datasets(datasets::Verb),
    /// List, fetch and check model weights; check a model's server
    #[command(subcommand)]
    Models(models::Verb),
    /// Export, copy and share calls
    #[command(subcommand)]
    Journal(journal::Verb),
    /// List or print a run's stored strategies and their effects
    #[command(subcommand)]
    Strategies(strategies::Verb),
    /// List prompts, or print the text that a model would receive
    #[command(subcommand)]
    Prompts(prompts::Verb),
    /// Describe every config key
    #[command(subcommand)]
    Config(config::Verb),
    /// Print a shell completion script
    Completions(completions::Args),
}

/// Time that aborted calls have to be written to the journal.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// Outcome of a command that ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Done,
    CheckFailed,
}

impl Status {
    /// `Done` if the check passed.
    fn of(passed: bool) -> Self {
        if passed { Self::Done } else { Self::CheckFailed }
    }
}

/// Exit status of a program that Ctrl-C has stopped, by the convention of shells.
const STOPPED: u8 = 130;

/// Last message of a command that failed or was stopped, with the exit status.
struct Failure {
    text: String,
    status: u8,
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let (status, text) = match &error {
            RunError::Stopped => (STOPPED, error.to_string()),
            RunError::FeeLimit(_) | RunError::TooManyRefused(_) | RunError::NotRecorded { .. } => {
                (1, format!("error: {error}"))
            }
            _ => (2, format!("error: {error}")),
        };
        Self { text, status }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { text: format!("error: {error:#}"), status: 2 }
    }
}

/// Parses the arguments, runs the command, and maps its outcome to an exit status.
#[must_use]
pub fn main() -> ExitCode {
    match carry_out(Args::parse()) {
        Ok(Status::Done) => ExitCode::SUCCESS,
        Ok(Status::CheckFailed) => ExitCode::from(1),
        Err(Failure { text, status }) => {
            warn(&text);
            ExitCode::from(status)
        }
    }
}

fn carry_out(args: Args) -> Result<Status, Failure> {
    args.logging.start()?;
    let Some(verb) = args.verb else {
        print_wrapped(WELCOME);
        return Ok(Status::Done);
    };
    match verb {
        Verb::Demo(args) => demo::run(&args),
        Verb::Init(args) => init::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Matrix(args) => matrix::run(&args),
        Verb::Judge(args) => judge::run(&args),
        Verb::Ablate(args) => ablate::run(&args),
        Verb::Calibrate(args) => calibrate::run(&args),
        Verb::Sweep(args) => sweep::run(&args),
        Verb::Reproduce(args) => reproduce::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Strategies(verb) => strategies::run(&verb),
        Verb::View(args) => view::run(&args),
        Verb::Compare(args) => compare::run(&args),
        Verb::Datasets(verb) => datasets::run(&verb),
        Verb::Models(verb) => models::run(&verb),
        Verb::Journal(verb) => Ok(journal::run(&verb)?),
        Verb::Prompts(verb) => Ok(prompts::run(&verb)?),
        Verb::Config(verb) => Ok(config::run(&verb)?),
        Verb::Completions(args) => Ok(completions::run(&args)?),
    }
}

/// Width of tables on stdout, in columns; [`PLAIN_WIDTH`] if neither a terminal nor the variable COLUMNS states a
/// width.
fn terminal_width() -> u16 {
    width_of(&console::Term::stdout()).unwrap_or(PLAIN_WIDTH)
}

/// Width of an output, in columns: of the terminal, or the value of the variable COLUMNS if the output is no terminal.
/// `None` if neither exists.
fn width_of(output: &console::Term) -> Option<u16> {
    let stated = || std::env::var("COLUMNS").ok()?.trim().parse().ok();
    let columns: Option<u16> = if output.is_term() { Some(output.size().1) } else { stated() };
    columns.map(|columns| columns.max(LEAST_WIDTH))
}

/// Wraps lines between words to the width of the output. Continuation lines have the indent of the first line.
fn wrap_lines(text: &str, width: Option<u16>) -> String {
    let Some(width) = width.map(usize::from) else { return text.to_owned() };
    let line = |line: &str| {
        if console::measure_text_width(line) <= width {
            return line.to_owned();
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let indent = if indent.len() * 2 < width { indent } else { "" };
        let lines = wrapped(line, width - indent.len());
        lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Prints a table or a sentence to stdout, wrapped to the width of the terminal.
fn print_wrapped(text: &str) {
    print(&wrap_lines(text, width_of(&console::Term::stdout())));
}

/// Prints a result to stdout, with control characters escaped. A closed pipe is no error.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", escaped(text));
}

/// Prints a message to stderr, wrapped to the width of the terminal and with control characters escaped.
fn warn(text: &str) {
    let text = wrap_lines(text, width_of(&console::Term::stderr()));
    above_progress(|| {
        let _ = writeln!(std::io::stderr().lock(), "{}", escaped(&text));
    });
}

/// Writes the outputs of a run into its folder, and prints results, spending and the folder.
fn finish(report: &RunReport, targets: Wanted, sources: &Sources) -> Result<Status, Failure> {
    let comparison = report.comparison();
    let outputs = Outputs::new(report.finished(), &comparison);
    if let Some(aside) = report.write_outputs(&outputs, report.folder())? {
        warn(&aside.message());
    }
    if let Some(part) = &report.manifest().shard {
        return Ok(shard::finish(report, part, sources));
    }
    outputs.lines(terminal_width(), targets).iter().for_each(|line| print_wrapped(line));
    print_wrapped(&format!("{}. Reports: {}", calls_made(report), report.folder().display()));
    print_wrapped(&sources.money().line());
    outputs.recommendation().iter().for_each(|line| print_wrapped(line));
    let ending = left_out::ending(&report.manifest().left_out);
    if let Some(line) = &ending {
        print_wrapped(line);
    }
    Ok(Status::of(ending.is_none()))
}

/// Number of calls that a run made, and where its other answers come from.
fn calls_made(report: &RunReport) -> String {
    let calls = report.calls();
    let imported = match calls.imported {
        0 => String::new(),
        imported => format!(", {imported} answers copied from other journals"),
    };
    format!("{} calls made{imported}; all other answers come from the run's journal", calls.made)
}

/// Runs a flow, with progress on stderr, until the flow ends or the user stops the program.
fn drive<T>(flow: impl AsyncFnOnce(Progress) -> Result<T, RunError>) -> Result<T, Failure> {
    drive_paid(&Sources::default(), flow)
}

/// Runs a flow as [`drive`] does, and reports what was spent through `sources` if the flow fails or is stopped.
fn drive_paid<T>(sources: &Sources, flow: impl AsyncFnOnce(Progress) -> Result<T, RunError>) -> Result<T, Failure> {
    let stop = Stop::new();
    let progress = Progress::to(Console::default()).stopped_by(stop.clone());
    block_on(async {
        tokio::spawn(async move {
            loop {
                interrupted().await;
                stop.request();
            }
        });
        Ok(flow(progress).await)
    })?
    .map_err(|error| {
        let money = sources.money();
        match (&error, money.so_far(), money.stopped()) {
            (RunError::Stopped, _, Some(text)) => return Failure { text, status: STOPPED },
            (_, Some(so_far), _) => warn(&so_far),
            _ => {}
        }
        Failure::from(error)
    })
}

/// Runs a future to its end.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(future);
    // After a second Ctrl-C, calls in flight are aborted and recorded as aborted. Blocking tasks are not waited for.
    runtime.shutdown_timeout(ABORT_GRACE);
    outcome
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
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
    // If no handler can be installed, the program cannot be interrupted here.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        super::Args::command().debug_assert();
    }
}
