//! What the verbs that call models share: a config with its folder, journal and models, and the cells taken through.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::progress::Progress;
use super::results::Results;
use super::{Status, interrupted, models, say, stopped, unless_interrupted, warn, warn_of_old, warnings};
use crate::analysis::metrics::Calibrated;
use crate::backend::llama_server::Servers;
use crate::cascade::experiment::{self, Cells, Outcome, Stored};
use crate::cascade::gating::Gates;
use crate::cascade::level::StepError;
use crate::cascade::matrix;
use crate::cascade::step::Setup;
use crate::config::assembly::{Assembly, Means};
use crate::gateway::Hear;
use crate::gateway::budget::Budget;
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::gateway::journal::{self, Claim, Journal, Taken};
use crate::report::folder::{JOURNAL, place, prepare, set_aside};
use crate::report::manifest::Manifest;
use crate::report::sweep::Sweep;
use crate::report::unparsed;
use crate::retrieval::embedder::{self, EmbedderName};
use crate::retrieval::leakage::{NEAR, leakage};
use crate::types::chat::CallKey;
use crate::types::embedding::Embedded;
use crate::types::item::Item;
use crate::types::matrix::Row;
use crate::types::price::Fee;
use crate::types::record::Record;

/// The config that a verb reads.
#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// The config file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Lay a value over the config, or with none after the = take the key out; may be repeated
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
}

/// What is written, and whether anything is.
#[derive(Debug, clap::Args)]
pub(super) struct Outputs {
    /// Folder for the outputs [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Check everything and print the calls, tokens and fee to expect; call no model
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Set outputs that are there aside and start over; the journal of calls stays in use
    #[arg(long)]
    pub(super) fresh: bool,
}

/// Where answers may come from, besides the run's own journal.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Sources {
    /// Take answers from another journal, an export or a folder of exports; may be repeated
    #[arg(long, value_name = "PATH")]
    journal: Vec<PathBuf>,
    /// Use answers of journals alone: no model, no weights, no network
    #[arg(long)]
    offline: bool,
    /// Ask again what a provider has refused; outputs that are there are set aside
    #[arg(long, conflicts_with = "offline")]
    retry_refused: bool,
}

impl Sources {
    /// A config with all that it names, whose models can be asked where they may be.
    pub(super) fn load(&self, config: &Path, set: &[String]) -> Result<Assembly> {
        self.journal.iter().try_for_each(|path| journal::check_there(path)).context("--journal")?;
        let assembly = Assembly::load(config, set)?;
        if !self.offline {
            assembly.check_models().with_context(|| format!("{}", config.display()))?;
        }
        Ok(assembly)
    }

    /// The same where no model is asked.
    pub(super) fn unasked(&self) -> Self {
        Self { offline: true, retry_refused: false, ..self.clone() }
    }

    /// The same with a recording that answers everything.
    pub(super) fn replay(&self, recording: &Path) -> Self {
        let journal = self.journal.iter().cloned().chain([recording.to_owned()]).collect();
        Self { journal, offline: true, retry_refused: false }
    }
}

impl Named {
    /// The config with all that it names, with `more` laid over it last.
    pub(super) fn load(&self, sources: &Sources, more: &[String]) -> Result<Assembly> {
        sources.load(&self.config, &[&self.set[..], more].concat())
    }
}

/// A config with its journal and models.
pub(super) struct Session<'a> {
    /// The config with all that it names.
    pub(super) assembly: &'a Assembly,
    /// Where the outputs belong.
    folder: &'a Path,
    /// What it may use.
    means: Means,
    /// Whether results are only written.
    quiet: bool,
    /// Whether the folder holds the whole of this run.
    finished: bool,
    /// Its own journal is no other process's.
    _claim: Claim,
}

/// So long after Ctrl-C a run may still end by itself without a word about calls in flight.
const AT_ONCE: Duration = Duration::from_millis(150);

/// Whether somebody wants the program to stop: a verb of several runs begins no further one then.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// The journals whose refused calls are asked again by this command.
static RETRIED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// What the calibration items tell.
#[derive(Default)]
pub(super) struct Told {
    /// Arm by arm.
    pub(super) arms: Vec<Calibrated>,
    /// The items' records.
    pub(super) records: Vec<Record>,
}

