//! The journal of calls, one `SQLite` file. Every answer is stored durably, under the hash of everything that
//! determines it, before it is used. Resuming, sharing calls between arms and offline replay are look-ups in the
//! journal.

pub mod address;
pub mod batches;
pub mod copies;
mod embeddings;
mod lock;
pub mod neighbours;
pub mod portable;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod read_only;
mod schema;
pub mod shared;
pub mod sharing;
mod times;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::OnceCell;

pub use self::lock::JournalLock;
use self::neighbours::{LOST, Neighbour, SPENT, sums};
use self::shared::SharedCalls;
pub use self::times::{Elapsed, times};
use self::writer::{Entry, Origin, Writer};
use crate::types::chat::{CallKey, Response, Usage};
use crate::types::item::ItemId;
use crate::types::recorded::RecordedCalls;

/// An answered call.
#[derive(Debug, Clone)]
pub struct JournaledCall {
    /// Key of the call: the SHA-256 of its canonical request.
    pub key: CallKey,
    /// Name of the model in the config.
    pub model: String,
    /// Item of the request.
    pub item: ItemId,
    /// Canonical request. Empty for a call from a recording without requests.
    pub request: String,
    /// The model's answer.
    pub response: Response,
}

/// An answer that several callers may wait for and one caller obtains.
pub type Flight = Arc<OnceCell<Arc<Response>>>;

/// Number and tokens of the calls of one model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spend {
    /// Number of calls.
    pub calls: u64,
    /// Sum of their tokens.
    pub usage: Usage,
}

/// An open journal.
pub struct Journal {
    path: PathBuf,
    reader: Mutex<Connection>,
    writer: Writer,
    /// Journals of other runs, searched if this journal has no answer. They are never written to.
    further: Vec<(PathBuf, Mutex<Connection>)>,
    /// Journals of neighbouring runs, searched last. They are never written to.
    neighbours: Vec<Neighbour>,
    /// Journal that this run shares with other workers. Its answers apply before those of other journals.
    shared: Option<Arc<dyn SharedCalls>>,
    /// True if the shared journal receives calls, and not only answers.
    calls_models: bool,
    /// True if refused calls of the other journals are ignored, so that the requests are sent again.
    ignores_refused: bool,
    flights: Mutex<HashMap<CallKey, Flight>>,
    calls_made: AtomicU64,
    imported: AtomicU64,
}

