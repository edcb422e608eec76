//! A journal on a `PostgreSQL` server, which the workers of a run share. One thread holds the connection. It performs
//! the operations that arrive during one transaction together in the next, so that many calls share one wait for the
//! server's disk. A worker claims a call before it makes it; the others wait for a notification.

mod claims;
mod connection;
mod operation;
mod read;
mod serve;
mod session;
mod settle;
mod tables;
mod transfer;
mod waiting;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use self::operation::{Failure, Lost, Operation, Reply, Stored};
use self::serve::Server;
use self::session::{Session, Worker};
use self::waiting::Waiting;
use super::JournaledCall;
use super::address::ServerAddress;
use super::neighbours::Account;
use super::shared::{Claim, Scope, SharedCalls, Wanted};
use crate::gateway::NoticeHandler;
use crate::types::chat::{CallKey, Response, Usage};
use crate::types::embedding::Embedded;

pub use self::transfer::prepare;
pub(super) use self::transfer::{rows, store};

/// An open journal on a `PostgreSQL` server.
pub struct PostgresJournal {
    place: String,
    waiting: Arc<Waiting>,
    queue: Mutex<Option<UnboundedSender<Operation>>>,
    thread: Option<JoinHandle<()>>,
    /// True once the journal is being closed: a server that is away is then no longer waited for.
    closing: Arc<AtomicBool>,
}

impl PostgresJournal {
    /// Connects, as a worker of a run, or to read only if `scope` is `None`. Messages about a server that has gone
    /// away are passed to `on_notice`. Waits for the connection.
    ///
    /// # Errors
    /// If the server cannot be reached, refuses the role, or holds no journal of this version.
    pub fn connect(address: &ServerAddress, scope: Option<Scope>, on_notice: NoticeHandler) -> Result<Self> {
        let worker = scope.map(|scope| {
            let id = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())) >> 1;
            Arc::new(Worker {
                id: i64::try_from(id).unwrap_or(i64::MAX),
                scope,
                place: format!("{} {}", sysinfo::System::host_name().unwrap_or_default(), std::process::id()),
                lease_s: address.lease.as_secs_f64(),
            })
        });
        let waiting = Arc::new(Waiting::default());
        let (queue, operations) = unbounded_channel();
        let (opened, result) = sync_channel(1);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (address, place) = (address.clone(), address.to_string());
        let woken = Arc::clone(&waiting);
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let thread = std::thread::Builder::new().name("shared journal".to_owned()).spawn(move || {
            runtime.block_on(async move {
                match Session::open(&address, worker.clone(), &woken).await {
                    Ok(session) => {
                        drop(opened.send(Ok(())));
                        Server { address, worker, waiting: woken, on_notice, session, closing: closed, gave_up: false }
                            .serve(operations)
                            .await;
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            });
        })?;
        result.recv().map_err(|_| ended())??;
        Ok(Self { place, waiting, queue: Mutex::new(Some(queue)), thread: Some(thread), closing })
    }

    fn send(&self, operation: Operation) -> Result<()> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().and_then(|queue| queue.send(operation).ok()).ok_or_else(ended)
    }

    /// Sends an operation and waits for its result.
    async fn ask<T: Send + 'static>(&self, make: impl FnOnce(Reply<T>) -> Operation + Send) -> Result<T> {
        let (reply, result) = oneshot::channel();
        self.send(make(Box::new(|outcome| drop(reply.send(outcome)))))?;
        Ok(result.await.map_err(|_| ended())??)
    }

    /// As [`Self::ask`], for callers outside a runtime's tasks.
    fn ask_blocking<T: Send + 'static>(&self, make: impl FnOnce(Reply<T>) -> Operation) -> Result<T> {
        let (reply, result) = sync_channel::<Result<T, Failure>>(1);
        self.send(make(Box::new(move |outcome| drop(reply.send(outcome)))))?;
        Ok(result.recv().map_err(|_| ended())??)
    }
}

fn ended() -> anyhow::Error {
    anyhow!("the thread of the shared journal has ended")
}

fn stored(call: JournaledCall, own: bool, made: Option<i64>) -> Result<Stored> {
    let response = serde_json::to_string(&call.response)?;
    Ok(Stored { call, response, own, made })
}

#[async_trait]
impl SharedCalls for PostgresJournal {
    fn place(&self) -> String {
        self.place.clone()
    }

    async fn find(&self, key: &CallKey) -> Result<Option<JournaledCall>> {
        self.ask(|reply| Operation::Find(*key, reply)).await
    }

    async fn claim(&self, wanted: Wanted) -> Result<Claim> {
        let key = wanted.key;
        self.waiting.expect(&key);
        let claim = self.ask(|reply| Operation::Claim(wanted, reply)).await;
        if !matches!(claim, Ok(Claim::Held(_))) {
            self.waiting.forget(&key);
        }
        claim
    }

    async fn changed(&self, key: &CallKey, at_most: Duration) {
        self.waiting.changed(key, at_most).await;
    }

    async fn store(&self, call: JournaledCall, own: bool) -> Result<Response> {
        let stored = stored(call, own, None)?;
        let answers = self.ask(|reply| Operation::Store(vec![stored], reply)).await?;
        answers.into_iter().next().context("the shared journal returned no answer")
    }

    fn release(&self, key: &CallKey) {
        // If the thread has ended, the lease ends the claim.
        let _ = self.send(Operation::Release(*key));
    }

    fn record_unanswered(&self, key: &CallKey, model: &str, reason: &str, worst: Usage) {
        let mut id = [0; 16];
        if getrandom::fill(&mut id).is_ok() {
            let lost = Lost { id, key: *key, model: model.to_owned(), reason: reason.to_owned(), worst };
            // The run's own journal has it as well.
            let _ = self.send(Operation::Lose(lost));
        }
    }

    async fn embeddings(&self, keys: &[CallKey]) -> Result<Vec<Option<Embedded>>> {
        self.ask(|reply| Operation::Embeddings(keys.to_vec(), reply)).await
    }

    async fn put_embeddings(&self, embedder: &str, rows: &[(CallKey, Embedded)]) -> Result<()> {
        self.ask(|reply| Operation::PutEmbeddings(embedder.to_owned(), rows.to_vec(), reply)).await
    }

    fn missing(&self, keys: Vec<CallKey>) -> Result<Vec<CallKey>> {
        self.ask_blocking(|reply| Operation::Missing(keys, reply))
    }

    fn store_all(&self, calls: Vec<JournaledCall>) -> Result<()> {
        let calls = calls.into_iter().map(|call| stored(call, true, None)).collect::<Result<_>>()?;
        self.ask_blocking(|reply| Operation::Store(calls, reply)).map(|_| ())
    }

    fn account(&self, all_runs: bool) -> Result<Account> {
        self.ask_blocking(|reply| Operation::Account(all_runs, reply))
    }
}

impl Drop for PostgresJournal {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.take() {
            // Queued operations are performed before the thread ends.
            drop(thread.join());
        }
    }
}
