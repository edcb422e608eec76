//! `intercascade datasets list | fetch | generate | check`.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Subcommand;

use super::progress::Progress;
use super::{Status, block_on, models, say, unless_interrupted, warn};
use crate::dataset::fetch::Fetched;
use crate::dataset::survey::Survey;
use crate::dataset::{Format, Reading, read_clean};
use crate::fetch::weights::Catalogue as Weights;
use crate::retrieval::embedder::EmbedderName;
use crate::retrieval::leakage;
use crate::run::audit::Audit;
use crate::run::dataset_check::{Questions, Shared};
use crate::run::outputs::{Kept, config_of};
use crate::run::{data_sets, transfers};
use crate::types::seed::Seed;

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
        Verb::List => data_sets::listing()?.iter().for_each(|line| say(line)),
        Verb::Fetch { name, split, unverified } => {
            let hear = models::shown(name);
            let fetch = transfers::fetch_data_set(name, split.as_deref(), *unverified, &hear);
            for Fetched { path, sha256, pinned } in block_on(unless_interrupted(fetch))? {
                let verified = if pinned { "verified" } else { "not pinned by the catalogue; noted for later runs" };
                say(&format!("{}  sha256 {sha256}, {verified}", path.display()));
            }
        }
        Verb::Generate { name, out, seed, instances } => {
            for file in data_sets::generate(name, out.clone(), seed.map(Seed), *instances)? {
                say(&format!("{}  {}  {} rows  sha256 {}", file.split, file.path.display(), file.rows, file.sha256));
            }
        }
        Verb::Check { path, format, member, group, against, answers, embedder, similar_from } => {
            let format = format.as_deref().map_or_else(|| Format::of_path(path), Format::named);
            let format = format.ok_or_else(|| anyhow!("{}: no known ending; say --format", path.display()))?;
            let reading = Reading { member: member.clone(), group: group.clone(), ..Reading::of(format) };
            return match (against, answers) {
                (None, None) => survey(path, &reading),
                (None, Some(run)) => audit(path, &reading, run),
                (Some(other), _) => compare(path, other, &reading, embedder, *similar_from),
            };
        }
    }
    Ok(Status::Done)
}

fn survey(path: &Path, reading: &Reading) -> Result<Status> {
    let survey = Survey::of(path, reading)?;
    survey.lines(path).iter().for_each(|line| say(line));
    Ok(Status::of(survey.is_good()))
}

fn audit(path: &Path, reading: &Reading, run: &Path) -> Result<Status> {
    let contents = read_clean(path, reading)?;
    let Kept { manifest, records, .. } = Kept::read(run)?;
    let models = config_of(&manifest)?.models;
    let (contents, manifest, task) = (&contents, &manifest, reading.format.task());
    let audit = Audit { run, manifest, records: &records, models: &models, path, contents, task };
    let (grader, notes) = audit.grader()?;
    for note in notes {
        warn(&note);
    }
    let differ = audit.list(&grader, &mut say)?;
    Ok(Status::of(differ == 0))
}

fn compare(path: &Path, against: &Path, reading: &Reading, embedder: &str, from: f64) -> Result<Status> {
    let embedder = EmbedderName::named(embedder).unwrap_or_default();
    let weights =
        embedder.weights().map(|weights| block_on(models::ensure(Weights::builtin(), weights))).transpose()?;
    let read = |path: &Path| -> Result<Questions> {
        let items = read_clean(path, reading)?.items;
        let progress = Progress::steps(&path.display().to_string(), items.len());
        let questions = Questions::embed(items, embedder, weights.as_deref(), |done| progress.set(done as u64))?;
        progress.finish();
        Ok(questions)
    };
    let shared = Shared::between(&read(path)?, &read(against)?, from);
    shared.lines(path, against, embedder).iter().for_each(|line| say(line));
    Ok(Status::of(shared.is_good()))
}
