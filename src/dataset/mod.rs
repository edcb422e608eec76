//! Data sets: reading the two formats, the catalogue of those that ship, generating them, and cutting streams.

pub mod catalogue;
pub mod facts;
pub mod generate;
pub mod gsm8k;
pub mod mmlu;
pub mod rows;
pub mod stream;
pub mod template;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::task::Task;
use crate::types::item::{Item, ItemId};

/// How many faults of a file one error lists.
const FAULTS_SHOWN: usize = 5;
/// What Windows tools write in front of a text in UTF-8; it is no part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSONL with `question` and `answer`, the answer ending in `#### N`.
    Gsm8k,
    /// CSV of four-choice questions, with or without a header; a file, or a folder of one file a subject.
    Mmlu,
}

impl Format {
    /// The kind of question that a file of this format holds.
    #[must_use]
    pub fn task(self) -> Task {
        match self {
            Self::Gsm8k => Task::Math,
            Self::Mmlu => Task::Choice,
        }
    }

    /// The format that a path's ending suggests.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        if path.is_dir() {
            return Some(Self::Mmlu);
        }
        match path.extension()?.to_str()? {
            "jsonl" | "json" => Some(Self::Gsm8k),
            "csv" => Some(Self::Mmlu),
            _ => None,
        }
    }
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// One-based line on which the row begins.
    pub line: u64,
    /// The field, where the fault lies in one.
    pub field: Option<String>,
    /// What is wrong and what is wanted.
    pub what: String,
}

impl Fault {
    fn field(line: u64, field: &str, what: impl Into<String>) -> Self {
        Self { line, field: Some(field.to_owned()), what: what.into() }
    }

    fn row(line: u64, what: impl Into<String>) -> Self {
        Self { line, field: None, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "line {}: field `{field}`: {}", self.line, self.what),
            None => write!(f, "line {}: {}", self.line, self.what),
        }
    }
}

/// What a file holds: its good rows and its faults.
#[derive(Debug, Default)]
pub struct Contents {
    /// The rows that could be read, in the file's order.
    pub items: Vec<Item>,
    /// The file of each fault, and the fault.
    pub faults: Vec<(PathBuf, Fault)>,
    /// Hex sha256 of the file; of a folder: over its files' names and contents in order.
    pub sha256: String,
}

/// Reads a whole file or folder and keeps going at faults.
///
/// # Errors
/// Where the path cannot be read at all; the error names it.
pub fn read(path: &Path, format: Format) -> Result<Contents> {
    let mut reader = Reader::default();
    reader.contents.sha256 =
        if path.is_dir() { reader.read_folder(path, format)? } else { reader.read_file(path, format, None)? };
    Ok(reader.contents)
}

/// Reads a whole file or folder in which every row must be good.
///
/// # Errors
/// Names the file and the first faults with their lines and fields.
pub fn read_clean(path: &Path, format: Format) -> Result<Contents> {
    let contents = read(path, format)?;
    if !contents.faults.is_empty() {
        let shown: Vec<String> = contents
            .faults
            .iter()
            .take(FAULTS_SHOWN)
            .map(|(file, fault)| format!("  {}: {fault}", file.display()))
            .collect();
        let more = contents.faults.len().saturating_sub(FAULTS_SHOWN);
        let more = if more > 0 {
            format!("\n  and {more} more; `intercascade datasets check` lists all")
        } else {
            String::new()
        };
        bail!("{} cannot be used:\n{}{more}", path.display(), shown.join("\n"));
    }
    if contents.items.is_empty() {
        bail!("{} holds no rows", path.display());
    }
    Ok(contents)
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    contents: Contents,
    /// Where each id stands first.
    seen: HashMap<ItemId, (PathBuf, u64)>,
}

impl Reader {
    /// Reads a file and gives its checksum.
    fn read_file(&mut self, path: &Path, format: Format, prefix: Option<&str>) -> Result<String> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read the data set {}", path.display()))?;
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        let rows = match format {
            Format::Gsm8k => gsm8k::rows(text).collect(),
            Format::Mmlu => mmlu::rows(text, prefix),
        };
        for row in rows {
            match row {
                Ok((line, item)) => self.take(path, line, item),
                Err(fault) => self.contents.faults.push((path.to_owned(), fault)),
            }
        }
        Ok(hex::encode(Sha256::digest(&bytes)))
    }

    fn take(&mut self, path: &Path, line: u64, item: Item) {
        match self.seen.entry(item.id.clone()) {
            Entry::Vacant(free) => _ = free.insert((path.to_owned(), line)),
            Entry::Occupied(first) => {
                let (file, first) = first.get();
                let elsewhere = if file == path { String::new() } else { format!(" of {}", file.display()) };
                let what = format!("`{}` stands on line {first}{elsewhere} already; ids must be unique", item.id);
                self.contents.faults.push((path.to_owned(), Fault::field(line, "id", what)));
            }
        }
        self.contents.items.push(item);
    }

    /// Reads a folder's files and gives a checksum over them.
    fn read_folder(&mut self, path: &Path, format: Format) -> Result<String> {
        if format != Format::Mmlu {
            bail!("{} is a folder; only the mmlu format reads folders, so name a file", path.display());
        }
        let mut files: Vec<PathBuf> = std::fs::read_dir(path)
            .with_context(|| format!("cannot read the folder {}", path.display()))?
            .collect::<std::io::Result<Vec<_>>>()?
            .into_iter()
            .map(|entry| entry.path())
            .filter(|file| file.extension().is_some_and(|ending| ending == "csv"))
            .collect();
        files.sort();
        let mut hasher = Sha256::new();
        for file in files {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let subject = ["_test", "_dev", "_val"].iter().find_map(|end| stem.strip_suffix(end)).unwrap_or(&stem);
            let sha256 = self.read_file(&file, format, Some(subject))?;
            hasher.update(format!("{stem} {sha256}\n"));
        }
        Ok(hex::encode(hasher.finalize()))
    }
}
