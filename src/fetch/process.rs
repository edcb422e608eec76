//! Short runs of other programs, whose output is wanted as a text.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The text that a program writes on stdout and stderr, or why there is none within `patience`.
pub(crate) fn output(command: &mut Command, patience: Duration) -> Result<String, String> {
    let text = |error: std::io::Error| error.to_string();
    let (mut reader, writer) = std::io::pipe().map_err(text)?;
    let mut child =
        command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(text)?).stderr(writer).spawn().map_err(text)?;
    // The command holds the pipe's other ends, and the reader would wait for them.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    while child.try_wait().map_err(text)?.is_none() {
        if begun.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("says nothing for {} s", patience.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut said = Vec::new();
    reader.read_to_end(&mut said).map_err(text)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}
