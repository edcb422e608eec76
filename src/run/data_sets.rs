//! The data sets of the catalogue: listed for people, and made from their templates or facts.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};

use crate::config::suggest;
use crate::dataset::catalogue::{Catalogue, Entry, Split};
use crate::dataset::generate::Made;
use crate::report::files::write_file;
use crate::task::Task;
use crate::types::seed::Seed;

/// The lines that list the data sets: name, splits and whether they are there, terms, source, known defects.
///
/// # Errors
/// If there is no catalogue, or it cannot be read.
pub fn listing() -> Result<Vec<String>> {
    let catalogue = Catalogue::find(None)?;
    let mut lines = Vec::new();
    for entry in &catalogue.entries {
        let splits: Vec<String> = entry.split.iter().map(|split| listed(&catalogue, entry, split)).collect();
        let task = if entry.format.task() == Task::Math { "math" } else { "choice" };
        lines.push(format!(
            "{}  ({})  {}\n    {task}: {}",
            entry.name,
            splits.join(", "),
            entry.licence,
            entry.summary
        ));
        let further = [("from", &entry.source), ("permits", &entry.permits), ("cite", &entry.citation)];
        let further = further.into_iter().filter_map(|(what, text)| Some((what, text.as_ref()?)));
        lines.extend(further.map(|(what, text)| format!("    {what}: {text}")));
        lines.extend(entry.defects.iter().map(|defect| format!("    defect: {defect}")));
    }
    Ok(lines)
}

/// A split's name, rows, and whether it can be used.
fn listed(catalogue: &Catalogue, entry: &Entry, split: &Split) -> String {
    let rows = split.rows.map(|rows| format!(" {rows}")).unwrap_or_default();
    let there = catalogue.path(entry, split).is_ok_and(|path| path.exists());
    let state = match (there, split.sha256.is_some(), split.url.is_some() || entry.package.is_some()) {
        (true, ..) => "",
        (false, _, false) => ", to be got by hand",
        (false, true, true) => ", to be fetched",
        (false, false, true) => ", to be fetched, not pinned",
    };
    format!("{}{rows}{state}", split.name)
}

/// Makes a data set's files from its templates or facts and writes them into `out` (the catalogue's own folder if there is
/// none), with another seed and number of problems per template if they are given. Files that are there already stay.
///
/// # Errors
/// Names the nearest right name, what is wrong with the source, or a file that is there and differs.
pub fn generate(name: &str, out: Option<PathBuf>, seed: Option<Seed>, instances: Option<usize>) -> Result<Vec<Made>> {
    let catalogue = Catalogue::find(None)?;
    let entry = suggest::find("data set", name, &catalogue.entries, |entry| &entry.name)?;
    let generator = entry.generator.clone().ok_or_else(|| anyhow!("`{name}` is not generated"))?;
    let generator = generator.with(seed, instances);
    let out = out.unwrap_or_else(|| catalogue.folder.join(name));
    let files = generator.make(&catalogue.folder, entry.format, &out)?;
    write(&files)?;
    Ok(files)
}

/// Writes the files, and leaves alone what is already there.
fn write(files: &[Made]) -> Result<()> {
    for file in files {
        match std::fs::read(&file.path) {
            Ok(there) if there == file.bytes => continue,
            Ok(_) => bail!(
                "{} holds something else; nothing is written over: name another folder with --out",
                file.path.display()
            ),
            Err(_) => {}
        }
        write_file(&file.path, &file.bytes)?;
    }
    Ok(())
}
