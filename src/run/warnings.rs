//! Warnings from a finished run's records, for readers of its figures.

use std::collections::BTreeSet;

use super::provenance::AnsweredBy;
use crate::analysis::metrics::{Slice, odd_answers, slices};
use crate::backend::entry::ModelEntry;
use crate::backend::raw::{BackendKind, RawEntry};
use crate::types::level::Level;
use crate::types::record::{Record, Score, Strategy, StrategyOutcome};

/// A model of the run, as far as warnings need it.
#[derive(Clone, Copy)]
pub(super) struct AskedModel<'a> {
    name: &'a str,
    /// Name of the model at its server.
    server_name: &'a str,
    backend: BackendKind,
}

impl<'a> AskedModel<'a> {
    pub(super) fn of(entry: &'a ModelEntry) -> Self {
        Self { name: &entry.name, server_name: entry.server_name(), backend: entry.backend.kind() }
    }

    pub(super) fn of_raw(entry: &'a RawEntry) -> Self {
        Self { name: &entry.name, server_name: entry.server_name(), backend: entry.backend }
    }
}

/// Facts of a stored strategy on which warnings depend.
#[derive(Clone, Copy)]
pub(super) struct StoredFacts {
    /// Number of bytes that the length limit cut off.
    pub(super) cut: usize,
    /// Score of the answer that the strategy comes from.
    pub(super) source_score: Score,
}

impl StoredFacts {
    pub(super) fn of(strategy: &Strategy) -> Self {
        Self { cut: strategy.cut, source_score: strategy.source_score }
    }
}

/// Warnings about answers, refusals and strategies. `calibration` holds the records of the calibration items.
pub(super) fn of_records<'a>(
    asked: impl IntoIterator<Item = AskedModel<'a>>,
    (records, stored): (&[Record], &[StoredFacts]),
    calibration: &[Record],
    answered_by: &AnsweredBy,
) -> Vec<String> {
    let asked: Vec<AskedModel> = asked.into_iter().collect();
    let mut lines = Vec::new();
    for model in asked.iter().filter(|model| model.backend == BackendKind::Openai) {
        for name in answered_by.get(model.name).into_iter().flatten() {
            // Servers may answer to an alias with a dated name.
            if !name.starts_with(model.server_name) {
                lines.push(format!(
                    "Model `{}` was requested, but answers report the model `{name}`.",
                    model.server_name
                ));
            }
        }
    }
    lines.extend(engine_builds(&asked, answered_by));
    lines.extend(odd_answers::warnings(records, calibration));
    for slice in slices(records) {
        let unanswered = slice.no_answer();
        if unanswered > 0.0 {
            lines.push(format!(
                "{}: no answer could be extracted for {:.1} % of the items. See unparsed.jsonl.",
                slice.cell.arm,
                unanswered * 100.0
            ));
        }
    }
    for slice in slices(records) {
        let refused = |level| slice.outcomes.iter().filter(|outcome| outcome.is_refused(level)).count();
        let [weak, strong] = [refused(Level::FIRST), refused(slice.top)];
        if weak + strong > 0 {
            lines.push(format!(
                "{}: of {} items, the weak level's provider refused {weak} and the strong level's provider refused {strong}. Weak refusals \
                 are deferred; strong refusals count as items without an answer (column `refused` of records). --retry-refused repeats \
                 these calls.",
                slice.cell.arm,
                slice.outcomes.len()
            ));
        }
    }
    let unreadable = records.iter().filter(|record| record.kept == Some(StrategyOutcome::Unreadable)).count();
    if unreadable > 0 {
        lines.push(format!(
            "No strategy could be extracted from {unreadable} deferred answers. The answers count, but no strategy was stored for them."
        ));
    }
    let cut_bytes: Vec<usize> = stored.iter().map(|stored| stored.cut).filter(|cut| *cut > 0).collect();
    if !cut_bytes.is_empty() {
        lines.push(format!(
            "{} of {} stored strategies exceeded learning.max_strategy_tokens and were cut by {} bytes on average (a token counts as four bytes).",
            cut_bytes.len(),
            stored.len(),
            cut_bytes.iter().sum::<usize>() / cut_bytes.len()
        ));
    }
    let wrong = stored.iter().filter(|stored| stored.source_score != Score::Correct).count();
    if wrong > 0 {
        lines.push(format!("{wrong} of {} stored strategies come from a wrong strong answer.", stored.len()));
    }
    lines
}

/// Warning if answers of local servers come from more than one build of the engine, as after an update between two
/// sessions.
fn engine_builds(asked: &[AskedModel], answered_by: &AnsweredBy) -> Option<String> {
    let local = asked.iter().filter(|model| model.backend == BackendKind::LlamaServer);
    let names = local.filter_map(|model| answered_by.get(model.name)).flatten();
    let builds: BTreeSet<&str> = names.map(|name| name.rsplit_once(", ").map_or(*name, |(_, build)| build)).collect();
    let list = builds.iter().map(|build| format!("`{build}`")).collect::<Vec<_>>().join(" and ");
    (builds.len() > 1).then(|| {
        format!("Answers come from {list}. Builds can answer the same prompt differently, so this run mixes engines.")
    })
}

/// Warnings about deferral gates that accept or defer every item.
pub(super) fn of_gates(records: &[Record]) -> Vec<String> {
    slices(records).iter().filter_map(gate).collect()
}

/// Warning if the gate of an arm accepts every item or defers every item.
fn gate(slice: &Slice) -> Option<String> {
    // An infinite threshold means that none was certified, so no other threshold can be suggested.
    let threshold = slice.readable.filter(|threshold| threshold.is_finite())?;
    let what = match slice.strong_calls() {
        0 => "accepts every item",
        n if n == slice.outcomes.len() => "defers every item",
        _ => return None,
    };
    Some(format!(
        "{}: the deferral gate at λ {threshold} {what}. Choose another threshold to test the gate.",
        slice.cell.arm
    ))
}
