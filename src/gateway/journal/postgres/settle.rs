//! The transaction for what is known: answers, attempts without an answer, released claims, embeddings.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::operation::{Lost, Stored};
use super::session::{Session, StageError};
use crate::types::chat::{CallKey, Response, Usage};
use crate::types::embedding::Embedded;

/// Stores calls, and adds new ones of this worker to its sums. An answer replaces an earlier refusal.
const STORE: &str = "
    WITH given AS (
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::boolean[], $10::bigint[], $11::text[], $12::float8[], $13::boolean[])
            AS given (key, model, item, request, response, input_tokens, cached_input_tokens, output_tokens, refused,
                worker, processor, made, batched)
    ), stored AS (
        INSERT INTO intercascade.calls AS old (key, model, item, request, response, input_tokens, cached_input_tokens,
            output_tokens, refused, batched, worker, processor, made)
        SELECT key, model, item, request, response, input_tokens, cached_input_tokens, output_tokens, refused, batched,
            worker, processor, CASE WHEN worker IS NULL THEN to_timestamp(made) ELSE now() END FROM given ORDER BY key
        ON CONFLICT (key) DO UPDATE SET response = excluded.response, input_tokens = excluded.input_tokens,
            cached_input_tokens = excluded.cached_input_tokens, output_tokens = excluded.output_tokens,
            refused = false, batched = excluded.batched, worker = excluded.worker, processor = excluded.processor, made = excluded.made
            WHERE old.refused AND NOT excluded.refused
        RETURNING model, input_tokens, cached_input_tokens, output_tokens, batched, worker
    )
    INSERT INTO intercascade.spend AS sum (worker, model, calls, input_tokens, cached_input_tokens, output_tokens,
        batched_calls, batched_input_tokens, batched_cached_input_tokens, batched_output_tokens)
    SELECT worker, model, count(*), sum(input_tokens), sum(cached_input_tokens), sum(output_tokens),
        count(*) FILTER (WHERE batched), coalesce(sum(input_tokens) FILTER (WHERE batched), 0),
        coalesce(sum(cached_input_tokens) FILTER (WHERE batched), 0),
        coalesce(sum(output_tokens) FILTER (WHERE batched), 0)
        FROM stored WHERE worker IS NOT NULL GROUP BY worker, model
    ON CONFLICT (worker, model) DO UPDATE SET calls = sum.calls + excluded.calls,
        input_tokens = sum.input_tokens + excluded.input_tokens,
        cached_input_tokens = sum.cached_input_tokens + excluded.cached_input_tokens,
        output_tokens = sum.output_tokens + excluded.output_tokens,
        batched_calls = sum.batched_calls + excluded.batched_calls,
        batched_input_tokens = sum.batched_input_tokens + excluded.batched_input_tokens,
        batched_cached_input_tokens = sum.batched_cached_input_tokens + excluded.batched_cached_input_tokens,
        batched_output_tokens = sum.batched_output_tokens + excluded.batched_output_tokens";

/// Reads the answers that apply, and who made them.
const APPLIES: &str = "SELECT key, response, worker FROM intercascade.calls WHERE key = ANY($1::bytea[])";

/// Records attempts without an answer, and adds them to the worker's sums.
const LOSE: &str = "
    WITH noted AS (
        INSERT INTO intercascade.lost (id, key, worker, model, reason, input_tokens, output_tokens)
        SELECT given.id, given.key, $1, given.model, given.reason, given.input_tokens, given.output_tokens
            FROM unnest($2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
            AS given (id, key, model, reason, input_tokens, output_tokens)
        ON CONFLICT DO NOTHING
        RETURNING model, input_tokens, output_tokens
    )
    INSERT INTO intercascade.spend AS sum (worker, model, lost_calls, lost_input_tokens, lost_output_tokens)
    SELECT $1, model, count(*), sum(input_tokens), sum(output_tokens) FROM noted GROUP BY model
    ON CONFLICT (worker, model) DO UPDATE SET lost_calls = sum.lost_calls + excluded.lost_calls,
        lost_input_tokens = sum.lost_input_tokens + excluded.lost_input_tokens,
        lost_output_tokens = sum.lost_output_tokens + excluded.lost_output_tokens";

/// Ends claims, and notifies the workers that wait for them.
const RELEASE: &str = "
    WITH freed AS (
        DELETE FROM intercascade.claims WHERE key = ANY($1::bytea[]) AND worker = $2 RETURNING key, awaited
    )
    SELECT pg_notify('intercascade', encode(key, 'hex')) FROM freed WHERE awaited";

const PUT_EMBEDDINGS: &str = "
    INSERT INTO intercascade.embeddings (key, embedder, tokens, vector)
    SELECT given.key, $1, given.tokens, given.vector
        FROM unnest($2::bytea[], $3::bigint[], $4::bytea[]) AS given (key, tokens, vector) ORDER BY given.key
    ON CONFLICT DO NOTHING";

/// A number of tokens as the server stores it.
pub(super) fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// Text that the server can store: it has no NUL characters.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The arguments of [`STORE`], one vector for each column.
#[derive(Default)]
struct Columns<'a> {
    keys: Vec<&'a [u8]>,
    models: Vec<String>,
    items: Vec<String>,
    requests: Vec<&'a str>,
    responses: Vec<&'a str>,
    tokens: [Vec<i64>; 3],
    refused: Vec<bool>,
    workers: Vec<Option<i64>>,
    processors: Vec<Option<&'a str>>,
    made: Vec<Option<f64>>,
    batched: Vec<bool>,
}

