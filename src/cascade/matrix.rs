//! Pair matrix: the weak level's answer to every item without an example, and with each candidate example of the item.
//! Candidates are the other items of the group and all other items that are near enough. With these calls recorded, a
//! learning arm with k = 1 can be evaluated exactly offline, for any gate, store rule and order of the stream. Both
//! levels run the code that [`super::step`] runs, so the journal keys are those of a run.

use std::collections::BTreeSet;
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

/// Returns the ordered pairs (item, example) of the first `items` items. First come the pairs within a group, then the
/// pairs across groups whose cosine similarity is at least `min_similarity`. Each part is sorted by item, then by
/// example.
#[must_use]
pub fn pairs(experiment: &ExperimentContext, items: usize) -> Vec<(usize, usize)> {
    let other_items = |item| (0..items).filter(move |example| *example != item).map(move |example| (item, example));
    let are_siblings = |item: usize, example: usize| experiment.items[item].group == experiment.items[example].group;
    let is_near = |item: usize, example: usize| {
        similarity(experiment, item, example).is_some_and(|cosine| cosine >= experiment.rule.min_similarity)
    };
    let siblings = (0..items).flat_map(other_items).filter(|(item, example)| are_siblings(*item, *example));
    let across_groups = (0..items).flat_map(other_items).filter(|(item, example)| !are_siblings(*item, *example));
    siblings.chain(across_groups.filter(|(item, example)| is_near(*item, *example))).collect()
}

/// Answers the first `items` items and the given [`pairs`]: first the strong level, then the weak level without an
/// example, then the weak level with examples. At most `concurrency` rows are computed at a time. `progress` is called
/// after each row.
///
/// # Errors
/// The first call that returned no usable answer, after the calls in flight have ended. The journal holds all answers.
pub async fn matrix(
    experiment: &ExperimentContext,
    items: usize,
    pairs: &[(usize, usize)],
    limiter: &ConcurrencyLimiter,
    concurrency: usize,
    mut progress: impl FnMut(),
) -> Result<Vec<Row>, StepError> {
    let teaching = storing_all(experiment);
    let solved = stream::iter(0..items).map(|item| solve(experiment, &teaching, item));
    let solved = collect(solved.buffered(concurrency), limiter, &mut progress).await?;
    let (mut rows, strategies): (Vec<Row>, Vec<Option<Arc<Strategy>>>) = solved.into_iter().unzip();
    let without_example = stream::iter(0..items).map(|item| answer(experiment, item, None));
    rows.extend(collect(without_example.buffered(concurrency), limiter, &mut progress).await?);
    let examples = pairs.iter().filter_map(|&(item, example)| {
        let strategy = Arc::clone(strategies[example].as_ref()?);
        Some((item, example, strategy))
    });
    let with_example =
        stream::iter(examples).map(|(item, example, strategy)| answer(experiment, item, Some((example, strategy))));
    rows.extend(collect(with_example.buffered(concurrency), limiter, &mut progress).await?);
    Ok(rows)
}

/// Returns the groups of the first `items` items that are recorded whole: both levels' answers to each item, and the
/// weak level's answers with each of the given [`pairs`]. Only recordings may answer.
///
/// # Errors
/// The first call that failed although it is recorded.
pub async fn recorded_groups(
    experiment: &ExperimentContext,
    items: usize,
    pairs: &[(usize, usize)],
) -> Result<BTreeSet<Arc<str>>, StepError> {
    let teaching = storing_all(experiment);
    let group = |item: usize| Arc::clone(&experiment.items[item].group);
    let mut whole: BTreeSet<Arc<str>> = (0..items).map(group).collect();
    let mut strategies = Vec::new();
    for item in 0..items {
        let (solved, alone) = (solve(experiment, &teaching, item).await, answer(experiment, item, None).await);
        if lacks_recording(&solved) || lacks_recording(&alone) {
            whole.remove(&group(item));
            strategies.push(None);
        } else {
            alone?;
            strategies.push(solved?.1);
        }
    }
    for (item, example) in pairs {
        let Some(strategy) = strategies[*example].clone().filter(|_| whole.contains(&group(*item))) else { continue };
        let answered = answer(experiment, *item, Some((*example, strategy))).await;
        if lacks_recording(&answered) {
            whole.remove(&group(*item));
        } else {
            answered?;
        }
    }
    Ok(whole)
}

/// True if no recording holds a call.
fn lacks_recording<T>(answered: &Result<T, StepError>) -> bool {
    answered.as_ref().is_err_and(|error| error.unrecorded().is_some())
}

/// Policy of the learning arm without store rules: they are applied later, when they are compared on these answers.
fn storing_all(experiment: &ExperimentContext) -> TeachingPolicy {
    TeachingPolicy { store: Vec::new(), ..experiment.teaching.for_arm(Arm::InterCascade.learning()) }
}

/// Asks the strong level. Returns its answer and the strategy from its solution; `None` if there is no strategy.
async fn solve(
    experiment: &ExperimentContext,
    teaching: &TeachingPolicy,
    index: usize,
) -> Result<(Row, Option<Arc<Strategy>>), StepError> {
    let mut calls = Vec::new();
    let mut context = call_context(experiment, index, &mut calls);
    let (level, model) = experiment.levels.top();
    let resolution = model.resolve(level, &mut context, teaching, (&[], &[]), experiment.levels.first()).await?;
    let (graded, checks) = (resolution.graded, resolution.checks);
    let row = Row { item: index, level, example: None, similarity: None, graded, confidence: None, checks, calls };
    Ok((row, resolution.strategy.map(Arc::new)))
}

/// Asks the weak level, without an example or with the strategy of another item.
async fn answer(
    experiment: &ExperimentContext,
    index: usize,
    example: Option<(usize, Arc<Strategy>)>,
) -> Result<Row, StepError> {
    let mut calls = Vec::new();
    let (example, strategy) = example.unzip();
    let similarity = example.and_then(|example| similarity(experiment, index, example));
    let examples: Vec<Retrieved> = strategy.into_iter().map(|strategy| Retrieved { strategy, similarity }).collect();
    let mut context = call_context(experiment, index, &mut calls);
    let first =
        experiment.levels.first().answer(Level::FIRST, &mut context, &examples, experiment.estimator.as_ref()).await?;
    let (graded, confidence, checks) = (first.graded, first.confidence, first.checks);
    Ok(Row { item: index, level: Level::FIRST, example, similarity, graded, confidence, checks, calls })
}

/// Cosine similarity of the queries of two items, in [-1, 1]. `None` without embeddings.
fn similarity(experiment: &ExperimentContext, item: usize, example: usize) -> Option<f64> {
    Some(cosine(&experiment.embeddings.get(item)?.vector, &experiment.embeddings.get(example)?.vector))
}

/// Context of the calls for the item at `index`.
fn call_context<'a>(experiment: &'a ExperimentContext, index: usize, calls: &'a mut Vec<Call>) -> CallContext<'a> {
    let priority = Priority { position: u32::try_from(index).unwrap_or(u32::MAX), cell: 0 };
    CallContext { item: &experiment.items[index], grader: &experiment.grader, priority, calls, refused: Vec::new() }
}

/// Collects a stream of answers in order. After a failure no further call begins, and the calls in flight complete.
async fn collect<T>(
    answers: impl stream::Stream<Item = Result<T, StepError>>,
    limiter: &ConcurrencyLimiter,
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
                limiter.stop();
                if failed.as_ref().is_none_or(|earlier| earlier.is_stop() && !error.is_stop()) {
                    failed = Some(error);
                }
            }
        }
    }
    failed.map_or(Ok(rows), Err)
}
