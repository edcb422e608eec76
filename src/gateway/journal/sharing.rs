//! The journal's part in a journal that several workers share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::address::ServerAddress;
use super::neighbours::Account;
use super::shared::{Claim, Scope, SharedCalls, Wanted};
use super::{Journal, cannot_read, found, lock};
use crate::gateway::NoticeHandler;
use crate::gateway::budget::FeeLimit;
use crate::types::chat::{CallKey, Response, Usage};
use crate::types::model::ModelError;
use crate::types::price::Fee;

/// Calls that are copied into the shared journal at once.
const CHUNK: usize = 256;

/// A worker's claim on a call in the shared journal. It ends when it is dropped.
pub struct Lease {
    shared: Arc<dyn SharedCalls>,
    key: CallKey,
    ended: bool,
}

impl Lease {
    /// Notes that the answer is stored, which has ended the claim.
    pub fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.release(&self.key);
        }
    }
}

/// Who makes a call.
pub enum Turn {
    /// This process. The lease is `None` if the journal is not shared.
    Mine(Option<Lease>),
    /// Another worker has made it; this is its answer.
    Answered(Response),
    /// Another worker is making it, or a fee limit has no room yet. See [`Journal::changed`].
    Later(Duration),
}

/// Opens the journal at an address for a worker, or to read only if `scope` is `None`.
///
/// # Errors
/// If the server cannot be reached or holds no journal, or this program was built without `PostgreSQL`.
#[cfg(feature = "postgres")]
pub fn connect(
    address: &ServerAddress,
    scope: Option<Scope>,
    on_notice: NoticeHandler,
) -> Result<Arc<dyn SharedCalls>> {
    Ok(Arc::new(super::postgres::PostgresJournal::connect(address, scope, on_notice)?))
}

/// Refuses the address: this program was built without the feature.
///
/// # Errors
/// Always.
#[cfg(not(feature = "postgres"))]
pub fn connect(address: &ServerAddress, _: Option<Scope>, _: NoticeHandler) -> Result<Arc<dyn SharedCalls>> {
    Err(unsupported(address))
}

/// The error of a program without the feature.
#[cfg(not(feature = "postgres"))]
pub(super) fn unsupported(address: &ServerAddress) -> anyhow::Error {
    anyhow::anyhow!(
        "cannot open {address}: this program was built without PostgreSQL; build it with --features postgres"
    )
}

impl Journal {
    /// Shares this journal's calls with the workers of a shared journal. Calls that this run made before are copied
    /// there. Nothing is copied or claimed unless `calls_models`.
    ///
    /// # Errors
    /// If a journal cannot be read or written.
    pub fn share(&mut self, shared: Arc<dyn SharedCalls>, calls_models: bool) -> Result<()> {
        if calls_models {
            let own = self.own_keys()?;
            for chunk in own.chunks(CHUNK) {
                let missing: BTreeSet<CallKey> = shared.missing(chunk.to_vec())?.into_iter().collect();
                let query = "SELECT model, item, request, response FROM calls WHERE key = ?1";
                let reader = lock(&self.reader);
                let calls = missing.iter().map(|key| found(&reader, &self.path, key, query));
                let calls = calls.filter_map(Result::transpose);
                shared.store_all(calls.collect::<Result<_>>()?)?;
            }
        }
        (self.shared, self.calls_models) = (Some(shared), calls_models);
        Ok(())
    }

    /// Keys of the calls that this run made itself.
    fn own_keys(&self) -> Result<Vec<CallKey>> {
        let reader = lock(&self.reader);
        let keys = || -> rusqlite::Result<Vec<String>> {
            let mut statement = reader.prepare("SELECT key FROM calls WHERE NOT imported ORDER BY id")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        let keys = keys().with_context(|| cannot_read(&self.path))?;
        keys.iter().map(|key| key.parse().with_context(|| cannot_read(&self.path))).collect()
    }

    /// Decides who makes a call whose answer no journal holds. `worst` is an upper bound on the tokens of an attempt.
    ///
    /// # Errors
    /// [`ModelError::FeeLimit`] if a limit over all workers could be exceeded although no call is in flight, and
    /// [`ModelError::Unavailable`] if a journal cannot be read or written.
    pub async fn turn(&self, key: &CallKey, model: &str, request: &str, worst: Usage) -> Result<Turn, ModelError> {
        let Some(shared) = &self.shared else { return Ok(Turn::Mine(None)) };
        let wanted = Wanted { key: *key, model: model.to_owned(), worst };
        let broken = |error: anyhow::Error| ModelError::Unavailable(format!("{error:#}"));
        match shared.claim(wanted).await.map_err(broken)? {
            Claim::Granted => Ok(Turn::Mine(Some(Lease { shared: Arc::clone(shared), key: *key, ended: false }))),
            Claim::Answered(call) => self.copy(*call, Some(request)).await.map(Turn::Answered).map_err(broken),
            Claim::Held(at_most) => Ok(Turn::Later(at_most)),
            Claim::Exceeded { limit, spent, worst } => {
                Err(FeeLimit { key: limit.key, usd: limit.usd, before: spent }.error(Fee::default(), worst))
            }
        }
    }

    /// Waits until the turn of a call may have changed, at most for this time.
    pub async fn changed(&self, key: &CallKey, at_most: Duration) {
        if let Some(shared) = &self.shared {
            shared.changed(key, at_most).await;
        }
    }

    /// Returns the address of the shared journal, and calls and tokens of all workers: of this run, or of all runs.
    /// `None` if the journal is not shared.
    ///
    /// # Errors
    /// If the shared journal cannot be read.
    pub fn shared_account(&self, all_runs: bool) -> Result<Option<(String, Account)>> {
        let account = |shared: &Arc<dyn SharedCalls>| Ok((shared.place(), shared.account(all_runs)?));
        self.shared.as_ref().map(account).transpose()
    }
}
