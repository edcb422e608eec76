//! Notes on arms that do not ask the weak level every item, and on the cascade at its own λ.

use std::fmt::Write;

use crate::analysis::metrics::{Comparison, Reference};
use crate::report::format::{MARK, lambda};

/// Returns the notes that apply to the arms of a run, one line each.
pub(super) fn lines(comparison: &Comparison) -> Vec<String> {
    [unasked(comparison), tuned(comparison), batched(comparison)].into_iter().flatten().collect()
}

/// Returns the notes as paragraphs of a document. Empty if there are none.
pub(super) fn paragraphs(comparison: &Comparison) -> String {
    lines(comparison).into_iter().fold(String::new(), |mut text, line| {
        let _ = write!(text, "\n{line}\n");
        text
    })
}

/// The note on the weak answers that the figures use for items that the weak level was not asked. `None` if it was
/// asked every item.
fn unasked(comparison: &Comparison) -> Option<String> {
    if comparison.slices.iter().all(|slice| slice.unasked() == 0) {
        return None;
    }
    let rule_text = "An arm that retrieves examples defers an item without asking the weak level if no example is \
                     similar enough.";
    let source = if comparison.slices.iter().any(|slice| slice.from_weak_only() > 0) {
        format!(
            "For such items, figures of the weak level over the whole stream that are marked with{MARK} use \
             weak-only's answer to the same item in the same order."
        )
    } else {
        "The run has no arm weak-only, so such an arm has no figure of the weak level over the whole stream.".to_owned()
    };
    Some(format!(
        "{rule_text} {source} Figures over only the items that the weak level was asked are in separate \
                  columns."
    ))
}

/// The note on the cascade at its own λ. `None` if the run does not have this arm.
fn tuned(comparison: &Comparison) -> Option<String> {
    let tuned = comparison.reference(Reference::CascadeTuned)?;
    let at = tuned.readable.map(|threshold| format!(" ({})", lambda(threshold)));
    Some(format!(
        "cascade-tuned is the standard cascade at its own λ, `deferral.tuned_threshold`{}, which was set before the \
         run. Changes against the cascade are changes against the arm `cascade`.",
        at.unwrap_or_default()
    ))
}

/// The note on calls whose answers came in batches. `None` if there are none.
fn batched(comparison: &Comparison) -> Option<String> {
    let calls = || comparison.slices.iter().flat_map(|slice| &slice.outcomes).flat_map(|outcome| outcome.calls());
    calls().any(|(call, _)| call.is_batched()).then(|| {
        "Answers of some calls came in batches: the fees of arms are at the list price all the same, so that no arm is \
         cheaper because its calls could wait; `spent` in the manifest is the money really paid, and `fee_in_batches_usd` \
         in `fees` is the fee if all calls that no learning arm makes are in batches."
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::metrics::Prices;
    use crate::types::arm::Arm;
    use crate::types::level::Level;
    use crate::types::record::{CellKey, Graded, LevelAnswer, Record, Score};
    use crate::types::seed::Seed;
    use crate::types::testing;

    fn record(arm: Arm, threshold: f64, asked: bool) -> Record {
        let cell = Arc::new(CellKey { dataset: "d".into(), arm, order: 0, threshold: Some(threshold) });
        let level = if asked { Level::FIRST } else { Level::SECOND };
        let graded = Graded { answer: None, score: Score::Correct };
        let levels = vec![LevelAnswer::new(level, graded.clone())];
        Record { levels, deferred: !asked, answering_level: Some(level), graded, ..testing::record(&cell, 0) }
    }

    fn notes(records: &[Record]) -> Vec<String> {
        let prices = Prices::new();
        lines(&Comparison::new(records, &[], &prices, Seed(1)))
    }

    #[test]
    fn notes_appear_only_for_arms_that_need_them() {
        let cascade = record(Arm::Cascade, 0.9, true);
        assert!(notes(&[cascade.clone(), record(Arm::InterCascade, 0.9, true)]).is_empty());
        let lines = notes(&[cascade.clone(), record(Arm::CascadeTuned, 0.4, true)]);
        assert!(lines.len() == 1 && lines[0].contains("`deferral.tuned_threshold` (0.4)"), "{lines:?}");
        let unasked = record(Arm::InterCascade, 0.9, false);
        let lines = notes(&[cascade.clone(), unasked.clone()]);
        assert!(lines.len() == 1 && lines[0].contains("has no arm weak-only") && !lines[0].contains(MARK), "{lines:?}");
        let lines = notes(&[cascade, record(Arm::WeakOnly, 0.9, true), unasked]);
        assert!(lines.len() == 1 && lines[0].contains("weak-only's answer") && lines[0].contains(MARK), "{lines:?}");
    }
}