impl<'a> Columns<'a> {
    fn of(calls: &[&'a Stored], worker: Option<i64>) -> Self {
        let mut columns = Self::default();
        for Stored { call, response, own, made } in calls.iter().copied() {
            let Usage { input, cached_input, output } = call.response.usage;
            columns.keys.push(&call.key.0);
            columns.models.push(storable(&call.model));
            columns.items.push(storable(&call.item.0));
            columns.requests.push(&call.request);
            columns.responses.push(response);
            for (column, tokens) in columns.tokens.iter_mut().zip([input, cached_input, output]) {
                column.push(count(tokens));
            }
            columns.batched.push(call.response.batched);
            columns.refused.push(call.response.is_refused());
            columns.workers.push(worker.filter(|_| *own));
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 have far fewer than 53 bits")]
            columns.made.push(made.map(|at| at as f64));
            columns.processors.push(if *own { crate::fetch::machine::processor() } else { None });
        }
        columns
    }
}

impl Session {
    /// Stores calls and ends this worker's claims on them. Returns the answers that apply. A call that another worker
    /// has answered first is recorded as an attempt without an answer, because both were paid for.
    pub(super) async fn store(&self, calls: &[&Stored]) -> Result<Vec<Response>, StageError> {
        let mut unique: BTreeMap<CallKey, &Stored> = BTreeMap::new();
        for stored in calls.iter().copied() {
            unique.entry(stored.call.key).or_insert(stored);
        }
        let unique: Vec<&Stored> = unique.into_values().collect();
        let worker = self.worker.as_ref().map(|worker| worker.id);
        let Columns { keys, models, items, requests, responses, tokens, refused, workers, processors, made, batched } =
            Columns::of(&unique, worker);
        let [input, cached, output] = tokens;
        self.query(
            STORE,
            &[
                &keys,
                &models,
                &items,
                &requests,
                &responses,
                &input,
                &cached,
                &output,
                &refused,
                &workers,
                &processors,
                &made,
                &batched,
            ],
        )
        .await?;
        let mut applying = BTreeMap::new();
        for row in self.query(APPLIES, &[&keys]).await? {
            let key: &[u8] = row.get(0);
            applying.insert(key.to_owned(), (row.get::<_, String>(1), row.get::<_, Option<i64>>(2)));
        }
        let mut second = Vec::new();
        for stored in unique.iter().filter(|stored| stored.own) {
            let other = applying.get(&stored.call.key.0[..]).filter(|(_, by)| *by != worker);
            if other.is_some() {
                second.push(second_answer(stored, worker.unwrap_or_default()));
            }
        }
        self.lose(&second.iter().collect::<Vec<_>>()).await?;
        self.release(&keys).await?;
        let answer = |stored: &&Stored| {
            let (text, _) = applying.get(&stored.call.key.0[..]).context("a stored call cannot be read")?;
            serde_json::from_str(text).with_context(|| format!("call {} cannot be decoded", stored.call.key))
        };
        Ok(calls.iter().map(answer).collect::<anyhow::Result<_>>()?)
    }

    /// Records attempts without an answer.
    pub(super) async fn lose(&self, lost: &[&Lost]) -> Result<(), StageError> {
        let Some(worker) = self.worker.as_ref().filter(|_| !lost.is_empty()) else { return Ok(()) };
        let ids: Vec<&[u8]> = lost.iter().map(|lost| &lost.id[..]).collect();
        let keys: Vec<&[u8]> = lost.iter().map(|lost| &lost.key.0[..]).collect();
        let models: Vec<String> = lost.iter().map(|lost| storable(&lost.model)).collect();
        let reasons: Vec<String> = lost.iter().map(|lost| storable(&lost.reason)).collect();
        let input: Vec<i64> = lost.iter().map(|lost| count(lost.worst.input)).collect();
        let output: Vec<i64> = lost.iter().map(|lost| count(lost.worst.output)).collect();
        self.query(LOSE, &[&worker.id, &ids, &keys, &models, &reasons, &input, &output]).await?;
        Ok(())
    }

    /// Ends this worker's claims.
    pub(super) async fn release(&self, keys: &[&[u8]]) -> Result<(), StageError> {
        let Some(worker) = self.worker.as_ref().filter(|_| !keys.is_empty()) else { return Ok(()) };
        self.query(RELEASE, &[&keys, &worker.id]).await?;
        Ok(())
    }

    /// Stores embeddings of an embedder.
    pub(super) async fn put_embeddings(&self, embedder: &str, rows: &[(CallKey, Embedded)]) -> Result<(), StageError> {
        let mut seen = BTreeSet::new();
        let rows: Vec<_> = rows.iter().filter(|(key, _)| seen.insert(*key)).collect();
        let keys: Vec<&[u8]> = rows.iter().map(|(key, _)| &key.0[..]).collect();
        let tokens: Vec<i64> = rows.iter().map(|(_, embedded)| count(embedded.tokens)).collect();
        let vectors: Vec<Vec<u8>> = rows.iter().map(|(_, embedded)| embedded.bytes()).collect();
        self.query(PUT_EMBEDDINGS, &[&embedder, &keys, &tokens, &vectors]).await?;
        Ok(())
    }
}

/// Records that this worker paid for an answer that does not apply.
fn second_answer(stored: &Stored, worker: i64) -> Lost {
    let call = &stored.call;
    // The same identifier if the transaction is repeated.
    let digest: [u8; 32] = Sha256::new().chain_update(call.key.0).chain_update(worker.to_le_bytes()).finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    Lost {
        id,
        key: call.key,
        model: call.model.clone(),
        reason: "another worker answered this call first".to_owned(),
        worst: call.response.usage,
    }
}
