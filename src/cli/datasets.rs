//! `intercascade datasets list | fetch | generate | check`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Subcommand;

use super::args::input;
use super::{Failure, Status, drive, print, warn};
use crate::dataset::fetch::Fetched;
use crate::dataset::survey::Survey;
use crate::dataset::{Format, Reading};
use crate::retrieval::embedder::EmbedderName;
use crate::retrieval::leakage;
use crate::run::audit::Audit;
use crate::run::data_sets;
use crate::run::dataset_check::FileOverlap;
use crate::run::transfers::fetch_data_set;
use crate::types::seed::Seed;

/// Subcommands of `datasets`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the catalogue's data sets, their licences and local files
    #[command(after_help = "Example:\n  intercascade datasets list")]
    List,
    /// Download a data set from its publisher and verify it
    #[command(after_help = "Example:\n  intercascade datasets fetch gsm8k")]
    Fetch {
        /// Fetch the data set of this name
        name: String,
        /// Fetch only this split
        #[arg(long)]
        split: Option<String>,
        /// Also fetch files without a checksum in the catalogue
        #[arg(long)]
        unverified: bool,
    },
    /// Generate a data set's files from its templates or facts
    #[command(
        after_help = "Example:\n  intercascade datasets generate gsm-templates --seed 2 --instances 20 --out /tmp/more"
    )]
    Generate {
        /// Generate the data set of this name
        name: String,
        /// Write the files to this folder [default: the catalogue's folder]
        #[arg(long)]
        out: Option<PathBuf>,
        /// Use this seed instead of the catalogue's
        #[arg(long)]
        seed: Option<u64>,
        /// Generate this number of problems per template
        #[arg(long)]
        instances: Option<usize>,
    },
    /// Check a GSM8K- or MMLU-style file row by row
    #[command(
        after_help = "Examples:\n  intercascade datasets check my-questions.jsonl\n  intercascade datasets check my-questions.jsonl --answers results/my-run\n\nPATH is a .jsonl, .json, .csv, .tsv or .parquet file (also .gz, .zst), or a folder, .tar or .zip archive with one such file per subject. With --answers each answer is listed with the extraction rule and its position in the text."
    )]
    Check {
        /// Read this file, folder or archive
        #[arg(value_parser = input())]
        path: PathBuf,
        /// Read PATH as this format [default: from ending and first row]
        #[arg(long, value_parser = ["gsm8k", "mmlu"])]
        format: Option<String>,
        /// Read this folder or file of an archive
        #[arg(long)]
        member: Option<String>,
        /// Group items by this field
        #[arg(long)]
        group: Option<String>,
        /// Count groups and near-duplicates shared with this second file
        #[arg(long, value_name = "PATH", value_parser = input())]
        against: Option<PathBuf>,
        /// List the extracted answers of the run in this folder
        #[arg(long, value_name = "RUN", conflicts_with = "against")]
        answers: Option<PathBuf>,
        /// Compare questions with this embedder
        #[arg(long, default_value = "all-minilm-l6-v2", value_parser = ["all-minilm-l6-v2", "hashed-words"])]
        embedder: String,
        /// Count pairs with at least this cosine as near-duplicates
        #[arg(long, default_value_t = leakage::NEAR)]
        similar_from: f64,
    },
}

pub(super) fn run(verb: &Verb) -> Result<Status, Failure> {
    match verb {
        Verb::List => data_sets::listing()?.iter().for_each(|line| print(line)),
        Verb::Fetch { name, split, unverified } => {
            let split = split.as_deref();
            let fetched = drive(async |progress| fetch_data_set(name, split, *unverified, &progress).await)?;
            for Fetched { path, sha256, pinned } in fetched {
                let verified =
                    if pinned { "verified" } else { "no checksum in the catalogue; recorded for later runs" };
                print(&format!("{}  sha256 {sha256}, {verified}", path.display()));
            }
        }
        Verb::Generate { name, out, seed, instances } => {
            for file in data_sets::generate(name, out.clone(), seed.map(Seed), *instances)? {
                print(&format!("{}  {}  {} rows  sha256 {}", file.split, file.path.display(), file.rows, file.sha256));
            }
        }
        Verb::Check { path, format, member, group, against, answers, embedder, similar_from } => {
            let format = format.as_deref().map_or_else(|| Format::of_path(path), Format::named);
            let format = format
                .ok_or_else(|| anyhow!("{}: unknown file ending. State the format with --format", path.display()))?;
            let reading = Reading { member: member.clone(), group: group.clone(), ..Reading::of(format) };
            let passed = match (against, answers) {
                (None, None) => {
                    let survey = Survey::of(path, &reading)?;
                    survey.lines(path).iter().for_each(|line| print(line));
                    survey.is_good()
                }
                (None, Some(run)) => {
                    let audit = Audit::read(path, &reading, run)?;
                    audit.notes().iter().for_each(|note| warn(note));
                    audit.list(&mut print)? == 0
                }
                (Some(other), _) => {
                    let (files, embedder) =
                        ([path.as_path(), other], EmbedderName::named(embedder).unwrap_or_default());
                    let overlap = drive(async |progress| {
                        FileOverlap::between(files, &reading, embedder, *similar_from, &progress).await
                    })?;
                    overlap.lines().iter().for_each(|line| print(line));
                    overlap.is_disjoint()
                }
            };
            return Ok(Status::of(passed));
        }
    }
    Ok(Status::Done)
}
