//! What a manifest says of how a run came about: when, by which models, and what was paid.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::resources::priced;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::journal::{Journal, Spend};
use crate::report::manifest::Manifest;
use crate::types::price::Fee;
use crate::types::record::Record;

/// The manifest of a run that begins, or goes on.
pub(super) fn begun(resolved: &ResolvedConfig, identity: Value, before: Option<&Manifest>) -> Manifest {
    Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identity,
        config: resolved.resolved(),
        prompts: resolved.words(),
        setting: resolved.describe(),
        started: before.map_or_else(now, |before| before.started.clone()),
        ended: None,
        calls_made: None,
        spent: Value::Null,
        answered_by: Value::Null,
        prices: resolved.prices(),
        swept: None,
        left_out: Vec::new(),
        margin: None,
        price_notes: resolved.price_notes(),
        warnings: resolved.warnings(),
    }
}

/// The time, as RFC 3339 writes it.
pub(super) fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// What the journal's calls have cost, and what attempts without an answer may have cost.
pub(super) fn spent(resolved: &ResolvedConfig, journal: &Journal) -> Result<Value> {
    let in_json = |taken: BTreeMap<String, Spend>| -> Value {
        let priced = priced(&resolved.prices(), taken).into_iter();
        let line = |(name, (taken, fee)): (String, (Spend, Option<Fee>))| {
            (name, json!({ "calls": taken.calls, "usage": taken.usage, "fee_usd": fee.map(Fee::usd) }))
        };
        Value::Object(priced.map(line).collect())
    };
    let mut spent = in_json(journal.spent()?);
    let lost = journal.lost()?;
    if !lost.is_empty() {
        spent["unanswered_at_most"] = in_json(lost);
    }
    Ok(spent)
}

/// By model, the names under which its answers came.
pub(super) type AnsweredBy<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The names under which the answers of some records came.
pub(super) fn answered_by<'a>(records: impl IntoIterator<Item = &'a Record>) -> AnsweredBy<'a> {
    let mut names = AnsweredBy::new();
    for call in records.into_iter().flat_map(|record| &record.calls) {
        if let Some(answered_by) = &call.answered_by {
            names.entry(&call.model).or_default().insert(answered_by);
        }
    }
    names
}
