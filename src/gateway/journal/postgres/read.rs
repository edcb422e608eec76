//! Look-ups: calls, embeddings, and sums.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow};
use tokio_postgres::Row;

use super::session::{Session, StageError};
use crate::gateway::journal::neighbours::Account;
use crate::gateway::journal::{JournaledCall, Spend};
use crate::types::chat::{CallKey, Usage};
use crate::types::embedding::{Embedded, floats};

/// Reads calls by key. If refused calls are made again, those from before the worker began are left out.
const CALLS: &str = "SELECT key, model, item, request, response FROM intercascade.calls
    WHERE key = ANY($1::bytea[]) AND NOT (refused AND $2
        AND coalesce(made, '-infinity') < (SELECT begun FROM intercascade.workers WHERE id = $3))";

const KNOWN: &str = "SELECT key FROM intercascade.calls WHERE key = ANY($1::bytea[])";

const EMBEDDINGS: &str = "SELECT key, tokens, vector FROM intercascade.embeddings WHERE key = ANY($1::bytea[])";

/// Sums calls and unanswered attempts by model, of one run or of all.
const ACCOUNT: &str = "
    SELECT s.model, sum(calls)::bigint, sum(input_tokens)::bigint, sum(cached_input_tokens)::bigint,
        sum(output_tokens)::bigint, sum(lost_calls)::bigint, sum(lost_input_tokens)::bigint,
        sum(lost_output_tokens)::bigint, sum(batched_calls)::bigint, sum(batched_input_tokens)::bigint,
        sum(batched_cached_input_tokens)::bigint, sum(batched_output_tokens)::bigint
    FROM intercascade.spend s JOIN intercascade.workers w ON w.id = s.worker WHERE $1 OR w.run = $2 GROUP BY s.model";

/// Reads a key.
pub(super) fn key(bytes: &[u8]) -> Result<CallKey> {
    Ok(CallKey(bytes.try_into().map_err(|_| anyhow!("a key has {} bytes, not 32", bytes.len()))?))
}

/// Reads a number of tokens or calls.
pub(super) fn tokens(row: &Row, column: usize) -> Result<u64> {
    u64::try_from(row.get::<_, i64>(column)).context("a sum is negative")
}

/// Reads a row of [`CALLS`].
fn call_of(row: &Row) -> Result<JournaledCall> {
    let key = key(row.get(0))?;
    let response: &str = row.get(4);
    let response = serde_json::from_str(response).with_context(|| format!("call {key} cannot be decoded"))?;
    Ok(JournaledCall { key, model: row.get(1), item: row.get::<_, String>(2).into(), request: row.get(3), response })
}

impl Session {
    /// Stored calls that apply to this worker, by key.
    pub(super) async fn calls(&self, keys: &[&[u8]]) -> Result<BTreeMap<CallKey, JournaledCall>, StageError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let retries = self.worker.as_ref().is_some_and(|worker| worker.scope.retries_refused);
        let id = self.worker.as_ref().map_or(0, |worker| worker.id);
        let rows = self.query(CALLS, &[&keys, &retries, &id]).await?;
        let calls = rows.iter().map(|row| call_of(row).map(|call| (call.key, call)));
        Ok(calls.collect::<Result<_>>()?)
    }

    /// Those of the keys under which no call is stored.
    pub(super) async fn missing(&self, keys: &[CallKey]) -> Result<Vec<CallKey>, StageError> {
        let bytes: Vec<&[u8]> = keys.iter().map(|key| &key.0[..]).collect();
        let rows = self.query(KNOWN, &[&bytes]).await?;
        let known = rows.iter().map(|row| key(row.get(0))).collect::<Result<BTreeSet<_>>>()?;
        Ok(keys.iter().filter(|key| !known.contains(key)).copied().collect())
    }

    /// Stored embeddings, by key.
    pub(super) async fn embeddings(&self, keys: &[CallKey]) -> Result<Vec<Option<Embedded>>, StageError> {
        let bytes: Vec<&[u8]> = keys.iter().map(|key| &key.0[..]).collect();
        let mut found = BTreeMap::new();
        for row in self.query(EMBEDDINGS, &[&bytes]).await? {
            let embedded = Embedded { tokens: tokens(&row, 1)?, vector: floats(row.get(2)) };
            found.insert(key(row.get(0))?, embedded);
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// Sums the calls of a run, or of all runs.
    pub(super) async fn account(&self, all_runs: bool, run: &str) -> Result<Account, StageError> {
        let mut account = Account::default();
        for row in self.query(ACCOUNT, &[&all_runs, &run]).await? {
            let model: String = row.get(0);
            let usage = |first: usize| -> Result<Usage> {
                Ok(Usage {
                    input: tokens(&row, first)?,
                    cached_input: tokens(&row, first + 1)?,
                    output: tokens(&row, first + 2)?,
                })
            };
            let lost = Usage { input: tokens(&row, 6)?, cached_input: 0, output: tokens(&row, 7)? };
            for (sums, calls, usage) in [
                (&mut account.spent, tokens(&row, 1)?, usage(2)?),
                (&mut account.lost, tokens(&row, 5)?, lost),
                (&mut account.batched, tokens(&row, 8)?, usage(9)?),
            ] {
                if calls > 0 {
                    sums.insert(model.clone(), Spend { calls, usage });
                }
            }
        }
        Ok(account)
    }
}