/// Models that can be called.
pub(super) struct Models {
    pub(super) setup: Arc<Setup>,
    gate: Arc<ConcurrencyLimiter>,
    budget: Option<Arc<Budget>>,
}

/// What a run has done so far, for its line of progress.
#[derive(Default)]
struct SoFar {
    /// Items of arms that are gated by confidence.
    gated: u64,
    /// Of these, the deferred ones.
    deferred: u64,
}

impl SoFar {
    fn count(&mut self, record: &Record) {
        if record.cell.threshold.is_some() {
            self.gated += 1;
            self.deferred += u64::from(record.deferred);
        }
    }

    /// Calls in flight, the share of gated items that were deferred, and the fee against its limit.
    fn line(&self, gate: &ConcurrencyLimiter, budget: Option<&Budget>) -> String {
        let mut parts = vec![format!("{} calls in flight", gate.in_flight())];
        if let Some(percent) = (self.deferred * 100).checked_div(self.gated) {
            parts.push(format!("{percent} % deferred"));
        }
        if let Some((spent, limit)) = budget.map(Budget::level) {
            parts.push(format!("{spent:.4} of {limit} USD"));
        }
        parts.join(", ")
    }
}

impl<'a> Session<'a> {
    /// Makes the folder ready for the run of this identity, and opens the journals; gives the manifest too, of a run that
    /// begins or goes on. Over a journal that several runs share, results are only written.
    pub(super) fn begin(
        assembly: &'a Assembly,
        identity: Value,
        folder: &'a Path,
        shared: Option<&Path>,
        sources: &Sources,
        fresh: bool,
    ) -> Result<(Self, Manifest)> {
        if shared.is_some() && STOPPING.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        let before = prepare(folder, &identity, fresh)?;
        if before.is_some() && shared.is_none() {
            warn("this run was begun before; answers in its journal are not asked for again");
        }
        let own = folder.join(JOURNAL);
        let session = Self::open_with(assembly, folder, shared.unwrap_or(&own), sources)?;
        // Not before the journals could be opened: a mistake in the command moves nothing.
        if fresh || (sources.retry_refused && before.is_some()) {
            set_aside(folder)?;
        }
        let manifest = begun(assembly, identity, before.as_ref());
        let finished = before.is_some_and(|before| before.ended.is_some());
        Ok((Self { finished, quiet: shared.is_some(), ..session }, manifest))
    }

    /// Notes in the folder that the run has begun. A finished one stays finished: its rerun may fail.
    pub(super) fn note(&self, manifest: &Manifest) -> Result<()> {
        if self.finished { Ok(()) } else { manifest.write(self.folder) }
    }

    /// Opens the folder's journal and the further ones.
    pub(super) fn open(assembly: &'a Assembly, folder: &'a Path, sources: &Sources) -> Result<Self> {
        Self::open_with(assembly, folder, &folder.join(JOURNAL), sources)
    }

    fn open_with(assembly: &'a Assembly, folder: &'a Path, journal: &Path, sources: &Sources) -> Result<Self> {
        let claim = Claim::of(journal)?;
        let mut journal = Journal::open(journal)?;
        for further in &sources.journal {
            journal = journal.with_further(further)?;
        }
        let servers = Servers::new(folder.to_owned(), models::hearer());
        if sources.retry_refused {
            journal.pass_over_refused();
            // Runs that share a journal ask once, not each of them again.
            let new = RETRIED.lock().unwrap_or_else(PoisonError::into_inner).insert(journal.path().to_owned());
            if new {
                let refused = journal.forget_refused()?;
                warn(&format!("{refused} refused calls of this journal are asked again"));
            }
        }
        let means = Means { journal: Arc::new(journal), servers, offline: sources.offline, hear: hearer() };
        Ok(Self { assembly, folder, means, quiet: false, finished: false, _claim: claim })
    }

    /// Fetches the weights that are needed, embeds the queries and makes the models.
    pub(super) async fn models(&self) -> Result<Models> {
        let Self { assembly, means, .. } = self;
        let embeddings = unless_interrupted(async {
            if !means.offline {
                for name in assembly.needed_weights() {
                    models::ensure(&assembly.weights, &name).await?;
                }
            }
            embed(assembly, &means.journal, means.offline).await
        })
        .await?;
        let (setup, gate, budget) = assembly.setup(embeddings, means)?;
        Ok(Models { setup: Arc::new(setup), gate, budget })
    }

