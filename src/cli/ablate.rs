//! `intercascade ablate`: one config, and what each change in it makes of the result.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::report::Kept;
use super::results::Results;
use super::session::{Session, Sources, begin};
use super::{Status, block_on, run, say, terminal_width, warn};
use crate::analysis::metrics::Comparison;
use crate::config::ablation::Ablation;
use crate::config::assembly::Assembly;
use crate::config::plan;
use crate::report::ablation::{Row, Variant, markdown, table, terminal};
use crate::report::folder::{JOURNAL, prepare, replace};
use crate::report::summary::SUMMARY;

/// Arguments of `ablate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade ablate --config configs/ablations/pair-teaching.toml\n\nThe file names a config and tables of variants, each with the values that it lays over the config. All variants share one journal, so what they ask alike is asked and paid for once; the same command resumes."
)]
pub(super) struct Args {
    /// The ablation's file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Folder for the outputs [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Check everything and print what each variant would run; call no model
    #[arg(long)]
    dry_run: bool,
    /// Set the variants' outputs that are there aside and start over; the journal stays in use
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status> {
    let ablation = Ablation::load(&args.config)?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("results").join(&ablation.name));
    // All are checked before the first call is made.
    let load = |set: &[String]| Assembly::load(&ablation.config, &[&ablation.set, set].concat()).context(told(set));
    let runs = ablation.runs().into_iter().map(|set| Ok((set, load(set)?))).collect::<Result<Vec<_>>>()?;
    for variant in ablation.variants() {
        let arms = runs.iter().find(|(set, _)| *set == &*variant.set).map(|(_, assembly)| &assembly.config.arms);
        if arms.is_some_and(|arms| !arms.contains(&variant.arm)) {
            bail!("{}: `{}`: `arms` does not name {}", args.config.display(), variant.name, variant.arm.name());
        }
    }
    if args.dry_run {
        for (set, assembly) in &runs {
            say(&format!("\n{}", told(set)));
            for line in plan::lines(assembly) {
                say(&line);
            }
        }
        return Ok(Status::Done);
    }
    for (at, (set, assembly)) in runs.iter().enumerate() {
        warn(&format!("{} of {}: {}", at + 1, runs.len(), told(set)));
        one(assembly, &folder_of(&out, set), &out.join(JOURNAL), args)?;
    }
    report(&ablation, &out)?;
    Ok(Status::Done)
}

/// Takes one variant through, as `run` would.
fn one(assembly: &Assembly, folder: &Path, journal: &Path, args: &Args) -> Result<()> {
    let before = prepare(folder, &assembly.identity(), args.fresh)?;
    let manifest = begin(assembly, assembly.identity(), before.as_ref());
    manifest.write(folder)?;
    let session = Session::open_with(assembly, folder, journal, &args.sources)?.quiet();
    block_on(run::go(&session, manifest)).map(|_| ())
}

/// Writes and shows the tables, from the variants' records alone.
fn report(ablation: &Ablation, out: &Path) -> Result<()> {
    let kept = ablation.runs().into_iter().map(|set| Ok((set, Kept::read(&folder_of(out, set))?)));
    let kept = kept.collect::<Result<Vec<(&[String], Kept)>>>()?;
    let results = kept.iter().map(|(_, run)| Results::new(&run.manifest, &run.records, &run.told));
    let results = results.collect::<Result<Vec<_>>>()?;
    let comparisons: Vec<Comparison> = results.iter().map(Results::comparison).collect();
    let mut rows = Vec::new();
    for block in &ablation.tables {
        for variant in &block.variants {
            let at = kept.iter().position(|(set, _)| *set == &*variant.set).context("every variant was run")?;
            let shown = Variant { title: &block.title, name: &variant.name, settings: &variant.set, arm: variant.arm };
            rows.push(Row::new(shown, &comparisons[at])?);
        }
    }
    let mut notes: Vec<&str> = Vec::new();
    for (_, run) in &kept {
        let all = run.manifest.warnings.iter().chain(&run.manifest.price_notes);
        notes.extend(all.map(String::as_str));
    }
    notes.sort_unstable();
    notes.dedup();
    let summary = markdown(&ablation.name, &kept[0].1.manifest.setting, &notes, &rows);
    let mut files = vec![(SUMMARY.to_owned(), summary.into_bytes())];
    files.extend(table(&rows)?.files()?);
    if let Some((aside, names)) = replace(out, files)? {
        warn(&format!("{} differ from before; the old ones are in {}", names.join(", "), aside.display()));
    }
    say(&terminal(&rows, terminal_width()));
    say(&format!("reports are in {}", out.display()));
    Ok(())
}

/// The folder of one run.
fn folder_of(out: &Path, set: &[String]) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "=.-".contains(c) { c } else { '_' };
    out.join("runs").join(told(set).chars().map(plain).collect::<String>())
}

/// What is laid over the config, as people read it.
fn told(set: &[String]) -> String {
    if set.is_empty() { "as it is".to_owned() } else { set.join(", ") }
}
