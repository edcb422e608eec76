//! `intercascade run`: from a config to a folder of reports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::progress::Progress;
use super::{Status, block_on, interrupted, models, say, stopped, unless_interrupted, warn};
use crate::analysis::metrics::{Comparison, Slice, slices};
use crate::analysis::price::Fee;
use crate::cascade::experiment::{self, Cells, Outcome};
use crate::cascade::step::Setup;
use crate::config::assembly::{Assembly, Means, output_folder};
use crate::config::plan;
use crate::model::gate::Gate;
use crate::model::journal::{Journal, Taken};
use crate::model::llama_server::Servers;
use crate::report::files::{write_file, write_files};
use crate::report::folder::{JOURNAL, prepare};
use crate::report::manifest::Manifest;
use crate::report::{summary, tables, unparsed};
use crate::retrieval::Embedded;
use crate::retrieval::embedder::{self, EmbedderName};
use crate::types::chat::CallKey;
use crate::types::item::Item;
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
    /// Take answers from another run's journal too; it is only read; may be repeated
    #[arg(long, value_name = "FILE")]
    journal: Vec<PathBuf>,
    /// Use answers of journals alone: no model, no weights, no network
    #[arg(long)]
    offline: bool,
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
    let mut journal = Journal::open(&folder.join(JOURNAL))?;
    for further in &args.journal {
        journal = journal.with_further(further)?;
    }
    let servers = Servers::new(folder.clone(), models::hearer());
    let means = Means { journal: Arc::new(journal), servers, offline: args.offline };
    block_on(go(&assembly, &folder, manifest, &means))
}

async fn go(assembly: &Assembly, folder: &Path, mut manifest: Manifest, means: &Means) -> Result<Status> {
    let journal = &means.journal;
    let embeddings = unless_interrupted(async {
        if !means.offline {
            for name in assembly.needed_weights() {
                models::ensure(&assembly.weights, &name).await?;
            }
        }
        embed(assembly, journal, means.offline).await
    })
    .await?;
    let (setup, gate) = assembly.setup(embeddings, means)?;
    let outcome = through(assembly, &Arc::new(setup), &gate).await.with_context(|| {
        format!(
            "the run stopped; every answer so far is in {}, so the same command goes on",
            folder.join(JOURNAL).display()
        )
    })?;

    manifest.warnings = assembly.warnings();
    let answered_by = answered_by(&outcome.records);
    manifest.warnings.extend(warnings(assembly, &outcome, &answered_by));
    manifest.calls_made = Some(journal.calls_made());
    manifest.spent = spent(assembly, journal)?;
    manifest.answered_by = json!(answered_by);
    let prices = assembly.prices();
    let comparison = Comparison::new(&outcome.records, &[], &prices, assembly.config.seed);
    write(assembly, folder, &outcome, &comparison, &manifest)?;
    let unparsed = unparsed::lines(&outcome.records, journal).await?;
    if !unparsed.is_empty() {
        write_file(&folder.join(unparsed::FILE), &unparsed)?;
    }
    manifest.ended = Some(now());
    manifest.write(folder)?;

    let width = if console::Term::stdout().is_term() { console::Term::stdout().size().1 } else { PLAIN_WIDTH };
    say(&summary::terminal(&comparison, width));
    for warning in &manifest.warnings {
        say(&format!("note: {warning}"));
    }
    let imported = match journal.calls_imported() {
        0 => String::new(),
        imported => format!(" ({imported} from further journals)"),
    };
    say(&format!(
        "{} calls made, the others came from the journal{imported}; reports are in {}",
        journal.calls_made(),
        folder.display()
    ));
    Ok(Status::Done)
}

