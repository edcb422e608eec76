//! Data sets of the catalogue: a listing for users, and generation from templates or facts.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};

use crate::config::suggest;
use crate::dataset::catalogue::{Catalogue, Entry, Split};
use crate::dataset::generate::GeneratedFile;
use crate::report::files::write_file;
use crate::task::Task;
use crate::types::seed::Seed;

/// Lines that list the data sets: name, splits with local files, licence, source and known defects.
///
/// # Errors
/// If the catalogue is missing or cannot be read.
pub fn listing() -> Result<Vec<String>> {
    let catalogue = Catalogue::find(None)?;
    let mut lines = Vec::new();
    for entry in &catalogue.entries {
        let splits: Vec<String> = entry.split.iter().map(|split| describe_split(&catalogue, entry, split)).collect();
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

/// Name, number of rows and availability of a split.
fn describe_split(catalogue: &Catalogue, entry: &Entry, split: &Split) -> String {
    let rows = split.rows.map(|rows| format!(" {rows}")).unwrap_or_default();
    let exists = catalogue.path(entry, split).is_ok_and(|path| path.exists());
    let state = match (exists, split.sha256.is_some(), split.url.is_some() || entry.package.is_some()) {
        (true, ..) => "",
        (false, _, false) => ", manual download",
        (false, true, true) => ", not fetched",
        (false, false, true) => ", not fetched, no checksum",
    };
    format!("{}{rows}{state}", split.name)
}

/// Generates a data set's files from its templates or facts and writes them into `out`, by default the catalogue's
/// folder. `seed` and `instances`, the number of problems per template, override the catalogue's values. Equal existing
/// files stay.
///
/// # Errors
/// If the name is unknown (with the nearest known name), the source is faulty, or an existing file differs.
pub fn generate(
    name: &str,
    out: Option<PathBuf>,
    seed: Option<Seed>,
    instances: Option<usize>,
) -> Result<Vec<GeneratedFile>> {
    let catalogue = Catalogue::find(None)?;
    let entry = suggest::find("data set", name, &catalogue.entries, |entry| &entry.name)?;
    let generator = entry.generator.clone().ok_or_else(|| anyhow!("the data set `{name}` has no generator"))?;
    let generator = generator.with(seed, instances);
    let out = out.unwrap_or_else(|| catalogue.folder.join(name));
    let files = generator.make(&catalogue.folder, entry.format, &out)?;
    write(&files)?;
    Ok(files)
}

/// Writes the files, except files that exist with the same bytes.
fn write(files: &[GeneratedFile]) -> Result<()> {
    for file in files {
        match std::fs::read(&file.path) {
            Ok(existing) if existing == file.bytes => continue,
            Ok(_) => bail!(
                "{} exists with other contents and is not overwritten. Name another folder with --out",
                file.path.display()
            ),
            Err(_) => {}
        }
        write_file(&file.path, &file.bytes)?;
    }
    Ok(())
}
