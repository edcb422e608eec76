//! Flows outside a run: creating the tables, and reading the whole journal for an export.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::Builder;
use tokio_postgres::Client;

use super::operation::Stored;
use super::session::{Session, StageError};
use super::waiting::Waiting;
use super::{connection, read, tables};
use crate::gateway::journal::JournaledCall;
use crate::gateway::journal::address::ServerAddress;
use crate::gateway::journal::writer::{Entry, Origin};
use crate::types::chat::CallKey;
use crate::types::embedding::{Embedded, floats};

/// Rows that are read at once.
const PAGE: i64 = 2000;

/// Rows that are stored in one transaction.
const CHUNK: usize = 256;

const CALLS: &str = "SELECT key, model, item, request, response,
        extract(epoch FROM made)::bigint
    FROM intercascade.calls WHERE key > $1 ORDER BY key LIMIT $2";
const EMBEDDINGS: &str =
    "SELECT key, embedder, tokens, vector FROM intercascade.embeddings WHERE key > $1 ORDER BY key LIMIT $2";

/// Runs work on a thread of its own, so that it may be called from anywhere.
fn on_thread<T: Send>(work: impl AsyncFnOnce() -> Result<T> + Send) -> Result<T> {
    let run = || Builder::new_current_thread().enable_all().build()?.block_on(work());
    std::thread::scope(|scope| {
        scope.spawn(run).join().unwrap_or_else(|_| Err(anyhow!("the connection's thread has ended")))
    })
}

async fn connected(address: &ServerAddress) -> Result<Client> {
    connection::connect(address, &Arc::new(Waiting::default())).await
}

/// Creates or migrates the tables, and gives the role `worker` the rights that workers need. Returns the version before;
/// `None` if there were no tables.
///
/// # Errors
/// If the server cannot be reached, the tables are newer than this program, or the role of the address may not create
/// tables.
pub fn prepare(address: &ServerAddress, worker: Option<&str>) -> Result<Option<i32>> {
    on_thread(async || {
        let mut client = connected(address).await?;
        let before = tables::prepare(&mut client).await?;
        if let Some(role) = worker {
            tables::grant(&client, role).await?;
        }
        Ok(before)
    })
}

/// Reads every call, then every embedding, in the order of the keys.
pub(in crate::gateway::journal) fn rows(address: &ServerAddress) -> Result<Vec<Entry>> {
    on_thread(async || {
        let client = connected(address).await?;
        tables::check(&client, &address.to_string()).await?;
        let (mut entries, mut after): (Vec<Entry>, Vec<u8>) = Default::default();
        loop {
            let page = client.query(CALLS, &[&after, &PAGE]).await?;
            let Some(last) = page.last() else { break };
            after = last.get(0);
            for row in &page {
                let key = read::key(row.get(0))?;
                let response = serde_json::from_str(row.get(4))?;
                let item = row.get::<_, String>(2).into();
                let call = JournaledCall { key, model: row.get(1), item, request: row.get(3), response };
                let origin = row.get::<_, Option<i64>>(5).map_or(Origin::Imported, Origin::OwnAt);
                entries.push(Entry::call(call, origin)?);
            }
        }
        after.clear();
        loop {
            let page = client.query(EMBEDDINGS, &[&after, &PAGE]).await?;
            let Some(last) = page.last() else { break };
            after = last.get(0);
            for row in &page {
                let key: CallKey = read::key(row.get(0))?;
                let embedded = Embedded { tokens: read::tokens(row, 2)?, vector: floats(row.get(3)) };
                entries.push(Entry::Embedding { key, embedder: row.get(1), embedded });
            }
        }
        Ok(entries)
    })
}

/// Stores the calls and embeddings of another journal. Calls count as paid for elsewhere. Returns the numbers of calls
/// and embeddings that were new.
pub(in crate::gateway::journal) fn store(address: &ServerAddress, entries: Vec<Entry>) -> Result<[usize; 2]> {
    on_thread(async || {
        let session = Session::open(address, None, &Arc::new(Waiting::default())).await?;
        let mut entries = entries.into_iter().peekable();
        let before = session.rows().await?;
        while entries.peek().is_some() {
            let chunk: Vec<Entry> = entries.by_ref().take(CHUNK).collect();
            session
                .in_transaction(session.store_copies(chunk))
                .await
                .map_err(|error| error.text(&address.to_string()))?;
        }
        let after = session.rows().await?;
        Ok([after[0] - before[0], after[1] - before[1]])
    })
}

impl Session {
    /// Numbers of calls and embeddings.
    async fn rows(&self) -> Result<[usize; 2]> {
        const ROWS: &str =
            "SELECT (SELECT count(*) FROM intercascade.calls), (SELECT count(*) FROM intercascade.embeddings)";
        let rows = self.query(ROWS, &[]).await.map_err(|error| connection::without_secrets(&error))?;
        let row = rows.first().context("the server returned no count")?;
        Ok([usize::try_from(row.get::<_, i64>(0))?, usize::try_from(row.get::<_, i64>(1))?])
    }

    /// Stores rows of another journal.
    async fn store_copies(&self, entries: Vec<Entry>) -> Result<(), StageError> {
        let mut calls = Vec::new();
        let mut embeddings: BTreeMap<String, Vec<(CallKey, Embedded)>> = BTreeMap::new();
        for entry in entries {
            match entry {
                Entry::Call { call, response, origin } => {
                    let made = if let Origin::OwnAt(at) = origin { Some(at) } else { None };
                    calls.push(Stored { call: *call, response, own: false, made });
                }
                Entry::Embedding { key, embedder, embedded } => {
                    embeddings.entry(embedder).or_default().push((key, embedded));
                }
                Entry::Replacement { .. } | Entry::Lost { .. } => {}
            }
        }
        if !calls.is_empty() {
            self.store(&calls.iter().collect::<Vec<_>>()).await?;
        }
        for (embedder, rows) in &embeddings {
            self.put_embeddings(embedder, rows).await?;
        }
        Ok(())
    }
}
