//! Runs the cells of a run concurrently. An item starts as soon as its walk over the ranking meets no pending item.
//! Therefore the records and the calls are those of the sequential run, whatever the latencies of the models.
//! [`run_sequentially`] is the sequential run, which serves as the reference in tests.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::level::StepError;
use super::ranking::Rankings;
use super::repository::{Repository, Retrieved, Walk, WalkState};
use super::setup::{Cell, ExperimentContext};
use super::step::{Step, step};
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::types::left_out::Unrecorded;
use crate::types::record::{Record, Strategy};

/// A cell with the rankings that its items retrieve from.
pub struct Stream {
    /// Cell.
    pub cell: Arc<Cell>,
    /// Rankings of the cell's order. `None` if the arm does not learn.
    pub rankings: Option<Arc<Rankings>>,
}

/// Records and strategies of a cell.
#[derive(Debug, PartialEq)]
pub struct CellOutcome {
    /// One record per item of the stream, in stream order.
    pub records: Vec<Record>,
    /// Final contents of the repository, each with the position of the source item. Positions count the warm-up items.
    pub strategies: Vec<(usize, Arc<Strategy>)>,
}

/// Runs the streams sequentially: each item ends before the next one begins.
///
/// # Errors
/// The first call that returned no usable answer.
pub async fn run_sequentially(
    experiment: &ExperimentContext,
    streams: &[Stream],
    mut progress: impl FnMut(&Record),
) -> Result<Vec<CellOutcome>, StepError> {
    let mut outcomes = Vec::new();
    for stream in streams {
        let mut records = Vec::new();
        let repository = one_by_one(experiment, stream, async |position, retrieved| {
            let Step { record, strategy } = step(experiment, &stream.cell, position, retrieved).await?;
            progress(&record);
            records.push(record);
            Ok(strategy)
        });
        let repository = repository.await?;
        outcomes.push(CellOutcome::new(records, &repository, stream.cell.warmup));
    }
    Ok(outcomes)
}

/// Processes the items of a stream one by one. `process` gets the position of an item and the strategies that are
/// retrieved for it, and returns the strategy to store. Returns the repository after the last item.
///
/// # Errors
/// The first error of `process`.
pub(super) async fn one_by_one(
    experiment: &ExperimentContext,
    Stream { cell, rankings }: &Stream,
    mut process: impl AsyncFnMut(usize, &[Retrieved]) -> Result<Option<Arc<Strategy>>, StepError>,
) -> Result<Repository, StepError> {
    let mut repository = Repository::new(cell.stream.len());
    for position in 0..cell.stream.len() {
        let retrieved = match rankings {
            None => Vec::new(),
            Some(rankings) => {
                match Walk::new(rankings, position).advance(rankings, &repository, cell.rule(experiment)) {
                    WalkState::End(retrieved) => retrieved,
                    WalkState::Pending(earlier) => {
                        unreachable!("item {earlier} precedes item {position} and has ended")
                    }
                }
            }
        };
        let strategy = process(position, &retrieved).await?;
        repository.record_outcome(position, strategy);
    }
    Ok(repository)
}

/// Runs all streams concurrently, with at most `max_items` items in progress. If only recordings may answer and a call
/// of a stream is in none, this stream ends with its first such call; the other streams continue.
///
/// # Errors
/// The failed call that comes first in the order of the run, after the calls in flight have ended. A failure stops
/// `limiter`.
pub async fn run_concurrently(
    experiment: &Arc<ExperimentContext>,
    streams: &[Stream],
    limiter: &ConcurrencyLimiter,
    max_items: usize,
    progress: impl FnMut(&Record),
) -> Result<Vec<Result<CellOutcome, Unrecorded>>, StepError> {
    let states = streams.iter().map(StreamState::new).collect();
    let mut run = Scheduler { experiment, states, ready: BinaryHeap::new(), in_progress: JoinSet::new(), progress };
    let mut failed: Option<(ItemKey, StepError)> = None;
    loop {
        if failed.is_none() {
            run.start(max_items);
        }
        let Some(joined) = run.in_progress.join_next().await else { break };
        let (key, result) = match joined {
            Ok(ended) => ended,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        match result {
            Ok(step) => run.complete(key, step),
            Err(error) => {
                if let Some(call) = error.unrecorded() {
                    run.states[key.stream].record_missing_call(key.position, call);
                    continue;
                }
                limiter.stop();
                let rank = |(key, error): &(ItemKey, StepError)| (error.is_stop(), *key);
                if failed.as_ref().is_none_or(|earlier| (error.is_stop(), key) < rank(earlier)) {
                    failed = Some((key, error));
                }
            }
        }
    }
    match failed {
        Some((_, error)) => Err(error),
        None => Ok(run.states.into_iter().map(StreamState::finish).collect()),
    }
}

/// Key of an item in a stream. Items that are ready start in the order of their keys: by position, then by cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ItemKey {
    position: usize,
    stream: usize,
}

/// An item whose walk has ended, with the strategies that were retrieved for it.
struct ReadyItem {
    key: ItemKey,
    retrieved: Vec<Retrieved>,
}

