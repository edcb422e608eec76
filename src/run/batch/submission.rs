//! One batch from its submission to its answers. Every step is in the journal before the next one begins, so a process
//! that continues after another one repeats none.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batching::MessageHandler;
use crate::backend::openai::OpenAi;
use crate::backend::openai::batch::row::{AnswerLine, Outcome};
use crate::backend::openai::batch::state::{BatchState, BatchStatus};
use crate::gateway::Retries;
use crate::gateway::journal::Journal;
use crate::gateway::journal::batches::SubmittedBatch;
use crate::types::chat::{CallKey, Request};
use crate::types::model::ModelError;

/// First wait before the state of a batch is asked for.
const FIRST_POLL: Duration = Duration::from_secs(2);
/// Maximum number of successive questions for a batch's state that fail.
const MAX_FAILED_POLLS: usize = 60;

/// Requests of the waiting calls, by key. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Requests(Arc<Mutex<HashMap<CallKey, Arc<Request>>>>);

impl Requests {
    /// Request of a waiting call.
    pub(super) fn get(&self, key: &CallKey) -> Option<Arc<Request>> {
        self.lock().get(key).cloned()
    }

    /// Locks the map.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<CallKey, Arc<Request>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Access to the provider and to the journal for one batch.
#[derive(Clone)]
pub(super) struct Submission {
    pub(super) client: Arc<OpenAi>,
    pub(super) journal: Arc<Journal>,
    pub(super) requests: Requests,
    pub(super) retries: Retries,
    pub(super) on_message: MessageHandler,
}

/// Outcomes of a batch that has ended.
pub(super) struct Collected {
    /// Final state.
    pub(super) state: BatchState,
    /// Provider's message about a file that was not accepted.
    pub(super) message: String,
    /// First outcome of each call.
    pub(super) outcomes: HashMap<CallKey, Outcome>,
    /// Further answers to a call that already has one. They may be charged.
    pub(super) duplicates: Vec<(CallKey, Outcome)>,
    /// Calls whose lines were not read, because this process had not made them.
    pub(super) unread: HashSet<CallKey>,
    /// Number of lines whose ids are not in the batch.
    pub(super) unknown: usize,
    /// Number of lines that cannot be read.
    pub(super) malformed: usize,
}

/// End of a batch.
pub(super) enum End {
    /// The batch has ended at the provider.
    Collected(Collected),
    /// An earlier process noted the batch and ended before it sent the requests.
    NeverSubmitted,
}

impl Submission {
    /// Submits a batch, unless an earlier process did, waits for its end, and reads its answers. `lines` is the file of a
    /// new batch; `None` for a batch of an earlier process.
    pub(super) async fn run(&self, batch: &mut SubmittedBatch, lines: Option<String>) -> Result<End, ModelError> {
        let Some(id) = self.submit(batch, lines).await? else { return Ok(End::NeverSubmitted) };
        let status = self.wait_for_end(batch, &id).await?;
        self.collect(batch, status).await.map(End::Collected)
    }

    /// Returns the provider's name of the batch. `None` if the batch was never submitted and cannot be.
    async fn submit(&self, batch: &mut SubmittedBatch, lines: Option<String>) -> Result<Option<String>, ModelError> {
        if let Some(id) = &batch.batch {
            (self.on_message)(&format!("continuing batch {id} of `{}`: {} calls", batch.model, batch.keys.len()));
            return Ok(Some(id.clone()));
        }
        let resumed = lines.is_none();
        let found = if resumed { self.retried(|| self.client.find_batch(&batch.label)).await? } else { None };
        if found.is_none() && batch.file.is_none() {
            let Some(lines) = lines else { return Ok(None) };
            self.note(batch)?;
            let sent = self.retried(|| self.client.upload_batch_file(&batch.label, &lines)).await;
            batch.file = Some(self.or_forget(batch, sent)?);
            self.note(batch)?;
        }
        let id = if let Some(id) = found {
            id
        } else {
            let created = self.create(batch).await;
            self.or_forget(batch, created)?
        };
        batch.batch = Some(id.clone());
        self.note(batch)?;
        let verb = if resumed { "continuing" } else { "submitted" };
        (self.on_message)(&format!("{verb} batch {id} of `{}`: {} calls", batch.model, batch.keys.len()));
        Ok(Some(id))
    }

    /// Creates the batch. After an attempt without an answer, the batch is created again only if the provider does not
    /// list it.
    async fn create(&self, batch: &SubmittedBatch) -> Result<String, ModelError> {
        let file = batch.file.as_deref().unwrap_or_default();
        let mut again = false;
        self.retried(|| {
            let listed = std::mem::replace(&mut again, true);
            async move {
                match if listed { self.client.find_batch(&batch.label).await? } else { None } {
                    Some(id) => Ok(id),
                    None => self.client.create_batch(&batch.label, file).await,
                }
            }
        })
        .await
    }

