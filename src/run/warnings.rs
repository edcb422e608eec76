//! Warnings from a finished run's records, for readers of its figures.

use std::collections::BTreeSet;

use super::provenance::AnsweredBy;
use crate::analysis::metrics::{Slice, odd_answers, slices};
use crate::cascade::experiment::ExperimentOutcome;
use crate::config::resolved::ResolvedConfig;
use crate::types::level::Level;
use crate::types::record::{Record, Score};

/// Warnings about answers, refusals and strategies. `calibration` holds the records of the calibration items.
pub(super) fn of_records(
    resolved: &ResolvedConfig,
    outcome: &ExperimentOutcome,
    calibration: &[Record],
    answered_by: &AnsweredBy,
) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in [&resolved.weak, &resolved.strong].into_iter().filter(|entry| entry.backend.openai().is_some()) {
        for name in answered_by.get(entry.name.as_str()).into_iter().flatten() {
            // Servers may answer to an alias with a dated name.
            if !name.starts_with(entry.server_name()) {
                lines.push(format!(
                    "Model `{}` was requested, but answers report the model `{name}`.",
                    entry.server_name()
                ));
            }
        }
    }
    lines.extend(engine_builds(resolved, answered_by));
    lines.extend(odd_answers::warnings(&outcome.records, calibration));
    for slice in slices(&outcome.records) {
        let unanswered = slice.no_answer();
        if unanswered > 0.0 {
            lines.push(format!(
                "{}: no answer could be extracted for {:.1} % of the items. See unparsed.jsonl.",
                slice.cell.arm,
                unanswered * 100.0
            ));
        }
    }
    for slice in slices(&outcome.records) {
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
    if outcome.unreadable_strategies > 0 {
        lines.push(format!(
            "No strategy could be extracted from {} deferred answers. The answers count, but no strategy was stored for them.",
            outcome.unreadable_strategies
        ));
    }
    let cut_bytes: Vec<usize> =
        outcome.strategies.iter().map(|stored| stored.strategy.cut).filter(|cut| *cut > 0).collect();
    if !cut_bytes.is_empty() {
        lines.push(format!(
            "{} of {} stored strategies exceeded learning.max_strategy_tokens and were cut by {} bytes on average (a token counts as four bytes).",
            cut_bytes.len(),
            outcome.strategies.len(),
            cut_bytes.iter().sum::<usize>() / cut_bytes.len()
        ));
    }
    let wrong = outcome.strategies.iter().filter(|stored| stored.strategy.source_score != Score::Correct).count();
    if wrong > 0 {
        lines.push(format!(
            "{wrong} of {} stored strategies come from a wrong strong answer.",
            outcome.strategies.len()
        ));
    }
    lines
}

/// Warning if answers of local servers come from more than one build of the engine, as after an update between two
/// sessions.
fn engine_builds(resolved: &ResolvedConfig, answered_by: &AnsweredBy) -> Option<String> {
    let local = [&resolved.weak, &resolved.strong].into_iter().filter(|entry| entry.backend.llama_server().is_some());
    let names = local.filter_map(|entry| answered_by.get(entry.name.as_str())).flatten();
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
