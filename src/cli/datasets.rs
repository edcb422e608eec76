//! `intercascade datasets list | generate | check`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::Subcommand;

use super::{Status, say};
use crate::config::suggest;
use crate::dataset::catalogue::Catalogue;
use crate::dataset::generate::Made;
use crate::dataset::{Format, read};
use crate::report::files::write_file;
use crate::types::seed::Seed;

/// The verbs of `datasets`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the data sets of the catalogue
    #[command(after_help = "Example:\n  intercascade datasets list")]
    List,
    /// Make a data set's files from its templates or facts
    #[command(
        after_help = "Example:\n  intercascade datasets generate gsm-templates --seed 2 --instances 20 --out /tmp/more"
    )]
    Generate {
        /// Name of the data set
        name: String,
        /// Folder for the files; the catalogue's own where absent
        #[arg(long)]
        out: Option<PathBuf>,
        /// Another seed than the catalogue's
        #[arg(long)]
        seed: Option<u64>,
        /// Another number of problems per template than the catalogue's
        #[arg(long)]
        instances: Option<usize>,
    },
    /// Read any GSM8K- or MMLU-style file and say row by row what is wrong
    #[command(after_help = "Example:\n  intercascade datasets check my-questions.jsonl")]
    Check {
        /// A .jsonl or .csv file, or a folder of .csv files
        path: PathBuf,
        /// How it is read; told from its ending where absent
        #[arg(long, value_parser = ["gsm8k", "mmlu"])]
        format: Option<String>,
    },
}

pub(super) fn run(verb: &Verb) -> Result<Status> {
    match verb {
        Verb::List => list(),
        Verb::Generate { name, out, seed, instances } => generate_files(name, out.clone(), seed.map(Seed), *instances),
        Verb::Check { path, format } => check(path, format.as_deref()),
    }
}

fn list() -> Result<Status> {
    for entry in Catalogue::find(None)?.entries {
        let splits: Vec<String> = entry.split.iter().map(|split| format!("{} {}", split.name, split.rows)).collect();
        say(&format!("{}  ({})  {}\n    {}", entry.name, splits.join(", "), entry.licence, entry.summary));
    }
    Ok(Status::Done)
}

fn generate_files(name: &str, out: Option<PathBuf>, seed: Option<Seed>, instances: Option<usize>) -> Result<Status> {
    let catalogue = Catalogue::find(None)?;
    let entry = suggest::find("data set", name, &catalogue.entries, |entry| &entry.name)?;
    let mut generator = entry.generator.clone().ok_or_else(|| anyhow!("`{name}` is not generated"))?;
    generator.seed = seed.unwrap_or(generator.seed);
    generator.instances = instances.unwrap_or(generator.instances);
    let out = out.unwrap_or_else(|| catalogue.folder.join(name));
    let files = generator.make(&catalogue.folder, entry.format, &out)?;
    write_made(&files)?;
    for file in files {
        say(&format!("{}  {}  {} rows  sha256 {}", file.split, file.path.display(), file.rows, file.sha256));
    }
    Ok(Status::Done)
}

/// Writes the files, and leaves alone what is already there.
fn write_made(files: &[Made]) -> Result<()> {
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

fn check(path: &std::path::Path, format: Option<&str>) -> Result<Status> {
    let format = match format {
        Some("gsm8k") => Some(Format::Gsm8k),
        Some(_) => Some(Format::Mmlu),
        None => Format::of_path(path),
    };
    let format = format.ok_or_else(|| anyhow!("{}: neither .jsonl nor .csv; say --format", path.display()))?;
    let contents = read(path, format)?;
    for (file, fault) in &contents.faults {
        say(&format!("{}: {fault}", file.display()));
    }
    let groups: BTreeSet<&str> = contents.items.iter().map(|item| &*item.group).collect();
    say(&format!(
        "{}: {} good rows in {} groups, {} faults, sha256 {}",
        path.display(),
        contents.items.len(),
        groups.len(),
        contents.faults.len(),
        contents.sha256
    ));
    let bad = !contents.faults.is_empty() || contents.items.is_empty();
    Ok(if bad { Status::CheckFailed } else { Status::Done })
}
