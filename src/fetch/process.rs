//! Short runs of other programs that return their output as text.

use std::io::{self, ErrorKind, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::FetchError;

/// Longest wait for a program's file that another process has open for writing.
const BUSY: Duration = Duration::from_secs(2);

/// Runs a program and returns the text of its stdout and stderr. Fails if it runs longer than `limit`.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<String, FetchError> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut child = spawn(command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer))?;
    // The command holds the write ends of the pipe, and the reader would wait until they are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return Err(FetchError::Timeout(limit.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut text = Vec::new();
    reader.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Starts a program. A program that has just been written can still be open in a process that another thread is
/// starting, so its file may be busy for a moment.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let begun = Instant::now();
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && begun.elapsed() < BUSY => {
                std::thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}
