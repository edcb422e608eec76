//! Data sets: reading the two formats in their published shapes, the catalogue of those that are known, fetching and
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
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::fault::Fault;
use self::noticed::FileSurvey;
use self::row::Row;
use crate::fetch::download::checksum;
use crate::tables;
use crate::tables::error::TableError;
use crate::tables::stored::{self, Table};
use crate::tables::{FirstLine, Kind, Place};
use crate::task::Task;
use crate::types::item::{Item, ItemId};
use crate::types::seed::Seed;

/// How many faults of a file one error lists.
const FAULTS_SHOWN: usize = 5;

/// The formats that can be read; each has several shapes, told from the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Word problems with one answer.
    Gsm8k,
    /// Questions with options; a file, or a folder or an archive of one file a subject.
    Mmlu,
}

impl Format {
    /// The format of this name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "gsm8k" => Some(Self::Gsm8k),
            "mmlu" => Some(Self::Mmlu),
            _ => None,
        }
    }

    /// The kind of question that a file of this format holds.
    #[must_use]
    pub fn task(self) -> Task {
        match self {
            Self::Gsm8k => Task::Math,
            Self::Mmlu => Task::Choice,
        }
    }

    /// The format of a file, by its name's ending, and by its first row where both have that ending.
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
        let look = &mut |place, fields: Result<&tables::Fields, TableError>| {
            if let Ok(fields) = fields {
                let (numbered, noticed) = (Cell::default(), &RefCell::default());
                let row = Row { place, number: 0, fields, file_subject: None, group_field: None, numbered, noticed };
                found = Some(if gsm8k::is_problem(&row) { Self::Gsm8k } else { Self::Mmlu });
            }
            ControlFlow::Break(())
        };
        // What cannot be read is told when it is read for good.
        let _ = Table::of_file(path).and_then(|table| tables::each(kind, table, FirstLine::HEADER, look));
        found
    }
}

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Its format.
    pub format: Format,
    /// The folder or file in it, where it is an archive.
    pub member: Option<String>,
    /// The field that makes the group, where the usual ones do not.
    pub group: Option<String>,
    /// Draws the order of options that come without one.
    pub seed: Seed,
}

impl Reading {
    /// Reading a file of this format as it is.
    #[must_use]
    pub fn of(format: Format) -> Self {
        Self { format, member: None, group: None, seed: Seed::default() }
    }
}

/// What a file holds: its good rows and its faults.
#[derive(Debug, Default)]
pub struct Contents {
    /// The rows that could be read, in the file's order.
    pub items: Vec<Item>,
    /// The file of each fault, and the fault.
    pub faults: Vec<(PathBuf, Fault)>,
    /// What a reader must know of the good rows, each with its file.
    pub notices: Vec<String>,
    /// Hex sha256 of the file; of a folder: over its files' names and contents in order.
    pub sha256: String,
}

/// Reads a whole file, folder or archive and keeps going at faults.
///
/// # Errors
/// Where the path cannot be read at all; the error names it.
pub fn read(path: &Path, reading: &Reading) -> Result<Contents> {
    let mut items = Vec::new();
    let mut contents = scan(path, reading, &mut |item| items.push(item))?;
    contents.items = items;
    Ok(contents)
}

