//! Errors of fetching a file, a package or the output of a script.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use reqwest::StatusCode;

use super::{http, machine};

/// The reason why a fetch failed. The text does not name the source, which the caller adds.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A file operation or a process failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file cannot be created, read or locked.
    #[error("{}: {error}", file.display())]
    File {
        /// Path of the file.
        file: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The disk is too full.
    #[error("needs {} of free disk for the fetch, but {} has only {}", machine::megabytes(*needed), folder.display(), machine::megabytes(*free))]
    Space {
        /// Number of bytes needed.
        needed: u64,
        /// A folder on that disk.
        folder: PathBuf,
        /// Number of free bytes.
        free: u64,
    },
    /// Another process holds the unfinished file.
    #[error("another process is fetching it: wait for it to end")]
    Busy,
    /// An address is not a valid URL.
    #[error("{0}")]
    Address(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The connection failed.
    #[error("{}", http::chain(.0))]
    Connection(reqwest::Error),
    /// The connection failed, and the received part is stored.
    #[error("{error}; {bytes} bytes are stored. Fetch again to continue from there")]
    Interrupted {
        /// The error.
        error: Box<FetchError>,
        /// Number of bytes received so far.
        bytes: u64,
    },
    /// The server sent bytes that do not continue the stored part.
    #[error("the server sent another part of the file than requested")]
    WrongRange,
    /// The server answered with an error status.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The file is longer than expected.
    #[error("the file is longer than the expected {0} bytes")]
    TooLong(u64),
    /// The file has another checksum than expected.
    #[error("{name} has the SHA-256 {found} instead of {expected}")]
    Checksum {
        /// Name of the file.
        name: String,
        /// Checksum of the received file.
        found: String,
        /// Expected checksum.
        expected: String,
    },
    /// A program does not finish in time; the limit in seconds.
    #[error("did not finish within {0} s")]
    Timeout(u64),
    /// No Python is installed.
    #[error("no `python3` on the PATH: install Python with pip")]
    NoPython,
    /// No installed Python has this version, major and minor, or a newer one.
    #[error(
        "no Python {0}.{1} or newer on the PATH: install Python with pip (Debian, Ubuntu: `apt install python3-pip`)"
    )]
    OldPython(u32, u32),
    /// Python cannot be started.
    #[error("Python cannot be started: {0}")]
    Start(io::Error),
    /// Python has no pip.
    #[error("Python has no pip: install it (Debian, Ubuntu: `apt install python3-pip`)")]
    NoPip,
    /// pip failed; its message.
    #[error("pip: {0}")]
    Pip(String),
    /// pip succeeded but wrote no wheel.
    #[error("pip wrote no wheel")]
    NoWheel,
    /// A wheel cannot be unpacked, or does not contain a file.
    #[error("{0}")]
    Wheel(String),
    /// A script failed.
    #[error("the script ended with {status}: {line}")]
    Script {
        /// Exit status.
        status: ExitStatus,
        /// Last line of its output.
        line: String,
    },
    /// A script wrote no file.
    #[error("the script wrote no file: {0}")]
    NoFile(io::Error),
    /// The file that a script generated has another checksum than expected.
    #[error(
        "the generated file has the SHA-256 {found} instead of {expected} and was deleted. Try another version of Python"
    )]
    Generated {
        /// Checksum of the received file.
        found: String,
        /// Expected checksum.
        expected: String,
    },
    /// The file cannot be moved to its final path.
    #[error("cannot write {}: {error}", file.display())]
    Move {
        /// The final path.
        file: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// A part of the fetch failed.
    #[error("{part}: {error}")]
    Part {
        /// Name of the part.
        part: String,
        /// The error.
        error: Box<FetchError>,
    },
    /// The joined parts of a file have another checksum than expected.
    #[error("after joining the parts, {0}")]
    Joined(Box<FetchError>),
    /// Weights in parts have more than one file.
    #[error("weights in `parts` must be a single file")]
    SeveralFiles,
}

impl From<reqwest::Error> for FetchError {
    // The text contains the causes, so no source is set.
    fn from(error: reqwest::Error) -> Self {
        Self::Connection(error)
    }
}

impl FetchError {
    /// Wraps the error as the error of the part with this name.
    #[must_use]
    pub fn of_part(self, part: impl Into<String>) -> Self {
        Self::Part { part: part.into(), error: Box::new(self) }
    }
}
