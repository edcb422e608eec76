//! Takes the cells of a run through side by side. An item starts as soon as its walk over the ranking meets no item
//! that is undecided, so the records are those of the sequential run, whatever the models' latencies; no call is
//! made that the sequential run would not make. [`one_by_one`] is that run, kept as the reference.

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

/// A cell and, where its arm learns, what its items walk over.
pub struct Stream {
    /// The cell.
    pub cell: Arc<Cell>,
    /// The rankings of its order.
    pub rankings: Option<Arc<Rankings>>,
}

/// What a cell leaves.
#[derive(Debug, PartialEq)]
pub struct CellOutcome {
    /// One record per item of the stream, in its order.
    pub records: Vec<Record>,
    /// What its repository holds at the end, by the position of the item that each came from, counted with those before
    /// the stream.
    pub strategies: Vec<(usize, Arc<Strategy>)>,
}

/// The sequential reference: item after item, each decided before the next begins.
///
/// # Errors
/// The first call that gave no usable answer.
pub async fn one_by_one(
    setup: &ExperimentContext,
    streams: &[Stream],
    mut progress: impl FnMut(&Record),
) -> Result<Vec<CellOutcome>, StepError> {
    let mut outcomes = Vec::new();
    for Stream { cell, rankings } in streams {
        let mut repository = Repository::new(cell.stream.len());
        let mut records = Vec::new();
        for position in 0..cell.stream.len() {
            let shown = match rankings {
                None => Vec::new(),
                Some(rankings) => {
                    match Walk::new(rankings, position).advance(rankings, &repository, cell.rule(setup)) {
                        WalkState::End(shown) => shown,
                        WalkState::Pending(earlier) => {
                            unreachable!("{earlier} stands before {position} and is decided")
                        }
                    }
                }
            };
            let Step { record, strategy } = step(setup, cell, position, &shown).await?;
            repository.record_outcome(position, strategy);
            progress(&record);
            records.push(record);
        }
        outcomes.push(CellOutcome::new(records, &repository, cell.warmup));
    }
    Ok(outcomes)
}

/// Takes all streams through, with at most `active` items under way. A stream with a call that only a recording may answer
/// and none does ends there, with its first such call; the others go on.
///
/// # Errors
/// The failed call that stands first in the run, once those in flight have ended; `gate` is stopped then.
pub async fn side_by_side(
    setup: &Arc<ExperimentContext>,
    streams: &[Stream],
    gate: &ConcurrencyLimiter,
    active: usize,
    progress: impl FnMut(&Record),
) -> Result<Vec<Result<CellOutcome, Unrecorded>>, StepError> {
    let states = streams.iter().map(State::new).collect();
    let mut run = Run { setup, states, ready: BinaryHeap::new(), under_way: JoinSet::new(), progress };
    let mut failed: Option<(Place, StepError)> = None;
    loop {
        if failed.is_none() {
            run.start(active);
        }
        let Some(ended) = run.under_way.join_next().await else { break };
        let (place, step) = match ended {
            Ok(ended) => ended,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        match step {
            Ok(step) => run.settle(place, step),
            Err(error) => {
                if let Some(call) = error.unrecorded() {
                    run.states[place.stream].lack(place.position, call);
                    continue;
                }
                gate.stop();
                let told = |(there, earlier): &(Place, StepError)| (earlier.is_stop(), *there);
                if failed.as_ref().is_none_or(|earlier| (error.is_stop(), place) < told(earlier)) {
                    failed = Some((place, error));
                }
            }
        }
    }
    match failed {
        Some((_, error)) => Err(error),
        None => Ok(run.states.into_iter().map(State::finish).collect()),
    }
}

/// An item of a stream; the order in which items start, where several can: by position, then cell by cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    position: usize,
    stream: usize,
}

/// An item whose walk has ended.
struct ReadyItem {
    place: Place,
    shown: Vec<Retrieved>,
}

struct Run<'a, P> {
    setup: &'a Arc<ExperimentContext>,
    states: Vec<State<'a>>,
    ready: BinaryHeap<Reverse<ReadyItem>>,
    under_way: JoinSet<(Place, Result<Step, StepError>)>,
    progress: P,
}

