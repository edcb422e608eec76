//! The journal of calls: every answer is stored under the hash of all that determines it, durably, before it is
//! used. Resuming, sharing calls between arms and offline replay are look-ups here. One `SQLite` file.

mod lock;
pub mod neighbours;
pub mod portable;
pub mod read_only;
mod schema;
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
pub use self::times::{Elapsed, times};
use self::writer::{Entry, Origin, Writer};
use crate::types::chat::{CallKey, Response, Usage};
use crate::types::embedding::Embedded;
use crate::types::item::ItemId;
use crate::types::recorded::RecordedCalls;

/// A call that was made.
#[derive(Debug, Clone)]
pub struct JournaledCall {
    /// Its key.
    pub key: CallKey,
    /// The model's name in the config.
    pub model: String,
    /// The item that it was about.
    pub item: ItemId,
    /// The canonical request: what the key is the hash of.
    pub request: String,
    /// The answer.
    pub response: Response,
}

/// An answer that several may wait for, and one gets.
pub type Flight = Arc<OnceCell<Arc<Response>>>;

/// What calls of one model have taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spend {
    /// Calls.
    pub calls: u64,
    /// Their tokens.
    pub usage: Usage,
}

/// An open journal.
pub struct Journal {
    path: PathBuf,
    reader: Mutex<Connection>,
    writer: Writer,
    /// Journals of other runs, looked into where this one has no answer; never written to.
    further: Vec<(PathBuf, Mutex<Connection>)>,
    /// Journals of the runs beside this one, looked into last; never written to.
    neighbours: Vec<Neighbour>,
    /// Whether refused calls of the other journals are asked again.
    passes_over_refused: bool,
    flights: Mutex<HashMap<CallKey, Flight>>,
    made: AtomicU64,
    imported: AtomicU64,
}

impl Journal {
    /// Opens the journal at `path`, or begins one.
    ///
    /// # Errors
    /// Names the file where it is damaged, of another version, or cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let writing = schema::open(path)?;
        let reading = schema::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            reader: Mutex::new(reading),
            writer: Writer::start(writing).context("the journal's thread did not start")?,
            further: Vec::new(),
            neighbours: Vec::new(),
            passes_over_refused: false,
            flights: Mutex::default(),
            made: AtomicU64::new(0),
            imported: AtomicU64::new(0),
        })
    }

    /// Looks into the journal of another run too: a journal, an export of one, or a folder with an export in parts
    /// (`journal*.parquet`). What is taken from there is copied, and counts as never spent.
    ///
    /// # Errors
    /// Names the file that is no journal or was changed after its export, or the folder that holds none.
    pub fn with_further(mut self, path: &Path) -> Result<Self> {
        self.further.extend(opened(path)?.into_iter().map(|(part, connection)| (part, Mutex::new(connection))));
        Ok(self)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Passes over the refused calls of the other journals, so that they are asked again.
    pub fn pass_over_refused(&mut self) {
        self.passes_over_refused = true;
    }

    /// Takes out the refused calls of this journal, so that they are asked again. Gives how many there were.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn forget_refused(&self) -> Result<usize> {
        let gone = lock(&self.reader).execute(
            "DELETE FROM calls WHERE response ->> '$.finish' = 'refused'
             OR (response ->> '$.finish' = 'content-filter' AND response ->> '$.text' = '')",
            [],
        );
        gone.with_context(|| format!("cannot write the journal {}", self.path.display()))
    }

    /// Calls that were really made since the journal was opened.
    #[must_use]
    pub fn calls_made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Calls that were copied from other journals since this one was opened.
    #[must_use]
    pub fn calls_imported(&self) -> u64 {
        self.imported.load(Ordering::Relaxed)
    }

    /// The place at which everybody waits who needs this call.
    #[must_use]
    pub fn flight(&self, key: &CallKey) -> Flight {
        Arc::clone(lock(&self.flights).entry(*key).or_default())
    }

    /// The call has ended, well or not; whoever needs it later looks into the journal.
    pub fn landed(&self, key: &CallKey) {
        lock(&self.flights).remove(key);
    }

    /// The stored answer to a call whose canonical request is known: a recording without requests gets it here.
    ///
    /// # Errors
    /// If a journal cannot be read, or this one not written to.
    pub async fn answer_to(&self, key: &CallKey, request: &str) -> Result<Option<Response>> {
        self.find(key, Some(request)).await
    }

    /// The stored answer to a call.
    ///
    /// # Errors
    /// If a journal cannot be read, or this one not written to.
    pub async fn get(&self, key: &CallKey) -> Result<Option<Response>> {
        self.find(key, None).await
    }

    async fn find(&self, key: &CallKey, request: Option<&str>) -> Result<Option<Response>> {
        if let Some(response) = self.stored(key)? {
            return Ok(Some(response));
        }
        let named = || self.further.iter().find_map(|(path, further)| call(&lock(further), path, key).transpose());
        let beside = || self.neighbours.iter().find_map(|neighbour| neighbour.call(key).transpose());
        let Some(made) = named().or_else(beside) else { return Ok(None) };
        let mut made = made?;
        if self.passes_over_refused && made.response.is_refused() {
            return Ok(None);
        }
        if let Some(request) = request {
            request.clone_into(&mut made.request);
        }
        let response = made.response.clone();
        self.writer.write(Entry::call(made, Origin::Imported)?).await?;
        self.imported.fetch_add(1, Ordering::Relaxed);
        Ok(Some(response))
    }

    /// Stores a call that was made, and returns once it is durable. Gives the answer that stands: another process
    /// may have stored one first, and that one is everybody's.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub async fn put(&self, made: JournaledCall) -> Result<Response> {
        let (key, response) = (made.key, made.response.clone());
        let is_new = self.writer.write(Entry::call(made, Origin::Own)?).await?;
        self.made.fetch_add(1, Ordering::Relaxed);
        if is_new {
            return Ok(response);
        }
        self.stored(&key)?.ok_or_else(|| anyhow!("call {key} is there and cannot be found"))
    }

    /// Notes an attempt that got no answer and may be charged all the same; at most `worst` for it.
    pub fn record_unanswered(&self, key: &CallKey, model: &str, reason: &str, worst: Usage) {
        self.writer.note(Entry::Lost { key: *key, model: model.to_owned(), reason: reason.to_owned(), worst });
    }

    /// The stored embeddings of texts, by their keys; those that other journals hold are copied.
    ///
    /// # Errors
    /// Where a journal cannot be read, or this one not written to.
    pub async fn embeddings(&self, embedder: &str, keys: &[CallKey]) -> Result<Vec<Option<Embedded>>> {
        let mut found = vec![None; keys.len()];
        look_up(&self.path, &self.reader, keys, &mut found)?;
        let missing: Vec<usize> = (0..keys.len()).filter(|at| found[*at].is_none()).collect();
        for (path, further) in &self.further {
            look_up(path, further, keys, &mut found)?;
        }
        for neighbour in &self.neighbours {
            neighbour.embeddings(keys, &mut found)?;
        }
        let copied = missing.into_iter().filter_map(|at| Some((keys[at], found[at].clone()?))).collect();
        self.put_embeddings(embedder, copied).await?;
        Ok(found)
    }

    /// Stores the embeddings of texts, each under its key, and returns once they are durable.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub async fn put_embeddings(&self, embedder: &str, rows: Vec<(CallKey, Embedded)>) -> Result<()> {
        let mut last = None;
        for (key, embedded) in rows {
            last = Some(self.writer.begin(Entry::Embedding { key, embedder: embedder.to_owned(), embedded })?);
        }
        // They are written in this order, so the last one's end is that of all.
        match last {
            Some(last) => writer::finish(last).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// What was spent on the calls of this journal, by the model's name; imported ones were spent by others.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn spent(&self) -> Result<BTreeMap<String, Spend>> {
        sums(&lock(&self.reader), SPENT).with_context(|| cannot_read(&self.path))
    }

    /// What attempts without an answer may have cost at most, by the model's name.
    ///
    /// # Errors
    /// Where the journal cannot be read.
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
                        "{} holds answers without their requests, so backend `replay` cannot tell what they answer; \
                         name the backend that gave them, and the file with --journal",
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

