//! The weights that a run needs, and the embeddings of its queries.

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

/// Makes sure that the weights of a config are there and right, and fetches them if they are not.
/// The embedder's are among them if queries are embedded.
pub(super) async fn fetch(resolved: &ResolvedConfig, embeds: bool, progress: &Progress) -> Result<(), RunError> {
    let of_embedder = resolved.config.learning.embedder.weights().filter(|_| !embeds);
    for name in resolved.needed_weights().into_iter().filter(|name| Some(&**name) != of_embedder) {
        ensure_weights(&resolved.weights, &name, progress).await?;
    }
    Ok(())
}

/// The embeddings of the queries, if an arm learns: those of the journal, and the embedder's for the others, which the
/// journal then keeps. Offline they are the journal's alone.
pub(super) async fn embed(
    resolved: &ResolvedConfig,
    journal: &Journal,
    offline: bool,
    progress: &Progress,
) -> Result<Embeddings, RunError> {
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
    if offline && !lacking.is_empty() {
        return Ok(recorded(resolved, found));
    }
    let made = embed_now(name, &lacking, progress).await.map_err(RunError::Weights)?;
    journal.put_embeddings(name.name(), made.clone()).await.map_err(RunError::Journal)?;
    let made: BTreeMap<CallKey, Embedded> = made.into_iter().collect();
    let embedding = |(key, found): (&CallKey, Option<Embedded>)| found.or_else(|| made.get(key).cloned());
    let rows = keys.iter().zip(found).map(|row| embedding(row).context("an embedding is missing"));
    let rows = rows.collect::<Result<_, _>>().map_err(RunError::Weights)?;
    Ok(Embeddings { rows, lacks: None })
}

/// What recordings hold, if they do not hold all. Those of calibration items are needed if arms learn from these; else they
/// only show what the items share with the stream.
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
