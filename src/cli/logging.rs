//! Events of a run, for people (`-v`, `-vv`) and for programs (`--log FILE`, one JSON object per line).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// Arguments for the events that are shown or logged.
#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    /// Show retries, waits and refusals on stderr; -vv: also every call
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Append every event to this file, one JSON object per line
    #[arg(long, global = true, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// Writer to stderr that escapes control characters, as for other messages.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        super::warn(String::from_utf8_lossy(bytes).trim_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LogArgs {
    /// Installs the subscribers that show and log events.
    ///
    /// # Errors
    /// The file of `--log` cannot be opened.
    pub(super) fn start(&self) -> Result<()> {
        let level = match self.verbose {
            0 => LevelFilter::OFF,
            1 => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        };
        let own = |level| Targets::new().with_target(env!("CARGO_PKG_NAME"), level);
        let terminal = layer().with_ansi(false).with_target(false).without_time().with_writer(|| Stderr);
        let file = match &self.log {
            None => None,
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                let file = file.with_context(|| format!("cannot open {} for --log", path.display()))?;
                let lines = layer().json().flatten_event(true).with_target(false).with_writer(Mutex::new(file));
                Some(lines.with_filter(own(LevelFilter::DEBUG)))
            }
        };
        registry().with(terminal.with_filter(own(level))).with(file).init();
        Ok(())
    }
}