    /// Takes the calibration items through, where something is told from them, and says what they tell.
    pub(super) async fn calibrate(&self, models: &Models, gates: &Gates) -> Result<Told> {
        let Some(cells) = gates.calibrating() else { return Ok(Told::default()) };
        let records = self.through(models, &cells, "calibration").await?.records;
        Ok(Told { arms: gates.tell(&records), records })
    }

    /// Takes every item through every cell.
    pub(super) async fn through(&self, models: &Models, cells: &Cells, label: &str) -> Result<Outcome> {
        let Models { setup, gate, .. } = models;
        // Recorded answers of many runs are there at once.
        let silent = self.quiet && self.means.offline;
        let progress = (!silent).then(|| Progress::steps(label, cells.steps()));
        let mut done = 0;
        let mut so_far = SoFar::default();
        let run = experiment::run(setup, cells, gate, self.assembly.config.limits.concurrency, |record| {
            done += 1;
            so_far.count(record);
            if let Some(progress) = &progress {
                progress.set_with(done, || so_far.line(gate, models.budget.as_deref()));
            }
        });
        let outcome = self.driven(gate, run).await;
        if let Some(progress) = &progress {
            progress.finish();
        }
        outcome
    }

    /// Makes the calls of the pair matrix, and gives its rows.
    pub(super) async fn matrix(&self, models: &Models) -> Result<Vec<Row>> {
        let Models { setup, gate, .. } = models;
        let items = self.assembly.stream().len();
        let total = 2 * items + matrix::pairs(setup, items).len();
        let progress = Progress::steps(&self.assembly.config.name, total);
        let mut done = 0;
        let rows = matrix::matrix(setup, items, gate, self.assembly.config.limits.concurrency, || {
            done += 1;
            progress.set(done);
        });
        let rows = self.driven(gate, rows).await;
        progress.finish();
        rows
    }

    /// Waits for work that makes calls. The first interruption lets the calls in flight end, the second does not.
    async fn driven<T>(
        &self,
        gate: &ConcurrencyLimiter,
        work: impl Future<Output = Result<T, StepError>>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let mut stopping = false;
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                () = interrupted() => {
                    if stopping {
                        return Err(stopped());
                    }
                    stopping = true;
                    STOPPING.store(true, Ordering::Relaxed);
                    gate.stop();
                    // Where no call is in flight, there is nothing to wait for and nothing to say of it.
                    match tokio::time::timeout(AT_ONCE, &mut work).await {
                        Ok(outcome) => break outcome,
                        Err(_) => warn("stopping when the calls in flight have ended; again to stop at once"),
                    }
                }
            }
        };
        let error = match outcome {
            Ok(done) => return Ok(done),
            Err(error) if stopping && error.is_stop() => return Err(stopped()),
            Err(error) => error,
        };
        if self.means.offline {
            return Err(error.into());
        }
        let path = self.means.journal.path().display();
        let how = if error.is_lasting() {
            format!(
                "the run stopped, and the same command stops here again unless something is changed first; every answer so far is kept in {path}"
            )
        } else {
            format!("the run stopped; every answer so far is in {path}, so the same command goes on")
        };
        Err(anyhow::Error::from(error).context(how))
    }

    /// What the calibration items share with the stream, where they can be compared.
    fn leakage(&self, models: &Models) -> Option<String> {
        let places = self.assembly.calibration();
        let Setup { items, embeddings, .. } = &*models.setup;
        let apart = (items.get(places.clone())?, embeddings.get(places.clone())?);
        let stream = (&items[..places.start], &embeddings[..places.start]);
        let near = leakage(apart, stream, NEAR).near;
        let nearest = near.first()?;
        Some(format!(
            "{} of {} calibration items have a near-duplicate in the stream (cosine from {NEAR} on; the nearest: `{}` and `{}`, {:.3}): \
             what is told from them may look better than it is.",
            near.len(),
            places.len(),
            nearest.one,
            nearest.other,
            nearest.similarity
        ))
    }

    /// Completes the manifest, writes every output, and says what came of it: `gates` are warnings of gates, `asked` what a
    /// sweep was asked.
    pub(super) async fn finish(
        &self,
        models: &Models,
        mut manifest: Manifest,
        outcome: &Outcome,
        told: &Told,
        gates: Vec<String>,
        asked: impl FnOnce(&Sweep) -> Vec<String>,
    ) -> Result<Status> {
        let answered_by = answered_by(outcome.records.iter().chain(&told.records));
        let shared = self.leakage(models).into_iter().collect();
        let shown = warnings::of_records(self.assembly, outcome, &told.records, &answered_by);
        manifest.warnings = [self.assembly.warnings(), shared, gates, shown].concat();
        manifest.calls_made = Some(self.means.journal.calls_made());
        manifest.spent = spent(self.assembly, &self.means.journal)?;
        manifest.answered_by = json!(answered_by);
        manifest.ended = Some(now());

        let results = Results::new(&manifest, &outcome.records, told)?;
        let comparison = results.comparison();
        let sweep = results.sweep(&comparison);
        let mut files = results.files(&comparison, sweep.as_ref())?;
        files.push(("strategies.jsonl".to_owned(), lines(&outcome.strategies)?));
        files.extend(self.unparsed(&outcome.records).await?);
        let aside = place(self.folder, files)?;
        manifest.write(self.folder)?;
        warn_of_old(aside);
        if !self.quiet {
            results.show(&comparison, sweep.as_ref(), asked);
            self.say_end();
        }
        Ok(Status::Done)
    }

    /// The answers that could not be read, as a file; none where all could.
    async fn unparsed(&self, records: &[Record]) -> Result<Option<(String, Vec<u8>)>> {
        let lines = unparsed::lines(records, &self.means.journal).await?;
        Ok((!lines.is_empty()).then(|| (unparsed::FILE.to_owned(), lines)))
    }

    /// Calls that were really made since the journal was opened.
    pub(super) fn calls_made(&self) -> u64 {
        self.means.journal.calls_made()
    }

    /// Says how many calls were made, and where the outputs are.
    fn say_end(&self) {
        let journal = &self.means.journal;
        let imported = match journal.calls_imported() {
            0 => String::new(),
            imported => format!(" ({imported} from further journals)"),
        };
        say(&format!(
            "{} calls made, the others came from the journal{imported}; reports are in {}",
            journal.calls_made(),
            self.folder.display()
        ));
    }
}