/// Takes every item through every arm. The first interruption lets the calls in flight end, the second does not.
async fn through(assembly: &Assembly, setup: &Arc<Setup>, gate: &Gate) -> Result<Outcome> {
    let config = &assembly.config;
    let thresholds = [config.deferral.threshold];
    let cells = Cells { arms: &config.arms, orders: config.dataset.orders, thresholds: &thresholds };
    let progress = Progress::steps(&config.name, config.arms.len() * config.dataset.orders * setup.items.len());
    let mut done = 0;
    let mut run = std::pin::pin!(experiment::run(setup, &cells, gate, config.limits.concurrency, |_| {
        done += 1;
        progress.set(done);
    }));
    let mut stopping = false;
    let outcome = loop {
        tokio::select! {
            outcome = &mut run => break outcome,
            () = interrupted() => {
                if stopping {
                    return Err(stopped());
                }
                stopping = true;
                gate.stop();
                warn("stopping when the calls in flight have ended; again to stop at once");
            }
        }
    };
    progress.finish();
    outcome.map_err(|error| if stopping && error.is_stop() { stopped() } else { error.into() })
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

/// The queries' embeddings, where an arm learns: those in the journal, and the embedder's, stored.
async fn embed(assembly: &Assembly, journal: &Journal, offline: bool) -> Result<Vec<Embedded>> {
    if !assembly.learns() {
        return Ok(Vec::new());
    }
    let name = assembly.config.learning.embedder;
    let keys: Vec<CallKey> = assembly.items.iter().map(|item| name.key(&item.query)).collect();
    let found = journal.embeddings(&keys)?;
    let lacking: BTreeMap<CallKey, &Item> = keys
        .iter()
        .zip(&assembly.items)
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|((key, item), _)| (*key, item))
        .collect();
    if let (true, Some(item)) = (offline, lacking.values().next()) {
        bail!(
            "no journal holds the embedding of item `{}` by {}, and --offline forbids to make it",
            item.id,
            name.name()
        );
    }
    let made = embed_now(name, &lacking).await?;
    journal.put_embeddings(name.name(), made.clone()).await?;
    let made: BTreeMap<CallKey, Embedded> = made.into_iter().collect();
    let embedding = |(key, found): (&CallKey, Option<Embedded>)| found.or_else(|| made.get(key).cloned());
    keys.iter().zip(found).map(|row| embedding(row).context("an embedding is missing")).collect()
}

async fn embed_now(name: EmbedderName, lacking: &BTreeMap<CallKey, &Item>) -> Result<Vec<(CallKey, Embedded)>> {
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let weights = name.weights().map(crate::model::local::weights::path).transpose()?;
    let keys: Vec<CallKey> = lacking.keys().copied().collect();
    let queries: Vec<String> = lacking.values().map(|item| item.query.clone()).collect();
    // Off this thread, which listens for Ctrl-C meanwhile.
    let rows = tokio::task::spawn_blocking(move || {
        let progress = Progress::steps("embedding", queries.len());
        let embeddings = embedder::embed(name, weights.as_deref(), &queries, |done| progress.set(done as u64));
        progress.finish();
        embeddings
    })
    .await??;
    Ok(keys.into_iter().zip(rows).collect())
}

/// Writes every output; none is written over by other contents.
fn write(
    assembly: &Assembly,
    folder: &Path,
    outcome: &Outcome,
    comparison: &Comparison,
    manifest: &Manifest,
) -> Result<()> {
    let mut files = Vec::new();
    for mut table in tables::of_records(&outcome.records)?.into_iter().chain(tables::of_arms(comparison)?) {
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
        comparison,
    };
    files.push(("summary.md".to_owned(), summary::markdown(&context).into_bytes()));
    let placed: Vec<(PathBuf, Vec<u8>)> = files.into_iter().map(|(name, bytes)| (folder.join(name), bytes)).collect();
    write_files(&placed)
}

/// What the journal's calls have cost, and what attempts without an answer may have cost.
fn spent(assembly: &Assembly, journal: &Journal) -> Result<Value> {
    let told = |taken: BTreeMap<String, Taken>| -> Value {
        let priced = assembly.priced(taken).into_iter();
        let line = |(name, (taken, fee)): (String, (Taken, Option<Fee>))| {
            (name, json!({ "calls": taken.calls, "usage": taken.usage, "fee_usd": fee.map(Fee::usd) }))
        };
        Value::Object(priced.map(line).collect())
    };
    let mut spent = told(journal.spent()?);
    let lost = journal.lost()?;
    if !lost.is_empty() {
        spent["unanswered_at_most"] = told(lost);
    }
    Ok(spent)
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
