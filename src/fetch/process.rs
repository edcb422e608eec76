//! Short runs of other programs, whose output is wanted as a text.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::error::FetchError;

/// The text that a program writes on stdout and stderr, or why there is none within `patience`.
pub(crate) fn output(command: &mut Command, patience: Duration) -> Result<String, FetchError> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut child = command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command holds the pipe's other ends, and the reader would wait for them.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            return Err(FetchError::Silent(patience.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut said = Vec::new();
    reader.read_to_end(&mut said)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}
