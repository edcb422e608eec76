//! Runs a config from a custom program. Both levels are simulated, so the run takes a second and needs no network.
//!
//! `cargo run --release --example run_config [CONFIG]`

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use intercascade::run::{Listener, Progress};
use intercascade::{Run, RunError};

/// A listener that prints messages and ignores progress.
struct Messages;

impl Listener for Messages {
    fn message(&self, text: &str) {
        println!("{text}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = std::env::args().nth(1).unwrap_or_else(|| "examples/simulated.toml".to_owned());
    let folder = tempfile::tempdir()?;
    let run = Run::load(config)?.in_folder(folder.path().to_owned());

    let report = run.execute(&Progress::to(Messages)).await?;
    for slice in &report.comparison().slices {
        println!(
            "{:<16} {:5.1} % right, {} strong calls",
            slice.cell.arm.name(),
            slice.accuracy() * 100.0,
            slice.strong_calls()
        );
    }
    report.write(folder.path())?;
    println!("{} calls made", report.calls().made);

    // The journal holds every answer, so the repeated run makes no call.
    assert_eq!(run.execute(&Progress::none()).await?.calls().made, 0);

    // The folder holds another run, so this config is refused. The error's variant identifies the cause.
    match run.set("dataset.limit=20")?.execute(&Progress::none()).await {
        Err(RunError::Folder(reason)) => println!("refused: {reason}"),
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("a folder holds one run".into()),
    }
    Ok(())
}
