//! llama.cpp's server as a child process: choice of the engine, checks before weights are loaded, start, readiness
//! and end. The server ends when this program ends (see `launch.rs` for the cases).

mod backend;
mod check;
mod engine;
mod header;
mod launch;
mod log;
mod server;
pub mod settings;
mod supervised;
mod wheel;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use backend::{LlamaServer, OnServerWait, ServedModel, Servers};
pub use engine::{Choice, Engine, MIN_BUILD};
pub use server::{EngineSettings, RunningServer};
pub use supervised::SupervisedServer;

use crate::fetch::error::FetchError;
use crate::fetch::machine;

/// Reason of a wait, for the progress display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// The prebuilt engine is downloaded and unpacked, once.
    Installing {
        /// Bytes written so far.
        bytes: u64,
        /// Approximate total in bytes.
        total: u64,
    },
    /// The server loads the weights. The duration is the time since the start.
    Loading(Duration),
    /// The server has died and is restarted. The text has the last lines of its log.
    Died(String),
}

/// Callback for the reason of a wait.
pub type OnWait<'a> = &'a (dyn Fn(Wait) + Send + Sync);

/// Reason why an engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnsuitableEngine {
    /// The program does not report its version.
    #[error("{}: {error}", path.display())]
    Broken {
        /// Path of the program.
        path: PathBuf,
        /// Cause of the failure.
        error: FetchError,
    },
    /// The program is too old.
    #[error("{} is build {build}, and {MIN_BUILD} or newer is needed", path.display())]
    Old {
        /// Path of the program.
        path: PathBuf,
        /// Build of the program.
        build: u32,
    },
    /// No wheel exists for this operating system and processor.
    #[error("no prebuilt server for {0} on {1}")]
    Platform(&'static str, &'static str),
    /// The platform defines no cache folder.
    #[error("no cache folder for this user: set INTERCASCADE_CACHE to a folder")]
    NoCache,
    /// No Python is new enough for the wheel.
    #[error("no Python 3.10 or newer for the prebuilt server")]
    NoPython,
}

/// Error while a server is chosen, started or used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine is available. The list has the candidates with the reasons, and the remedy.
    #[error("no llama.cpp server is available: {}", .0.join("; "))]
    None(Vec<String>),
    /// The program that `INTERCASCADE_LLAMA_SERVER` names cannot be used.
    #[error("INTERCASCADE_LLAMA_SERVER: {0}")]
    Named(UnsuitableEngine),
    /// The prebuilt engine cannot be installed.
    #[error("the prebuilt llama.cpp server cannot be installed: {0}")]
    Install(FetchError),
    /// The disk is too full for the prebuilt engine.
    #[error("the prebuilt llama.cpp server cannot be installed: it needs {} of disk, and {} has {} \
        free", machine::megabytes(*needed), folder.display(), machine::megabytes(*free))]
    Space {
        /// Needed bytes.
        needed: u64,
        /// Folder on the disk.
        folder: PathBuf,
        /// Free bytes.
        free: u64,
    },
    /// The weights file cannot be served.
    #[error("{}: {reason}", file.display())]
    Weights {
        /// Path of the weights file.
        file: PathBuf,
        /// Problem of the file and its remedy.
        reason: String,
    },
    /// The machine has too little free memory.
    #[error("{}: serving it needs about {} of memory, and {} are free: choose smaller weights, or lower context \
        or slots", file.display(), machine::megabytes(*needed), machine::megabytes(*free))]
    Memory {
        /// Path of the weights file.
        file: PathBuf,
        /// Needed bytes.
        needed: u64,
        /// Free bytes.
        free: u64,
    },
    /// The server's process or log cannot be created.
    #[error("the llama.cpp server cannot be started: {0}")]
    Start(#[from] io::Error),
    /// The server has ended, or does not become ready.
    #[error("the llama.cpp server {reason}; the end of its log, {}:\n{last}", log.display())]
    Ended {
        /// Description of the end.
        reason: String,
        /// Path of the server's log.
        log: PathBuf,
        /// Last lines of the log.
        last: String,
    },
}
