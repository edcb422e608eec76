//! `intercascade reproduce`: a paper's tables over a family of experiments, and its claims judged by what comes out.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::ablate::Prepared;
use super::report::Kept;
use super::results::Results;
use super::session::Sources;
use super::{Status, run, say, terminal_width, warn, warn_of_old};
use crate::analysis::metrics::Comparison;
use crate::backend::raw::BackendKind;
use crate::config::assembly::Assembly;
use crate::config::forecast::{self, InAll};
use crate::config::reproduction::{Ablation, Experiment, Family, Paper, Table};
use crate::dataset::catalogue::Catalogue;
use crate::gateway::journal::{Elapsed, times};
use crate::report::claims::{Judged, headline};
use crate::report::folder::{JOURNAL, replace};
use crate::report::grid;
use crate::report::reproduction::{self, Shows, figures};

/// Arguments of `reproduce`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade reproduce --list\n  intercascade reproduce headline\n  intercascade reproduce all --recompute\n\nThe family `offline` answers from recordings, with no model, no weights and no key. Only figures of the paper's abstract are called the paper's. Exit status 1: a figure is further from what its file expects than the file allows."
)]
pub(super) struct Args {
    /// The tables, by name [default: all]
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// Which experiments: offline, paper-pair or live
    #[arg(long, default_value = "offline")]
    family: String,
    /// The same experiments on another data set, one that the family names
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Folder for the outputs
    #[arg(long, value_name = "DIR", default_value = "results/reproduce")]
    out: PathBuf,
    /// Say what there is, what it takes and whether it is recorded; call no model
    #[arg(long)]
    list: bool,
    /// Leave recordings aside and ask the models
    #[arg(long)]
    recompute: bool,
    /// Set the experiments' outputs that are there aside and start over; the journal stays in use
    #[arg(long)]
    fresh: bool,
    /// The paper's folder
    #[arg(long, value_name = "DIR", default_value = "configs/paper")]
    paper: PathBuf,
    #[command(flatten)]
    sources: Sources,
}

impl Args {
    /// The name of an experiment's folder: of another on other data.
    fn on_data(&self, name: &str) -> String {
        self.dataset.as_ref().map_or(name.to_owned(), |dataset| format!("{name}, {dataset}"))
    }
}

/// Where the answers of an experiment or an ablation come from.
struct Answers<'a> {
    /// What answers everything, where it is there and not left aside.
    recording: Option<&'a Path>,
    /// The recording that it should be told from and that is not there.
    lacking: Option<&'a Path>,
    /// All that may be asked, the recording among it.
    sources: Sources,
}

impl<'a> Answers<'a> {
    fn new(recording: Option<&'a Path>, args: &Args) -> Self {
        // A recording is of the experiment's own data.
        let wanted = recording.filter(|_| !args.recompute && args.dataset.is_none());
        let recording = wanted.filter(|path| path.exists());
        let sources = match recording {
            Some(path) => args.sources.replay(path),
            // What is only listed need not be callable.
            None if args.list => args.sources.unasked(),
            None => args.sources.clone(),
        };
        Self { recording, lacking: wanted.filter(|_| recording.is_none()), sources }
    }

    /// Whether it can be told. Nobody who asks for recorded tables expects models to be started.
    fn there(&self, name: &str) -> bool {
        if let Some(path) = self.lacking {
            warn(&format!("{name} is left out: there is no {}; --recompute asks its models", path.display()));
        }
        self.lacking.is_none()
    }
}

/// An experiment that can be run.
struct Ready<'a> {
    experiment: &'a Experiment,
    assembly: Assembly,
    answers: Answers<'a>,
}

impl<'a> Ready<'a> {
    /// `data` is laid over its config last.
    fn new(experiment: &'a Experiment, data: &[String], args: &Args) -> Result<Self> {
        let answers = Answers::new(experiment.recording.as_deref(), args);
        let assembly = answers.sources.load(&experiment.config, &[&experiment.set, data].concat());
        Ok(Self { experiment, assembly: assembly.with_context(|| experiment.name.clone())?, answers })
    }

    /// Why a verdict on it is none on the paper.
    fn yardstick(&self) -> Result<Option<&'static str>> {
        if self.assembly.strong.backend.kind() == BackendKind::Reference {
            return Ok(Some("the teacher is no model"));
        }
        if self.assembly.config.dataset.path.is_some() {
            return Ok(None);
        }
        let catalogue = Catalogue::find(Some(&self.experiment.config))?;
        let entry = catalogue.entries.iter().find(|entry| entry.name == self.assembly.dataset);
        let written_here = entry.is_some_and(|entry| entry.source.is_none());
        Ok(written_here.then_some("the data set is our own"))
    }
}

/// An ablation that can be run.
struct Compared<'a> {
    name: &'a str,
    prepared: Prepared,
    answers: Answers<'a>,
}

