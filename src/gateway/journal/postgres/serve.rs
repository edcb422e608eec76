//! The thread of the shared journal: it collects operations, performs them together, and comes back after the server
//! was away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::error::{DbError, SqlState};

use super::operation::{Failure, Group, Operation, Stored};
use super::session::{Session, StageError, Worker};
use super::waiting::Waiting;
use crate::gateway::NoticeHandler;
use crate::gateway::journal::address::ServerAddress;
use crate::gateway::journal::writer::RETRIES;

/// Upper limit on the operations of one transaction.
const GROUP: usize = 512;
/// Signs of life in the time of one lease.
const SIGNS: f64 = 4.0;
/// First and longest wait before a new attempt to connect.
const RECONNECT: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// Kind of an error, which decides whether the work is repeated.
enum Fault {
    /// The connection or the server is gone.
    Gone,
    /// The server resolved a conflict between workers by ending this transaction.
    Conflict,
    /// The server lacks a resource, such as space.
    Passing,
    /// Repeating the transaction does not help.
    Lasting,
}

impl StageError {
    fn fault(&self) -> Fault {
        let Self::Database(error) = self else { return Fault::Lasting };
        let Some(code) = error.as_db_error().map(DbError::code) else {
            // Without an answer of the server, only the transport can have failed; a value that cannot be converted is
            // an error of this program, which the next attempt meets again.
            return if error.is_closed() || std::error::Error::source(error).is_some_and(is_transport) {
                Fault::Gone
            } else {
                Fault::Lasting
            };
        };
        match &code.code()[..2] {
            _ if *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE => {
                Fault::Conflict
            }
            "08" => Fault::Gone,
            "57" if *code != SqlState::QUERY_CANCELED => Fault::Gone,
            "53" | "57" | "58" => Fault::Passing,
            _ => Fault::Lasting,
        }
    }

    /// The error for people.
    pub(super) fn text(self, place: &str) -> Failure {
        let reason = match self {
            Self::Database(error) => super::connection::without_secrets(&error),
            Self::Data(error) => error,
        };
        Failure(format!("the journal {place}: {reason:#}"))
    }
}

fn is_transport(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<std::io::Error>()
}

/// The thread's state.
pub(super) struct Server {
    pub(super) address: ServerAddress,
    pub(super) worker: Option<Arc<Worker>>,
    pub(super) waiting: Arc<Waiting>,
    pub(super) on_notice: NoticeHandler,
    pub(super) session: Session,
    /// True once no caller waits any more.
    pub(super) closing: Arc<AtomicBool>,
    /// True after the server was away for longer than the patience: it is then tried only once for each group.
    pub(super) gave_up: bool,
}

