//! The weights that a run needs, and the embeddings of its queries.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};

use super::error::RunError;
use super::progress::{Progress, Unit};
use super::transfers::ensure_weights;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::journal::Journal;
use crate::retrieval::embedder::{self, EmbedderName};
use crate::types::chat::CallKey;
use crate::types::embedding::Embedded;
use crate::types::item::Item;

/// Makes sure that the weights of a config are there and right, and fetches them if they are not.
pub(super) async fn fetch(resolved: &ResolvedConfig, progress: &Progress) -> Result<(), RunError> {
    for name in resolved.needed_weights() {
        ensure_weights(&resolved.weights, &name, progress).await?;
    }
    Ok(())
}

/// The embeddings of the queries, if an arm learns: those of the journal, and the embedder's for the others, which the
/// journal then keeps.
pub(super) async fn embed(
    resolved: &ResolvedConfig,
    journal: &Journal,
    offline: bool,
    progress: &Progress,
) -> Result<Vec<Embedded>, RunError> {
    let name = resolved.config.learning.embedder;
    let keys: Vec<CallKey> = resolved.embedded().iter().map(|item| name.key(&item.query)).collect();
    let found = journal.embeddings(name.name(), &keys).await.map_err(RunError::Journal)?;
    let lacking: BTreeMap<CallKey, &Item> = keys
        .iter()
        .zip(resolved.embedded())
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|((key, item), _)| (*key, item))
        .collect();
    if let (true, Some(item)) = (offline, lacking.values().next()) {
        return Err(RunError::Journal(anyhow!(
            "no journal holds the embedding of item `{}` by {}, and --offline forbids to make it",
            item.id,
            name.name()
        )));
    }
    let made = embed_now(name, &lacking, progress).await.map_err(RunError::Weights)?;
    journal.put_embeddings(name.name(), made.clone()).await.map_err(RunError::Journal)?;
    let made: BTreeMap<CallKey, Embedded> = made.into_iter().collect();
    let embedding = |(key, found): (&CallKey, Option<Embedded>)| found.or_else(|| made.get(key).cloned());
    let rows = keys.iter().zip(found).map(|row| embedding(row).context("an embedding is missing"));
    rows.collect::<Result<_, _>>().map_err(RunError::Weights)
}

async fn embed_now(
    name: EmbedderName,
    lacking: &BTreeMap<CallKey, &Item>,
    progress: &Progress,
) -> anyhow::Result<Vec<(CallKey, Embedded)>> {
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    let weights = name.weights().map(crate::fetch::weights::path).transpose()?;
    let keys: Vec<CallKey> = lacking.keys().copied().collect();
    let queries: Vec<String> = lacking.values().map(|item| item.query.clone()).collect();
    let progress = progress.clone();
    // Off this thread, so that a wish to stop is heard meanwhile.
    let rows = tokio::task::spawn_blocking(move || {
        let work = progress.begin("embedding", queries.len() as u64, Unit::Steps);
        embedder::embed(name, weights.as_deref(), &queries, |done| work.done(done as u64, &String::new))
    })
    .await??;
    Ok(keys.into_iter().zip(rows).collect())
}
