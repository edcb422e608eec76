//! The algorithm on one screen: `step` takes one item through one arm. Standard cascade, Inter-Cascade and the
//! controls differ only in the values of [`crate::types::arm::Arm`]. Method: arXiv 2509.22984, as far as docs/METHODOLOGY.md
//! says. The number of levels is that of the setup; strategies are shown to the first one alone.

use std::sync::Arc;

use super::level::{CallContext, StepError};
use super::repository::Retrieved;
use super::setup::{Cell, ExperimentContext};
use crate::types::record::{LevelAnswer, Record, Strategy};

/// What a step leaves: its record, and what it adds to the repository.
#[derive(Debug)]
pub struct Step {
    /// The row; the repository's size is not known yet, since items run side by side.
    pub record: Record,
    /// The strategy; `None` if none is kept.
    pub strategy: Option<Arc<Strategy>>,
}

/// Takes the item at `position` of the cell's stream through the cell's arm, with these strategies `shown`.
///
/// # Errors
/// If a call gave no usable answer; nothing is scored then.
pub async fn step(
    setup: &ExperimentContext,
    cell: &Cell,
    position: usize,
    shown: &[Retrieved],
) -> Result<Step, StepError> {
    let index = cell.stream[position];
    let learning = cell.arm.learning();
    let mut calls = Vec::new();
    if learning.is_some() {
        calls.push(setup.embed_call(index));
    }
    let item = &setup.items[index];
    if let Some((nearest, graded)) = setup.answered_by_example(cell, item, shown) {
        return Ok(Step { record: setup.record_from_example(cell, position, nearest, graded, calls), strategy: None });
    }
    let priority = cell.priority(position);
    let mut asked = CallContext { item, grader: &setup.grader, priority, calls: &mut calls, refused: Vec::new() };

    // Each level below the top answers, until an answer is sure enough to stand.
    let (to_first, to_top) = setup.examples_for_levels(cell, shown);
    let (mut levels, mut standing) = (Vec::new(), None);
    for (level, model) in setup.levels.below_top().filter(|_| setup.asks_below_top(cell, shown)) {
        let shown = if level.is_first() { to_first } else { &[] };
        let answer = model.answer(level, &mut asked, shown, setup.gauge.as_ref()).await?;
        let answer = cell.decide(position, answer);
        if !answer.deferred {
            standing = Some(answer);
            break;
        }
        levels.push(answer);
    }
    // What they all defer, the top level resolves, and an arm that learns keeps what it teaches.
    let (standing, kept, strategy) = if let Some(answer) = standing {
        (answer, None, None)
    } else {
        let (level, model) = setup.levels.top();
        let teaching = setup.teaching.of(learning);
        let resolved = model.resolve(level, &mut asked, &teaching, (shown, to_top), setup.levels.first()).await?;
        let (checks, strategies_shown) = (resolved.checks, to_top.len());
        (
            LevelAnswer { strategies_shown, checks, ..LevelAnswer::new(level, resolved.graded) },
            resolved.kept,
            resolved.strategy.map(Arc::new),
        )
    };
    let refused = asked.refused;
    let shown = if to_first.is_empty() { to_top } else { to_first };
    let record = Record { calls, kept, refused, ..setup.record_of_answers(cell, position, shown, levels, standing) };
    Ok(Step { record, strategy })
}
