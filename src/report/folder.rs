//! The run folder: identifying the run in it, writing its outputs, and setting an earlier run aside.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::calibration::CERTIFIABLE;
use super::files::{Staged, UNFINISHED};
use super::left_out;
use super::manifest::{Manifest, differences};
use crate::types::escaped::escaped;
use crate::types::shard::Shard;

/// The journal's file name.
pub const JOURNAL: &str = "journal.sqlite";

/// The file that must never differ between two writes of one run.
const RECORDS: &str = "records.csv";

/// Creates the folder for a run with this identity, or checks that an existing folder holds the same run. Returns that
/// run's manifest. If `fresh`, the folder may hold any other run, which [`set_aside`] moves away.
///
/// # Errors
/// If the folder holds another run (the error lists the differences), or files that no run wrote.
pub fn prepare(folder: &Path, identity: &Value, fresh: bool) -> Result<Option<Manifest>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let manifest = Manifest::read(folder)?;
    match &manifest {
        Some(_) if fresh => return Ok(None),
        Some(manifest) => {
            let differences = differences(&manifest.identity, identity);
            if !differences.is_empty() {
                bail!(
                    "{} holds another run. The differences (there: the run in the folder, here: this run):\n  \
                     {}\nChoose another folder with --out, or set that run aside with --fresh.",
                    folder.display(),
                    differences.join("\n  ")
                );
            }
        }
        None => {
            if let Some(name) = outputs(folder)?.first() {
                bail!(
                    "{} holds {}, which no run wrote. Choose another folder with --out.",
                    folder.display(),
                    name.display()
                );
            }
        }
    }
    Ok(manifest)
}

/// Lists the files in the folder, except the journal, the shards and what was set aside.
fn outputs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        // Server logs and the table of a calibration are not outputs of a run: `calibrate` leaves them.
        let is_of_calibration = text.starts_with(CERTIFIABLE);
        // The shards of this run have folders and manifests of their own.
        let is_shard = Shard::of_folder(Path::new(&name)).is_some();
        if text.ends_with(".log") || is_of_calibration || is_shard {
            continue;
        }
        if !text.starts_with(JOURNAL) && !text.starts_with("set-aside-") && !text.starts_with(UNFINISHED) {
            found.push(PathBuf::from(name));
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a run's outputs into its folder, all or none. Existing reports that differ, since prices or this program have
/// changed, are set aside; records are set aside too, if arms had been left out of them. Returns the folder that they
/// were moved to, and their names.
///
/// # Errors
/// If existing records differ: the same run cannot have other records.
pub fn write_outputs(folder: &Path, files: Vec<(String, Vec<u8>)>) -> Result<Option<(PathBuf, Vec<String>)>> {
    let old = folder.join(RECORDS);
    let records = files.iter().find(|(name, _)| name == RECORDS);
    let was_complete = Manifest::read(folder)?.is_none_or(|before| before.left_out.is_empty());
    if let (Some((_, new)), Ok(existing)) = (records, std::fs::read(&old))
        && *new != existing
        && was_complete
    {
        bail!(
            "{} exists, and this run with the same config has other records: another version wrote the file, or the \
             journal was changed. Set that run aside with --fresh.",
            old.display()
        );
    }
    replace_outputs(folder, files)
}

/// Writes recomputed outputs into a run's folder; existing files that differ are set aside first. Returns the folder
/// that they were moved to, and their names.
///
/// # Errors
/// If a file cannot be written or moved; the error names it.
pub fn replace_outputs(folder: &Path, files: Vec<(String, Vec<u8>)>) -> Result<Option<(PathBuf, Vec<String>)>> {
    let files: Vec<(String, Vec<u8>)> = files.into_iter().map(readable).collect();
    let differs =
        |(name, new): &&(String, Vec<u8>)| std::fs::read(folder.join(name)).is_ok_and(|existing| existing != *new);
    // Tables of left-out cells are stale if nothing is left out any more.
    let stale = left_out::FILES
        .into_iter()
        .filter(|name| files.iter().all(|(new, _)| new != name) && folder.join(name).exists());
    let old = files.iter().filter(differs).map(|(name, _)| name.clone());
    let old: Vec<String> = old.chain(stale.map(str::to_owned)).collect();
    let placed: Vec<(PathBuf, Vec<u8>)> = files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
    // Written before anything is moved, so that a full disk changes nothing.
    let new = Staged::new(&placed)?;
    let aside = if old.is_empty() { None } else { Some(move_aside(folder, old.iter().map(PathBuf::from))?) };
    new.persist()?;
    Ok(aside.map(|aside| (aside, old)))
}

/// Makes a document safe to display: escapes characters from a server, a model or a data set that a terminal would
/// obey. Tables stay unchanged.
fn readable((name, bytes): (String, Vec<u8>)) -> (String, Vec<u8>) {
    let is_document = [".md", ".tex"].iter().any(|ending| name.ends_with(ending));
    match String::from_utf8(bytes) {
        Ok(text) if is_document => (name, escaped(&text).into_owned().into_bytes()),
        Ok(text) => (name, text.into_bytes()),
        Err(error) => (name, error.into_bytes()),
    }
}

/// Moves a run's outputs into a subfolder; the journal stays.
///
/// # Errors
/// If a file cannot be moved.
pub fn set_aside(folder: &Path) -> Result<()> {
    let outputs = outputs(folder)?;
    if !outputs.is_empty() {
        move_aside(folder, outputs)?;
    }
    Ok(())
}

/// Moves files into a new subfolder and returns its path.
fn move_aside(folder: &Path, names: impl IntoIterator<Item = PathBuf>) -> Result<PathBuf> {
    let mut n = 1;
    while folder.join(format!("set-aside-{n}")).exists() {
        n += 1;
    }
    let aside = folder.join(format!("set-aside-{n}"));
    std::fs::create_dir(&aside).with_context(|| format!("cannot create {}", aside.display()))?;
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
            servers: std::collections::BTreeMap::new(),
            warnings: Vec::new(),
            shard: None,
            merged: None,
        }
    }

    #[test]
    fn another_run_is_refused_or_set_aside_without_its_journal() {
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
            assert_eq!(std::fs::read_to_string(folder.join(JOURNAL)).expect("readable"), "calls");
            manifest(json!({"seed": 2})).write(folder).expect("written");
        }
    }

    #[test]
    fn control_characters_are_escaped_in_documents_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let hostile = "a\u{1b}[2Jb\u{202e}c\n";
        let files = ["summary.md", "table.csv"].map(|name| (name.to_owned(), hostile.as_bytes().to_vec()));
        replace_outputs(folder.path(), files.to_vec()).expect("written");
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("readable");
        assert_eq!(text("summary.md"), "a\\u{1b}[2Jb\\u{202e}c\n");
        assert_eq!(text("table.csv"), hostile);
    }

    #[test]
    fn folders_with_foreign_files_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("summary.md"), "mine").expect("written");
        for fresh in [false, true] {
            let error = prepare(folder.path(), &Value::Null, fresh).expect_err("refused");
            assert!(error.to_string().contains("summary.md, which no run wrote"), "{error}");
        }
    }
}