impl<'a> Compared<'a> {
    /// `data` is laid over its configs last.
    fn new(ablation: &'a Ablation, data: &[String], args: &Args) -> Result<Self> {
        let answers = Answers::new(ablation.recording.as_deref(), args);
        let prepared = Prepared::load(&ablation.file, data, &answers.sources)?;
        Ok(Self { name: &ablation.name, prepared, answers })
    }
}

pub(super) fn run(args: &Args) -> Result<Status> {
    let paper = Paper::load(&args.paper)?;
    let family = paper.family(&args.family)?;
    let (tables, ablations) = paper.chosen(family, &args.tables)?;
    let data = family.other_data(args.dataset.as_deref())?;
    let experiments = family.experiments.iter().filter(|one| args.dataset.is_none() || !one.own_data_only);
    let ready = experiments.map(|experiment| Ready::new(experiment, data, args)).collect::<Result<Vec<_>>>()?;
    let compared = ablations.into_iter().map(|ablation| Compared::new(ablation, data, args));
    let mut compared = compared.collect::<Result<Vec<_>>>()?;
    if args.list {
        return list(&paper, family, &ready, &compared);
    }
    let mut needed: Vec<&Ready> = ready.iter().filter(|ready| tables.iter().any(|table| asks(table, ready))).collect();
    needed.retain(|ready| ready.answers.there(&ready.experiment.name));
    compared.retain(|compared| compared.answers.there(compared.name));
    if needed.is_empty() && compared.is_empty() {
        bail!(
            "no experiment that can be told here makes what is asked for; `intercascade reproduce --list` says what there is"
        );
    }
    for (at, Ready { experiment, assembly, answers }) in needed.iter().enumerate() {
        let how =
            answers.recording.map_or("its models are asked".to_owned(), |path| format!("from {}", path.display()));
        warn(&format!("{} of {}: {}, {how}", at + 1, needed.len(), experiment.name));
        let (folder, journal) = (folder_of(args, experiment), args.out.join(JOURNAL));
        run::quietly(assembly, &folder, &journal, &answers.sources, args.fresh)?;
    }
    for Compared { name, prepared, answers } in &compared {
        let shown = prepared.take(&args.out.join(args.on_data(name)), &answers.sources, args.fresh)?;
        if args.tables.iter().any(|table| table == name) {
            say(&shown);
        }
    }
    if needed.is_empty() { Ok(Status::Done) } else { report(args, family, &tables, &needed) }
}

/// Whether a table is made from an experiment: the headline from those that it judges, the others from all.
fn asks(table: &Table, ready: &Ready) -> bool {
    table.shows != Shows::Headline || table.claims.iter().any(|claim| claim.experiment == ready.experiment.name)
}

/// The folder of an experiment's run.
fn folder_of(args: &Args, experiment: &Experiment) -> PathBuf {
    args.out.join("runs").join(args.on_data(&experiment.name))
}

/// How fast models are, by the model.
type Pace = BTreeMap<String, Elapsed>;

