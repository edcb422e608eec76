//! The algorithm on one screen: `step` takes one item through one arm. Standard cascade, Inter-Cascade and the
//! controls differ only in the values of [`crate::types::arm::Arm`]. Method: arXiv 2509.22984, as far as docs/METHODOLOGY.md
//! says.

use std::sync::Arc;

use super::level::{Asked, StepError};
use super::repository::Shown;
use super::setup::{Cell, Setup};
use crate::types::arm::{Deferral, Use};
use crate::types::record::{Record, Strategy};

pub(super) const WEAK: usize = 0;
pub(super) const STRONG: usize = 1;

/// What a step leaves: its record, and what it adds to the repository.
#[derive(Debug)]
pub struct Step {
    /// The row; the repository's size is not known yet, since items run side by side.
    pub record: Record,
    /// The strategy, where one is kept.
    pub strategy: Option<Arc<Strategy>>,
}

/// Takes the item at `position` of the cell's stream through the cell's arm, with these strategies `shown`.
///
/// # Errors
/// Where a call gave no usable answer; nothing is scored then.
pub async fn step(setup: &Setup, cell: &Cell, position: usize, shown: &[Shown]) -> Result<Step, StepError> {
    let index = cell.stream[position];
    let item = &setup.items[index];
    let learning = cell.arm.learning();
    let mut calls = Vec::new();
    if learning.is_some() {
        calls.push(setup.embed_call(index));
    }
    if let (Some(Use::Reused), [nearest, ..]) = (learning.map(|learning| learning.used), shown) {
        return Ok(Step { record: setup.reused(cell, position, nearest, calls), strategy: None });
    }
    let priority = cell.priority(position);
    let mut asked = Asked { item, grader: &setup.grader, priority, calls: &mut calls, refused: Vec::new() };

    let weak = match cell.arm.deferral() {
        Deferral::Always => None,
        Deferral::Never | Deferral::BelowThreshold => {
            let answer = setup.weak.answer(WEAK, &mut asked, shown, setup.gauge.as_ref()).await?;
            Some(cell.gate.recalibrated(answer))
        }
    };
    let deferred = match (cell.arm.deferral(), &weak) {
        (Deferral::BelowThreshold, Some(weak)) => position < cell.before || cell.gate.defers(weak),
        (deferral, _) => deferral == Deferral::Always,
    };
    let strong = if deferred {
        Some(setup.strong.resolve(STRONG, &mut asked, &setup.teaching.of(learning), &setup.weak).await?)
    } else {
        None
    };

    let graded = match (&strong, &weak) {
        (Some(strong), _) => strong.graded.clone(),
        (None, Some(weak)) => weak.graded.clone(),
        (None, None) => unreachable!("an arm that does not ask the weak level defers"),
    };
    let (kept, strategy) = strong.map_or((None, None), |strong| (strong.kept, strong.strategy));
    let answering_level = Some(if deferred { STRONG } else { WEAK });
    let refused = asked.refused;
    let record =
        Record { weak, deferred, answering_level, kept, refused, ..setup.record(cell, position, shown, graded, calls) };
    Ok(Step { record, strategy: strategy.map(Arc::new) })
}
