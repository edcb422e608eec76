//! What a finished run's records show that a reader must know before quoting any of it.

use std::collections::BTreeSet;

use super::provenance::AnsweredBy;
use crate::analysis::metrics::{Slice, odd_answers, slices};
use crate::cascade::experiment::ExperimentOutcome;
use crate::config::resolved::ResolvedConfig;
use crate::types::level::Level;
use crate::types::record::{Record, Score};

/// Those of every run; `calibration` are the records of the items that something is told from.
pub(super) fn of_records(
    resolved: &ResolvedConfig,
    outcome: &ExperimentOutcome,
    calibration: &[Record],
    answered_by: &AnsweredBy,
) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in [&resolved.weak, &resolved.strong].into_iter().filter(|entry| entry.backend.openai().is_some()) {
        for name in answered_by.get(entry.name.as_str()).into_iter().flatten() {
            // Servers answer with a dated name for the alias that was asked for.
            if !name.starts_with(entry.server_name()) {
                lines.push(format!(
                    "`{}` was asked for, and the answers say that `{name}` gave them.",
                    entry.server_name()
                ));
            }
        }
    }
    lines.extend(of_builds(resolved, answered_by));
    lines.extend(odd_answers::warnings(&outcome.records, calibration));
    for slice in slices(&outcome.records) {
        let silent = slice.no_answer();
        if silent > 0.0 {
            lines.push(format!(
                "{}: no answer could be read for {:.1} % of the items; they are listed in unparsed.jsonl.",
                slice.cell.arm,
                silent * 100.0
            ));
        }
    }
    for slice in slices(&outcome.records) {
        let of = |level| slice.taken.iter().filter(|taken| taken.is_refused(level)).count();
        let [weak, strong] = [of(Level::FIRST), of(slice.top)];
        if weak + strong > 0 {
            lines.push(format!(
                "{}: of {} items the weak level's provider refused {weak} and the strong level's {strong}; the first are deferred, the \
                 second count as items without an answer (column `refused` of records; --retry-refused asks again).",
                slice.cell.arm,
                slice.taken.len()
            ));
        }
    }
    if outcome.unreadable_strategies > 0 {
        lines.push(format!(
            "{} deferred answers held no readable strategy; the answers count, nothing was stored.",
            outcome.unreadable_strategies
        ));
    }
    let cut: Vec<usize> = outcome.strategies.iter().map(|stored| stored.strategy.cut).filter(|cut| *cut > 0).collect();
    if !cut.is_empty() {
        lines.push(format!(
            "{} of {} stored strategies were longer than learning.max_strategy_tokens allows and were cut, by {} bytes on average (a token counts as four).",
            cut.len(),
            outcome.strategies.len(),
            cut.iter().sum::<usize>() / cut.len()
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

/// Answers of local servers are those of a build of the engine: the journal may hold another's than the one that runs now.
fn of_builds(resolved: &ResolvedConfig, answered_by: &AnsweredBy) -> Option<String> {
    let local = [&resolved.weak, &resolved.strong].into_iter().filter(|entry| entry.backend.llama_server().is_some());
    let names = local.filter_map(|entry| answered_by.get(entry.name.as_str())).flatten();
    let builds: BTreeSet<&str> = names.map(|name| name.rsplit_once(", ").map_or(*name, |(_, build)| build)).collect();
    let told = builds.iter().map(|build| format!("`{build}`")).collect::<Vec<_>>().join(" and ");
    (builds.len() > 1).then(|| {
        format!("Answers come from {told}: another build can answer the same prompt differently, so the run mixes two engines.")
    })
}

/// Those of the gates.
pub(super) fn of_gates(records: &[Record]) -> Vec<String> {
    slices(records).iter().filter_map(gate).collect()
}

/// A gate that lets everything through or nothing decides nothing.
fn gate(slice: &Slice) -> Option<String> {
    // If nothing was certified, no other threshold is.
    let threshold = slice.readable.filter(|threshold| threshold.is_finite())?;
    let what = match slice.strong_calls() {
        0 => "accepts everything",
        n if n == slice.taken.len() => "defers everything",
        _ => return None,
    };
    Some(format!("{}: the gate at {threshold} {what}; another threshold would tell more.", slice.cell.arm))
}