impl Journal {
    /// Opens the journal at `path`, or creates one.
    ///
    /// # Errors
    /// Names the file if it is damaged, has another schema version, or cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let writing = schema::open(path)?;
        let reading = schema::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            reader: Mutex::new(reading),
            writer: Writer::start(writing).context("the journal's thread did not start")?,
            further: Vec::new(),
            neighbours: Vec::new(),
            shared: None,
            calls_models: false,
            ignores_refused: false,
            flights: Mutex::default(),
            calls_made: AtomicU64::new(0),
            imported: AtomicU64::new(0),
        })
    }

    /// Adds journals of another run to search: a journal, an export of one, or a folder with an export in parts
    /// (`journal*.parquet`). Answers found there are copied, and count as not paid for by this run.
    ///
    /// # Errors
    /// Names the file that is not a journal or was changed after its export, or the folder that holds no export.
    pub fn with_further(mut self, path: &Path) -> Result<Self> {
        self.further.extend(opened(path)?.into_iter().map(|(part, connection)| (part, Mutex::new(connection))));
        Ok(self)
    }

    /// Path of the journal's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ignores the refused calls of the other journals, so that the requests are sent again.
    pub fn ignore_refused(&mut self) {
        self.ignores_refused = true;
    }

    /// Deletes the refused calls of this journal, so that the requests are sent again. Returns the number of
    /// deleted calls.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn delete_refused(&self) -> Result<usize> {
        let deleted = lock(&self.reader).execute(
            "DELETE FROM calls WHERE response ->> '$.finish' = 'refused'
             OR (response ->> '$.finish' = 'content-filter' AND response ->> '$.text' = '')",
            [],
        );
        deleted.with_context(|| format!("cannot write the journal {}", self.path.display()))
    }

    /// Returns the number of calls made since the journal was opened.
    #[must_use]
    pub fn calls_made(&self) -> u64 {
        self.calls_made.load(Ordering::Relaxed)
    }

    /// Returns the number of calls copied from other journals since this one was opened.
    #[must_use]
    pub fn calls_imported(&self) -> u64 {
        self.imported.load(Ordering::Relaxed)
    }

    /// Returns the cell on which all callers of one call wait.
    #[must_use]
    pub fn flight(&self, key: &CallKey) -> Flight {
        Arc::clone(lock(&self.flights).entry(*key).or_default())
    }

    /// Removes the cell of a call that has ended, successfully or not. Later callers find the answer in the
    /// journal.
    pub fn end_flight(&self, key: &CallKey) {
        lock(&self.flights).remove(key);
    }

    /// Returns the stored answer to a call whose canonical request is known. An answer copied from a recording
    /// without requests is stored with `request`.
    ///
    /// # Errors
    /// If a journal cannot be read, or this journal cannot be written.
    pub async fn answer_to(&self, key: &CallKey, request: &str) -> Result<Option<Response>> {
        self.find(key, Some(request)).await
    }

    /// Returns the stored answer to a call.
    ///
    /// # Errors
    /// If a journal cannot be read, or this journal cannot be written.
    pub async fn get(&self, key: &CallKey) -> Result<Option<Response>> {
        self.find(key, None).await
    }

    async fn find(&self, key: &CallKey, request: Option<&str>) -> Result<Option<Response>> {
        if let Some(response) = self.stored(key)? {
            return Ok(Some(response));
        }
        if let Some(shared) = &self.shared
            && let Some(call) = shared.find(key).await?
        {
            return self.copy(call, request).await.map(Some);
        }
        let in_further = || self.further.iter().find_map(|(path, further)| call(&lock(further), path, key).transpose());
        let in_neighbours = || self.neighbours.iter().find_map(|neighbour| neighbour.call(key).transpose());
        let Some(call) = in_further().or_else(in_neighbours) else { return Ok(None) };
        let mut call = call?;
        if self.ignores_refused && call.response.is_refused() {
            return Ok(None);
        }
        if let Some(shared) = self.shared.as_ref().filter(|_| self.calls_models) {
            // All workers use the same answer, whoever has it first.
            call.response = shared.store(call.clone(), false).await?;
        }
        self.copy(call, request).await.map(Some)
    }

    /// Copies a call of another journal into this one and returns its answer. A call without a request gets `request`.
    async fn copy(&self, mut call: JournaledCall, request: Option<&str>) -> Result<Response> {
        if let Some(request) = request {
            request.clone_into(&mut call.request);
        }
        let response = call.response.clone();
        self.writer.write(Entry::call(call, Origin::Imported)?).await?;
        self.imported.fetch_add(1, Ordering::Relaxed);
        Ok(response)
    }

    /// Stores a call that was made, and returns once the call is durable. Returns the answer that applies: if
    /// another process or worker has stored one first, that answer is used by all.
    ///
    /// # Errors
    /// If the journal, or the shared journal, cannot be written.
    pub async fn put(&self, call: JournaledCall) -> Result<Response> {
        let (key, response) = (call.key, call.response.clone());
        let shared_copy = self.shared.as_ref().map(|shared| (shared, call.clone()));
        // The run's own journal comes first: a paid answer is safe there even if the server is away.
        let is_new = self.writer.write(Entry::call(call, Origin::Own)?).await?;
        self.calls_made.fetch_add(1, Ordering::Relaxed);
        if let Some((shared, call)) = shared_copy {
            let applies = shared.store(call.clone(), true).await?;
            if applies != response {
                let (model, worst) = (call.model, response.usage);
                let reason = "another worker answered this call first".to_owned();
                self.writer.note(Entry::Lost { key, model, reason, worst });
                self.writer.write(Entry::replacement(key, &applies)?).await?;
                return Ok(applies);
            }
        }
        if is_new {
            return Ok(response);
        }
        self.stored(&key)?.ok_or_else(|| anyhow!("call {key} exists in the journal but cannot be read"))
    }

    /// Records an attempt that got no answer and may be charged, for at most `worst` tokens.
    pub fn record_unanswered(&self, key: &CallKey, model: &str, reason: &str, worst: Usage) {
        self.writer.note(Entry::Lost { key: *key, model: model.to_owned(), reason: reason.to_owned(), worst });
        if let Some(shared) = &self.shared {
            shared.record_unanswered(key, model, reason, worst);
        }
    }

    /// Returns the number and the tokens of this run's own calls, by the model's name. Copied calls were paid for
    /// by other runs and do not count.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn spent(&self) -> Result<BTreeMap<String, Spend>> {
        sums(&lock(&self.reader), SPENT).with_context(|| cannot_read(&self.path))
    }

    /// Returns the number of attempts without an answer and an upper bound on their tokens, by the model's name.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn lost(&self) -> Result<BTreeMap<String, Spend>> {
        sums(&lock(&self.reader), LOST).with_context(|| cannot_read(&self.path))
    }

    fn stored(&self, key: &CallKey) -> Result<Option<Response>> {
        let connection = lock(&self.reader);
        let text: Option<String> = connection
            .prepare_cached("SELECT response FROM calls WHERE key = ?1")?
            .query_row([key.to_string()], |row| row.get(0))
            .optional()
            .with_context(|| cannot_read(&self.path))?;
        drop(connection);
        text.map(|text| response(key, &text)).transpose()
    }
}

