//! `intercascade datasets list | fetch | generate | check`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use clap::Subcommand;

use super::progress::{Progress, Transfers};
use super::{Status, block_on, models, say, unless_interrupted, warn};
use crate::config::suggest;
use crate::dataset::catalogue::{Catalogue, Entry, Split};
use crate::dataset::fetch::{Event, Fetched};
use crate::dataset::generate::Made;
use crate::dataset::{Format, Reading, read_clean, scan, subjects};
use crate::fetch::weights::Catalogue as Weights;
use crate::report::files::write_file;
use crate::retrieval::embedder::{self, EmbedderName};
use crate::retrieval::leakage;
use crate::task::Task;
use crate::types::embedding::Embedded;
use crate::types::item::Item;
use crate::types::seed::Seed;

/// How many near-duplicates are shown.
const PAIRS_SHOWN: usize = 10;

/// The verbs of `datasets`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the data sets of the catalogue, their terms and whether they are there
    #[command(after_help = "Example:\n  intercascade datasets list")]
    List,
    /// Fetch a data set from where it is published, and verify it
    #[command(after_help = "Example:\n  intercascade datasets fetch gsm8k")]
    Fetch {
        /// Name of the data set
        name: String,
        /// One split alone
        #[arg(long)]
        split: Option<String>,
        /// Also fetch what the catalogue has no checksum for
        #[arg(long)]
        unverified: bool,
    },
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
    #[command(
        after_help = "Examples:\n  intercascade datasets check my-questions.jsonl\n  intercascade datasets check my-questions.jsonl --answers results/my-run"
    )]
    Check {
        /// A .jsonl, .json, .csv, .tsv or .parquet file (also .gz, .zst), or a folder, .tar or .zip archive of them, one a subject
        path: PathBuf,
        /// How it is read; told from its ending and its first row where absent
        #[arg(long, value_parser = ["gsm8k", "mmlu"])]
        format: Option<String>,
        /// The folder or file in an archive
        #[arg(long)]
        member: Option<String>,
        /// The field that makes the group
        #[arg(long)]
        group: Option<String>,
        /// A second file, read likewise: groups and near-duplicates that the two share are counted
        #[arg(long, value_name = "PATH")]
        against: Option<PathBuf>,
        /// A run's folder: what was read of each of its answers to this file is listed, with rule and place
        #[arg(long, value_name = "RUN", conflicts_with = "against")]
        answers: Option<PathBuf>,
        /// What questions are compared by
        #[arg(long, default_value = "all-minilm-l6-v2", value_parser = ["all-minilm-l6-v2", "hashed-words"])]
        embedder: String,
        /// The cosine from which on two questions are near-duplicates
        #[arg(long, default_value_t = leakage::NEAR)]
        similar_from: f64,
    },
}

pub(super) fn run(verb: &Verb) -> Result<Status> {
    match verb {
        Verb::List => list(),
        Verb::Generate { name, out, seed, instances } => generate_files(name, out.clone(), seed.map(Seed), *instances),
        Verb::Fetch { name, split, unverified } => {
            let files = block_on(unless_interrupted(fetch(name, split.as_deref(), *unverified)))?;
            for Fetched { path, sha256, pinned } in files {
                let verified = if pinned { "verified" } else { "not pinned by the catalogue; noted for later runs" };
                say(&format!("{}  sha256 {sha256}, {verified}", path.display()));
            }
            Ok(Status::Done)
        }
        Verb::Check { path, format, member, group, against, answers, embedder, similar_from } => {
            let format = match format.as_deref() {
                Some("gsm8k") => Some(Format::Gsm8k),
                Some(_) => Some(Format::Mmlu),
                None => Format::of_path(path),
            };
            let format = format.ok_or_else(|| anyhow!("{}: no known ending; say --format", path.display()))?;
            let reading = Reading { member: member.clone(), group: group.clone(), ..Reading::of(format) };
            match (against, answers) {
                (None, None) => check(path, &reading),
                (None, Some(run)) => super::answers::audit(path, &reading, run),
                (Some(other), _) => compare(path, other, &reading, embedder, *similar_from),
            }
        }
    }
}

