//! The run folder: which run lives there, and setting it aside.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::calibration::CERTIFIABLE;
use super::files::{Staged, UNFINISHED};
use super::left_out;
use super::manifest::{Manifest, differences};
use crate::types::escaped::escaped;

/// The journal's file name.
pub const JOURNAL: &str = "journal.sqlite";

/// The file of which nothing may ever differ.
const RECORDS: &str = "records.csv";

/// Makes a folder for the run of this identity, or finds that it is one that holds the same run. Gives that run's manifest. A
/// run that starts `fresh` may find any other run there, which [`set_aside`] is for.
///
/// # Errors
/// Where the folder holds another run (says what differs) or files of no run.
pub fn prepare(folder: &Path, identity: &Value, fresh: bool) -> Result<Option<Manifest>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let manifest = Manifest::read(folder)?;
    match &manifest {
        Some(_) if fresh => return Ok(None),
        Some(manifest) => {
            let differences = differences(&manifest.identity, identity);
            if !differences.is_empty() {
                bail!(
                    "{} holds another run, which differs in\n  {}\nName another folder with --out, or set that run aside with --fresh",
                    folder.display(),
                    differences.join("\n  ")
                );
            }
        }
        None => {
            if let Some(name) = outputs(folder)?.first() {
                bail!(
                    "{} holds {}, which no run put there; name another folder with --out",
                    folder.display(),
                    name.display()
                );
            }
        }
    }
    Ok(manifest)
}

/// What lies in the folder besides the journal and what was set aside.
fn outputs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        // Logs of servers and the table of a calibration are no outputs: a calibration leaves them.
        let is_of_calibration = text.starts_with(CERTIFIABLE);
        if text.ends_with(".log") || is_of_calibration {
            continue;
        }
        if !text.starts_with(JOURNAL) && !text.starts_with("set-aside-") && !text.starts_with(UNFINISHED) {
            found.push(PathBuf::from(name));
        }
    }
    found.sort();
    Ok(found)
}

/// Puts a run's outputs into its folder, all or none. Reports that are there and differ, since prices or this program have
/// changed, are set aside; so are records, if arms had been left out of them. Gives their names, and where they lie now.
///
/// # Errors
/// Where records are there that differ: the same run cannot give others.
pub fn place(folder: &Path, files: Vec<(String, Vec<u8>)>) -> Result<Option<(PathBuf, Vec<String>)>> {
    let old = folder.join(RECORDS);
    let records = files.iter().find(|(name, _)| name == RECORDS);
    let was_whole = Manifest::read(folder)?.is_none_or(|before| before.left_out.is_empty());
    if let (Some((_, new)), Ok(there)) = (records, std::fs::read(&old))
        && *new != there
        && was_whole
    {
        bail!(
            "{} is there and this run of the same config gives other records (made by another version, or the journal was changed); \
             set it aside with --fresh",
            old.display()
        );
    }
    replace(folder, files)
}

/// Puts outputs that were made again into a run's folder; those there that differ are set aside first. Gives the names of
/// those, and where they lie now.
///
/// # Errors
/// Names the file.
pub fn replace(folder: &Path, files: Vec<(String, Vec<u8>)>) -> Result<Option<(PathBuf, Vec<String>)>> {
    let files: Vec<(String, Vec<u8>)> = files.into_iter().map(readable).collect();
    let differs = |(name, new): &&(String, Vec<u8>)| std::fs::read(folder.join(name)).is_ok_and(|there| there != *new);
    // Nothing is left out any more.
    let stale = left_out::FILES
        .into_iter()
        .filter(|name| files.iter().all(|(new, _)| new != name) && folder.join(name).exists());
    let old = files.iter().filter(differs).map(|(name, _)| name.clone());
    let old: Vec<String> = old.chain(stale.map(str::to_owned)).collect();
    let placed: Vec<(PathBuf, Vec<u8>)> = files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
    // Before anything is moved: a disk that is full leaves all as it was.
    let new = Staged::new(&placed)?;
    let aside = if old.is_empty() { None } else { Some(move_aside(folder, old.iter().map(PathBuf::from))?) };
    new.persist()?;
    Ok(aside.map(|aside| (aside, old)))
}