/// Scheduler of all streams of a run.
struct Scheduler<'a, P> {
    experiment: &'a Arc<ExperimentContext>,
    states: Vec<StreamState<'a>>,
    ready: BinaryHeap<Reverse<ReadyItem>>,
    in_progress: JoinSet<(ItemKey, Result<Step, StepError>)>,
    progress: P,
}

/// Progress of one stream.
struct StreamState<'a> {
    stream: &'a Stream,
    repository: Repository,
    records: Vec<Option<Record>>,
    /// Walks that wait for the item at each position.
    waiting: Vec<Vec<Walk>>,
    /// First position whose walk has not begun.
    next: usize,
    /// First position with a call that no recording holds, and this call. No later item starts.
    missing_call: Option<(usize, Unrecorded)>,
}

impl<P: FnMut(&Record)> Scheduler<'_, P> {
    /// Starts ready items in the order of their keys, until `max_items` are in progress.
    fn start(&mut self, max_items: usize) {
        while self.in_progress.len() < max_items {
            // A walk begins only if no item is ready, so memory does not fill with retrieved texts of later items.
            let Some(Reverse(ReadyItem { key, retrieved })) = self.ready.pop() else {
                if self.begin_walk() {
                    continue;
                }
                return;
            };
            if self.states[key.stream].is_excluded(key.position) {
                continue;
            }
            let (experiment, cell) = (Arc::clone(self.experiment), Arc::clone(&self.states[key.stream].stream.cell));
            self.in_progress.spawn(async move { (key, step(&experiment, &cell, key.position, &retrieved).await) });
        }
    }

    /// Begins the walk of the next item. Returns false if every walk has begun.
    fn begin_walk(&mut self) -> bool {
        let unfinished = self
            .states
            .iter()
            .enumerate()
            .filter(|(_, state)| state.next < state.records.len() && !state.is_excluded(state.next));
        let Some((stream, _)) = unfinished.min_by_key(|(_, state)| state.next) else { return false };
        let state = &mut self.states[stream];
        let position = state.next;
        state.next += 1;
        match &state.stream.rankings {
            Some(rankings) => self.walk(stream, Walk::new(rankings, position)),
            None => self.ready.push(Reverse(ReadyItem { key: ItemKey { position, stream }, retrieved: Vec::new() })),
        }
        true
    }

    /// Advances a walk to its end, or to a pending item that it then waits for.
    fn walk(&mut self, stream: usize, mut walk: Walk) {
        let state = &mut self.states[stream];
        let Some(rankings) = &state.stream.rankings else { return };
        match walk.advance(rankings, &state.repository, state.stream.cell.rule(self.experiment)) {
            WalkState::End(retrieved) => {
                self.ready.push(Reverse(ReadyItem { key: ItemKey { position: walk.position(), stream }, retrieved }));
            }
            WalkState::Pending(earlier) => state.waiting[earlier].push(walk),
        }
    }

    /// Stores the result of a step and advances the walks that waited for its item.
    fn complete(&mut self, key: ItemKey, Step { record, strategy }: Step) {
        (self.progress)(&record);
        let state = &mut self.states[key.stream];
        state.records[key.position] = Some(record);
        state.repository.record_outcome(key.position, strategy);
        for walk in std::mem::take(&mut state.waiting[key.position]) {
            self.walk(key.stream, walk);
        }
    }
}

impl<'a> StreamState<'a> {
    fn new(stream: &'a Stream) -> Self {
        let n = stream.cell.stream.len();
        Self {
            stream,
            repository: Repository::new(n),
            records: (0..n).map(|_| None).collect(),
            waiting: (0..n).map(|_| Vec::new()).collect(),
            next: 0,
            missing_call: None,
        }
    }

    /// Records a call that no recording holds. Of several calls, the one at the first position counts.
    fn record_missing_call(&mut self, position: usize, call: Unrecorded) {
        if !self.is_excluded(position) {
            self.missing_call = Some((position, call));
        }
    }

    /// True if `position` is at or after the first call that no recording holds.
    fn is_excluded(&self, position: usize) -> bool {
        self.missing_call.as_ref().is_some_and(|(first, _)| *first <= position)
    }

    /// Returns the outcome of the stream, or its first call that no recording holds.
    fn finish(self) -> Result<CellOutcome, Unrecorded> {
        match self.missing_call {
            Some((_, call)) => Err(call),
            None => Ok(CellOutcome::new(
                self.records.into_iter().flatten().collect(),
                &self.repository,
                self.stream.cell.warmup,
            )),
        }
    }
}

impl CellOutcome {
    /// Fills in the size of the repository at each item, and drops the records of the first `warmup` items.
    fn new(mut records: Vec<Record>, repository: &Repository, warmup: usize) -> Self {
        let strategies: Vec<_> =
            repository.strategies().map(|(position, strategy)| (position, Arc::clone(strategy))).collect();
        let mut size = 0;
        for (position, record) in records.iter_mut().enumerate() {
            while strategies.get(size).is_some_and(|(source, _)| *source < position) {
                size += 1;
            }
            record.repository_size = size;
        }
        records.drain(..warmup);
        Self { records, strategies }
    }
}

impl PartialEq for ReadyItem {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for ReadyItem {}

impl PartialOrd for ReadyItem {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ReadyItem {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}
