//! A run under way: its folder and journal, its models, and the cells that are taken through them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::error::RunError;
use super::money::SpendMeter;
use super::progress::{Progress, Unit};
use super::project::Project;
use super::resources::{Embeddings, Models, RunResources};
use super::{Place, Prepared, Sources, embed, provenance, waits};
use crate::backend::llama_server::Servers;
use crate::cascade::experiment::{self, Cells, ExperimentOutcome};
use crate::cascade::level::StepError;
use crate::cascade::matrix;
use crate::cascade::setup::ExperimentContext;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::NoticeHandler;
use crate::gateway::budget::Budget;
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::gateway::journal::{Journal, JournalLock};
use crate::report::folder::{JOURNAL, prepare, set_aside};
use crate::report::manifest::Manifest;
use crate::retrieval::leakage::{NEAR, leakage};
use crate::types::matrix::Row;
use crate::types::record::Record;

/// So long after the wish to stop a run may still end by itself without a word about calls in flight.
const AT_ONCE: Duration = Duration::from_millis(150);

/// A config with its journal and models.
pub(super) struct Session<'a> {
    /// The config with all that it names.
    pub(super) resolved: &'a ResolvedConfig,
    place: &'a Place,
    pub(super) means: RunResources,
    progress: &'a Progress,
    /// Counts what is spent.
    _purse: SpendMeter<'a>,
    /// Its own journal is no other process's, and no other process makes the calls of its config.
    _claims: Vec<JournalLock>,
}

/// What a run has done so far, for its line of progress.
#[derive(Default)]
struct RunStatus {
    /// Items of arms that are gated by confidence.
    gated: u64,
    /// Of these, the deferred ones.
    deferred: u64,
}

impl RunStatus {
    fn count(&mut self, record: &Record) {
        if record.cell.threshold.is_some() {
            self.gated += 1;
            self.deferred += u64::from(record.deferred);
        }
    }