/// A file as it may be shown: documents hold nothing of a server, a model or a data set that a terminal obeys. Tables keep
/// what was there.
fn readable((name, bytes): (String, Vec<u8>)) -> (String, Vec<u8>) {
    let is_document = [".md", ".tex"].iter().any(|ending| name.ends_with(ending));
    match String::from_utf8(bytes) {
        Ok(text) if is_document => (name, escaped(&text).into_owned().into_bytes()),
        Ok(text) => (name, text.into_bytes()),
        Err(error) => (name, error.into_bytes()),
    }
}

/// Moves a run's outputs into a folder of their own beside the journal, which stays.
///
/// # Errors
/// Where they cannot be moved.
pub fn set_aside(folder: &Path) -> Result<()> {
    let outputs = outputs(folder)?;
    if !outputs.is_empty() {
        move_aside(folder, outputs)?;
    }
    Ok(())
}

/// Moves files into a folder of their own, which it gives.
fn move_aside(folder: &Path, names: impl IntoIterator<Item = PathBuf>) -> Result<PathBuf> {
    let mut n = 1;
    while folder.join(format!("set-aside-{n}")).exists() {
        n += 1;
    }
    let aside = folder.join(format!("set-aside-{n}"));
    std::fs::create_dir(&aside).with_context(|| format!("cannot make {}", aside.display()))?;
    for name in names {
        std::fs::rename(folder.join(&name), aside.join(&name))
            .with_context(|| format!("cannot set {} aside", name.display()))?;
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(identity: Value) -> Manifest {
        Manifest {
            version: "0".into(),
            identity,
            config: Value::Null,
            prompts: Value::Null,
            setting: Vec::new(),
            prices: std::collections::BTreeMap::new(),
            swept: None,
            left_out: Vec::new(),
            margin: None,
            price_notes: Vec::new(),
            started: String::new(),
            ended: None,
            calls_made: None,
            spent: Value::Null,
            answered_by: Value::Null,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn another_run_is_refused_or_set_aside_and_the_journal_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        assert!(prepare(folder, &json!({"seed": 1}), false).expect("new").is_none());
        manifest(json!({"seed": 1})).write(folder).expect("written");
        std::fs::write(folder.join(JOURNAL), "calls").expect("written");
        assert!(prepare(folder, &json!({"seed": 1}), false).expect("same").is_some());
        let error = prepare(folder, &json!({"seed": 2}), false).expect_err("another");
        assert!(error.to_string().contains("seed: 1 there, 2 here"), "{error}");
        for n in 1..=2 {
            assert!(prepare(folder, &json!({"seed": 2}), true).expect("it is a run's").is_none());
            set_aside(folder).expect("set aside");
            assert!(folder.join(format!("set-aside-{n}/manifest.json")).is_file());
            assert_eq!(std::fs::read_to_string(folder.join(JOURNAL)).expect("there"), "calls");
            manifest(json!({"seed": 2})).write(folder).expect("written");
        }
    }

    #[test]
    fn documents_hold_nothing_that_a_terminal_obeys_and_tables_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let hostile = "a\u{1b}[2Jb\u{202e}c\n";
        let files = ["summary.md", "table.csv"].map(|name| (name.to_owned(), hostile.as_bytes().to_vec()));
        replace(folder.path(), files.to_vec()).expect("written");
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("there");
        assert_eq!(text("summary.md"), "a\\u{1b}[2Jb\\u{202e}c\n");
        assert_eq!(text("table.csv"), hostile);
    }

    #[test]
    fn files_of_no_run_are_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("summary.md"), "mine").expect("written");
        for fresh in [false, true] {
            let error = prepare(folder.path(), &Value::Null, fresh).expect_err("refused");
            assert!(error.to_string().contains("summary.md, which no run put there"), "{error}");
        }
    }
}
