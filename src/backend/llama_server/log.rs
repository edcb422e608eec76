//! Log file of a server's output.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Number of lines in an error message.
const LAST_LINES: usize = 12;
/// Number of bytes that are read from the end of the file.
const TAIL: u64 = 1 << 16;

/// Log of one server, appended to the output of earlier servers.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Start of this server's output, in bytes from the start of the file.
    begin: u64,
}

impl Log {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { path: path.to_owned(), begin: file.metadata()?.len(), file })
    }

    /// Returns the last lines of this server. Empty if the file cannot be read.
    pub(super) fn last(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.begin.max(end.saturating_sub(TAIL))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn last_lines_are_of_this_server_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("logs/server.log");
        writeln!(Log::open(&path).expect("created").file, "the first server").expect("written");
        let mut log = Log::open(&path).expect("appended");
        assert_eq!(log.last(), "");
        (0..20).for_each(|line| writeln!(log.file, "line {line}\n").expect("written"));
        let last = log.last();
        assert_eq!((last.lines().count(), last.lines().last()), (LAST_LINES, Some("line 19")));
        let all = std::fs::read_to_string(&path).expect("readable");
        assert!(all.starts_with("the first server\nline 0\n"), "{all}");
    }
}
