//! A run as cells: each arm over each order of the stream at each threshold.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::gate::DeferralGate;
use super::level::StepError;
use super::ranking::Rankings;
use super::schedule::{CellOutcome, Stream, run_concurrently};
use super::setup::{Cell, ExperimentContext};
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::types::arm::{Arm, Deferral, Selection};
use crate::types::left_out::{LeftOut, Unrecorded};
use crate::types::record::{CellKey, Record, Strategy};
use crate::types::shard::CellPlace;

/// Number of concurrent items per allowed call in flight, which leaves the concurrency limiter a choice of calls.
const ITEMS_PER_CALL: usize = 4;

/// A stored strategy with its cell and its position in the stream.
#[derive(Debug, Clone, serde::Serialize)]
pub struct StoredStrategy {
    /// Cell whose repository holds the strategy.
    #[serde(flatten)]
    pub cell: Arc<CellKey>,
    /// Position of the source item in the stream. Negative for a calibration item, which runs before the stream.
    pub position: i64,
    /// Strategy.
    #[serde(flatten)]
    pub strategy: Arc<Strategy>,
}

/// Records, strategies and left-out cells of a run.
#[derive(Debug, Default)]
pub struct ExperimentOutcome {
    /// One record per item and cell, sorted by order, then threshold, then arm, then position.
    pub records: Vec<Record>,
    /// Contents of the repositories, sorted as `records`.
    pub strategies: Vec<StoredStrategy>,
    /// Cells that were left out, in the order of the cells. If a cell is left out, its arm has neither records nor
    /// strategies at that threshold, in any order of the stream.
    pub left_out: Vec<LeftOut>,
}

impl ExperimentOutcome {
    /// Appends the `other` outcome and marks the calls that both share.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        self.strategies.extend(other.strategies);
        self.left_out.extend(other.left_out);
        mark_shared_calls(&mut self.records);
        self
    }

    /// Keeps the records and strategies of the cells for which `keep` is true.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(&CellKey) -> bool) -> Self {
        self.records.retain(|record| keep(&record.cell));
        self.strategies.retain(|stored| keep(&stored.cell));
        mark_shared_calls(&mut self.records);
        self
    }

    /// Adds cells that were left out before any cell ran.
    #[must_use]
    pub fn without(self, earlier: Vec<LeftOut>) -> Self {
        Self { left_out: [self.left_out, earlier].concat(), ..self }
    }
}

/// Cells to run: arms with their gates, and orders of the stream.
pub struct Cells {
    /// Arms, each with one list of gates per cell of an order. A list has one gate for each level below the top, the
    /// first level's gate first. An arm without a threshold has one cell per order, whose gates hold only the
    /// recalibration and the checks.
    pub arms: Vec<(Arm, Vec<Arc<[DeferralGate]>>)>,
    /// Orders of the stream. Each holds the index of the item at each position.
    pub orders: Vec<Arc<[usize]>>,
    /// Indices of the items that learning arms defer and learn from before the stream.
    pub warmup: Arc<[usize]>,
    /// Cells that are run, as for a shard of the run. `None` for all.
    pub only: Option<BTreeSet<CellPlace>>,
}

