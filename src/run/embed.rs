//! Weights that a run needs, and embeddings of its queries.

use std::collections::BTreeMap;

use anyhow::Context;

use super::error::RunError;
use super::progress::{Progress, Unit};
use super::resources::Embeddings;
use super::transfers::ensure_weights;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::journal::Journal;
use crate::retrieval::embedder::{self, EmbedderName};
use crate::types::chat::CallKey;
use crate::types::embedding::Embedded;
use crate::types::item::Item;
use crate::types::left_out::Unrecorded;
use crate::types::record::Purpose;

/// Verifies the weights of a config and fetches missing or damaged weights. The embedder's weights are included only if
/// `embeds`.
pub(super) async fn fetch(resolved: &ResolvedConfig, embeds: bool, progress: &Progress) -> Result<(), RunError> {
    let skipped = resolved.config.learning.embedder.weights().filter(|_| !embeds);
    for name in resolved.required_weights().into_iter().filter(|name| Some(&**name) != skipped) {
        ensure_weights(&resolved.weights, &name, progress).await?;
    }
    Ok(())
}

/// Embeddings of the queries, if an arm learns. Missing embeddings are computed and stored in the journal; offline,
/// only embeddings of the journal are used.
pub(super) async fn embed(
    resolved: &ResolvedConfig,
    journal: &Journal,
    offline: bool,
    progress: &Progress,
) -> Result<Embeddings, RunError> {
    let name = resolved.config.learning.embedder;
    let keys: Vec<CallKey> = resolved.embedded().iter().map(|item| name.key(&item.query)).collect();
    let found = journal.embeddings(name.name(), &keys).await.map_err(RunError::Journal)?;
    let missing: BTreeMap<CallKey, &Item> = keys
        .iter()
        .zip(resolved.embedded())
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|((key, item), _)| (*key, item))
        .collect();
    if offline && !missing.is_empty() {
        return Ok(recorded(resolved, found));
    }
    let computed = embed_now(name, &missing, progress).await.map_err(RunError::Weights)?;
    journal.put_embeddings(name.name(), computed.clone()).await.map_err(RunError::Journal)?;
    let computed: BTreeMap<CallKey, Embedded> = computed.into_iter().collect();
    let embedding = |(key, found): (&CallKey, Option<Embedded>)| found.or_else(|| computed.get(key).cloned());
    let rows = keys.iter().zip(found).map(|row| embedding(row).context("an embedding is missing"));
    let rows = rows.collect::<Result<_, _>>().map_err(RunError::Weights)?;
    Ok(Embeddings { rows, lacks: None })
}

/// Embeddings from incomplete recordings. Embeddings of calibration items are required only if arms learn from these
/// items; otherwise they only serve the search for near-duplicates in the stream.
fn recorded(resolved: &ResolvedConfig, found: Vec<Option<Embedded>>) -> Embeddings {
    let needed = if resolved.config.deferral.calibrate_per_arm { found.len() } else { resolved.stream().len() };
    let name = resolved.config.learning.embedder.name();
    match found[..needed].iter().position(Option::is_none) {
        Some(first) => Embeddings {
            rows: Vec::new(),
            lacks: Some(Unrecorded {
                item: resolved.items[first].id.to_string(),
                model: name.to_owned(),
                purpose: Purpose::Embed.name().to_owned(),
            }),
        },
        None => Embeddings { rows: found.into_iter().take(needed).flatten().collect(), lacks: None },
    }
}

async fn embed_now(
    name: EmbedderName,
    missing: &BTreeMap<CallKey, &Item>,
    progress: &Progress,
) -> anyhow::Result<Vec<(CallKey, Embedded)>> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let weights = name.weights().map(crate::fetch::weights::path).transpose()?;
    let keys: Vec<CallKey> = missing.keys().copied().collect();
    let queries: Vec<String> = missing.values().map(|item| item.query.clone()).collect();
    let progress = progress.clone();
    // A blocking thread keeps this task responsive to stop requests.
    let rows = tokio::task::spawn_blocking(move || {
        let work = progress.begin("embedding", queries.len() as u64, Unit::Steps);
        embedder::embed(name, weights.as_deref(), &queries, |done| work.done(done as u64))
    })
    .await??;
    Ok(keys.into_iter().zip(rows).collect())
}
