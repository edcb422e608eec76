//! The results of a run in sentences, arm by arm, for a reader who sees the table for the first time.

use super::arms::fees::queries;
use super::arms::figures;
use super::format::{lambda, percent, signed};
use crate::analysis::metrics::recommendation::QUERIES;
use crate::analysis::metrics::{Comparison, Slice, ratio};
use crate::types::arm::Arm;

/// Formats the results of a run for a terminal of `width` columns.
#[must_use]
pub fn table(comparison: &Comparison, width: u16) -> String {
    figures::sheet(comparison).terminal(width)
}

/// Returns a sentence or two on each arm of a run with one λ, in the order of the table. `weak` and `strong` are the names
/// of the models. Arms without an explanation here are left out.
#[must_use]
pub fn lines(comparison: &Comparison, [weak, strong]: [&str; 2]) -> Vec<String> {
    let find = |arm: Arm| comparison.slices.iter().find(|slice| slice.cell.arm == arm);
    let (alone, cascade) = (find(Arm::WeakOnly), find(Arm::Cascade));
    let line = |slice: &Slice| {
        let text = match slice.cell.arm {
            Arm::WeakOnly => format!("{weak} answers every question alone. {}", level_in_words(comparison, slice)),
            Arm::StrongOnly => format!("{strong} answers every question alone. {}", level_in_words(comparison, slice)),
            Arm::Cascade => format!(
                "{weak} answers first. If its confidence is below λ {} or a check of its answer fails, {strong} answers \
                 instead: {} of {} questions. {}",
                slice.readable.map(lambda).unwrap_or_default(),
                slice.strong_calls(),
                slice.outcomes.len(),
                level_in_words(comparison, slice)
            ),
            Arm::InterCascade => format!(
                "as the cascade, but each answer of {strong} is stored, and those to the most similar earlier questions \
                 are put before {weak}'s next ones. {}{} {}",
                alone.map(|alone| weak_change(slice, alone)).unwrap_or_default(),
                cascade.map(|cascade| calls_change(slice, cascade)).unwrap_or_default(),
                level_in_words(comparison, slice)
            ),
            Arm::InterCascadeRandom => format!(
                "the control: stored answers are chosen at random. {}What inter-cascade gains beyond this is due to \
                 similarity.",
                alone.map(|alone| weak_change(slice, alone)).unwrap_or_default(),
            ),
            _ => return None,
        };
        Some(format!("{}: {text}", slice.cell.arm))
    };
    comparison.slices.iter().filter_map(line).collect()
}

/// Accuracy and fee of an arm.
fn level_in_words(comparison: &Comparison, slice: &Slice) -> String {
    let fee = comparison
        .fee(slice)
        .map(|fee| format!(" at {:.3} USD per 1,000 questions", fee.usd() / queries(slice) * QUERIES));
    format!("{} of the final answers are right{}.", percent(slice.accuracy()), fee.unwrap_or_default())
}

/// Change of the weak level's accuracy against the weak level alone. Empty if one of them is unknown.
fn weak_change(slice: &Slice, alone: &Slice) -> String {
    let Some((own, before)) = slice.weak_accuracy().zip(alone.weak_accuracy()) else { return String::new() };
    format!(
        "The weak level's answers are right for {} instead of {} of the questions ({} points). ",
        percent(own),
        percent(before),
        signed(own - before)
    )
}

/// Strong calls beside the cascade's, as shares of the questions.
fn calls_change(slice: &Slice, cascade: &Slice) -> String {
    let [own, before] = [slice, cascade].map(|slice| ratio(slice.strong_calls(), slice.outcomes.len()));
    format!("The strong model is called for {} instead of {} of them.", percent(own), percent(before))
}