impl Cells {
    /// Number of steps over the cells that are run: one per item, warm-up items included.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps_of_arms().iter().map(|(_, steps)| steps).sum()
    }

    /// Number of steps of each arm over its cells that are run, in the order of the arms.
    #[must_use]
    pub fn steps_of_arms(&self) -> Vec<(Arm, usize)> {
        let steps_of_arm = |(arm, _): &(Arm, Vec<_>)| {
            let own = self.places().filter(|place| place.arm == *arm && self.includes(place));
            (*arm, own.map(|place| self.steps_of(place)).sum())
        };
        self.arms.iter().map(steps_of_arm).collect()
    }

    /// Number of steps of the cell at `place`: one per item of its stream, warm-up items included.
    #[must_use]
    pub fn steps_of(&self, place: CellPlace) -> usize {
        let warmup = if place.arm.learning().is_some() { self.warmup.len() } else { 0 };
        self.orders.get(place.order).map_or(0, |stream| stream.len()) + warmup
    }

    /// Places of all cells in the order of the records, whether they are run or not.
    pub fn places(&self) -> impl Iterator<Item = CellPlace> {
        (0..self.orders.len()).flat_map(|order| self.places_of(order))
    }

    /// Places of the cells of one order.
    fn places_of(&self, order: usize) -> impl Iterator<Item = CellPlace> {
        let lambdas = self.arms.iter().map(|(_, gates)| gates.len()).max().unwrap_or(0);
        (0..lambdas).flat_map(move |lambda| {
            let arms = self.arms.iter().filter(move |(_, gates)| lambda < gates.len());
            arms.map(move |(arm, _)| CellPlace { arm: *arm, order, lambda })
        })
    }

    /// Threshold λ of the cell at `place`. `None` if there is no such cell or its arm has no threshold.
    #[must_use]
    pub fn threshold_of(&self, place: CellPlace) -> Option<f64> {
        let (_, gates) = self.arms.iter().find(|(arm, _)| *arm == place.arm)?;
        let first = gates.get(place.lambda)?.first()?;
        (place.arm.deferral() == Deferral::BelowThreshold).then_some(first.threshold)
    }

    /// Restricts the cells that are run.
    #[must_use]
    pub fn restricted(self, only: Option<BTreeSet<CellPlace>>) -> Self {
        Self { only, ..self }
    }

    fn includes(&self, place: &CellPlace) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(place))
    }

    /// Returns the cells with their rankings, in the order of the records.
    ///
    /// # Panics
    /// If the number of gates of a cell differs from the number of levels below the top.
    #[must_use]
    pub fn streams(&self, experiment: &ExperimentContext) -> Vec<Stream> {
        let mut streams = Vec::new();
        for order in 0..self.orders.len() {
            streams.extend(self.streams_of(experiment, order, streams.len()));
        }
        streams
    }

    /// Returns the cells of one order with their rankings, in the order of the records. `first` is the index of the
    /// first of them in the run.
    ///
    /// # Panics
    /// As [`Self::streams`], and if there is no such order.
    #[must_use]
    pub fn streams_of(&self, experiment: &ExperimentContext, order: usize, first: usize) -> Vec<Stream> {
        let lower_levels = experiment.levels.below_top().len();
        let arms: HashMap<Arm, &Vec<Arc<[DeferralGate]>>> =
            self.arms.iter().map(|(arm, gates)| (*arm, gates)).collect();
        let stream = &self.orders[order];
        let with_warmup: Arc<[usize]> = self.warmup.iter().chain(stream.iter()).copied().collect();
        let mut rankings = HashMap::new();
        let places = self.places_of(order).filter(|place| self.includes(place));
        let of_place = |(place, index): (CellPlace, usize)| {
            let (arm, gates) = (place.arm, &arms[&place.arm][place.lambda]);
            assert_eq!(gates.len(), lower_levels, "a cell has one gate for each level below the top");
            let key =
                CellKey { dataset: Arc::clone(&experiment.dataset), arm, order, threshold: self.threshold_of(place) };
            let (stream, warmup) =
                if arm.learning().is_some() { (&with_warmup, self.warmup.len()) } else { (stream, 0) };
            let cell = Cell {
                key: Arc::new(key),
                index: u32::try_from(index).unwrap_or(u32::MAX),
                arm,
                gates: Arc::clone(gates),
                stream: Arc::clone(stream),
                warmup,
            };
            let rankings = arm.learning().map(|learning| {
                let make = || order_rankings(experiment, learning.selection, (stream, warmup), order);
                Arc::clone(rankings.entry(learning.selection).or_insert_with(make))
            });
            Stream { cell: Arc::new(cell), rankings }
        };
        places.zip(first..).map(of_place).collect()
    }
}

/// Builds the rankings of one order of the stream.
fn order_rankings(
    experiment: &ExperimentContext,
    selection: Selection,
    stream: (&Arc<[usize]>, usize),
    order: usize,
) -> Arc<Rankings> {
    Arc::new(Rankings::new(selection, (&experiment.items, &experiment.embeddings), stream, experiment.seed, order))
}

/// Runs every cell, with at most `concurrency` calls in flight under `limiter`. `progress` receives each record.
///
/// # Errors
/// The first call that returned no usable answer. The journal holds all earlier answers.
pub async fn run(
    experiment: &Arc<ExperimentContext>,
    cells: &Cells,
    limiter: &ConcurrencyLimiter,
    concurrency: usize,
    progress: impl FnMut(&Record),
) -> Result<ExperimentOutcome, StepError> {
    let streams = cells.streams(experiment);
    let outcomes = run_concurrently(experiment, &streams, limiter, concurrency * ITEMS_PER_CALL, progress).await?;
    Ok(collect_outcomes(&streams, outcomes))
}

/// Combines the outcomes of the cells into one.
#[must_use]
pub fn collect_outcomes(streams: &[Stream], outcomes: Vec<Result<CellOutcome, Unrecorded>>) -> ExperimentOutcome {
    let mut outcome = ExperimentOutcome::default();
    for (stream, cell) in streams.iter().zip(&outcomes) {
        if let Err(lacks) = cell {
            let CellKey { arm, order, threshold, .. } = *stream.cell.key;
            outcome.left_out.push(LeftOut { arm, threshold, order, lacks: lacks.clone() });
        }
    }
    // Figures of an arm cover all orders of the stream or none.
    let is_left_out = |key: &CellKey, left_out: &[LeftOut]| {
        left_out.iter().any(|cell| cell.arm == key.arm && cell.threshold == key.threshold)
    };
    for (stream, cell) in streams.iter().zip(outcomes) {
        let Ok(CellOutcome { records, strategies }) = cell else { continue };
        if is_left_out(&stream.cell.key, &outcome.left_out) {
            continue;
        }
        let signed = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
        let stored = |(index, strategy)| {
            let position = signed(index) - signed(stream.cell.warmup);
            StoredStrategy { cell: Arc::clone(&stream.cell.key), position, strategy }
        };
        outcome.strategies.extend(strategies.into_iter().map(stored));
        outcome.records.extend(records);
    }
    mark_shared_calls(&mut outcome.records);
    outcome
}

/// Marks the calls that an earlier record needed as well. The marks depend only on the records, so a resumed or divided
/// run sets the same marks as an uninterrupted run.
pub fn mark_shared_calls(records: &mut [Record]) {
    let mut seen = HashMap::new();
    for (row, record) in records.iter_mut().enumerate() {
        for call in &mut record.calls {
            if let Some(key) = call.journal_key {
                call.journal_hit = *seen.entry(key).or_insert(row) != row;
            }
        }
    }
}
