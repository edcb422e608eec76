//! `intercascade run`: from a config to a folder of reports.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::results::Results;
use super::session::{AnsweredBy, Named, Session, Sources, answered_by, begin, now};
use super::{Status, block_on, say, terminal_width, warn};
use crate::analysis::metrics::{Slice, slices};
use crate::cascade::experiment::{Outcome, Stored};
use crate::config::assembly::{Assembly, output_folder};
use crate::config::plan;
use crate::model::entry::Backend;
use crate::report::folder::{place, prepare};
use crate::report::manifest::Manifest;
use crate::report::summary;
use crate::types::record::Score;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade run --config configs/quickstart.toml\n  intercascade run --config configs/quickstart.toml --set deferral.threshold=0.9 --set name=stricter\n\nThe same command resumes a run that was stopped; no call is paid for twice."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    /// Folder for the outputs [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Check everything and print the calls, tokens and fee to expect; call no model
    #[arg(long)]
    dry_run: bool,
    /// Set outputs that are there aside and start over; the journal of calls stays in use
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status> {
    let assembly = args.named.load(&[])?;
    if args.dry_run {
        for line in plan::lines(&assembly) {
            say(&line);
        }
        return Ok(Status::Done);
    }
    let folder = output_folder(&assembly.config, args.out.as_deref());
    let before = prepare(&folder, &assembly.identity(), args.fresh)?;
    if before.is_some() {
        warn("this run was begun before; answers in its journal are not asked for again");
    }
    let manifest = begin(&assembly, assembly.identity(), before.as_ref());
    manifest.write(&folder)?;
    let session = Session::open(&assembly, &folder, &args.sources)?;
    block_on(go(&session, &folder, manifest))
}

async fn go(session: &Session<'_>, folder: &Path, mut manifest: Manifest) -> Result<Status> {
    let assembly = session.assembly;
    let models = session.models().await?;
    let gates = assembly.gates();
    let told = session.calibrate(&models, &gates).await?;
    let stated: Vec<f64> = assembly.config.deferral.stated().into_iter().collect();
    let cells = gates.cells(&told.arms, &stated, assembly.orders());
    let outcome = session.through(&models, &cells, &assembly.config.name).await?;

    let answered_by = answered_by(outcome.records.iter().chain(&told.records));
    session.complete(&mut manifest, &answered_by)?;
    manifest.warnings = assembly.warnings();
    manifest.warnings.extend(session.leakage(&models));
    manifest.warnings.extend(slices(&outcome.records).iter().filter_map(gate_warning));
    manifest.warnings.extend(warnings(assembly, &outcome, &answered_by));
    manifest.ended = Some(now());
    let results = Results::new(&manifest, &outcome.records, &told.records)?;
    let comparison = results.comparison();
    let mut files = results.files(&comparison)?;
    files.push(("strategies.jsonl".to_owned(), lines(&outcome.strategies)?));
    files.extend(session.unparsed(&outcome.records).await?);
    place(folder, files)?;
    manifest.write(folder)?;

    say(&summary::terminal(&comparison, terminal_width()));
    for note in results.notes(&comparison) {
        say(&format!("note: {note}"));
    }
    session.say_end();
    Ok(Status::Done)
}

/// As JSON, one line each.
pub(super) fn lines(strategies: &[Stored]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for stored in strategies {
        serde_json::to_writer(&mut bytes, stored)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// What the records show that a reader must know.
pub(super) fn warnings(assembly: &Assembly, outcome: &Outcome, answered_by: &AnsweredBy) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in [&assembly.weak, &assembly.strong].into_iter().filter(|entry| entry.base_url.is_some()) {
        for name in answered_by.get(entry.name.as_str()).into_iter().flatten() {
            // Servers answer with a dated name for the alias that was asked for.
            if !name.starts_with(entry.server_name()) {
                lines.push(format!(
                    "`{}` was asked for, and the answers say that `{name}` gave them.",
                    entry.server_name()
                ));
            }
        }
    }
    lines.extend(builds_warning(assembly, answered_by));
    for slice in slices(&outcome.records) {
        let silent = slice.no_answer();
        if silent > 0.0 {
            lines.push(format!(
                "{}: no answer could be read for {:.1} % of the items; they are listed in unparsed.jsonl.",
                slice.cell.arm,
                silent * 100.0
            ));
        }
    }
    if outcome.unreadable_strategies > 0 {
        lines.push(format!(
            "{} deferred answers held no readable strategy; the answers count, nothing was stored.",
            outcome.unreadable_strategies
        ));
    }
    let wrong = outcome.strategies.iter().filter(|stored| stored.strategy.source_score != Score::Correct).count();
    if wrong > 0 {
        lines.push(format!(
            "{wrong} of {} stored strategies come from a wrong strong answer.",
            outcome.strategies.len()
        ));
    }
    lines
}

/// Answers of local servers are those of a build of the engine: the journal may hold another's than the one that runs now.
fn builds_warning(assembly: &Assembly, answered_by: &AnsweredBy) -> Option<String> {
    let local = [&assembly.weak, &assembly.strong].into_iter().filter(|entry| entry.backend == Backend::LlamaServer);
    let names = local.filter_map(|entry| answered_by.get(entry.name.as_str())).flatten();
    let builds: BTreeSet<&str> = names.map(|name| name.rsplit_once(", ").map_or(*name, |(_, build)| build)).collect();
    let told = builds.iter().map(|build| format!("`{build}`")).collect::<Vec<_>>().join(" and ");
    (builds.len() > 1).then(|| {
        format!("Answers come from {told}: another build can answer the same prompt differently, so the run mixes two engines.")
    })
}

/// A gate that lets everything through or nothing decides nothing.
fn gate_warning(slice: &Slice) -> Option<String> {
    let threshold = slice.cell.threshold?;
    let what = match slice.strong_calls() {
        0 => "accepts everything",
        n if n == slice.taken.len() => "defers everything",
        _ => return None,
    };
    Some(format!("{}: the gate at {threshold} {what}; another threshold would tell more.", slice.cell.arm))
}
