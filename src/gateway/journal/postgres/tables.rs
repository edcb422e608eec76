//! Tables of the shared journal, their versions, and the rights of a worker.

use anyhow::{Context, Result, bail};
use tokio_postgres::Client;

/// Version of the tables below.
const VERSION: i32 = 1;

/// Migrations in order: the n-th makes version n of version n - 1.
///
/// `calls` has the answered calls by key; `worker` is the worker that made the call, or null for a call that was copied
/// from another journal, and `made` is null if its time is unknown. `claims` has a row for each call in flight; `awaited` is true if another worker waits for it.
/// A worker whose `seen` is older than its lease loses its claims. `spend` sums the calls and unanswered attempts of
/// each worker, so that a limit need not read all calls; those of batches are part of the sums, and summed apart. `request` and `response` are JSON, `vector` little-endian
/// 32-bit floats.
const MIGRATIONS: [&str; VERSION as usize] = ["
    CREATE TABLE intercascade.version (version int NOT NULL);
    INSERT INTO intercascade.version VALUES (0);
    CREATE TABLE intercascade.workers (
        id bigint PRIMARY KEY, run text NOT NULL, place text NOT NULL, lease interval NOT NULL,
        begun timestamptz NOT NULL DEFAULT now(), seen timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE intercascade.calls (
        key bytea PRIMARY KEY, model text NOT NULL, item text NOT NULL, request text NOT NULL, response text NOT NULL,
        input_tokens bigint NOT NULL, cached_input_tokens bigint NOT NULL, output_tokens bigint NOT NULL,
        refused boolean NOT NULL, batched boolean NOT NULL, worker bigint REFERENCES intercascade.workers,
        processor text, made timestamptz
    );
    CREATE TABLE intercascade.claims (
        key bytea PRIMARY KEY, worker bigint NOT NULL REFERENCES intercascade.workers, model text NOT NULL,
        input_tokens bigint NOT NULL, output_tokens bigint NOT NULL, awaited boolean NOT NULL DEFAULT false,
        begun timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE intercascade.lost (
        id bytea PRIMARY KEY, key bytea NOT NULL, worker bigint NOT NULL REFERENCES intercascade.workers,
        model text NOT NULL, reason text NOT NULL, input_tokens bigint NOT NULL, output_tokens bigint NOT NULL,
        made timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE intercascade.spend (
        worker bigint NOT NULL REFERENCES intercascade.workers, model text NOT NULL,
        calls bigint NOT NULL DEFAULT 0, input_tokens bigint NOT NULL DEFAULT 0,
        cached_input_tokens bigint NOT NULL DEFAULT 0, output_tokens bigint NOT NULL DEFAULT 0,
        lost_calls bigint NOT NULL DEFAULT 0, lost_input_tokens bigint NOT NULL DEFAULT 0,
        lost_output_tokens bigint NOT NULL DEFAULT 0, batched_calls bigint NOT NULL DEFAULT 0,
        batched_input_tokens bigint NOT NULL DEFAULT 0, batched_cached_input_tokens bigint NOT NULL DEFAULT 0,
        batched_output_tokens bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (worker, model)
    );
    CREATE TABLE intercascade.embeddings (
        key bytea PRIMARY KEY, embedder text NOT NULL, tokens bigint NOT NULL, vector bytea NOT NULL,
        made timestamptz NOT NULL DEFAULT now()
    );"];

/// Tables that a worker reads and writes, with the rights that it needs.
const RIGHTS: [(&str, &str); 7] = [
    ("version", "SELECT"),
    ("workers", "SELECT, INSERT, UPDATE"),
    ("calls", "SELECT, INSERT, UPDATE"),
    ("claims", "SELECT, INSERT, UPDATE, DELETE"),
    ("lost", "SELECT, INSERT"),
    ("spend", "SELECT, INSERT, UPDATE"),
    ("embeddings", "SELECT, INSERT"),
];

/// Creates the tables or migrates them to this version, and returns the version before; `None` if there were no tables.
pub(super) async fn prepare(client: &mut Client) -> Result<Option<i32>> {
    let transaction = client.transaction().await?;
    // One program at a time; the number is arbitrary and belongs to this program.
    transaction.batch_execute("SELECT pg_advisory_xact_lock(7205941)").await?;
    let exists = transaction.query_one("SELECT to_regclass('intercascade.version') IS NOT NULL", &[]).await?;
    let before = if exists.get(0) {
        Some(transaction.query_one("SELECT version FROM intercascade.version", &[]).await?.get::<_, i32>(0))
    } else {
        transaction.batch_execute("CREATE SCHEMA IF NOT EXISTS intercascade").await?;
        None
    };
    let from = before.unwrap_or(0);
    if from > VERSION {
        bail!(
            "the tables have version {from}, but this version of intercascade knows versions up to {VERSION}: use a newer one"
        );
    }
    for migration in &MIGRATIONS[usize::try_from(from)?..] {
        transaction.batch_execute(migration).await?;
    }
    transaction.execute("UPDATE intercascade.version SET version = $1", &[&VERSION]).await?;
    transaction.commit().await?;
    Ok(before)
}

/// Gives a role the rights of a worker and no others.
pub(super) async fn grant(client: &Client, role: &str) -> Result<()> {
    let role = quoted(role);
    let grants = RIGHTS.map(|(table, rights)| format!("GRANT {rights} ON intercascade.{table} TO {role};"));
    let statements = format!(
        "REVOKE ALL ON ALL TABLES IN SCHEMA intercascade FROM {role}; GRANT USAGE ON SCHEMA intercascade TO {role}; {}",
        grants.concat()
    );
    client.batch_execute(&statements).await.with_context(|| format!("cannot give {role} the rights of a worker"))
}

/// Quotes a name for SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Checks that the tables exist in the version that this program needs.
pub(super) async fn check(client: &Client, place: &str) -> Result<()> {
    let remedy = || format!("run `intercascade journal prepare {place}` as a role that may create tables");
    let exists = client.query_one("SELECT to_regclass('intercascade.version') IS NOT NULL", &[]).await;
    if !exists.with_context(|| format!("cannot read the journal {place}"))?.get::<_, bool>(0) {
        bail!("the database of {place} holds no journal: {}", remedy());
    }
    let version = client.query_one("SELECT version FROM intercascade.version", &[]).await;
    let version: i32 = version.with_context(|| format!("cannot read the journal {place}"))?.get(0);
    if version < VERSION {
        bail!("the journal {place} has version {version} and this program needs version {VERSION}: {}", remedy());
    }
    if version > VERSION {
        bail!("the journal {place} has version {version}, but this program knows version {VERSION}: use a newer one");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_role_cannot_end_its_quotes() {
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
    }
}
