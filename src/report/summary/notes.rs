//! What a reader of the results must know of arms that do not ask the weak level of every item, and of the cascade at a λ of its own.

use std::fmt::Write;

use crate::analysis::metrics::{Comparison, Reference};
use crate::report::format::{MARK, lambda};

/// The notes that the arms of a run call for, a line each.
pub(super) fn lines(comparison: &Comparison) -> Vec<String> {
    [unasked(comparison), tuned(comparison)].into_iter().flatten().collect()
}

/// The same as paragraphs of a document; empty if there are none.
pub(super) fn paragraphs(comparison: &Comparison) -> String {
    lines(comparison).into_iter().fold(String::new(), |mut text, line| {
        let _ = write!(text, "\n{line}\n");
        text
    })
}

/// Which weak answers the figures have of items that the weak level was not asked of.
fn unasked(comparison: &Comparison) -> Option<String> {
    if comparison.slices.iter().all(|slice| slice.unasked() == 0) {
        return None;
    }
    let rule = "An arm that shows examples defers an item without asking the weak level if no example is near enough.";
    let whose = if comparison.slices.iter().any(|slice| slice.from_weak_only() > 0) {
        format!(
            "Figures of the weak level over the whole stream that bear the mark{MARK} then have weak-only's answer to the same item in \
             the same order."
        )
    } else {
        "The run has no weak-only, so the arm's weak level has no figure over the whole stream.".to_owned()
    };
    Some(format!("{rule} {whose} Those on asked items alone stand beside them."))
}

/// What the cascade at a λ of its own is.
fn tuned(comparison: &Comparison) -> Option<String> {
    let tuned = comparison.reference(Reference::CascadeTuned)?;
    let at = tuned.readable.map(|threshold| format!(" ({})", lambda(threshold)));
    Some(format!(
        "cascade-tuned is the standard cascade at a λ of its own, `deferral.tuned_threshold`{}, which was set before the run; changes \
         against the cascade are against the arm cascade.",
        at.unwrap_or_default()
    ))
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
    fn notes_are_there_for_the_arms_that_call_for_them_alone() {
        let cascade = record(Arm::Cascade, 0.9, true);
        assert!(notes(&[cascade.clone(), record(Arm::InterCascade, 0.9, true)]).is_empty());
        let told = notes(&[cascade.clone(), record(Arm::CascadeTuned, 0.4, true)]);
        assert!(told.len() == 1 && told[0].contains("`deferral.tuned_threshold` (0.4)"), "{told:?}");
        let unasked = record(Arm::InterCascade, 0.9, false);
        let told = notes(&[cascade.clone(), unasked.clone()]);
        assert!(told.len() == 1 && told[0].contains("has no weak-only") && !told[0].contains(MARK), "{told:?}");
        let told = notes(&[cascade, record(Arm::WeakOnly, 0.9, true), unasked]);
        assert!(told.len() == 1 && told[0].contains("weak-only's answer") && told[0].contains(MARK), "{told:?}");
    }
}