#[async_trait]
impl RecordedCalls for Journal {
    fn requests(&self, model: &str) -> Result<Vec<(CallKey, String)>> {
        let own = (&self.path, &self.reader);
        let mut found = Vec::new();
        for (path, connection) in std::iter::once(own).chain(self.further.iter().map(|(path, further)| (path, further)))
        {
            let connection = lock(connection);
            let mut statement = connection.prepare("SELECT key, request FROM calls WHERE model = ?1 ORDER BY id")?;
            let rows = statement.query_map([model], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            for row in rows {
                let (key, request) = row.with_context(|| cannot_read(path))?;
                if request.is_empty() {
                    bail!(
                        "{} holds answers without their requests, so backend `replay` cannot match them to items. \
                         Set the backend that produced the answers, and name the file with --journal",
                        path.display()
                    );
                }
                found.push((key.parse().with_context(|| cannot_read(path))?, request));
            }
        }
        Ok(found)
    }

    async fn answer(&self, key: &CallKey) -> Result<Option<Response>> {
        self.get(key).await
    }
}

/// Checks that a journal exists at `path`.
///
/// # Errors
/// Names the path if there is no journal.
pub fn check_exists(path: &Path) -> Result<()> {
    parts(path).map(|_| ())
}

/// Returns the files of a journal path: the file itself, or a folder's exports in the order of their names.
fn parts(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let Ok(entries) = std::fs::read_dir(path) else { bail!("there is no journal {}", path.display()) };
    let mut parts = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| cannot_read(path))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("journal") && name.ends_with(".parquet") {
            parts.push(entry.path());
        }
    }
    if parts.is_empty() {
        bail!("the folder {} holds no exported journal (journal*.parquet)", path.display());
    }
    parts.sort();
    Ok(parts)
}

/// Opens the journals of a path, each with its file: a journal, an export, or the parts of an export in a folder.
fn opened(path: &Path) -> Result<Vec<(PathBuf, Connection)>> {
    let open = |part: PathBuf| {
        let connection = if portable::is_portable(&part) { portable::open(&part) } else { schema::open_further(&part) };
        connection.map(|connection| (part, connection))
    };
    parts(path)?.into_iter().map(open).collect()
}

/// Reads a call with its request and answer from a journal.
fn call(connection: &Connection, path: &Path, key: &CallKey) -> Result<Option<JournaledCall>> {
    found(connection, path, key, "SELECT model, item, request, response FROM calls WHERE key = ?1")
}

/// Reads a call by a query that selects model, item, request and response.
fn found(connection: &Connection, path: &Path, key: &CallKey, query: &str) -> Result<Option<JournaledCall>> {
    let found: Option<[String; 4]> = connection
        .prepare_cached(query)?
        .query_row([key.to_string()], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
        .optional()
        .with_context(|| cannot_read(path))?;
    let Some([model, item, request, text]) = found else { return Ok(None) };
    Ok(Some(JournaledCall { key: *key, model, item: item.into(), request, response: response(key, &text)? }))
}

fn response(key: &CallKey, text: &str) -> Result<Response> {
    serde_json::from_str(text).with_context(|| format!("call {key} cannot be decoded"))
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read the journal {}", path.display())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
