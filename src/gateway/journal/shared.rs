//! The interface of a journal that several workers share: calls and embeddings by key, and one worker at a time for
//! each call.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;

use super::JournaledCall;
use super::neighbours::Account;
use crate::types::chat::{CallKey, Response, Usage};
use crate::types::embedding::Embedded;
use crate::types::price::{Fee, Price};

/// A limit on the fees of all workers.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedLimit {
    /// Config key of the limit.
    pub key: &'static str,
    /// The limit in USD.
    pub usd: f64,
    /// True if the calls of all runs in the shared journal count, not only those of this run.
    pub all_runs: bool,
}

/// A worker's share of a run, as the shared journal needs to know it.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Name of the run. Workers with the same name share its fee limits.
    pub run: String,
    /// Limits on fees.
    pub limits: Vec<SharedLimit>,
    /// Prices of the models, by name. Models without a price count as free.
    pub prices: BTreeMap<String, Option<Price>>,
    /// True if refused calls from before this worker began are made again.
    pub retries_refused: bool,
}

/// A call that a worker is about to make.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Key of the call.
    pub key: CallKey,
    /// Name of the model in the config.
    pub model: String,
    /// Upper bound on the tokens of one attempt.
    pub worst: Usage,
}

/// Answer to the wish to make a call.
#[derive(Debug, Clone)]
pub enum Claim {
    /// This worker makes the call. It must store an answer or release the claim.
    Granted,
    /// The call was answered meanwhile.
    Answered(Box<JournaledCall>),
    /// Another worker makes the call, or calls in flight may still turn out cheaper. The caller asks again after
    /// [`SharedCalls::changed`], at the latest after this time.
    Held(Duration),
    /// The call could exceed a limit although no other call is in flight.
    Exceeded {
        /// The limit.
        limit: SharedLimit,
        /// Fees that count against it.
        spent: Fee,
        /// Upper bound of the call's fee.
        worst: Fee,
    },
}

/// A journal that several workers share.
#[async_trait]
pub trait SharedCalls: Send + Sync {
    /// Address of the journal without secrets, for people.
    fn place(&self) -> String;

    /// Returns the stored call.
    ///
    /// # Errors
    /// If the journal cannot be read.
    async fn find(&self, key: &CallKey) -> Result<Option<JournaledCall>>;

    /// Claims a call for this worker.
    ///
    /// # Errors
    /// If the journal cannot be read or written.
    async fn claim(&self, wanted: Wanted) -> Result<Claim>;

    /// Waits until the call is answered or released by the worker that holds it, or may have been.
    async fn changed(&self, key: &CallKey, at_most: Duration);

    /// Stores a call durably, and ends this worker's claim on it. Returns the answer that applies: if another worker
    /// has stored one first, that answer is used by all. `own` is false for a call that was copied from another
    /// journal, which is not paid for by this run.
    ///
    /// # Errors
    /// If the journal cannot be written.
    async fn store(&self, call: JournaledCall, own: bool) -> Result<Response>;

    /// Ends this worker's claim on a call that it does not make.
    fn release(&self, key: &CallKey);

    /// Records an attempt that got no answer and may be charged, for at most `worst` tokens.
    fn record_unanswered(&self, key: &CallKey, model: &str, reason: &str, worst: Usage);

    /// Returns the stored embeddings of the texts with these keys, `None` for each that is not stored.
    ///
    /// # Errors
    /// If the journal cannot be read.
    async fn embeddings(&self, keys: &[CallKey]) -> Result<Vec<Option<Embedded>>>;

    /// Stores embeddings, each under its key.
    ///
    /// # Errors
    /// If the journal cannot be written.
    async fn put_embeddings(&self, embedder: &str, rows: &[(CallKey, Embedded)]) -> Result<()>;

    /// Returns those of the keys under which no call is stored. Waits for the answer.
    ///
    /// # Errors
    /// If the journal cannot be read.
    fn missing(&self, keys: Vec<CallKey>) -> Result<Vec<CallKey>>;

    /// Stores calls that this run made before, durably, and waits for it.
    ///
    /// # Errors
    /// If the journal cannot be written.
    fn store_all(&self, calls: Vec<JournaledCall>) -> Result<()>;

    /// Returns calls and tokens of all workers: of this run, or of all runs. Waits for the answer.
    ///
    /// # Errors
    /// If the journal cannot be read.
    fn account(&self, all_runs: bool) -> Result<Account>;
}