impl Server {
    /// Performs operations until all senders are gone.
    pub(super) async fn serve(mut self, mut queue: UnboundedReceiver<Operation>) {
        let every = self.worker.as_ref().map_or(3600.0, |worker| worker.lease_s / SIGNS);
        let mut signs = tokio::time::interval(Duration::from_secs_f64(every));
        signs.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut operations = Vec::new();
            tokio::select! {
                taken = queue.recv_many(&mut operations, GROUP) => {
                    if taken == 0 {
                        return;
                    }
                    let mut group = Group::default();
                    for operation in operations {
                        group.add(operation);
                    }
                    if let Err((group, failure)) = self.perform(group).await {
                        group.fail(&failure);
                    }
                }
                _ = signs.tick() => {
                    // A worker whose calls take long must not lose its claims because its connection was cut. If the
                    // server stays away, the next operation fails.
                    let _ = self.repeat(async |session| Ok(session.give_sign_of_life().await?)).await;
                }
            }
        }
    }

    /// Performs the operations of a group, stage by stage. On failure the operations without an answer are returned.
    async fn perform(&mut self, mut group: Group) -> Result<(), (Group, Failure)> {
        let settles = !(group.stores.is_empty()
            && group.lost.is_empty()
            && group.released.is_empty()
            && group.new_embeddings.is_empty());
        if settles {
            let settled = self.repeat(async |session| session.settle(&group).await).await;
            match settled {
                Ok(mut answers) => {
                    for (calls, reply) in group.stores.drain(..) {
                        let rest = answers.split_off(calls.len());
                        reply(Ok(std::mem::replace(&mut answers, rest)));
                    }
                    group.new_embeddings.drain(..).for_each(|(_, _, reply)| reply(Ok(())));
                }
                Err(failure) => return Err((group, failure)),
            }
        }
        if let Some(worker) = self.worker.clone().filter(|_| !group.claims.is_empty()) {
            let claimed = self.repeat(async |session| session.claim_all(&worker, &group).await).await;
            match claimed {
                Ok(claims) => {
                    for ((wanted, reply), claim) in group.claims.drain(..).zip(claims) {
                        if worker.scope.is_limited() && matches!(claim, super::Claim::Held(_)) {
                            self.waiting.expect_any(&wanted.key);
                        }
                        reply(Ok(claim));
                    }
                }
                Err(failure) => return Err((group, failure)),
            }
        }
        self.read(group).await
    }

    /// Performs the look-ups of a group.
    async fn read(&mut self, mut group: Group) -> Result<(), (Group, Failure)> {
        if !group.finds.is_empty() {
            let keys: Vec<_> = group.finds.iter().map(|(key, _)| *key).collect();
            let found = self
                .repeat(async |session| session.calls(&keys.iter().map(|key| &key.0[..]).collect::<Vec<_>>()).await)
                .await;
            match found {
                Ok(calls) => group.finds.drain(..).for_each(|(key, reply)| reply(Ok(calls.get(&key).cloned()))),
                Err(failure) => return Err((group, failure)),
            }
        }
        for (keys, reply) in group.embeddings.drain(..) {
            reply(self.repeat(async |session| session.embeddings(&keys).await).await);
        }
        for (keys, reply) in group.missing.drain(..) {
            reply(self.repeat(async |session| session.missing(&keys).await).await);
        }
        let run = self.worker.as_ref().map_or_else(String::new, |worker| worker.scope.run.clone());
        for (all_runs, reply) in group.accounts.drain(..) {
            reply(self.repeat(async |session| session.account(all_runs, &run).await).await);
        }
        Ok(())
    }

    /// Performs work, again after a conflict, for a while if the server lacks space, and as soon as the server is back
    /// if it was away. All work may be repeated: a transaction whose end is unknown changes nothing a second time.
    async fn repeat<T>(&mut self, work: impl AsyncFn(&Session) -> Result<T, StageError>) -> Result<T, Failure> {
        let place = self.address.to_string();
        let mut waits = RETRIES.iter();
        loop {
            let error = match work(&self.session).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match error.fault() {
                Fault::Conflict => {}
                Fault::Gone => self.reconnect(error).await?,
                Fault::Passing => match waits.next() {
                    Some(wait) => tokio::time::sleep(*wait).await,
                    None => return Err(error.text(&place)),
                },
                Fault::Lasting if self.session.has_ended() => self.reconnect(error).await?,
                Fault::Lasting => return Err(error.text(&place)),
            }
        }
    }

    /// Connects again, with growing waits, for the time of the address's patience.
    async fn reconnect(&mut self, error: StageError) -> Result<(), Failure> {
        let place = self.address.to_string();
        let patience = if self.gave_up { Duration::ZERO } else { self.address.patience };
        let Failure(reason) = error.text(&place);
        let next = format!(
            "Calls wait for it for up to {:.0} s; every answer so far is also in the run's own journal.",
            patience.as_secs_f64()
        );
        if !self.gave_up && !self.closing.load(Ordering::Relaxed) {
            (self.on_notice)(&format!("{reason}."), &next);
        }
        let began = Instant::now();
        let [mut wait, longest] = RECONNECT;
        loop {
            tokio::time::sleep(wait).await;
            match Session::open(&self.address, self.worker.clone(), &self.waiting).await {
                Ok(session) => {
                    (self.session, self.gave_up) = (session, false);
                    return Ok(());
                }
                Err(error) if began.elapsed() >= patience || self.closing.load(Ordering::Relaxed) => {
                    self.gave_up = true;
                    return Err(Failure(format!(
                        "{error:#}; it was away for {:.0} s. Every answer so far is in the run's own journal, and the same \
                         command resumes",
                        began.elapsed().as_secs_f64()
                    )));
                }
                Err(_) => wait = (wait * 2).min(longest),
            }
        }
    }
}

impl Session {
    /// Stores what a group knows.
    async fn settle(&self, group: &Group) -> Result<Vec<crate::types::chat::Response>, StageError> {
        self.in_transaction(async {
            let calls: Vec<&Stored> = group.stores.iter().flat_map(|(calls, _)| calls).collect();
            let answers = if calls.is_empty() { Vec::new() } else { self.store(&calls).await? };
            self.lose(&group.lost.iter().collect::<Vec<_>>()).await?;
            self.release(&group.released.iter().map(|key| &key.0[..]).collect::<Vec<_>>()).await?;
            for (embedder, rows, _) in &group.new_embeddings {
                self.put_embeddings(embedder, rows).await?;
            }
            Ok(answers)
        })
        .await
    }

    /// Claims what a group wants.
    async fn claim_all(&self, worker: &Worker, group: &Group) -> Result<Vec<super::Claim>, StageError> {
        let wanted: Vec<_> = group.claims.iter().map(|(wanted, _)| wanted).collect();
        self.in_transaction(self.claim(worker, &wanted)).await
    }
}
