//! Provenance in a manifest: times, models and fees of a run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::resources::priced;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::journal::{Journal, Spend};
use crate::report::manifest::Manifest;
use crate::types::chat::CallKey;
use crate::types::price::Fee;
use crate::types::record::Record;

/// Manifest of a run that starts or resumes. `before` is the manifest in the run's folder, if any.
pub(super) fn begun(resolved: &ResolvedConfig, identity: Value, before: Option<&Manifest>) -> Manifest {
    Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identity,
        config: resolved.resolved(),
        prompts: resolved.prompt_checksums(),
        setting: resolved.describe(),
        started: before.map_or_else(now, |before| before.started.clone()),
        ended: None,
        calls_made: None,
        spent: Value::Null,
        answered_by: Value::Null,
        servers: BTreeMap::new(),
        prices: resolved.prices(),
        swept: None,
        left_out: Vec::new(),
        margin: None,
        price_notes: resolved.price_notes(),
        warnings: resolved.warnings(),
        shard: None,
        merged: None,
    }
}

/// Current time (UTC) in the format of RFC 3339.
pub(super) fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// Key of the attempts without an answer in `spent`, beside the models.
pub(super) const UNANSWERED: &str = "unanswered_at_most";

/// Spending of the journal's calls by model, as JSON. `batched` is the part of them that came in batches and costs the
/// price of a batch; absent if there is none. `unanswered_at_most` bounds the cost of attempts without an
/// answer.
pub(super) fn spent(resolved: &ResolvedConfig, journal: &Journal) -> Result<Value> {
    let batched = journal.batched()?;
    let in_json = |spends: BTreeMap<String, Spend>, batched: &BTreeMap<String, Spend>| -> Value {
        let priced = priced(&resolved.prices(), spends, batched).into_iter();
        let line = |(name, (spend, fee)): (String, (Spend, Option<Fee>))| {
            let mut line = json!({ "calls": spend.calls, "usage": spend.usage, "fee_usd": fee.map(Fee::usd) });
            if let Some(in_batches) = batched.get(&name) {
                line["batched"] = json!({ "calls": in_batches.calls, "usage": in_batches.usage });
            }
            (name, line)
        };
        Value::Object(priced.map(line).collect())
    };
    let mut spent = in_json(journal.spent()?, &batched);
    let lost = journal.lost()?;
    if !lost.is_empty() {
        spent[UNANSWERED] = in_json(lost, &BTreeMap::new());
    }
    Ok(spent)
}

/// Names that servers reported in their answers, by model.
pub(super) type AnsweredBy<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Names that servers reported in the answers of the records, by model.
pub(super) fn answered_by<'a>(records: impl IntoIterator<Item = &'a Record>) -> AnsweredBy<'a> {
    let mut names = AnsweredBy::new();
    for call in records.into_iter().flat_map(|record| &record.calls) {
        if let Some(answered_by) = &call.answered_by {
            names.entry(&call.model).or_default().insert(answered_by);
        }
    }
    names
}

/// Number of calls that each server answered in the records, by model and by host and port. A call that several records
/// need counts once.
pub(super) fn servers<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<String, BTreeMap<String, u64>> {
    let calls = records.into_iter().flat_map(|record| &record.calls);
    let answered = calls.filter_map(|call| Some((call.journal_key?, (&*call.model, call.server.as_deref()?))));
    let distinct: BTreeMap<CallKey, (&str, &str)> = answered.collect();
    let mut servers: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (model, server) in distinct.into_values() {
        *servers.entry(model.to_owned()).or_default().entry(server.to_owned()).or_default() += 1;
    }
    servers
}
