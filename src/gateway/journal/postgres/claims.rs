//! The transaction for claims: who makes a call, and whether the fee limits allow it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::read;
use super::session::{Session, StageError, Worker};
use super::settle::count;
use crate::gateway::journal::shared::{Claim, Scope, SharedLimit, Wanted};
use crate::types::chat::{CallKey, Usage};
use crate::types::price::Fee;

/// Takes the claims of workers that gave no sign of life, and records their attempts as possibly charged. After a
/// restart of the server every worker has a whole lease to come back.
const TAKE_OVER: &str = "
    WITH dead AS (
        SELECT c.key FROM intercascade.claims c JOIN intercascade.workers w ON w.id = c.worker
            WHERE c.key = ANY($1::bytea[]) AND c.worker <> $2
            AND greatest(w.seen, pg_postmaster_start_time()) < now() - w.lease
            ORDER BY c.key FOR UPDATE OF c
    ), taken AS (
        DELETE FROM intercascade.claims WHERE key IN (SELECT key FROM dead) RETURNING *
    ), noted AS (
        INSERT INTO intercascade.lost (id, key, worker, model, reason, input_tokens, output_tokens)
        SELECT uuid_send(gen_random_uuid()), key, worker, model, 'the worker that made this call ended', input_tokens,
            output_tokens FROM taken
        RETURNING worker, model, input_tokens, output_tokens
    )
    INSERT INTO intercascade.spend AS sum (worker, model, lost_calls, lost_input_tokens, lost_output_tokens)
    SELECT worker, model, count(*), sum(input_tokens), sum(output_tokens) FROM noted GROUP BY worker, model
    ON CONFLICT (worker, model) DO UPDATE SET lost_calls = sum.lost_calls + excluded.lost_calls,
        lost_input_tokens = sum.lost_input_tokens + excluded.lost_input_tokens,
        lost_output_tokens = sum.lost_output_tokens + excluded.lost_output_tokens";

/// Claims calls for a worker, and returns those that it now holds.
const CLAIM: &str = "
    INSERT INTO intercascade.claims AS held (key, worker, model, input_tokens, output_tokens)
    SELECT given.key, $1, given.model, given.input_tokens, given.output_tokens
        FROM unnest($2::bytea[], $3::text[], $4::bigint[], $5::bigint[]) AS given (key, model, input_tokens, output_tokens)
        ORDER BY given.key
    ON CONFLICT (key) DO UPDATE SET worker = held.worker WHERE held.worker = excluded.worker
    RETURNING key";

/// Asks the holders of claims for a notification, and returns the seconds until their leases end.
const AWAIT: &str = "
    WITH held AS (
        SELECT key FROM intercascade.claims WHERE key = ANY($1::bytea[]) AND worker <> $2 ORDER BY key FOR UPDATE
    ), marked AS (
        UPDATE intercascade.claims c SET awaited = true FROM held WHERE c.key = held.key RETURNING c.key, c.worker
    )
    SELECT marked.key,
        extract(epoch FROM greatest(w.seen, pg_postmaster_start_time()) + w.lease - now())::float8
        FROM marked JOIN intercascade.workers w ON w.id = marked.worker";

/// Asks the holders of all claims under a limit for a notification.
const AWAIT_ANY: &str = "
    WITH held AS (
        SELECT c.key FROM intercascade.claims c JOIN intercascade.workers w ON w.id = c.worker
            WHERE ($1 OR w.run = $2) AND NOT c.awaited ORDER BY c.key FOR UPDATE OF c
    )
    UPDATE intercascade.claims c SET awaited = true FROM held WHERE c.key = held.key";

/// Upper bound on the tokens of the calls in flight under a limit, by model.
const IN_FLIGHT: &str = "
    SELECT c.model, sum(c.input_tokens)::bigint, sum(c.output_tokens)::bigint
        FROM intercascade.claims c JOIN intercascade.workers w ON w.id = c.worker
        WHERE ($1 OR w.run = $2) AND NOT c.key = ANY($3::bytea[]) GROUP BY c.model";

