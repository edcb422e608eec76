//! Runs a config from a program of your own: both levels are simulated, so it takes a second and no network.
//!
//! `cargo run --release --example run_config [CONFIG]`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use intercascade::run::{Listener, Progress};
use intercascade::{Run, RunError};

/// A listener that prints messages; progress is left out.
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

    // The journal has every answer: the same run again makes no call.
    assert_eq!(run.execute(&Progress::none()).await?.calls().made, 0);

    // Another config does not fit into the folder, and a caller can tell that from other errors.
    match run.set("dataset.limit=20")?.execute(&Progress::none()).await {
        Err(RunError::Folder(reason)) => println!("refused: {reason}"),
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("a folder holds one run".into()),
    }
    Ok(())
}
