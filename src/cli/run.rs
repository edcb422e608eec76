//! `intercascade run`: from a config to a folder of reports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::progress::Progress;
use super::{Status, block_on, models, say, warn};
use crate::analysis::metrics::{Slice, slices};
use crate::cascade::experiment::{self, Outcome};
use crate::config::assembly::{Assembly, output_folder};
use crate::config::plan;
use crate::model::journal::Journal;
use crate::report::files::write_files;
use crate::report::folder::{JOURNAL, prepare};
use crate::report::manifest::Manifest;
use crate::report::{summary, tables};
use crate::retrieval::{Embedded, embedder};
use crate::types::record::{Record, Score};

/// Width of tables where stdout is no terminal.
const PLAIN_WIDTH: u16 = 120;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade run --config configs/quickstart.toml\n  intercascade run --config configs/quickstart.toml --set deferral.threshold=0.9 --set name=stricter\n\nThe same command resumes a run that was stopped; no call is paid for twice."
)]
pub(super) struct Args {
    /// The config file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Folder for the outputs [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Lay a value over the config; may be repeated
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Check everything and print the calls, tokens and fee to expect; call no model
    #[arg(long)]
    dry_run: bool,
    /// Set outputs that are there aside and start over; the journal of calls stays in use
    #[arg(long)]
    fresh: bool,
}

pub(super) fn run(args: &Args) -> Result<Status> {
    let assembly = Assembly::load(&args.config, &args.set)?;
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
    let manifest = begin(&assembly, before.as_ref());
    manifest.write(&folder)?;
    block_on(go(&assembly, &folder, manifest))
}

async fn go(assembly: &Assembly, folder: &Path, mut manifest: Manifest) -> Result<Status> {
    for name in assembly.weights() {
        models::ensure(&name).await?;
    }
    let embeddings = embed(assembly).await?;
    let journal = Arc::new(Journal::open(&folder.join(JOURNAL))?);
    let setup = assembly.setup(&journal, embeddings)?;
    let (arms, orders) = (&assembly.config.arms, assembly.config.dataset.orders);
    let progress = Progress::steps(&assembly.config.name, arms.len() * orders * setup.items.len());
    let mut done = 0;
    let outcome = experiment::run(&setup, arms, orders, |_| {
        done += 1;
        progress.set(done);
    })
    .await;
    progress.finish();
    let outcome = outcome.with_context(|| {
        format!(
            "the run stopped; every answer so far is in {}, so the same command goes on",
            folder.join(JOURNAL).display()
        )
    })?;

    manifest.warnings = assembly.warnings();
    let answered_by = answered_by(&outcome.records);
    manifest.warnings.extend(warnings(assembly, &outcome, &answered_by));
    manifest.calls_made = Some(journal.calls_made());
    manifest.spent = spent(assembly, &journal)?;
    manifest.answered_by = json!(answered_by);
    write(assembly, folder, &outcome, &manifest)?;
    manifest.ended = Some(now());
    manifest.write(folder)?;

    let width = if console::Term::stdout().is_term() { console::Term::stdout().size().1 } else { PLAIN_WIDTH };
    say(&summary::terminal(&outcome.records, &assembly.prices(), width));
    for warning in &manifest.warnings {
        say(&format!("note: {warning}"));
    }
    say(&format!(
        "{} calls made, the others came from the journal; reports are in {}",
        journal.calls_made(),
        folder.display()
    ));
    Ok(Status::Done)
}

fn begin(assembly: &Assembly, before: Option<&Manifest>) -> Manifest {
    Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identity: assembly.identity(),
        config: assembly.resolved(),
        started: before.map_or_else(now, |before| before.started.clone()),
        ended: None,
        calls_made: None,
        spent: Value::Null,
        answered_by: Value::Null,
        warnings: assembly.warnings(),
    }
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// The queries' embeddings, where an arm learns.
async fn embed(assembly: &Assembly) -> Result<Vec<Embedded>> {
    if !assembly.learns() {
        return Ok(Vec::new());
    }
    let name = assembly.config.learning.embedder;
    let weights = name.weights().map(crate::model::local::weights::path).transpose()?;
    let queries: Vec<String> = assembly.items.iter().map(|item| item.query.clone()).collect();
    // Off this thread, which listens for Ctrl-C meanwhile.
    tokio::task::spawn_blocking(move || {
        let progress = Progress::steps("embedding", queries.len());
        let embeddings = embedder::embed(name, weights.as_deref(), &queries, |done| progress.set(done as u64));
        progress.finish();
        embeddings
    })
    .await?
}

/// Writes every output; none is written over by other contents.
fn write(assembly: &Assembly, folder: &Path, outcome: &Outcome, manifest: &Manifest) -> Result<()> {
    let prices = assembly.prices();
    let mut files = Vec::new();
    for mut table in tables::all(&outcome.records, &prices)? {
        files.extend(table.files()?);
    }
    let mut strategies = Vec::new();
    for stored in &outcome.strategies {
        serde_json::to_writer(&mut strategies, stored)?;
        strategies.push(b'\n');
    }
    files.push(("strategies.jsonl".to_owned(), strategies));
    let records = files.iter().find(|(name, _)| name == "records.csv");
    let old = folder.join("records.csv");
    if let (Some((_, new)), Ok(there)) = (records, std::fs::read(&old))
        && *new != there
    {
        bail!(
            "{} is there and this run of the same config gives other records (made by another version, or the journal was changed); \
             set it aside with --fresh",
            old.display()
        );
    }
    let context = summary::Context {
        name: &assembly.config.name,
        setting: assembly.setting(),
        warnings: manifest.warnings.clone(),
        prices: &prices,
    };
    files.push(("summary.md".to_owned(), summary::markdown(&outcome.records, &context).into_bytes()));
    let placed: Vec<(PathBuf, Vec<u8>)> = files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
    write_files(&placed)
}

fn spent(assembly: &Assembly, journal: &Journal) -> Result<Value> {
    let spent = assembly.spent(journal)?.into_iter().map(|(name, (usage, fee))| {
        let fee = fee.map(crate::analysis::price::Fee::usd);
        (name, json!({ "usage": usage, "fee_usd": fee }))
    });
    Ok(Value::Object(spent.collect()))
}

/// By model, the names under which its answers came.
type AnsweredBy<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn answered_by(records: &[Record]) -> AnsweredBy<'_> {
    let mut names = AnsweredBy::new();
    for call in records.iter().flat_map(|record| &record.calls) {
        if let Some(answered_by) = &call.answered_by {
            names.entry(&call.model).or_default().insert(answered_by);
        }
    }
    names
}

/// What the records show that a reader must know.
fn warnings(assembly: &Assembly, outcome: &Outcome, answered_by: &AnsweredBy) -> Vec<String> {
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
    for slice in slices(&outcome.records) {
        lines.extend(gate_warning(&slice));
        let silent = slice.no_answer();
        if silent > 0.0 {
            lines.push(format!(
                "{}: no answer could be read for {:.1} % of the items.",
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

/// A gate that lets everything through or nothing decides nothing.
fn gate_warning(slice: &Slice) -> Option<String> {
    let threshold = slice.cell.threshold?;
    let what = match slice.strong_calls() {
        0 => "accepts everything",
        n if n == slice.records.len() => "defers everything",
        _ => return None,
    };
    Some(format!("{}: the gate at {threshold} {what}; another threshold would tell more.", slice.cell.arm))
}
