//! A run in progress: folder, journal and models, and the execution of its cells.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::batch::batching::Batching;
use super::error::RunError;
use super::money::{self, SpendMeter};
use super::progress::Progress;
use super::project::Project;
use super::resources::{Embeddings, Models, RunResources};
use super::status::StatusSource;
use super::{Prepared, RunLocation, Sources, embed, provenance, waits};
use crate::backend::llama_server::Servers;
use crate::cascade::experiment::{self, Cells, ExperimentOutcome};
use crate::cascade::level::StepError;
use crate::cascade::matrix;
use crate::cascade::setup::ExperimentContext;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::NoticeHandler;
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::gateway::journal::{Journal, JournalLock, sharing};
use crate::report::folder::{JOURNAL, prepare, set_aside};
use crate::report::manifest::Manifest;
use crate::retrieval::leakage::{NEAR, leakage};
use crate::types::matrix::Row;
use crate::types::price::Price;
use crate::types::shard::Shard;

/// Time after a stop request in which a run can end before a message about calls in flight is shown.
const STOP_GRACE: Duration = Duration::from_millis(150);

/// A config with its journal and models.
pub(super) struct Session<'a> {
    /// Config with all files that it names.
    pub(super) resolved: &'a ResolvedConfig,
    location: &'a RunLocation,
    pub(super) resources: RunResources,
    progress: &'a Progress,
    /// Counts the spending of this session until the session is dropped.
    _meter: SpendMeter<'a>,
    /// Locks that keep other processes from the journal and from the calls of this config.
    _locks: Vec<JournalLock>,
}

impl<'a> Session<'a> {
    /// Prepares the folder for the run of this identity and opens the journals. Writes the manifest of the new or
    /// resumed run, after `change`, into the folder, and returns the session with this manifest.
    pub(super) fn begin(
        prepared: &'a Prepared,
        location: &'a RunLocation,
        identity: Value,
        progress: &'a Progress,
        change: impl FnOnce(Manifest) -> Manifest,
    ) -> Result<(Self, Manifest), RunError> {
        let RunLocation { folder, shared_journal, fresh } = location;
        // After a stop request, a flow of several runs starts no further run.
        if shared_journal.is_some() && progress.stop().is_requested() {
            return Err(RunError::Stopped);
        }
        let before = prepare(folder, &identity, *fresh).map_err(RunError::Folder)?;
        if before.is_some() && shared_journal.is_none() {
            progress.message("resuming this run; calls that its journal holds are not repeated");
        }
        let session = Self::open(prepared, location, progress)?;
        // Outputs move only after the journals are open, so an error in the command moves nothing.
        if *fresh || (prepared.sources.retry_refused && before.is_some()) {
            set_aside(folder).map_err(RunError::Folder)?;
        }
        let manifest = change(provenance::begun(&prepared.resolved, identity, before.as_ref()));
        // The manifest of a finished run stays: the rerun may fail.
        if before.is_none_or(|before| before.ended.is_none()) {
            manifest.write(folder).map_err(RunError::Output)?;
        }
        Ok((session, manifest))
    }

