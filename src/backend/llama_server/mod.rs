//! llama.cpp's server as a process of this program: which one is taken, what is looked at before it loads weights, how
//! it is started, waited for and ended. It never outlives the program, however that ends (see `launch.rs`).

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

pub use backend::{Hear, LlamaServer, Place, Servers};
pub use engine::{Choice, Engine, MIN_BUILD};
pub use server::{EngineSettings, RunningServer};
pub use supervised::SupervisedServer;

use crate::fetch::error::FetchError;
use crate::fetch::machine;

/// What is waited for, for a line of progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// The prebuilt engine is fetched and unpacked, once.
    Installing {
        /// Bytes on the disk so far.
        bytes: u64,
        /// About how many it will be.
        total: u64,
    },
    /// The server loads the weights.
    Loading(Duration),
    /// The server has died and is started once more; these are the last lines of its log.
    Died(String),
}

/// Is told what is waited for.
pub type OnWait<'a> = &'a (dyn Fn(Wait) + Send + Sync);

/// Why an engine is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UnsuitableEngine {
    /// The program does not tell its version.
    #[error("{}: {error}", path.display())]
    Broken {
        /// The program.
        path: PathBuf,
        /// What went wrong.
        error: FetchError,
    },
    /// The program is too old.
    #[error("{} is build {build}, and {MIN_BUILD} or newer is wanted", path.display())]
    Old {
        /// The program.
        path: PathBuf,
        /// Its build.
        build: u32,
    },
    /// There is no wheel for this operating system and processor.
    #[error("no prebuilt one for {0} on {1}")]
    Platform(&'static str, &'static str),
    /// The platform names no folder for caches.
    #[error("no cache folder for this user: set INTERCASCADE_CACHE to a folder")]
    NoCache,
    /// No Python is new enough for the wheel.
    #[error("no Python 3.10 or newer for the prebuilt one")]
    NoPython,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine can be had; what was looked for, and why it is not taken.
    #[error("there is no llama.cpp server to run: {}", .0.join("; "))]
    None(Vec<String>),
    /// The program that `INTERCASCADE_LLAMA_SERVER` names cannot be taken.
    #[error("INTERCASCADE_LLAMA_SERVER: {0}")]
    Named(UnsuitableEngine),
    /// The prebuilt engine cannot be installed.
    #[error("the prebuilt llama.cpp server cannot be installed: {0}")]
    Install(FetchError),
    /// The disk is too full for the prebuilt engine.
    #[error("the prebuilt llama.cpp server cannot be installed: it needs {} of disk, and {} has {} free", machine::megabytes(*needed), folder.display(), machine::megabytes(*free))]
    Space {
        /// Bytes wanted.
        needed: u64,
        /// The folder on that disk.
        folder: PathBuf,
        /// Bytes free.
        free: u64,
    },
    /// The weights' file cannot be served.
    #[error("{}: {what}", file.display())]
    Weights {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and the mend.
        what: String,
    },
    /// The machine has too little free memory.
    #[error("{}: needs about {} of memory, and {} are free", file.display(), machine::megabytes(*needed), machine::megabytes(*free))]
    Memory {
        /// The weights' file.
        file: PathBuf,
        /// Bytes wanted.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The server's process or log cannot be made.
    #[error("the llama.cpp server cannot be started: {0}")]
    Start(#[from] io::Error),
    /// The server has ended by itself, or does not get ready.
    #[error("the llama.cpp server {what}; the end of its log, {}:\n{last}", log.display())]
    Ended {
        /// How.
        what: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        last: String,
    },
}
