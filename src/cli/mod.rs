//! The command line: a verb a file, one place where errors become an exit status.

mod ablate;
mod args;
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
mod run;
mod strategies;
mod sweep;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::progress::Console;
use crate::report::grid::wrapped;
use crate::report::left_out;
use crate::run::outputs::{Outputs, Wanted};
use crate::run::{Progress, RunError, RunReport, Sources, Stop};
use crate::types::escaped::escaped;

/// Width of tables where stdout is no terminal.
const PLAIN_WIDTH: u16 = 120;

/// The least width that tables are made for.
const LEAST_WIDTH: u16 = 40;

/// Does a cheap model in front of an expensive one pay, and can the expensive one teach the cheap one?
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:\n  intercascade run --config configs/quickstart.toml\n\nExit status: 0 done; 1 a check or limit stopped it; 2 it could not run; 130 Ctrl-C stopped it."
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
    /// Show what a run learned, and what each strategy did
    #[command(subcommand)]
    Strategies(strategies::Verb),
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
    /// Done if a check went well.
    fn of(good: bool) -> Self {
        if good { Self::Done } else { Self::CheckFailed }
    }
}

/// The exit status of a program that Ctrl-C has stopped, as shells have it.
const STOPPED: u8 = 130;

/// What the command line says last of a verb that did not come to its end, with the exit status.
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

/// Parses the arguments, runs the verb, and turns what came of it into an exit status.
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
    match args.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Matrix(args) => matrix::run(&args),
        Verb::Ablate(args) => ablate::run(&args),
        Verb::Calibrate(args) => calibrate::run(&args),
        Verb::Sweep(args) => sweep::run(&args),
        Verb::Reproduce(args) => reproduce::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Strategies(verb) => strategies::run(&verb),
        Verb::Compare(args) => compare::run(&args),
        Verb::Datasets(verb) => datasets::run(&verb),
        Verb::Models(verb) => models::run(&verb),
        Verb::Journal(verb) => Ok(journal::run(&verb)?),
        Verb::Prompts(verb) => Ok(prompts::run(&verb)?),
        Verb::Completions(args) => Ok(completions::run(&args)?),
    }
}

/// Columns for tables: those of the variable COLUMNS or of the terminal, or as many as a page takes if there is neither.
fn terminal_width() -> u16 {
    width_of(&console::Term::stdout()).unwrap_or(PLAIN_WIDTH)
}

/// Columns of an output: those of the terminal, or of the variable COLUMNS if it is none. `None` if there is neither.
fn width_of(output: &console::Term) -> Option<u16> {
    let stated = || std::env::var("COLUMNS").ok()?.trim().parse().ok();
    let columns: Option<u16> = if output.is_term() { Some(output.size().1) } else { stated() };
    columns.map(|columns| columns.max(LEAST_WIDTH))
}

/// Lines for people, broken between words where they are wider than the output; a line that goes on is indented as it began.
fn broken(text: &str, width: Option<u16>) -> String {
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

/// A table or a sentence for people, to stdout, broken between words where it is wider than the terminal.
fn tell(text: &str) {
    say(&broken(text, width_of(&console::Term::stdout())));
}

/// A result, to stdout, without what a terminal obeys. A reader that has gone away is no error.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", escaped(text));
}

/// A message, to stderr, in the same way.
fn warn(text: &str) {
    let text = broken(text, width_of(&console::Term::stderr()));
    let _ = writeln!(std::io::stderr().lock(), "{}", escaped(&text));
}

/// Writes the outputs of a run into its folder, and says what was reached, what was spent and where they are.
fn finish(report: &RunReport, wanted: Wanted, sources: &Sources) -> Result<Status, Failure> {
    let comparison = report.comparison();
    let outputs = Outputs::new(report.kept(), &comparison);
    if let Some(aside) = report.write_outputs(&outputs, report.folder())? {
        warn(&aside.message());
    }
    outputs.lines(terminal_width(), wanted).iter().for_each(|line| tell(line));
    let calls = report.calls();
    let imported = match calls.imported {
        0 => String::new(),
        imported => format!(" ({imported} from other journals)"),
    };
    tell(&format!(
        "{} calls made, the others came from the journal{imported}; reports are in {}",
        calls.made,
        report.folder().display()
    ));
    tell(&sources.money().line());
    outputs.recommendation().iter().for_each(|line| tell(line));
    let ending = left_out::ending(&report.manifest().left_out);
    if let Some(line) = &ending {
        tell(line);
    }
    Ok(Status::of(ending.is_none()))
}

/// Runs a flow with its progress on stderr to its end, or until somebody wants the program to stop.
fn drive<T>(flow: impl AsyncFnOnce(Progress) -> Result<T, RunError>) -> Result<T, Failure> {
    spend(&Sources::default(), flow)
}

/// The same of a flow that makes calls: if it does not come to its end, what was spent through `sources` is said.
fn spend<T>(sources: &Sources, flow: impl AsyncFnOnce(Progress) -> Result<T, RunError>) -> Result<T, Failure> {
    let stop = Stop::new();
    let progress = Progress::to(Console::default()).stopped_by(stop.clone());
    block_on(async {
        tokio::spawn(async move {
            loop {
                interrupted().await;
                stop.ask();
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
    // After Ctrl-C calls that are under way are given up, and noted as such; nothing is waited for that computes on another thread.
    runtime.shutdown_timeout(GIVING_UP);
    outcome
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Args::command().debug_assert();
    }
}