    /// Calls in flight, the share of gated items that were deferred, and the fee against its limit.
    fn line(&self, limiter: &ConcurrencyLimiter, budget: Option<&Budget>) -> String {
        let mut parts = vec![format!("{} calls in flight", limiter.in_flight())];
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
    /// Makes the folder ready for the run of this identity, opens the journals, and notes in the folder what `change` makes
    /// of the manifest of a run that begins or goes on; gives it too.
    pub(super) fn begin(
        prepared: &'a Prepared,
        place: &'a Place,
        identity: Value,
        progress: &'a Progress,
        change: impl FnOnce(Manifest) -> Manifest,
    ) -> Result<(Self, Manifest), RunError> {
        let Place { folder, shared, fresh } = place;
        // A flow of several runs begins no further one.
        if shared.is_some() && progress.stop().is_asked() {
            return Err(RunError::Stopped);
        }
        let before = prepare(folder, &identity, *fresh).map_err(RunError::Folder)?;
        if before.is_some() && shared.is_none() {
            progress.message("this run was begun before; answers in its journal are not asked for again");
        }
        let session = Self::open(prepared, place, progress)?;
        // Not before the journals could be opened: a mistake in the command moves nothing.
        if *fresh || (prepared.sources.retry_refused && before.is_some()) {
            set_aside(folder).map_err(RunError::Folder)?;
        }
        let manifest = change(provenance::begun(&prepared.resolved, identity, before.as_ref()));
        // A finished run stays finished: its rerun may fail.
        if before.is_none_or(|before| before.ended.is_none()) {
            manifest.write(folder).map_err(RunError::Output)?;
        }
        Ok((session, manifest))
    }

    /// Opens the run's journal and the further ones.
    pub(super) fn open(prepared: &'a Prepared, place: &'a Place, progress: &'a Progress) -> Result<Self, RunError> {
        let Sources { journals, offline, retry_refused, .. } = &prepared.sources;
        let path = place.shared.clone().unwrap_or_else(|| place.folder.join(JOURNAL));
        let project = path.parent().and_then(Project::of).filter(|_| prepared.sources.looks_beside());
        let mut claims = vec![JournalLock::of(&path).map_err(RunError::Folder)?];
        if let Some(project) = project.as_ref().filter(|_| !offline) {
            let name = &prepared.resolved.config.name;
            claims.push(JournalLock::of_config(project.root(), name).map_err(RunError::Folder)?);
        }
        let mut journal = Journal::open(&path).map_err(RunError::Journal)?;
        for further in journals {
            journal = journal.with_further(further).map_err(RunError::Journal)?;
        }
        if let Some(project) = &project {
            for beside in project.journals_beside(&path).map_err(RunError::Journal)? {
                if let Err(error) = journal.add_neighbour(&beside) {
                    progress.message(&format!("the answers in {} are not used: {error:#}", beside.display()));
                }
            }
        }
        let said = progress.clone();
        let servers = Servers::new(place.folder.clone(), waits::lines(move |line| said.message(line)));
        if *retry_refused {
            journal.pass_over_refused();
            if prepared.sources.retries_now(journal.path()) {
                let refused = journal.forget_refused().map_err(RunError::Journal)?;
                progress.message(&format!("{refused} refused calls of this journal are asked again"));
            }
        }
        let journal = Arc::new(journal);
        let purse =
            SpendMeter::open((&prepared.resolved, &prepared.sources), &journal, project).map_err(RunError::Journal)?;
        let means = RunResources {
            journal,
            servers,
            offline: *offline,
            registered: prepared.models.clone(),
            hear: once(progress.clone()),
        };
        Ok(Self { resolved: &prepared.resolved, place, means, progress, _purse: purse, _claims: claims })
    }

    /// Where the run lies.
    pub(super) fn place(&self) -> &Place {
        self.place
    }

    /// Fetches the weights that are needed, embeds the queries and makes the models.
    pub(super) async fn models(&self) -> Result<Models, RunError> {
        let Self { resolved, means, progress, .. } = self;
        let embeddings = progress.unless_stopped(async {
            if !means.offline {
                embed::fetch(resolved, true, progress).await?;
            }
            embed::embed(resolved, &means.journal, means.offline, progress).await
        });
        Models::new(resolved, embeddings.await?, means).map_err(RunError::Weights)
    }

    /// The same without embeddings, for what no learning arm has a part in.
    pub(super) async fn models_alone(&self) -> Result<Models, RunError> {
        let Self { resolved, means, progress, .. } = self;
        if !means.offline {
            progress.unless_stopped(embed::fetch(resolved, false, progress)).await?;
        }
        Models::new(resolved, Embeddings::default(), means).map_err(RunError::Weights)
    }

    /// Takes every item through every cell.
    pub(super) async fn run_cells(
        &self,
        models: &Models,
        cells: &Cells,
        label: &str,
    ) -> Result<ExperimentOutcome, RunError> {
        let Models { setup, limiter, budget, .. } = models;
        // Recorded answers of many runs are there at once.
        let silent = self.place.shared.is_some() && self.means.offline;
        let work = (!silent).then(|| self.progress.begin(label, cells.steps() as u64, Unit::Steps));
        let mut done = 0;
        let mut so_far = RunStatus::default();
        let run = experiment::run(setup, cells, limiter, self.resolved.config.limits.concurrency, |record| {
            done += 1;
            so_far.count(record);
            if let Some(work) = &work {
                work.done(done, &|| so_far.line(limiter, budget.as_deref()));
            }
        });
        self.run_until_stopped(limiter, run).await
    }

    /// Makes the calls of the pair matrix, and gives its rows.
    pub(super) async fn matrix(&self, models: &Models) -> Result<Vec<Row>, RunError> {
        let Models { setup, limiter, .. } = models;
        let items = self.resolved.stream().len();
        let pairs = matrix::pairs(setup, items);
        let total = 2 * items + pairs.len();
        let work = self.progress.begin(&self.resolved.config.name, total as u64, Unit::Steps);
        let mut done = 0;
        let rows = matrix::matrix(setup, items, &pairs, limiter, self.resolved.config.limits.concurrency, || {
            done += 1;
            work.done(done, &String::new);
        });
        self.run_until_stopped(limiter, rows).await
    }

    /// Waits for work that makes calls. The first wish to stop lets the calls in flight end, the second does not.
    async fn run_until_stopped<T>(
        &self,
        limiter: &ConcurrencyLimiter,
        work: impl Future<Output = Result<T, StepError>>,
    ) -> Result<T, RunError> {
        let stop = self.progress.stop();
        let mut work = std::pin::pin!(work);
        let mut stopping = false;
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                () = stop.asked(if stopping { 2 } else { 1 }) => {
                    if stopping {
                        return Err(RunError::Stopped);
                    }
                    stopping = true;
                    limiter.stop();
                    // Where no call is in flight, there is nothing to wait for and nothing to say of it.
                    match tokio::time::timeout(AT_ONCE, &mut work).await {
                        Ok(outcome) => break outcome,
                        Err(_) => self.progress.message("stopping when the calls in flight have ended; again to stop at once"),
                    }
                }
            }
        };
        let error = match outcome {
            Ok(done) => return Ok(done),
            Err(error) if stopping && error.is_stop() => return Err(RunError::Stopped),
            Err(error) => error,
        };
        let path = self.means.journal.path().display();
        let meaning = if self.means.offline {
            None
        } else if error.is_lasting() {
            Some(format!(
                "the run stopped, and the same command stops here again unless something is changed first; every answer so far is kept in {path}"
            ))
        } else {
            Some(format!("the run stopped; every answer so far is in {path}, so the same command goes on"))
        };
        Err(RunError::of_step(error, meaning))
    }

    /// What the calibration items share with the stream, if they can be compared.
    pub(super) fn leakage(&self, models: &Models) -> Option<String> {
        let places = self.resolved.calibration();
        let ExperimentContext { items, embeddings, .. } = &*models.setup;
        if models.lacks.is_none() && embeddings.len() < self.resolved.embedded().len() {
            return Some(
                "Whether calibration items have near-duplicates in the stream is not known: no recording holds all of their \
                 embeddings."
                    .to_owned(),
            );
        }
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
}

/// A function that hands the notice on each server on once, whichever level it comes from.
fn once(progress: Progress) -> NoticeHandler {
    let known: Mutex<BTreeSet<String>> = Mutex::default();
    Arc::new(move |notice, next| {
        if known.lock().unwrap_or_else(PoisonError::into_inner).insert(notice.to_owned()) {
            progress.message(&format!("{notice} {next}"));
        }
    })
}
