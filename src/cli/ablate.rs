//! `intercascade ablate`: one config, and what each change in it makes of the result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::report::Kept;
use super::results::Results;
use super::session::{Outputs, Sources};
use super::{Status, run, say, terminal_width, warn, warn_of_old};
use crate::analysis::metrics::Comparison;
use crate::config::ablation::{self, Ablation};
use crate::config::assembly::Assembly;
use crate::config::forecast;
use crate::report::ablation::{Row, Variant, markdown, table, terminal};
use crate::report::folder::{JOURNAL, replace};
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
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status> {
    if args.outputs.dry_run {
        let prepared = Prepared::load(&args.config, &[], &args.sources.unasked())?;
        for (told, assembly) in &prepared.runs {
            say(&format!("\n{told}"));
            for line in forecast::lines(assembly) {
                say(&line);
            }
        }
        return Ok(Status::Done);
    }
    let prepared = Prepared::load(&args.config, &[], &args.sources)?;
    let out = args.outputs.out.clone().unwrap_or_else(|| Path::new("results").join(&prepared.ablation.name));
    say(&prepared.take(&out, &args.sources, args.outputs.fresh)?);
    say(&format!("reports are in {}", out.display()));
    Ok(Status::Done)
}

/// An ablation that can be run.
pub(super) struct Prepared {
    ablation: Ablation,
    /// Its runs, in its order, with how they are called.
    runs: Vec<(String, Assembly)>,
}

impl Prepared {
    /// Reads a file, with `more` laid over every config last, and checks every variant, before the first call is made.
    pub(super) fn load(file: &Path, more: &[String], sources: &Sources) -> Result<Self> {
        let ablation = Ablation::load(file)?;
        let mut runs = Vec::new();
        for (title, variant) in ablation.runs() {
            let told = format!("{title}: {}", variant.name);
            let set = [&ablation.set, &variant.set, more].concat();
            let assembly = sources.load(&ablation.config, &set).with_context(|| told.clone())?;
            runs.push((told, assembly));
        }
        let folders: Vec<PathBuf> =
            ablation.runs().iter().map(|(title, run)| folder_of(Path::new(""), title, run)).collect();
        if let Some(second) = (1..folders.len()).find(|at| folders[..*at].contains(&folders[*at])) {
            bail!(
                "{}: {}: its folder would be another run's; its name must differ in letters or digits",
                file.display(),
                runs[second].0
            );
        }
        for (_, variant) in ablation.variants() {
            if !runs[place(&ablation, variant)].1.config.arms.contains(&variant.arm) {
                bail!("{}: `{}`: `arms` does not name {}", file.display(), variant.name, variant.arm.name());
            }
        }
        Ok(Self { ablation, runs })
    }

    /// The configs of its runs.
    pub(super) fn assemblies(&self) -> impl Iterator<Item = &Assembly> {
        self.runs.iter().map(|(_, assembly)| assembly)
    }

    /// Takes all variants through and writes the tables; gives them for a terminal.
    pub(super) fn take(&self, out: &Path, sources: &Sources, fresh: bool) -> Result<String> {
        let folders = self.ablation.runs().into_iter().map(|(title, variant)| folder_of(out, title, variant));
        for (at, (folder, (told, assembly))) in folders.zip(&self.runs).enumerate() {
            warn(&format!("{} of {}: {told}", at + 1, self.runs.len()));
            run::quietly(assembly, &folder, &out.join(JOURNAL), sources, fresh)?;
        }
        report(&self.ablation, out)
    }
}

/// Writes the tables, from the variants' records alone; gives them for a terminal.
fn report(ablation: &Ablation, out: &Path) -> Result<String> {
    let runs = ablation.runs();
    let kept = runs.iter().map(|(title, variant)| Kept::read(&folder_of(out, title, variant)));
    let kept = kept.collect::<Result<Vec<Kept>>>()?;
    let results = kept.iter().map(|run| Results::new(&run.manifest, &run.records, &run.told));
    let results = results.collect::<Result<Vec<_>>>()?;
    let comparisons: Vec<Comparison> = results.iter().map(Results::comparison).collect();
    let mut rows = Vec::new();
    for (title, variant) in ablation.variants() {
        let shown = Variant { title, name: &variant.name, settings: &variant.set, arm: variant.arm };
        rows.push(Row::new(shown, &comparisons[place(ablation, variant)])?);
    }
    // What is said of some runs alone is said with their names.
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for ((_, variant), run) in runs.iter().zip(&kept) {
        for note in run.manifest.warnings.iter().chain(&run.manifest.price_notes) {
            said.entry(note).or_default().push(&variant.name);
        }
    }
    let note = |(note, of): (&str, Vec<&str>)| {
        if of.len() == runs.len() { note.to_owned() } else { format!("{}: {note}", of.join(", ")) }
    };
    let notes: Vec<String> = said.into_iter().map(note).collect();
    let summary = markdown(&ablation.name, &kept[0].manifest.setting, &notes, &rows);
    let mut files = vec![(SUMMARY.to_owned(), summary.into_bytes())];
    files.extend(table(&rows)?.files()?);
    warn_of_old(replace(out, files)?);
    Ok(terminal(&rows, terminal_width()))
}

/// The place among the runs of the one that gives a variant's row.
fn place(ablation: &Ablation, variant: &ablation::Variant) -> usize {
    ablation.runs().iter().position(|(_, run)| run.set == variant.set).expect("every variant's settings are run")
}

/// The folder of one run.
fn folder_of(out: &Path, title: &str, variant: &ablation::Variant) -> PathBuf {
    let plain = |text: &str| {
        let name = text.replace(|c: char| !c.is_alphanumeric() && !"=.-".contains(c), "_");
        if name.chars().all(|c| c == '.') { name.replace('.', "_") } else { name }
    };
    out.join("runs").join(plain(title)).join(plain(&variant.name))
}