/// How far a stream has come.
struct State<'a> {
    stream: &'a Stream,
    repository: Repository,
    records: Vec<Option<Record>>,
    /// At each position, the walks that wait for it.
    waiting: Vec<Vec<Walk>>,
    /// The first position whose walk has not begun.
    next: usize,
    /// The first position with a call that no recording holds. No item after it starts.
    lacking: Option<(usize, Unrecorded)>,
}

impl<P: FnMut(&Record)> Run<'_, P> {
    /// Starts the items that can, the first ones first, until so many are under way.
    fn start(&mut self, active: usize) {
        while self.under_way.len() < active {
            // A walk is begun only when nothing else can start: memory holds no texts for the rest of the stream.
            let Some(Reverse(ReadyItem { place, shown })) = self.ready.pop() else {
                if self.begin_walk() {
                    continue;
                }
                return;
            };
            if self.states[place.stream].is_beyond(place.position) {
                continue;
            }
            let (setup, cell) = (Arc::clone(self.setup), Arc::clone(&self.states[place.stream].stream.cell));
            self.under_way.spawn(async move { (place, step(&setup, &cell, place.position, &shown).await) });
        }
    }

    /// Begins the walk of the next item; false where every walk has begun.
    fn begin_walk(&mut self) -> bool {
        let behind = self
            .states
            .iter()
            .enumerate()
            .filter(|(_, state)| state.next < state.records.len() && !state.is_beyond(state.next));
        let Some((stream, _)) = behind.min_by_key(|(_, state)| state.next) else { return false };
        let state = &mut self.states[stream];
        let position = state.next;
        state.next += 1;
        match &state.stream.rankings {
            Some(rankings) => self.walk(stream, Walk::new(rankings, position)),
            None => self.ready.push(Reverse(ReadyItem { place: Place { position, stream }, shown: Vec::new() })),
        }
        true
    }

    /// Lets a walk go on to its end, or to an item for which it then waits.
    fn walk(&mut self, stream: usize, mut walk: Walk) {
        let state = &mut self.states[stream];
        let Some(rankings) = &state.stream.rankings else { return };
        match walk.advance(rankings, &state.repository, state.stream.cell.rule(self.setup)) {
            WalkState::End(shown) => {
                self.ready.push(Reverse(ReadyItem { place: Place { position: walk.position(), stream }, shown }));
            }
            WalkState::Pending(earlier) => state.waiting[earlier].push(walk),
        }
    }

    /// Takes in what a step left, and lets the walks go on that waited for it.
    fn settle(&mut self, place: Place, Step { record, strategy }: Step) {
        (self.progress)(&record);
        let state = &mut self.states[place.stream];
        state.records[place.position] = Some(record);
        state.repository.record_outcome(place.position, strategy);
        for walk in std::mem::take(&mut state.waiting[place.position]) {
            self.walk(place.stream, walk);
        }
    }
}

impl<'a> State<'a> {
    fn new(stream: &'a Stream) -> Self {
        let n = stream.cell.stream.len();
        Self {
            stream,
            repository: Repository::new(n),
            records: (0..n).map(|_| None).collect(),
            waiting: (0..n).map(|_| Vec::new()).collect(),
            next: 0,
            lacking: None,
        }
    }

    /// Notes a call that no recording holds: of several, that of the first item.
    fn lack(&mut self, position: usize, call: Unrecorded) {
        if !self.is_beyond(position) {
            self.lacking = Some((position, call));
        }
    }

    /// Whether a position is that of the first call that no recording holds, or a later one.
    fn is_beyond(&self, position: usize) -> bool {
        self.lacking.as_ref().is_some_and(|(first, _)| *first <= position)
    }

    fn finish(self) -> Result<CellOutcome, Unrecorded> {
        match self.lacking {
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
    /// Fills in how many strategies there were when each item's turn came, and leaves out the items `before` the stream.
    fn new(mut records: Vec<Record>, repository: &Repository, before: usize) -> Self {
        let strategies: Vec<_> = repository.strategies().map(|(at, strategy)| (at, Arc::clone(strategy))).collect();
        let mut size = 0;
        for (position, record) in records.iter_mut().enumerate() {
            while strategies.get(size).is_some_and(|(at, _)| *at < position) {
                size += 1;
            }
            record.repository_size = size;
        }
        records.drain(..before);
        Self { records, strategies }
    }
}

impl PartialEq for ReadyItem {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
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
        self.place.cmp(&other.place)
    }
}