/// One worker at a time may decide about a limit. Locks end with the transaction.
const LOCK_LIMITS: &str = "SELECT pg_advisory_xact_lock(7205942)";

/// Longest time after which a worker looks again whether a fee limit has room.
const LIMIT_WAIT: Duration = Duration::from_secs(5);
/// Shortest wait for another worker's lease.
const SHORTEST: Duration = Duration::from_millis(50);

/// Fees under one limit.
struct Level<'a> {
    limit: &'a SharedLimit,
    spent: Fee,
    in_flight: Fee,
}

impl Scope {
    /// True if a limit on fees applies.
    pub(super) fn is_limited(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Amount by which these tokens of a model are cheaper in a batch.
    pub(super) fn saved_by_batch(&self, model: &str, usage: Usage) -> Fee {
        self.prices.get(model).and_then(Option::as_ref).map(|price| price.saved_by_batch(usage)).unwrap_or_default()
    }

    /// Fee of these tokens of a model.
    pub(super) fn fee(&self, model: &str, usage: Usage) -> Fee {
        self.prices.get(model).and_then(Option::as_ref).map(|price| price.fee(usage)).unwrap_or_default()
    }
}

impl Session {
    /// Claims calls. Returns an answer for each, in this order.
    pub(super) async fn claim(&self, worker: &Worker, wanted: &[&Wanted]) -> Result<Vec<Claim>, StageError> {
        let limited = !worker.scope.limits.is_empty();
        if limited {
            self.query(LOCK_LIMITS, &[]).await?;
        }
        let keys: Vec<&[u8]> = wanted.iter().map(|wanted| &wanted.key.0[..]).collect();
        self.query(TAKE_OVER, &[&keys, &worker.id]).await?;
        let answered = self.calls(&keys).await?;
        let mut open: BTreeMap<CallKey, &Wanted> = wanted.iter().map(|wanted| (wanted.key, *wanted)).collect();
        open.retain(|key, _| !answered.contains_key(key));
        let mut decided: BTreeMap<CallKey, Claim> = BTreeMap::new();
        if limited {
            let held = self.held_elsewhere(worker, &open).await?;
            decided = self.within_limits(worker, &open, &held).await?;
            open.retain(|key, _| !decided.contains_key(key));
        }
        let granted = self.insert(worker, &open).await?;
        let others: Vec<&[u8]> = open.keys().filter(|key| !granted.contains(*key)).map(|key| &key.0[..]).collect();
        for row in self.query(AWAIT, &[&others, &worker.id]).await? {
            let left = Duration::try_from_secs_f64(row.get(1)).unwrap_or_default();
            decided.insert(read::key(row.get(0))?, Claim::Held(left.max(SHORTEST)));
        }
        // A call that was answered between the two look-ups needs no claim.
        let fresh: Vec<&[u8]> = granted.iter().map(|key| &key.0[..]).collect();
        let late = self.calls(&fresh).await?;
        let needless: Vec<&[u8]> = late.keys().map(|key| &key.0[..]).collect();
        self.release(&needless).await?;
        let claim = |wanted: &&Wanted| {
            let key = &wanted.key;
            if let Some(call) = answered.get(key).or_else(|| late.get(key)) {
                return Claim::Answered(Box::new(call.clone()));
            }
            match decided.get(key) {
                Some(claim) => claim.clone(),
                None if granted.contains(key) => Claim::Granted,
                // The holder has just released it.
                None => Claim::Held(SHORTEST),
            }
        };
        Ok(wanted.iter().map(claim).collect())
    }

    /// Inserts claims, and returns the keys that this worker holds.
    async fn insert(
        &self,
        worker: &Worker,
        open: &BTreeMap<CallKey, &Wanted>,
    ) -> Result<BTreeSet<CallKey>, StageError> {
        let keys: Vec<&[u8]> = open.keys().map(|key| &key.0[..]).collect();
        let models: Vec<&str> = open.values().map(|wanted| &*wanted.model).collect();
        let input: Vec<i64> = open.values().map(|wanted| count(wanted.worst.input)).collect();
        let output: Vec<i64> = open.values().map(|wanted| count(wanted.worst.output)).collect();
        let rows = self.query(CLAIM, &[&worker.id, &keys, &models, &input, &output]).await?;
        Ok(rows.iter().map(|row| read::key(row.get(0))).collect::<anyhow::Result<_>>()?)
    }