/// Says what there is.
fn list(paper: &Paper, family: &Family, ready: &[Ready], compared: &[Compared]) -> Result<Status> {
    say(&family.about);
    let recordings = family.recordings().filter(|path| path.exists());
    let recorded =
        recordings.map(|path| Ok((path, times(path)?))).collect::<Result<BTreeMap<&Path, (Elapsed, Pace)>>>()?;
    let mut pace = Pace::new();
    for (model, elapsed) in recorded.values().flat_map(|(_, models)| models) {
        pace.entry(model.clone()).or_default().add(elapsed);
    }
    let header = ["experiment", "items", "calls at most", "tokens", "fee USD", "recorded", "minutes"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut row = |name: &str, runs: &[&Assembly], answers: &Answers| {
        let loads: Vec<InAll> = runs.iter().map(|run| forecast::in_all(run)).collect();
        let fee: Option<f64> = loads.iter().map(|load| load.fee).sum();
        let minutes = match answers.recording {
            Some(path) => Some(format!("took {:.0}", recorded[path].0.seconds / 60.0)),
            None => seconds(&loads, &pace).map(|seconds| format!("at most {:.0}", seconds / 60.0)),
        };
        rows.push(vec![
            name.to_owned(),
            runs[0].stream().len().to_string(),
            loads.iter().map(InAll::all_calls).sum::<usize>().to_string(),
            loads.iter().map(|load| load.tokens).sum::<u64>().to_string(),
            fee.map_or("–".to_owned(), |fee| format!("{fee:.4}")),
            if answers.recording.is_some() { "yes".to_owned() } else { "no".to_owned() },
            minutes.unwrap_or("–".to_owned()),
        ]);
    };
    for Ready { experiment, assembly, answers } in ready {
        row(&experiment.name, &[assembly], answers);
    }
    for Compared { name, prepared, answers } in compared {
        row(name, &prepared.assemblies().collect::<Vec<_>>(), answers);
    }
    say(&grid::table(&rows, 1, terminal_width()));
    say(
        "minutes: those in which the recording's calls were made, or all calls at the pace of the recordings, one model after the \
         other; the runs of an ablation share calls, and take far fewer",
    );
    let mut rows = vec![["table", "what stands in it", "known from"].map(str::to_owned).to_vec()];
    for Table { title, shows, source, .. } in &paper.tables {
        rows.push(vec![shows.name().to_owned(), title.clone(), source.clone()]);
    }
    for Ablation { name, file, .. } in &family.ablations {
        rows.push(vec![name.clone(), format!("The ablation {}", file.display()), "Ours.".to_owned()]);
    }
    say(&grid::table(&rows, 3, terminal_width()));
    Ok(Status::Done)
}

/// The seconds that calls take, where the pace of all their models is known.
fn seconds(loads: &[InAll], pace: &Pace) -> Option<f64> {
    let calls = loads.iter().flat_map(|load| load.calls);
    calls.map(|(model, calls)| Some(pace.get(model)?.seconds_for(calls))).sum()
}

/// Writes the tables and shows them, from the experiments' records alone.
fn report(args: &Args, family: &Family, tables: &[&Table], needed: &[&Ready]) -> Result<Status> {
    let kept = needed.iter().map(|ready| Kept::read(&folder_of(args, ready.experiment))).collect::<Result<Vec<_>>>()?;
    let results = kept.iter().map(|run| Results::new(&run.manifest, &run.records, &run.told));
    let results = results.collect::<Result<Vec<_>>>()?;
    let comparisons: Vec<Comparison> = results.iter().map(Results::comparison).collect();
    let mut experiments = Vec::new();
    for (ready, comparison) in needed.iter().zip(&comparisons) {
        let name = &*ready.experiment.name;
        experiments.push(reproduction::Experiment { name, comparison, yardstick: ready.yardstick()? });
    }
    let mut files = Vec::new();
    let mut missed = Vec::new();
    for table in tables {
        let judged: Vec<Judged> = table.claims.iter().filter_map(|claim| Judged::new(claim, &experiments)).collect();
        if table.shows == Shows::Headline && judged.is_empty() {
            continue;
        }
        let shown = if table.shows == Shows::Headline { headline(&judged) } else { figures(table.shows, &experiments) };
        // What is expected is expected of the experiment's own data.
        missed.extend(judged.iter().filter(|judged| args.dataset.is_none() && !judged.holds()).map(told));
        // More than a few at once are to be looked up, not read.
        if tables.len() <= 3 || table.shows == Shows::Headline {
            say(&format!("{}\n{}", table.title, shown.terminal(terminal_width())));
        }
        let name = table.shows.name();
        files.push((format!("{name}.md"), markdown(table, family, needed, &shown.markdown()).into_bytes()));
        files.push((format!("{name}.tex"), shown.latex().into_bytes()));
        files.extend(shown.table()?.files()?);
    }
    for reason in experiments.iter().filter_map(|one| Some(format!("{}: {}", one.name, one.yardstick?))) {
        say(&format!("note: no verdict on the paper itself for {reason}; its figure is a yardstick"));
    }
    warn_of_old(replace(&args.out, files)?);
    say(&format!("tables are in {} (.md, .tex, .csv, .parquet)", args.out.display()));
    for line in &missed {
        warn(&format!("not as expected: {line}"));
    }
    Ok(if missed.is_empty() { Status::Done } else { Status::CheckFailed })
}

/// A claim that is further from what was expected than its file allows.
fn told(judged: &Judged) -> String {
    let found = judged.in_unit().map_or("none".to_owned(), |change| format!("{change:+.2}"));
    let expected = judged.claim.expected.map(|expected| format!("{:+.2} ± {}", expected.value, expected.within));
    format!(
        "{}, {}: {found} {} instead of {}",
        judged.claim.experiment,
        judged.claim.name(),
        judged.claim.figure.unit(),
        expected.unwrap_or_default()
    )
}

/// A table with what a reader must know of it.
fn markdown(table: &Table, family: &Family, needed: &[&Ready], shown: &str) -> String {
    let mut text = format!("# {}\n\n{} {}\n\n{}\n", table.title, table.source, family.about, shown);
    text += "In brackets 95 % bootstrap intervals over groups, unadjusted. Changes are against the standard cascade of the same \
             experiment.\n";
    for Ready { experiment, assembly, .. } in needed {
        let _ = write!(text, "\n**{}**\n\n", experiment.name);
        for line in assembly.setting().iter().chain(&experiment.choices) {
            let _ = writeln!(text, "- {line}");
        }
    }
    text
}