    /// Opens the run's journal, the journals of `--journal` and the journals of neighbouring runs.
    pub(super) fn open(
        prepared: &'a Prepared,
        location: &'a RunLocation,
        progress: &'a Progress,
    ) -> Result<Self, RunError> {
        let Sources { journals, shared, offline, retry_refused, .. } = &prepared.sources;
        let path = location.shared_journal.clone().unwrap_or_else(|| location.folder.join(JOURNAL));
        let project = path.parent().and_then(Project::of).filter(|_| prepared.sources.uses_neighbours());
        let mut locks = vec![JournalLock::of(&path).map_err(RunError::Folder)?];
        // Workers with a shared journal make no call twice, so they may work on one config at the same time.
        if let Some(project) = project.as_ref().filter(|_| !offline && shared.is_empty()) {
            let name = &prepared.resolved.config.name;
            let is_shard = path.parent().and_then(Shard::of_folder).is_some();
            locks.push(JournalLock::of_config(project.root(), name, is_shard).map_err(RunError::Folder)?);
        }
        let mut journal = Journal::open(&path).map_err(RunError::Journal)?;
        for other in journals {
            journal = journal.with_further(other).map_err(RunError::Journal)?;
        }
        if let Some(project) = &project {
            for neighbour in project.neighbour_journals(&path).map_err(RunError::Journal)? {
                if let Err(error) = journal.add_neighbour(&neighbour) {
                    progress.message(&format!("answers in {} are not used: {error:#}", neighbour.display()));
                }
            }
        }
        let listener = progress.clone();
        let servers = Servers::new(location.folder.clone(), waits::lines(move |line| listener.message(line)));
        if *retry_refused {
            journal.ignore_refused();
            if prepared.sources.claims_retry(journal.path()) {
                let refused = journal.delete_refused().map_err(RunError::Journal)?;
                progress.message(&format!("repeating {refused} refused calls of this journal"));
            }
        }
        let on_notice = once(progress.clone());
        if let Some(address) = shared.first() {
            let scope = (!offline).then(|| money::scope(&prepared.resolved, *retry_refused));
            let shared = sharing::connect(address, scope, Arc::clone(&on_notice)).map_err(RunError::Journal)?;
            journal.share(shared, !offline).map_err(RunError::Journal)?;
        }
        let journal = Arc::new(journal);
        let meter =
            SpendMeter::open((&prepared.resolved, &prepared.sources), &journal, project).map_err(RunError::Journal)?;
        let resources =
            RunResources { journal, servers, offline: *offline, registered: prepared.models.clone(), on_notice };
        Ok(Self { resolved: &prepared.resolved, location, resources, progress, _meter: meter, _locks: locks })
    }

    /// Location of the run.
    pub(super) fn location(&self) -> &RunLocation {
        self.location
    }

    /// Fetches missing weights, embeds the queries and builds the models.
    pub(super) async fn models(&self) -> Result<Models, RunError> {
        let Self { resolved, resources, progress, .. } = self;
        let embeddings = progress.unless_stopped(async {
            if !resources.offline {
                embed::fetch(resolved, true, progress).await?;
            }
            embed::embed(resolved, &resources.journal, resources.offline, progress).await
        });
        Models::new(resolved, embeddings.await?, resources).map_err(RunError::Weights)
    }

    /// Fetches missing weights and builds the models without embeddings, for flows without a learning arm.
    pub(super) async fn models_without_embeddings(&self) -> Result<Models, RunError> {
        let Self { resolved, resources, progress, .. } = self;
        if !resources.offline {
            progress.unless_stopped(embed::fetch(resolved, false, progress)).await?;
        }
        Models::new(resolved, Embeddings::default(), resources).map_err(RunError::Weights)
    }

    /// Fetches missing weights and builds the models of the first phase of `--batch`.
    pub(super) async fn batch_models(&self, batching: &Batching) -> Result<Models, RunError> {
        let Self { resolved, resources, progress, .. } = self;
        progress.unless_stopped(embed::fetch(resolved, false, progress)).await?;
        Models::in_batches(resolved, resources, batching).map_err(RunError::Weights)
    }

    /// Runs every item in every cell. `label` names the work for progress.
    pub(super) async fn run_cells(
        &self,
        models: &Models,
        cells: &Cells,
        label: &str,
    ) -> Result<ExperimentOutcome, RunError> {
        let Models { context, limiter, concurrency, .. } = models;
        // A replay of several runs ends too fast for progress lines.
        let silent = self.location.shared_journal.is_some() && self.resources.offline;
        let status = self.status(models, Some(cells));
        let begin = || self.progress.begin_calls(label, cells.steps() as u64, Arc::clone(&status));
        let work = (!silent).then(begin);
        let mut done = 0;
        let run = experiment::run(context, cells, limiter, *concurrency, |record| {
            done += 1;
            status.count(record);
            if let Some(work) = &work {
                work.done(done);
            }
        });
        self.run_until_stopped(limiter, run).await
    }