/// A function that prints each notice once, whichever level it comes from.
fn hearer() -> Hear {
    let told: Mutex<BTreeSet<String>> = Mutex::default();
    Arc::new(move |notice| {
        if told.lock().unwrap_or_else(PoisonError::into_inner).insert(notice.to_owned()) {
            warn(notice);
        }
    })
}

/// The manifest of a run that begins, or goes on.
fn begun(assembly: &Assembly, identity: Value, before: Option<&Manifest>) -> Manifest {
    Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identity,
        config: assembly.resolved(),
        prompts: assembly.words(),
        setting: assembly.setting(),
        started: before.map_or_else(now, |before| before.started.clone()),
        ended: None,
        calls_made: None,
        spent: Value::Null,
        answered_by: Value::Null,
        prices: assembly.prices(),
        swept: None,
        price_notes: assembly.price_notes(),
        warnings: assembly.warnings(),
    }
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// As JSON, one line each.
fn lines(strategies: &[Stored]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for stored in strategies {
        serde_json::to_writer(&mut bytes, stored)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// The queries' embeddings, where an arm learns: those in the journal, and the embedder's, stored.
async fn embed(assembly: &Assembly, journal: &Journal, offline: bool) -> Result<Vec<Embedded>> {
    let name = assembly.config.learning.embedder;
    let keys: Vec<CallKey> = assembly.embedded().iter().map(|item| name.key(&item.query)).collect();
    let found = journal.embeddings(name.name(), &keys).await?;
    let lacking: BTreeMap<CallKey, &Item> = keys
        .iter()
        .zip(assembly.embedded())
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
    let weights = name.weights().map(crate::fetch::weights::path).transpose()?;
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
pub(super) type AnsweredBy<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn answered_by<'a>(records: impl IntoIterator<Item = &'a Record>) -> AnsweredBy<'a> {
    let mut names = AnsweredBy::new();
    for call in records.into_iter().flat_map(|record| &record.calls) {
        if let Some(answered_by) = &call.answered_by {
            names.entry(&call.model).or_default().insert(answered_by);
        }
    }
    names
}
