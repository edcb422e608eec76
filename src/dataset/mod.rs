//! Data sets: reading the two formats in their published shapes, the catalogue of known data sets, fetching and
//! generating them, and cutting streams.

pub mod catalogue;
pub mod facts;
mod fault;
pub mod fetch;
pub mod generate;
pub mod gsm8k;
mod key;
pub mod mmlu;
#[cfg(test)]
mod mutations;
mod noticed;
mod options;
pub mod package;
mod row;
pub mod stream;
pub mod subjects;
pub mod survey;
pub mod template;
mod wording;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::fault::Fault;
use self::noticed::FileObservations;
use self::row::Row;
use crate::fetch::download::checksum;
use crate::tables;
use crate::tables::error::TableError;
use crate::tables::stored::{self, Table};
use crate::tables::{FirstLine, Kind, Location};
use crate::task::Task;
use crate::types::item::{Item, ItemId};
use crate::types::seed::Seed;

/// Largest number of faults that one error lists.
const FAULTS_LISTED: usize = 5;

/// A format of data files. Each has several shapes, recognised by their fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Word problems with one answer.
    Gsm8k,
    /// Questions with options: a file, or a folder or archive with one file per subject.
    Mmlu,
}

impl Format {
    /// Returns the format with this name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "gsm8k" => Some(Self::Gsm8k),
            "mmlu" => Some(Self::Mmlu),
            _ => None,
        }
    }

    /// Returns the kind of question in files of this format.
    #[must_use]
    pub fn task(self) -> Task {
        match self {
            Self::Gsm8k => Task::Math,
            Self::Mmlu => Task::Choice,
        }
    }

    /// Returns the format of a file, from the ending of its name, and from its first row if both formats have that
    /// ending.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        if path.is_dir() || stored::is_archive(path) {
            return Some(Self::Mmlu);
        }
        let kind = Kind::of(path.file_name()?.to_str()?)?;
        if kind == Kind::Csv {
            return Some(Self::Mmlu);
        }
        let mut found = Some(Self::Gsm8k);
        let look = &mut |location, fields: Result<&tables::Fields, TableError>| {
            if let Ok(fields) = fields {
                let (numbered, noticed) = (Cell::default(), &RefCell::default());
                let row = Row { location, number: 0, fields, file_subject: None, group_field: None, numbered, noticed };
                found = Some(if gsm8k::is_problem(&row) { Self::Gsm8k } else { Self::Mmlu });
            }
            ControlFlow::Break(())
        };
        // An unreadable file is reported when it is read in full.
        let _ = Table::of_file(path).and_then(|table| tables::each(kind, table, FirstLine::HEADER, look));
        found
    }
}

/// Settings for reading a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Format of the file.
    pub format: Format,
    /// The folder or file to read inside an archive; `None` for the whole archive.
    pub member: Option<String>,
    /// Field that determines the group; `None` for the default fields.
    pub group: Option<String>,
    /// Seed for the order of options that have no order in the file.
    pub seed: Seed,
}

impl Reading {
    /// Returns the settings for reading a whole file of this format.
    #[must_use]
    pub fn of(format: Format) -> Self {
        Self { format, member: None, group: None, seed: Seed::default() }
    }
}

/// Contents of a file: its valid rows and its faults.
#[derive(Debug, Default)]
pub struct Contents {
    /// Valid rows, in the file's order.
    pub items: Vec<Item>,
    /// Faults, each with its file.
    pub faults: Vec<(PathBuf, Fault)>,
    /// Notices about the valid rows, each with its file.
    pub notices: Vec<String>,
    /// Hex SHA-256 of the file; for a folder, over its files' names and contents in order.
    pub sha256: String,
}

/// Reads a whole file, folder or archive, and continues after faults.
///
/// # Errors
/// Names the path if it cannot be read at all.
pub fn read(path: &Path, reading: &Reading) -> Result<Contents> {
    let mut items = Vec::new();
    let mut contents = scan(path, reading, &mut |item| items.push(item))?;
    contents.items = items;
    Ok(contents)
}

/// Reads a whole file, folder or archive, and passes each valid row to `handle` without storing it.
///
/// # Errors
/// The errors of [`read`].
pub fn scan(path: &Path, reading: &Reading, handle: &mut dyn FnMut(Item)) -> Result<Contents> {
    let mut reader = Reader {
        reading,
        faults: Vec::new(),
        notices: Vec::new(),
        seen: HashMap::new(),
        files: Vec::new(),
        first_named: None,
        first_numbered: None,
        handle,
    };
    let sha256 = if path.is_dir() {
        reader.read_folder(path)?
    } else if stored::is_archive(path) {
        reader.read_archive(path)?
    } else {
        reader.read_file(path)?
    };
    Ok(Contents { items: Vec::new(), faults: reader.faults, notices: reader.notices, sha256 })
}

/// Reads a whole file, folder or archive in which every row must be valid.
///
/// # Errors
/// Names the file and the first faults with their lines and fields.
pub fn read_clean(path: &Path, reading: &Reading) -> Result<Contents> {
    let contents = read(path, reading)?;
    if !contents.faults.is_empty() {
        let listed: Vec<String> = contents
            .faults
            .iter()
            .take(FAULTS_LISTED)
            .map(|(file, fault)| format!("  {}: {fault}", file.display()))
            .collect();
        let more = contents.faults.len().saturating_sub(FAULTS_LISTED);
        let more = if more > 0 {
            format!("\n  and {more} more; run `intercascade datasets check` to list all")
        } else {
            String::new()
        };
        bail!("{} cannot be used:\n{}{more}", path.display(), listed.join("\n"));
    }
    if contents.items.is_empty() {
        bail!("{} holds no rows", path.display());
    }
    Ok(contents)
}