    /// Keys that another worker holds: they need no room under a limit.
    async fn held_elsewhere(
        &self,
        worker: &Worker,
        open: &BTreeMap<CallKey, &Wanted>,
    ) -> Result<BTreeSet<CallKey>, StageError> {
        const HELD: &str = "SELECT key FROM intercascade.claims WHERE key = ANY($1::bytea[]) AND worker <> $2";
        let keys: Vec<&[u8]> = open.keys().map(|key| &key.0[..]).collect();
        let rows = self.query(HELD, &[&keys, &worker.id]).await?;
        Ok(rows.iter().map(|row| read::key(row.get(0))).collect::<anyhow::Result<_>>()?)
    }

    /// Decides which calls would exceed a limit. Calls that are not in the result may be claimed.
    async fn within_limits(
        &self,
        worker: &Worker,
        open: &BTreeMap<CallKey, &Wanted>,
        held: &BTreeSet<CallKey>,
    ) -> Result<BTreeMap<CallKey, Claim>, StageError> {
        let mut levels = Vec::new();
        for limit in &worker.scope.limits {
            let spent = self.spent(worker, limit).await?;
            let in_flight = self.in_flight(worker, limit, open).await?;
            levels.push(Level { limit, spent, in_flight });
        }
        let mut decided = BTreeMap::new();
        let mut waits = false;
        for (key, wanted) in open.iter().filter(|(key, _)| !held.contains(*key)) {
            let worst = worker.scope.fee(&wanted.model, wanted.worst);
            let over = |level: &&Level| level.spent.plus(level.in_flight).plus(worst).usd() > level.limit.usd;
            let Some(level) = levels.iter().find(over) else {
                for level in &mut levels {
                    level.in_flight = level.in_flight.plus(worst);
                }
                continue;
            };
            let claim = if level.in_flight == Fee::default() {
                Claim::Exceeded { limit: level.limit.clone(), spent: level.spent, worst }
            } else {
                waits = true;
                Claim::Held(LIMIT_WAIT)
            };
            decided.insert(*key, claim);
        }
        if waits {
            let all_runs = worker.scope.limits.iter().any(|limit| limit.all_runs);
            self.query(AWAIT_ANY, &[&all_runs, &worker.scope.run]).await?;
        }
        Ok(decided)
    }

    /// Fees of answered calls and unanswered attempts under a limit.
    async fn spent(&self, worker: &Worker, limit: &SharedLimit) -> Result<Fee, StageError> {
        let account = self.account(limit.all_runs, &worker.scope.run).await?;
        let sums = account.spent.iter().chain(&account.lost);
        let full = sums.fold(Fee::default(), |sum, (model, spend)| sum.plus(worker.scope.fee(model, spend.usage)));
        let saved = account.batched.iter().map(|(model, spend)| worker.scope.saved_by_batch(model, spend.usage));
        Ok(saved.fold(full, Fee::minus))
    }

    /// Upper bound on the fees of the calls in flight under a limit, without the claims that this worker renews.
    async fn in_flight(
        &self,
        worker: &Worker,
        limit: &SharedLimit,
        open: &BTreeMap<CallKey, &Wanted>,
    ) -> Result<Fee, StageError> {
        let keys: Vec<&[u8]> = open.keys().map(|key| &key.0[..]).collect();
        let rows = self.query(IN_FLIGHT, &[&limit.all_runs, &worker.scope.run, &keys]).await?;
        let mut sum = Fee::default();
        for row in &rows {
            let usage = Usage { input: read::tokens(row, 1)?, cached_input: 0, output: read::tokens(row, 2)? };
            sum = sum.plus(worker.scope.fee(row.get(0), usage));
        }
        Ok(sum)
    }
}