    /// Forgets a batch that the provider refuses to take. Another failure leaves it open, because it may exist.
    fn or_forget<T>(&self, batch: &SubmittedBatch, done: Result<T, ModelError>) -> Result<T, ModelError> {
        if matches!(done, Err(ModelError::Refused(_))) {
            self.note(&SubmittedBatch { keys: Vec::new(), ..batch.clone() })?;
        }
        done
    }

    /// Asks for the state of a batch, with growing waits, until it has ended.
    async fn wait_for_end(&self, batch: &SubmittedBatch, id: &str) -> Result<BatchStatus, ModelError> {
        let longest = self.retries.longest_wait;
        let mut wait = FIRST_POLL.min(longest);
        let (mut failed, mut shown) = (0, None);
        loop {
            tokio::time::sleep(wait).await;
            let requested = match self.client.batch_status(id).await {
                Ok(status) if status.state != BatchState::Running => return Ok(status),
                Ok(status) => {
                    failed = 0;
                    let tenth = status.counts.map(|(done, total)| done * 10 / total);
                    if let Some((done, total)) = status.counts.filter(|(done, _)| *done > 0 && tenth != shown) {
                        (self.on_message)(&format!("batch {id} of `{}`: {done} of {total} calls done", batch.model));
                    }
                    shown = tenth;
                    status.wait
                }
                Err(ModelError::Passing { reason, wait, .. }) => {
                    failed += 1;
                    if failed > MAX_FAILED_POLLS {
                        let reason = format!("{reason} (no state of batch {id} in {failed} attempts)");
                        return Err(ModelError::Unavailable(reason));
                    }
                    wait
                }
                Err(error) => return Err(error),
            };
            wait = wait.mul_f64(1.5).min(longest).max(requested.unwrap_or_default());
        }
    }

    /// Reads the files of a batch that has ended.
    async fn collect(&self, batch: &SubmittedBatch, status: BatchStatus) -> Result<Collected, ModelError> {
        let keys: HashSet<CallKey> = batch.keys.iter().copied().collect();
        let BatchStatus { state, files, message, .. } = status;
        let mut collected = Collected {
            state,
            message,
            outcomes: HashMap::new(),
            duplicates: Vec::new(),
            unread: HashSet::new(),
            unknown: 0,
            malformed: 0,
        };
        for file in files {
            let lines = self.retried(|| self.lines(&file)).await?;
            for line in lines {
                collected.add(self, &keys, &line);
            }
        }
        Ok(collected)
    }

    /// Returns the lines of a file of answers.
    async fn lines(&self, file: &str) -> Result<Vec<String>, ModelError> {
        let mut lines = Vec::new();
        self.client.batch_file(file, |line| lines.extend((!line.trim().is_empty()).then(|| line.to_owned()))).await?;
        Ok(lines)
    }

    fn note(&self, batch: &SubmittedBatch) -> Result<(), ModelError> {
        self.journal.note_batch(batch).map_err(|error| ModelError::Unavailable(format!("{error:#}")))
    }

    /// Repeats an attempt that may succeed later.
    async fn retried<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, ModelError>
    where
        F: Future<Output = Result<T, ModelError>>,
    {
        let Retries { most, first_wait, longest_wait } = self.retries;
        let mut wait = first_wait;
        for attempts in 1.. {
            match attempt().await {
                Err(ModelError::Passing { wait: requested, notice, .. }) if attempts <= most => {
                    if let Some(notice) = notice.filter(|_| attempts == 1) {
                        (self.on_message)(&format!("{notice} It is tried again; Ctrl-C stops the run."));
                    }
                    tokio::time::sleep(wait.max(requested.unwrap_or_default()).min(longest_wait)).await;
                    wait = wait.saturating_mul(2);
                }
                Err(ModelError::Passing { reason, .. }) => {
                    return Err(ModelError::Unavailable(format!("{reason} (no answer in {attempts} attempts)")));
                }
                done => return done,
            }
        }
        Err(ModelError::Stopped)
    }
}

impl Collected {
    /// Adds the outcome in a line.
    fn add(&mut self, submission: &Submission, keys: &HashSet<CallKey>, line: &str) {
        let Some(line) = AnswerLine::read(line) else {
            self.malformed += 1;
            return;
        };
        let Some(key) = line.custom_id.parse().ok().filter(|key| keys.contains(key)) else {
            self.unknown += 1;
            return;
        };
        // A call of an earlier command that this command does not make has no request here.
        let Some(request) = submission.requests.get(&key) else {
            self.unread.insert(key);
            return;
        };
        let outcome = submission.client.batch_outcome(line, &request);
        match self.outcomes.entry(key) {
            Entry::Occupied(_) => self.duplicates.push((key, outcome)),
            Entry::Vacant(entry) => drop(entry.insert(outcome)),
        }
    }
}