/// State of reading.
struct Reader<'a> {
    reading: &'a Reading,
    faults: Vec<(PathBuf, Fault)>,
    notices: Vec<String>,
    /// First occurrence of each id: the index of its file, and its location there.
    seen: HashMap<ItemId, (usize, Location)>,
    files: Vec<PathBuf>,
    /// Location of the first row with its own id, and of the first row without one.
    first_named: Option<Location>,
    first_numbered: Option<Location>,
    handle: &'a mut dyn FnMut(Item),
}

impl Reader<'_> {
    /// Reads a file and returns its checksum.
    fn read_file(&mut self, path: &Path) -> Result<String> {
        let cannot_read = || format!("cannot read the data set {}", path.display());
        let sha256 = checksum(path).with_context(cannot_read)?;
        self.read_table(Table::of_file(path).with_context(cannot_read)?, None)?;
        Ok(sha256)
    }

    fn read_table(&mut self, table: Table, subject: Option<String>) -> Result<()> {
        let Reading { format, group, seed, .. } = self.reading;
        let (usual, first_line) = match format {
            Format::Gsm8k => (Kind::Json, FirstLine::HEADER),
            Format::Mmlu => (Kind::Csv, mmlu::FIRST_LINE),
        };
        let path = table.path.clone();
        let kind = path.file_name().and_then(|name| Kind::of(name.to_str()?)).unwrap_or(usual);
        let subject: Option<Arc<str>> = subject.map(Into::into);
        self.files.push(path.clone());
        let mut number = 0;
        let (noticed, before) = (RefCell::<FileObservations>::default(), self.faults.len());
        let mut each = |location, fields: Result<&tables::Fields, TableError>| {
            let row =
                fields.map_err(|error| Fault { location, field: None, what: error.to_string() }).and_then(|fields| {
                    let (group_field, numbered) = (group.as_deref(), Cell::default());
                    let (file_subject, noticed) = (subject.as_ref(), &noticed);
                    let row = Row { location, number, fields, file_subject, group_field, numbered, noticed };
                    let item = match format {
                        Format::Gsm8k => gsm8k::item(&row),
                        Format::Mmlu => mmlu::item(&row, *seed),
                    };
                    Ok((item?, row.numbered.get() && subject.is_none()))
                });
            number += 1;
            match row {
                Ok((item, numbered)) => self.add(location, item, numbered),
                Err(fault) => self.faults.push((path.clone(), fault)),
            }
            ControlFlow::Continue(())
        };
        tables::each(kind, table, first_line, &mut each)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let noticed = noticed.into_inner();
        // A fault that explains many others comes before them.
        self.faults.splice(before..before, noticed.fault().map(|fault| (path.clone(), fault)));
        self.notices.extend(noticed.notices().into_iter().map(|notice| format!("{}: {notice}", path.display())));
        Ok(())
    }

    /// Adds a row. Row numbers are unique without being stored, so either all rows of a file have an id or none.
    fn add(&mut self, location: Location, item: Item, numbered: bool) {
        let file = self.files.len() - 1;
        let first = if numbered { &mut self.first_numbered } else { &mut self.first_named };
        let is_first = first.is_none();
        first.get_or_insert(location);
        if let (true, Some(named), Some(numbered)) = (is_first, self.first_named, self.first_numbered) {
            let what = format!("is missing on {numbered} and present on {named}; all rows must have one, or none");
            self.faults.push((self.files[file].clone(), Fault { location, field: Some("id".to_owned()), what }));
        }
        if numbered {
            return (self.handle)(item);
        }
        if item.id.0.contains(';') {
            let what = format!("`{}` contains a `;`, which separates ids in the outputs", item.id);
            self.faults.push((self.files[file].clone(), Fault { location, field: Some("id".to_owned()), what }));
        }
        match self.seen.entry(item.id.clone()) {
            Entry::Vacant(free) => _ = free.insert((file, location)),
            Entry::Occupied(first) => {
                let (other, first) = *first.get();
                let elsewhere =
                    if other == file { String::new() } else { format!(" of {}", self.files[other].display()) };
                let what = format!("`{}` is already used on {first}{elsewhere}; ids must be unique", item.id);
                self.faults.push((self.files[file].clone(), Fault { location, field: Some("id".to_owned()), what }));
            }
        }
        (self.handle)(item);
    }

    /// Reads a folder's files and returns a checksum over them.
    fn read_folder(&mut self, path: &Path) -> Result<String> {
        if self.reading.format != Format::Mmlu {
            bail!("{} is a folder; only the mmlu format reads folders. Name a file", path.display());
        }
        let mut hasher = Sha256::new();
        for file in stored::of_folder(path)? {
            let sha256 = checksum(&file).with_context(|| format!("cannot read the data set {}", file.display()))?;
            let table = Table::of_file(&file)?;
            let stem = table.stem();
            hasher.update(format!("{stem} {sha256}\n"));
            self.read_table(table, Some(subjects::of_file(&stem)))?;
        }
        Ok(hex::encode(hasher.finalize()))
    }

    /// Reads an archive's files and returns the archive's checksum.
    fn read_archive(&mut self, path: &Path) -> Result<String> {
        let cannot_read = || format!("cannot read the data set {}", path.display());
        let sha256 = checksum(path).with_context(cannot_read)?;
        let member = self.reading.member.as_deref();
        stored::each_of_archive(path, member, &mut |table| {
            let subject = subjects::of_file(&table.stem());
            self.read_table(table, Some(subject))
        })
        .with_context(cannot_read)?;
        Ok(sha256)
    }
}
