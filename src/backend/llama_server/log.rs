//! The file that takes what a server says.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How many lines an error shows.
const SHOWN: usize = 12;
/// How much of the end is read.
const TAIL: u64 = 1 << 16;

/// A log that goes on after what earlier servers said.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// Where this server's lines begin.
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

    /// The last lines of this server; empty where they cannot be read.
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
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_this_servers_last_lines_are_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("made/server.log");
        writeln!(Log::open(&path).expect("made").file, "the first server").expect("written");
        let mut log = Log::open(&path).expect("goes on");
        assert_eq!(log.last(), "");
        (0..20).for_each(|line| writeln!(log.file, "line {line}\n").expect("written"));
        let last = log.last();
        assert_eq!((last.lines().count(), last.lines().last()), (SHOWN, Some("line 19")));
        let all = std::fs::read_to_string(&path).expect("readable");
        assert!(all.starts_with("the first server\nline 0\n"), "{all}");
    }
}
