//! The pair matrix: the weak level's answer to every item alone, and with each item as the one example that may be shown for it: those
//! of its group, and others that are near enough. With these calls recorded, any gate, store rule and order of a learning arm with
//! k = 1 is exact offline. The calls are those of `step`: the levels answer and resolve through the same code, so the keys are those
//! of a run.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::level::{CallContext, StepError};
use super::repository::Retrieved;
use super::setup::ExperimentContext;
use super::teach::TeachingPolicy;
use crate::gateway::concurrency::{ConcurrencyLimiter, Priority};
use crate::retrieval::search::cosine;
use crate::types::arm::Arm;
use crate::types::level::Level;
use crate::types::matrix::Row;
use crate::types::record::{Call, Strategy};

/// The ordered pairs (item, example): first those of items of one group, then those of different groups whose queries are as
/// similar as the rule asks for; each by item and then by example.
#[must_use]
pub fn pairs(setup: &ExperimentContext, items: usize) -> Vec<(usize, usize)> {
    let others = |item| (0..items).filter(move |example| *example != item).map(move |example| (item, example));
    let are_siblings = |item: usize, example: usize| setup.items[item].group == setup.items[example].group;
    let is_near = |item: usize, example: usize| {
        similarity(setup, item, example).is_some_and(|cosine| cosine >= setup.rule.min_similarity)
    };
    let siblings = (0..items).flat_map(others).filter(|(item, example)| are_siblings(*item, *example));
    let apart = (0..items).flat_map(others).filter(|(item, example)| !are_siblings(*item, *example));
    siblings.chain(apart.filter(|(item, example)| is_near(*item, *example))).collect()
}

/// Takes the first `items` of the setup, and these [`pairs`] of them, through: the strong level's answers, the weak level's alone, then the weak level's
/// with examples, one level after the other. `concurrency` calls are under way at most; `progress` is called after each.
///
/// # Errors
/// The first call that gave no usable answer, once those in flight have ended. What was answered is in the journal.
pub async fn matrix(
    setup: &ExperimentContext,
    items: usize,
    pairs: &[(usize, usize)],
    gate: &ConcurrencyLimiter,
    concurrency: usize,
    mut progress: impl FnMut(),
) -> Result<Vec<Row>, StepError> {
    // Whether a solution may be stored is for the rules that are compared on these answers later.
    let teaching = TeachingPolicy { store: Vec::new(), ..setup.teaching.of(Arm::InterCascade.learning()) };
    let solved = stream::iter(0..items).map(|item| solve(setup, &teaching, item));
    let solved = gathered(solved.buffered(concurrency), gate, &mut progress).await?;
    let (mut rows, strategies): (Vec<Row>, Vec<Option<Arc<Strategy>>>) = solved.into_iter().unzip();
    let alone = stream::iter(0..items).map(|item| answer(setup, item, None));
    rows.extend(gathered(alone.buffered(concurrency), gate, &mut progress).await?);
    let shown = pairs.iter().filter_map(|&(item, example)| {
        let strategy = Arc::clone(strategies[example].as_ref()?);
        Some((item, example, strategy))
    });
    let taught = stream::iter(shown).map(|(item, example, strategy)| answer(setup, item, Some((example, strategy))));
    rows.extend(gathered(taught.buffered(concurrency), gate, &mut progress).await?);
    Ok(rows)
}

/// The strong level's answer to an item, and what can be shown of it.
async fn solve(
    setup: &ExperimentContext,
    teaching: &TeachingPolicy,
    index: usize,
) -> Result<(Row, Option<Arc<Strategy>>), StepError> {
    let mut calls = Vec::new();
    let mut asked = asked(setup, index, &mut calls);
    let (level, model) = setup.levels.top();
    let resolved = model.resolve(level, &mut asked, teaching, (&[], &[]), setup.levels.first()).await?;
    let (graded, checks) = (resolved.graded, resolved.checks);
    let row = Row { item: index, level, example: None, similarity: None, graded, confidence: None, checks, calls };
    Ok((row, resolved.strategy.map(Arc::new)))
}

/// The weak level's answer to an item, alone or with the strategy of another one.
async fn answer(
    setup: &ExperimentContext,
    index: usize,
    shown: Option<(usize, Arc<Strategy>)>,
) -> Result<Row, StepError> {
    let mut calls = Vec::new();
    let (example, strategy) = shown.unzip();
    let similarity = example.and_then(|example| similarity(setup, index, example));
    let shown: Vec<Retrieved> = strategy.into_iter().map(|strategy| Retrieved { strategy, similarity }).collect();
    let mut asked = asked(setup, index, &mut calls);
    let first = setup.levels.first().answer(Level::FIRST, &mut asked, &shown, setup.gauge.as_ref()).await?;
    let (graded, confidence, checks) = (first.graded, first.confidence, first.checks);
    Ok(Row { item: index, level: Level::FIRST, example, similarity, graded, confidence, checks, calls })
}

fn similarity(setup: &ExperimentContext, item: usize, example: usize) -> Option<f64> {
    Some(cosine(&setup.embeddings.get(item)?.vector, &setup.embeddings.get(example)?.vector))
}

fn asked<'a>(setup: &'a ExperimentContext, index: usize, calls: &'a mut Vec<Call>) -> CallContext<'a> {
    let priority = Priority { position: u32::try_from(index).unwrap_or(u32::MAX), cell: 0 };
    CallContext { item: &setup.items[index], grader: &setup.grader, priority, calls, refused: Vec::new() }
}

/// What a stream of answers gives, in its order. After a failure no further call begins, and those in flight end.
async fn gathered<T>(
    answers: impl stream::Stream<Item = Result<T, StepError>>,
    gate: &ConcurrencyLimiter,
    progress: &mut impl FnMut(),
) -> Result<Vec<T>, StepError> {
    let mut answers = std::pin::pin!(answers);
    let (mut rows, mut failed) = (Vec::new(), None::<StepError>);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(row) => {
                progress();
                rows.push(row);
            }
            Err(error) => {
                gate.stop();
                if failed.as_ref().is_none_or(|earlier| earlier.is_stop() && !error.is_stop()) {
                    failed = Some(error);
                }
            }
        }
    }
    failed.map_or(Ok(rows), Err)
}
