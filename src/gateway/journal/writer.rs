//! The thread that writes the journal. All rows that arrive during one write go into the next transaction, so that
//! many answers share one wait for the disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use rusqlite::{Connection, params};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::JournaledCall;
use crate::fetch::machine;
use crate::types::chat::{CallKey, Response, Usage};
use crate::types::embedding::Embedded;

/// Upper limit on the rows of one transaction, so that the first row does not wait for the thousandth.
const BATCH: usize = 512;

/// Waits before a failed transaction is repeated.
pub(super) const RETRIES: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3)];

/// A row to be written.
pub(super) enum Entry {
    /// An answered call; `response` is its answer as JSON.
    Call { call: Box<JournaledCall>, response: String, origin: Origin },
    /// Another worker's answer to a stored call, as JSON. It replaces the answer of this run.
    Replacement { key: CallKey, response: String, usage: Usage },
    /// The embedding of a text.
    Embedding { key: CallKey, embedder: String, embedded: Embedded },
    /// An attempt without an answer.
    Lost { key: CallKey, model: String, reason: String, worst: Usage },
}

/// The run that made a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The journal's own run, just now.
    Own,
    /// The journal's own run, at this time in seconds since 1970, UTC.
    OwnAt(i64),
    /// The run of another journal.
    Imported,
}

impl Entry {
    pub(super) fn call(call: JournaledCall, origin: Origin) -> Result<Self> {
        let response = serde_json::to_string(&call.response)?;
        Ok(Self::Call { call: Box::new(call), response, origin })
    }

    pub(super) fn replacement(key: CallKey, response: &Response) -> Result<Self> {
        Ok(Self::Replacement { key, response: serde_json::to_string(response)?, usage: response.usage })
    }
}

/// The reason why rows could not be written. Every waiting caller receives it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotWritten(Arc<rusqlite::Error>);

/// Receives true if the row is new, once the row is durable.
pub(super) type Durable = oneshot::Receiver<Result<bool, NotWritten>>;

struct Write {
    entry: Entry,
    /// `None` if no caller waits.
    done: Option<oneshot::Sender<Result<bool, NotWritten>>>,
}

/// Handle of the thread. The thread ends when the handle is dropped.
pub(super) struct Writer {
    queue: Mutex<Option<UnboundedSender<Write>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (sender, receiver) = unbounded_channel();
        let thread =
            std::thread::Builder::new().name("journal".to_owned()).spawn(move || serve(connection, receiver))?;
        Ok(Self { queue: Mutex::new(Some(sender)), thread: Some(thread) })
    }

    /// Writes a row and waits until it is durable. Returns true if the row is new.
    pub(super) async fn write(&self, entry: Entry) -> Result<bool> {
        finish(self.begin(entry)?).await
    }

    /// Queues a row.
    pub(super) fn begin(&self, entry: Entry) -> Result<Durable> {
        let (done, durable) = oneshot::channel();
        self.send(Write { entry, done: Some(done) }).then_some(durable).ok_or_else(ended)
    }

    /// Queues a row that no caller waits for.
    pub(super) fn note(&self, entry: Entry) {
        self.send(Write { entry, done: None });
    }

    fn send(&self, write: Write) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().is_some_and(|queue| queue.send(write).is_ok())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.take() {
            // The queued rows are written before the thread ends. If the thread panicked, the waiting callers have
            // received an error.
            drop(thread.join());
        }
    }
}

/// Waits until a row is durable. Returns true if the row is new.
pub(super) async fn finish(durable: Durable) -> Result<bool> {
    Ok(durable.await.map_err(|_| ended())??)
}

fn ended() -> anyhow::Error {
    anyhow!("the journal's thread has ended")
}

fn serve(mut connection: Connection, mut queue: UnboundedReceiver<Write>) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        // The batch holds paid answers, so it is retried if the disk is full for a moment or another process holds
        // the file.
        let mut waits = RETRIES.iter();
        let outcome = loop {
            match (commit(&mut connection, &batch), waits.next()) {
                (Err(_), Some(wait)) => std::thread::sleep(*wait),
                (outcome, _) => break outcome.map_err(|error| NotWritten(Arc::new(error))),
            }
        };
        for (index, write) in batch.into_iter().enumerate() {
            if let Some(done) = write.done {
                // If the caller has gone away, no one needs the result.
                drop(done.send(outcome.as_ref().map(|new| new[index]).map_err(Clone::clone)));
            }
        }
    }
}

/// Writes a batch durably. Returns for each row true if it is new.
fn commit(connection: &mut Connection, batch: &[Write]) -> rusqlite::Result<Vec<bool>> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let new = batch.iter().map(|write| insert(&transaction, &write.entry)).collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(new)
}

/// Writes one row. Returns true if it is new.
pub(super) fn insert(connection: &Connection, entry: &Entry) -> rusqlite::Result<bool> {
    let rows = match entry {
        Entry::Call { call, response, origin } => {
            let at = if let Origin::OwnAt(at) = origin { Some(*at) } else { None };
            let Usage { input, cached_input, output } = call.response.usage;
            connection
                .prepare_cached(
                    "INSERT INTO calls (key, model, item, request, response, input_tokens, cached_input_tokens,
                     output_tokens, imported, made, processor)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, coalesce(?10, unixepoch()), ?11)
                     ON CONFLICT (key) DO NOTHING",
                )?
                .execute(params![
                    call.key.to_string(),
                    call.model,
                    call.item.0,
                    call.request,
                    response,
                    input,
                    cached_input,
                    output,
                    *origin == Origin::Imported,
                    at,
                    (*origin == Origin::Own).then(machine::processor).flatten()
                ])?
        }
        Entry::Replacement { key, response, usage } => connection
            .prepare_cached(
                "UPDATE calls SET response = ?2, input_tokens = ?3, cached_input_tokens = ?4, output_tokens = ?5,
                 imported = 1 WHERE key = ?1",
            )?
            .execute(params![key.to_string(), response, usage.input, usage.cached_input, usage.output])?,
        Entry::Embedding { key, embedder, embedded } => {
            let vector = embedded.bytes();
            connection
                .prepare_cached(
                    "INSERT INTO embeddings (key, embedder, tokens, vector, made) VALUES (?1, ?2, ?3, ?4, unixepoch())
                     ON CONFLICT (key) DO NOTHING",
                )?
                .execute(params![key.to_string(), embedder, embedded.tokens, vector])?
        }
        Entry::Lost { key, model, reason, worst } => connection
            .prepare_cached(
                "INSERT INTO lost (key, model, reason, input_tokens, output_tokens, made)
                 VALUES (?1, ?2, ?3, ?4, ?5, unixepoch())",
            )?
            .execute(params![key.to_string(), model, reason, worst.input, worst.output])?,
    };
    Ok(rows > 0)
}
