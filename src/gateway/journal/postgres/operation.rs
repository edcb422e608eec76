//! What callers ask of the shared journal. The thread of the journal collects operations and performs those that
//! arrived together in two transactions: one for what is known, one for claims.

use anyhow::Result;

use crate::gateway::journal::JournaledCall;
use crate::gateway::journal::neighbours::Account;
use crate::gateway::journal::shared::{Claim, Wanted};
use crate::types::chat::{CallKey, Response, Usage};
use crate::types::embedding::Embedded;

/// An embedding with the key of its text.
pub(super) type KeyedEmbedding = (CallKey, Embedded);

/// Embeddings, `None` for each that is not stored.
pub(super) type Found = Vec<Option<Embedded>>;

/// Receiver of an operation's result.
pub(super) type Reply<T> = Box<dyn FnOnce(Result<T, Failure>) + Send>;

/// The reason why an operation failed. All operations of a transaction share it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failure(pub(super) String);

/// An attempt without an answer.
#[derive(Debug, Clone)]
pub(super) struct Lost {
    /// Random identifier, so that a repeated transaction adds no second row.
    pub(super) id: [u8; 16],
    /// Key of the call.
    pub(super) key: CallKey,
    /// Name of the model.
    pub(super) model: String,
    /// Reason, for people.
    pub(super) reason: String,
    /// Upper bound on the tokens.
    pub(super) worst: Usage,
}

/// A call to be stored.
pub(super) struct Stored {
    /// The call.
    pub(super) call: JournaledCall,
    /// Its answer as JSON.
    pub(super) response: String,
    /// True if this worker made the call, just now.
    pub(super) own: bool,
    /// Time of a call that this worker did not make, in seconds since 1970, UTC. `None` if it is unknown.
    pub(super) made: Option<i64>,
}

/// One operation.
pub(super) enum Operation {
    /// Looks a call up.
    Find(CallKey, Reply<Option<JournaledCall>>),
    /// Claims a call.
    Claim(Wanted, Reply<Claim>),
    /// Stores calls, and returns the answers that apply.
    Store(Vec<Stored>, Reply<Vec<Response>>),
    /// Ends a claim.
    Release(CallKey),
    /// Records an attempt without an answer.
    Lose(Lost),
    /// Looks embeddings up.
    Embeddings(Vec<CallKey>, Reply<Found>),
    /// Stores embeddings of an embedder.
    PutEmbeddings(String, Vec<KeyedEmbedding>, Reply<()>),
    /// Returns the keys under which nothing is stored.
    Missing(Vec<CallKey>, Reply<Vec<CallKey>>),
    /// Sums the calls of this run, or of all runs.
    Account(bool, Reply<Account>),
}

/// Operations that are performed together, by kind.
#[derive(Default)]
pub(super) struct Group {
    pub(super) finds: Vec<(CallKey, Reply<Option<JournaledCall>>)>,
    pub(super) claims: Vec<(Wanted, Reply<Claim>)>,
    pub(super) stores: Vec<(Vec<Stored>, Reply<Vec<Response>>)>,
    pub(super) released: Vec<CallKey>,
    pub(super) lost: Vec<Lost>,
    pub(super) embeddings: Vec<(Vec<CallKey>, Reply<Found>)>,
    pub(super) new_embeddings: Vec<(String, Vec<KeyedEmbedding>, Reply<()>)>,
    pub(super) missing: Vec<(Vec<CallKey>, Reply<Vec<CallKey>>)>,
    pub(super) accounts: Vec<(bool, Reply<Account>)>,
}

impl Group {
    /// Adds an operation.
    pub(super) fn add(&mut self, operation: Operation) {
        match operation {
            Operation::Find(key, reply) => self.finds.push((key, reply)),
            Operation::Claim(wanted, reply) => self.claims.push((wanted, reply)),
            Operation::Store(calls, reply) => self.stores.push((calls, reply)),
            Operation::Release(key) => self.released.push(key),
            Operation::Lose(lost) => self.lost.push(lost),
            Operation::Embeddings(keys, reply) => self.embeddings.push((keys, reply)),
            Operation::PutEmbeddings(embedder, rows, reply) => self.new_embeddings.push((embedder, rows, reply)),
            Operation::Missing(keys, reply) => self.missing.push((keys, reply)),
            Operation::Account(all_runs, reply) => self.accounts.push((all_runs, reply)),
        }
    }

    /// Answers every operation with the same failure.
    pub(super) fn fail(self, failure: &Failure) {
        let Self { finds, claims, stores, released: _, lost: _, embeddings, new_embeddings, missing, accounts } = self;
        answer(finds, failure);
        answer(claims, failure);
        answer(stores, failure);
        answer(embeddings, failure);
        answer(new_embeddings.into_iter().map(|(_, rows, reply)| (rows, reply)), failure);
        answer(missing, failure);
        answer(accounts, failure);
    }
}

/// Passes a failure to each receiver.
fn answer<A, T>(receivers: impl IntoIterator<Item = (A, Reply<T>)>, failure: &Failure) {
    for (_, reply) in receivers {
        reply(Err(failure.clone()));
    }
}