/// Checks that there is a journal to look into.
///
/// # Errors
/// Names the path at which there is none.
pub fn check_there(path: &Path) -> Result<()> {
    parts(path).map(|_| ())
}

/// The files that a path stands for: itself, or a folder's exports in the order of their names.
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

/// The journals that a path stands for, each with its file: a journal, an export, or the parts of one in a folder.
fn opened(path: &Path) -> Result<Vec<(PathBuf, Connection)>> {
    let open = |part: PathBuf| {
        let connection = if portable::is_portable(&part) { portable::open(&part) } else { schema::open_further(&part) };
        connection.map(|connection| (part, connection))
    };
    parts(path)?.into_iter().map(open).collect()
}

/// A whole call out of some journal.
fn call(connection: &Connection, path: &Path, key: &CallKey) -> Result<Option<JournaledCall>> {
    found(connection, path, key, "SELECT model, item, request, response FROM calls WHERE key = ?1")
}

/// A whole call by a query for model, item, request and response.
fn found(connection: &Connection, path: &Path, key: &CallKey, query: &str) -> Result<Option<JournaledCall>> {
    let found: Option<[String; 4]> = connection
        .prepare_cached(query)?
        .query_row([key.to_string()], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
        .optional()
        .with_context(|| cannot_read(path))?;
    let Some([model, item, request, text]) = found else { return Ok(None) };
    Ok(Some(JournaledCall { key: *key, model, item: item.into(), request, response: response(key, &text)? }))
}

/// Fills in the embeddings that are still missing, as far as this journal has them.
fn look_up(
    path: &Path,
    connection: &Mutex<Connection>,
    keys: &[CallKey],
    found: &mut [Option<Embedded>],
) -> Result<()> {
    let connection = lock(connection);
    for (key, place) in keys.iter().zip(found).filter(|(_, place)| place.is_none()) {
        *place = embedding(&connection, key).with_context(|| cannot_read(path))?;
    }
    Ok(())
}

fn embedding(connection: &Connection, key: &CallKey) -> rusqlite::Result<Option<Embedded>> {
    let mut statement = connection.prepare_cached("SELECT tokens, vector FROM embeddings WHERE key = ?1")?;
    let row = statement.query_row([key.to_string()], |row| {
        Ok(Embedded { tokens: row.get(0)?, vector: floats(&row.get::<_, Vec<u8>>(1)?) })
    });
    row.optional()
}

/// A vector as the journal's tables have it.
fn floats(bytes: &[u8]) -> Vec<f32> {
    let (floats, _) = bytes.as_chunks::<4>();
    floats.iter().map(|float| f32::from_le_bytes(*float)).collect()
}

fn response(key: &CallKey, text: &str) -> Result<Response> {
    serde_json::from_str(text).with_context(|| format!("call {key} is not readable"))
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read the journal {}", path.display())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
