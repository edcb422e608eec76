//! The algorithm on one screen: [`step`] runs one item through one arm. The standard cascade, Inter-Cascade and the
//! controls differ only in the values of [`crate::types::arm::Arm`]. Method: arXiv 2509.22984, with the deviations that
//! docs/METHODOLOGY.md lists. The cascade has any number of levels. Only the first level receives retrieved strategies;
//! the top level receives them only if the arm or `learning.top_level_examples` says so.

use std::sync::Arc;

use super::level::{CallContext, StepError};
use super::repository::Retrieved;
use super::setup::{Cell, ExperimentContext};
use crate::types::record::{LevelAnswer, Record, Strategy};

/// Result of a step: the record of the item and the strategy to store.
#[derive(Debug)]
pub struct Step {
    /// Record of the item. Its `repository_size` is filled in later, because items run concurrently.
    pub record: Record,
    /// Strategy to add to the repository. `None` if nothing is stored.
    pub strategy: Option<Arc<Strategy>>,
}

/// Runs the item at `position` of the cell's stream through the cell's arm. `retrieved` holds the strategies that were
/// retrieved for the item, best first.
///
/// # Errors
/// If a call returns no usable answer. The item then gets no score.
pub async fn step(
    experiment: &ExperimentContext,
    cell: &Cell,
    position: usize,
    retrieved: &[Retrieved],
) -> Result<Step, StepError> {
    let index = cell.stream[position];
    let item = &experiment.items[index];
    let learning = cell.arm.learning();
    let mut calls = Vec::new();
    if learning.is_some() {
        calls.push(experiment.embed_call(index));
    }

    // An answer cache or a replayed example can answer the item without a model.
    if let Some((nearest, graded)) = experiment.answer_from_example(cell, item, retrieved) {
        let record = experiment.record_from_example(cell, position, nearest, graded, calls);
        return Ok(Step { record, strategy: None });
    }

    // The levels below the top answer in turn, until the deferral gate accepts an answer.
    let priority = cell.priority(position);
    let mut context =
        CallContext { item, grader: &experiment.grader, priority, calls: &mut calls, refused: Vec::new() };
    let (for_first, for_top) = experiment.examples_for_levels(cell, retrieved);
    let (mut deferred, mut accepted) = (Vec::new(), None);
    for (level, model) in experiment.levels.below_top().filter(|_| experiment.asks_lower_levels(cell, retrieved)) {
        let examples = if level.is_first() { for_first } else { &[] };
        let answer = model.answer(level, &mut context, examples, experiment.estimator.as_ref()).await?;
        let answer = cell.decide(position, answer);
        if !answer.deferred {
            accepted = Some(answer);
            break;
        }
        deferred.push(answer);
    }

    // If every lower level defers, the top level answers. A learning arm then stores a strategy from its solution.
    let (answer, kept, strategy) = if let Some(answer) = accepted {
        (answer, None, None)
    } else {
        let (level, model) = experiment.levels.top();
        let teaching = experiment.teaching.for_arm(learning);
        let first = experiment.levels.first();
        let resolution = model.resolve(level, &mut context, &teaching, (retrieved, for_top), first).await?;
        let (checks, strategies_shown) = (resolution.checks, for_top.len());
        (
            LevelAnswer { strategies_shown, checks, ..LevelAnswer::new(level, resolution.graded) },
            resolution.outcome,
            resolution.strategy.map(Arc::new),
        )
    };

    let refused = context.refused;
    let examples = if for_first.is_empty() { for_top } else { for_first };
    let record = experiment.record_of_answers(cell, position, examples, deferred, answer);
    Ok(Step { record: Record { calls, kept, refused, ..record }, strategy })
}