fn list() -> Result<Status> {
    let catalogue = Catalogue::find(None)?;
    for entry in &catalogue.entries {
        let splits: Vec<String> = entry.split.iter().map(|split| listed(&catalogue, entry, split)).collect();
        let task = if entry.format.task() == Task::Math { "math" } else { "choice" };
        say(&format!("{}  ({})  {}\n    {task}: {}", entry.name, splits.join(", "), entry.licence, entry.summary));
        let further = [("from", &entry.source), ("permits", &entry.permits), ("cite", &entry.citation)];
        for (what, text) in further {
            if let Some(text) = text {
                say(&format!("    {what}: {text}"));
            }
        }
        for defect in &entry.defects {
            say(&format!("    defect: {defect}"));
        }
    }
    Ok(Status::Done)
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

/// Fetches a data set and shows how far it is.
async fn fetch(name: &str, split: Option<&str>, unverified: bool) -> Result<Vec<Fetched>> {
    let catalogue = Catalogue::find(None)?;
    let entry = suggest::find("data set", name, &catalogue.entries, |entry| &entry.name)?;
    if let Some(permits) = &entry.permits {
        warn(&format!("{name}: {} ({permits})", entry.licence));
    }
    let bar = Transfers::new(name);
    let listen = |event: Event| match event {
        Event::Trying(url) => {
            bar.finish();
            warn(&format!("fetching {url}"));
        }
        Event::Received(bytes, total) => {
            bar.received(bytes, total);
        }
    };
    let fetched = catalogue.fetch(entry, split, unverified, &listen).await;
    bar.finish();
    fetched
}

fn generate_files(name: &str, out: Option<PathBuf>, seed: Option<Seed>, instances: Option<usize>) -> Result<Status> {
    let catalogue = Catalogue::find(None)?;
    let entry = suggest::find("data set", name, &catalogue.entries, |entry| &entry.name)?;
    let generator = entry.generator.clone().ok_or_else(|| anyhow!("`{name}` is not generated"))?;
    let generator = generator.with(seed, instances);
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

/// Counts what two files share that should have nothing in common, such as calibration and stream.
fn compare(path: &Path, against: &Path, reading: &Reading, embedder: &str, from: f64) -> Result<Status> {
    let name =
        [EmbedderName::AllMiniLmL6V2, EmbedderName::HashedWords].into_iter().find(|name| name.name() == embedder);
    let name = name.unwrap_or_default();
    let weights = name.weights().map(|weights| block_on(models::ensure(Weights::builtin(), weights))).transpose()?;
    let [one, other] = [path, against].map(|path| -> Result<(Vec<Item>, Vec<Embedded>)> {
        let items = read_clean(path, reading)?.items;
        let queries: Vec<String> = items.iter().map(|item| item.query.clone()).collect();
        let progress = Progress::steps(&path.display().to_string(), queries.len());
        let rows = embedder::embed(name, weights.as_deref(), &queries, |done| progress.set(done as u64))?;
        progress.finish();
        Ok((items, rows))
    });
    let (one, other) = (one?, other?);
    let found = leakage::leakage((&one.0, &one.1), (&other.0, &other.1), from);
    for pair in found.near.iter().take(PAIRS_SHOWN) {
        say(&format!("{} and {}: {:.3}", pair.one, pair.other, pair.similarity));
    }
    say(&format!(
        "{} and {}: {} groups in both; {} of {} questions have a near-duplicate (cosine at least {from} by {})",
        path.display(),
        against.display(),
        found.shared_groups,
        found.near.len(),
        one.0.len(),
        name.name()
    ));
    Ok(if found.shared_groups > 0 { Status::CheckFailed } else { Status::Done })
}

fn check(path: &Path, reading: &Reading) -> Result<Status> {
    let mut rows = 0;
    let mut groups: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut of_subject: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    let mut of_options: BTreeMap<usize, usize> = BTreeMap::new();
    let contents = scan(path, reading, &mut |item| {
        rows += 1;
        groups.insert(item.group);
        *of_options.entry(item.options.len()).or_default() += 1;
        if let Some(subject) = item.subject {
            *of_subject.entry(subject).or_default() += 1;
        }
    })?;
    for (file, fault) in &contents.faults {
        say(&format!("{}: {fault}", file.display()));
    }
    say(&format!(
        "{}: {rows} good rows in {} groups, {} faults, sha256 {}",
        path.display(),
        groups.len(),
        contents.faults.len(),
        contents.sha256
    ));
    if !of_subject.is_empty() {
        say(&format!("{} subjects: {}", of_subject.len(), counts(&of_subject)));
    }
    if of_options.len() > 1 {
        let told = of_options.iter().map(|(options, rows)| format!("{options} in {rows} rows"));
        say(&format!("numbers of options: {}", told.collect::<Vec<_>>().join(", ")));
    }
    for notice in &contents.notices {
        say(&format!("note: {notice}"));
    }
    let bad = !contents.faults.is_empty() || rows == 0;
    Ok(if bad { Status::CheckFailed } else { Status::Done })
}

/// Rows by subject; by group of subjects where they are MMLU's.
fn counts(of_subject: &BTreeMap<Arc<str>, usize>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (subject, rows) in of_subject {
        *counts.entry(subjects::group_of(subject).unwrap_or(subject)).or_default() += rows;
    }
    counts.iter().map(|(name, rows)| format!("{name} {rows}")).collect::<Vec<_>>().join(", ")
}