    /// Source of the state that a listener shows.
    fn status(&self, models: &Models, cells: Option<&Cells>) -> Arc<StatusSource> {
        let mut prices = money::prices(self.resolved);
        for entry in [&self.resolved.weak, &self.resolved.strong] {
            if models.in_batches && entry.has_batch_api() {
                prices.insert(entry.name.clone(), entry.price.as_ref().map(Price::of_batch));
            }
        }
        Arc::new(StatusSource::new(models, cells, prices))
    }

    /// Makes the calls of the pair matrix and returns the rows.
    pub(super) async fn matrix(&self, models: &Models) -> Result<Vec<Row>, RunError> {
        let Models { context, limiter, .. } = models;
        let items = self.resolved.stream().len();
        let pairs = matrix::pairs(context, items);
        let total = 2 * items + pairs.len();
        let name = &self.resolved.config.name;
        let work = self.progress.begin_calls(name, total as u64, self.status(models, None));
        let mut done = 0;
        let rows = matrix::matrix(context, items, &pairs, limiter, self.resolved.config.limits.concurrency, || {
            done += 1;
            work.done(done);
        });
        self.run_until_stopped(limiter, rows).await
    }

    /// Waits for work that makes calls. After the first stop request the calls in flight finish; a second request
    /// aborts them.
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
                () = stop.requested(if stopping { 2 } else { 1 }) => {
                    if stopping {
                        return Err(RunError::Stopped);
                    }
                    stopping = true;
                    limiter.stop();
                    // Without calls in flight the work ends within the grace period, and no message is needed.
                    match tokio::time::timeout(STOP_GRACE, &mut work).await {
                        Ok(outcome) => break outcome,
                        Err(_) => self.progress.message("stopping after the calls in flight; interrupt again to stop at once"),
                    }
                }
            }
        };
        let error = match outcome {
            Ok(done) => return Ok(done),
            Err(error) if stopping && error.is_stop() => return Err(RunError::Stopped),
            Err(error) => error,
        };
        let path = self.resources.journal.path().display();
        let consequence = if self.resources.offline {
            None
        } else if error.is_lasting() {
            Some(format!(
                "the run stopped. Change the setting named below first: the same command stops here again. Every answer so far is in {path}"
            ))
        } else {
            Some(format!("the run stopped. Every answer so far is in {path}; the same command resumes"))
        };
        Err(RunError::of_step(error, consequence))
    }

    /// Warning about near-duplicates of calibration items in the stream, or about missing embeddings. `None` if the
    /// items have no near-duplicates or if there is nothing to compare.
    pub(super) fn leakage(&self, models: &Models) -> Option<String> {
        let range = self.resolved.calibration();
        let ExperimentContext { items, embeddings, .. } = &*models.context;
        if models.lacks.is_none() && embeddings.len() < self.resolved.embedded().len() {
            return Some(
                "Near-duplicates of calibration items in the stream were not searched: no recording holds all embeddings of the \
                 calibration items."
                    .to_owned(),
            );
        }
        let calibration = (items.get(range.clone())?, embeddings.get(range.clone())?);
        let stream = (&items[..range.start], &embeddings[..range.start]);
        let near = leakage(calibration, stream, NEAR).near;
        let nearest = near.first()?;
        Some(format!(
            "{} of {} calibration items have a near-duplicate in the stream (cosine at least {NEAR}; the nearest pair is `{}` and `{}`, {:.3}): \
             the calibrated threshold and its risk bound may be too optimistic.",
            near.len(),
            range.len(),
            nearest.one,
            nearest.other,
            nearest.similarity
        ))
    }
}

/// Returns a handler that passes on each distinct notice once, even if both levels send it.
fn once(progress: Progress) -> NoticeHandler {
    let known: Mutex<BTreeSet<String>> = Mutex::default();
    Arc::new(move |notice, next| {
        if known.lock().unwrap_or_else(PoisonError::into_inner).insert(notice.to_owned()) {
            progress.message(&format!("{notice} {next}"));
        }
    })
}
