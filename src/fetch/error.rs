//! Why a file, a package or a script's output could not be had.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use reqwest::StatusCode;

use super::{http, machine};

/// Why something could not be fetched. The text says what went wrong, not from where: the caller knows that.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The disk or a process gave an error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file cannot be made, read or locked.
    #[error("{}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The disk is too full.
    #[error("needs {} of disk while it is fetched, and {} has {} free", machine::megabytes(*needed), folder.display(), machine::megabytes(*free))]
    Space {
        /// Bytes wanted.
        needed: u64,
        /// The folder on that disk.
        folder: PathBuf,
        /// Bytes free.
        free: u64,
    },
    /// Another process holds the unfinished file.
    #[error("another process is fetching it: wait for it to end")]
    Busy,
    /// An address cannot be read as one.
    #[error("{0}")]
    Address(String),
    /// No TLS can be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The connection failed.
    #[error("{}", http::chain(.0))]
    Connection(reqwest::Error),
    /// The connection failed, and what had come is kept.
    #[error("{error}; {bytes} bytes are kept, and another fetch goes on from there")]
    Cut {
        /// What failed.
        error: Box<FetchError>,
        /// Bytes that have come.
        bytes: u64,
    },
    /// The server sent bytes that do not continue what is there.
    #[error("the server sent another part than asked for")]
    OtherPart,
    /// The server sends no file.
    #[error("the server answers {0}")]
    Status(StatusCode),
    /// The file does not end where it should.
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    /// The file is not the right one.
    #[error("{name} has the SHA-256 {found} instead of {wanted}")]
    Checksum {
        /// The file's name.
        name: String,
        /// The checksum found.
        found: String,
        /// The checksum of the right file.
        wanted: String,
    },
    /// A program does not answer in time; whole seconds.
    #[error("says nothing for {0} s")]
    Silent(u64),
    /// There is no Python.
    #[error("there is no `python3` on the PATH: install Python with pip")]
    NoPython,
    /// No Python is of this version, major and minor, or newer.
    #[error(
        "no Python {0}.{1} or newer on the PATH: install Python with pip (Debian, Ubuntu: `apt install python3-pip`)"
    )]
    OldPython(u32, u32),
    /// Python cannot be started.
    #[error("Python does not start: {0}")]
    Start(io::Error),
    /// Python has no package client.
    #[error("Python has no pip: install it (Debian, Ubuntu: `apt install python3-pip`)")]
    NoPip,
    /// The package client failed, in its own words.
    #[error("pip: {0}")]
    Pip(String),
    /// The package client succeeded and left nothing.
    #[error("pip has left no wheel")]
    NoWheel,
    /// A wheel cannot be unpacked, or lacks a file.
    #[error("{0}")]
    Wheel(String),
    /// A script failed; the last line that it wrote.
    #[error("the script ends with {status}: {line}")]
    Script {
        /// How it ended.
        status: ExitStatus,
        /// Its last line.
        line: String,
    },
    /// A script left no file.
    #[error("the script has left no file: {0}")]
    NoFile(io::Error),
    /// What a script made is not the right file.
    #[error(
        "what was drawn with it has the SHA-256 {found} instead of {wanted}: it is not kept; try another version of Python"
    )]
    Drawn {
        /// The checksum found.
        found: String,
        /// The checksum of the right file.
        wanted: String,
    },
    /// The file cannot be put into its place.
    #[error("cannot write {}: {error}", file.display())]
    Keep {
        /// Its place.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A part of what was wanted failed.
    #[error("{part}: {error}")]
    Part {
        /// The name of the part.
        part: String,
        /// What failed.
        error: Box<FetchError>,
    },
    /// The parts of a file make another one than wanted.
    #[error("joined, {0}")]
    Joined(Box<FetchError>),
    /// Weights in parts are more than one file.
    #[error("parts make one file")]
    SeveralFiles,
}

impl From<reqwest::Error> for FetchError {
    // Its text has the causes in it, so none is given apart.
    fn from(error: reqwest::Error) -> Self {
        Self::Connection(error)
    }
}

impl FetchError {
    /// The error as that of a part with this name.
    #[must_use]
    pub fn of_part(self, part: impl Into<String>) -> Self {
        Self::Part { part: part.into(), error: Box::new(self) }
    }
}
