//! `intercascade datasets list | fetch | generate | check`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Subcommand;

use super::{Failure, Status, drive, say, warn};
use crate::dataset::fetch::Fetched;
use crate::dataset::survey::Survey;
use crate::dataset::{Format, Reading};
use crate::retrieval::embedder::EmbedderName;
use crate::retrieval::leakage;
use crate::run::audit::Audit;
use crate::run::data_sets;
use crate::run::dataset_check::Shared;
use crate::run::transfers::fetch_data_set;
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

pub(super) fn run(verb: &Verb) -> Result<Status, Failure> {
    match verb {
        Verb::List => data_sets::listing()?.iter().for_each(|line| say(line)),
        Verb::Fetch { name, split, unverified } => {
            let split = split.as_deref();
            let fetched = drive(async |progress| fetch_data_set(name, split, *unverified, &progress).await)?;
            for Fetched { path, sha256, pinned } in fetched {
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
            let good = match (against, answers) {
                (None, None) => {
                    let survey = Survey::of(path, &reading)?;
                    survey.lines(path).iter().for_each(|line| say(line));
                    survey.is_good()
                }
                (None, Some(run)) => {
                    let audit = Audit::read(path, &reading, run)?;
                    audit.notes().iter().for_each(|note| warn(note));
                    audit.list(&mut say)? == 0
                }
                (Some(other), _) => {
                    let (files, embedder) =
                        ([path.as_path(), other], EmbedderName::named(embedder).unwrap_or_default());
                    let shared = drive(async |progress| {
                        Shared::between(files, &reading, embedder, *similar_from, &progress).await
                    })?;
                    shared.lines().iter().for_each(|line| say(line));
                    shared.is_good()
                }
            };
            return Ok(Status::of(good));
        }
    }
    Ok(Status::Done)
}