/// Reads a whole file, folder or archive, hands on its good rows one by one and keeps none.
///
/// # Errors
/// As [`read`].
pub fn scan(path: &Path, reading: &Reading, take: &mut dyn FnMut(Item)) -> Result<Contents> {
    let mut reader = Reader {
        reading,
        faults: Vec::new(),
        notices: Vec::new(),
        seen: HashMap::new(),
        files: Vec::new(),
        first_named: None,
        first_numbered: None,
        take,
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

/// Reads a whole file, folder or archive in which every row must be good.
///
/// # Errors
/// Names the file and the first faults with their lines and fields.
pub fn read_clean(path: &Path, reading: &Reading) -> Result<Contents> {
    let contents = read(path, reading)?;
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
struct Reader<'a> {
    reading: &'a Reading,
    faults: Vec<(PathBuf, Fault)>,
    notices: Vec<String>,
    /// Where each id stands first: the number of its file, and its place there.
    seen: HashMap<ItemId, (usize, Place)>,
    files: Vec<PathBuf>,
    /// Where the first row stands that has an id of its own, and the first that has none.
    first_named: Option<Place>,
    first_numbered: Option<Place>,
    take: &'a mut dyn FnMut(Item),
}

impl Reader<'_> {
    /// Reads a file and gives its checksum.
    fn read_file(&mut self, path: &Path) -> Result<String> {
        let told = || format!("cannot read the data set {}", path.display());
        let sha256 = checksum(path).with_context(told)?;
        self.read_table(Table::of_file(path).with_context(told)?, None)?;
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
        let (noticed, before) = (RefCell::<FileSurvey>::default(), self.faults.len());
        let mut each = |place, fields: Result<&tables::Fields, TableError>| {
            let row =
                fields.map_err(|error| Fault { place, field: None, what: error.to_string() }).and_then(|fields| {
                    let (group_field, numbered) = (group.as_deref(), Cell::default());
                    let (file_subject, noticed) = (subject.as_ref(), &noticed);
                    let row = Row { place, number, fields, file_subject, group_field, numbered, noticed };
                    let item = match format {
                        Format::Gsm8k => gsm8k::item(&row),
                        Format::Mmlu => mmlu::item(&row, *seed),
                    };
                    Ok((item?, row.numbered.get() && subject.is_none()))
                });
            number += 1;
            match row {
                Ok((item, numbered)) => self.keep(place, item, numbered),
                Err(fault) => self.faults.push((path.clone(), fault)),
            }
            ControlFlow::Continue(())
        };
        tables::each(kind, table, first_line, &mut each)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let noticed = noticed.into_inner();
        // What explains many faults comes before them.
        self.faults.splice(before..before, noticed.fault().map(|fault| (path.clone(), fault)));
        self.notices.extend(noticed.notices().into_iter().map(|notice| format!("{}: {notice}", path.display())));
        Ok(())
    }

    /// Takes a row. Numbers are unique by themselves and are not remembered, so a file has ids on all rows or on none.
    fn keep(&mut self, place: Place, item: Item, numbered: bool) {
        let file = self.files.len() - 1;
        let first = if numbered { &mut self.first_numbered } else { &mut self.first_named };
        let is_first = first.is_none();
        first.get_or_insert(place);
        if let (true, Some(named), Some(numbered)) = (is_first, self.first_named, self.first_numbered) {
            let what = format!("is missing on {numbered} and there on {named}; all rows have one, or none has");
            self.faults.push((self.files[file].clone(), Fault { place, field: Some("id".to_owned()), what }));
        }
        if numbered {
            return (self.take)(item);
        }
        if item.id.0.contains(';') {
            let what = format!("`{}` has a `;`, which parts ids in the outputs", item.id);
            self.faults.push((self.files[file].clone(), Fault { place, field: Some("id".to_owned()), what }));
        }
        match self.seen.entry(item.id.clone()) {
            Entry::Vacant(free) => _ = free.insert((file, place)),
            Entry::Occupied(first) => {
                let (there, first) = *first.get();
                let elsewhere =
                    if there == file { String::new() } else { format!(" of {}", self.files[there].display()) };
                let what = format!("`{}` stands on {first}{elsewhere} already; ids must be unique", item.id);
                self.faults.push((self.files[file].clone(), Fault { place, field: Some("id".to_owned()), what }));
            }
        }
        (self.take)(item);
    }

    /// Reads a folder's files and gives a checksum over them.
    fn read_folder(&mut self, path: &Path) -> Result<String> {
        if self.reading.format != Format::Mmlu {
            bail!("{} is a folder; only the mmlu format reads folders, so name a file", path.display());
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

    /// Reads an archive's files and gives the archive's checksum.
    fn read_archive(&mut self, path: &Path) -> Result<String> {
        let told = || format!("cannot read the data set {}", path.display());
        let sha256 = checksum(path).with_context(told)?;
        let member = self.reading.member.as_deref();
        stored::each_of_archive(path, member, &mut |table| {
            let subject = subjects::of_file(&table.stem());
            self.read_table(table, Some(subject))
        })
        .with_context(told)?;
        Ok(sha256)
    }
}
