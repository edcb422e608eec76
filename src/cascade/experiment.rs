//! A run as cells: every arm over every order of the stream at every threshold.

use std::collections::HashMap;
use std::sync::Arc;

use super::gate::DeferralGate;
use super::level::StepError;
use super::ranking::Rankings;
use super::schedule::{CellOutcome, Stream, side_by_side};
use super::setup::{Cell, ExperimentContext};
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::types::arm::{Arm, Deferral, Selection};
use crate::types::left_out::{LeftOut, Unrecorded};
use crate::types::record::{CellKey, Record, Strategy, StrategyOutcome};

/// Items under way for each call that may be in flight: enough for the gate to choose from.
const UNDER_WAY_PER_CALL: usize = 4;

/// A strategy with its place.
#[derive(Debug, Clone, serde::Serialize)]
pub struct StoredStrategy {
    /// The cell whose repository holds it.
    #[serde(flatten)]
    pub cell: Arc<CellKey>,
    /// Position in the stream of the item that it came from; negative for those before the stream.
    pub position: i64,
    /// The strategy.
    #[serde(flatten)]
    pub strategy: Arc<Strategy>,
}

/// What a run leaves.
#[derive(Debug, Default)]
pub struct ExperimentOutcome {
    /// One record per item and cell: by order, then threshold, then arm, then position.
    pub records: Vec<Record>,
    /// The repositories' contents, in the same order.
    pub strategies: Vec<StoredStrategy>,
    /// Deferred items of learning arms whose strategy could not be read.
    pub unreadable_strategies: usize,
    /// The cells that were left out, in the order of the cells: they leave neither records nor strategies, in no order of the
    /// stream.
    pub left_out: Vec<LeftOut>,
}

impl ExperimentOutcome {
    /// This outcome and then another's, calls that they share marked.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        self.strategies.extend(other.strategies);
        self.unreadable_strategies += other.unreadable_strategies;
        self.left_out.extend(other.left_out);
        mark_shared_calls(&mut self.records);
        self
    }

    /// This outcome, in which these were left out before any cell was run.
    #[must_use]
    pub fn without(self, before: Vec<LeftOut>) -> Self {
        Self { left_out: [self.left_out, before].concat(), ..self }
    }
}

/// What is run, besides the setup.
pub struct Cells {
    /// The arms, each with the gates of its cells: in each of these one gate for each level below the top, the first level's
    /// first. An arm that defers by no threshold has one cell, with the recalibration in its gates.
    pub arms: Vec<(Arm, Vec<Arc<[DeferralGate]>>)>,
    /// The orders of the stream: at each position the item's index.
    pub orders: Vec<Arc<[usize]>>,
    /// Items that learning arms take before the stream, deferring all.
    pub before: Arc<[usize]>,
}

impl Cells {
    /// The number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        let behind = self.orders.first().map_or(0, |stream| stream.len());
        let of_arm = |(arm, cells): &(Arm, Vec<_>)| {
            cells.len() * (behind + if arm.learning().is_some() { self.before.len() } else { 0 })
        };
        self.orders.len() * self.arms.iter().map(of_arm).sum::<usize>()
    }

    /// The cells in the order of their records.
    ///
    /// # Panics
    /// If a cell does not have as many gates as the setup has levels below the top.
    #[must_use]
    pub fn streams(&self, setup: &ExperimentContext) -> Vec<Stream> {
        let mut streams = Vec::new();
        let gated = setup.levels.below_top().len();
        let cells = self.arms.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
        for (order, stream) in self.orders.iter().enumerate() {
            let taught: Arc<[usize]> = self.before.iter().chain(stream.iter()).copied().collect();
            let mut rankings = HashMap::new();
            let arms = || self.arms.iter().map(|(arm, cells)| (*arm, cells));
            for (arm, gates) in (0..cells).flat_map(|at| arms().filter_map(move |(arm, own)| Some((arm, own.get(at)?))))
            {
                assert_eq!(gates.len(), gated, "a cell has one gate for each level below the top");
                let lambda = gates.first().map(|gate| gate.threshold);
                let key = CellKey {
                    dataset: Arc::clone(&setup.dataset),
                    arm,
                    order,
                    threshold: lambda.filter(|_| arm.deferral() == Deferral::BelowThreshold),
                };
                let (stream, before) =
                    if arm.learning().is_some() { (&taught, self.before.len()) } else { (stream, 0) };
                let cell = Cell {
                    key: Arc::new(key),
                    number: u32::try_from(streams.len()).unwrap_or(u32::MAX),
                    arm,
                    gates: Arc::clone(gates),
                    stream: Arc::clone(stream),
                    warmup: before,
                };
                let rankings = arm.learning().map(|learning| {
                    let make = || ranked(setup, learning.selection, (stream, before), order);
                    Arc::clone(rankings.entry(learning.selection).or_insert_with(make))
                });
                streams.push(Stream { cell: Arc::new(cell), rankings });
            }
        }
        streams
    }
}

fn ranked(
    setup: &ExperimentContext,
    selection: Selection,
    stream: (&Arc<[usize]>, usize),
    order: usize,
) -> Arc<Rankings> {
    Arc::new(Rankings::new(selection, (&setup.items, &setup.embeddings), stream, setup.seed, order))
}

/// Takes every cell through, with at most `concurrency` calls in flight past `gate`; `progress` hears of each record.
///
/// # Errors
/// The first call that gave no usable answer. What was answered until then is in the journal.
pub async fn run(
    setup: &Arc<ExperimentContext>,
    cells: &Cells,
    gate: &ConcurrencyLimiter,
    concurrency: usize,
    progress: impl FnMut(&Record),
) -> Result<ExperimentOutcome, StepError> {
    let streams = cells.streams(setup);
    let outcomes = side_by_side(setup, &streams, gate, concurrency * UNDER_WAY_PER_CALL, progress).await?;
    Ok(collect_outcomes(&streams, outcomes))
}

/// The cells' outcomes as one.
#[must_use]
pub fn collect_outcomes(streams: &[Stream], outcomes: Vec<Result<CellOutcome, Unrecorded>>) -> ExperimentOutcome {
    let mut outcome = ExperimentOutcome::default();
    for (stream, left) in streams.iter().zip(&outcomes) {
        if let Err(lacks) = left {
            let CellKey { arm, order, threshold, .. } = *stream.cell.key;
            outcome.left_out.push(LeftOut { arm, threshold, order, lacks: lacks.clone() });
        }
    }
    // An arm's figures are over all orders or none.
    let is_left_out = |key: &CellKey, left_out: &[LeftOut]| {
        left_out.iter().any(|cell| cell.arm == key.arm && cell.threshold == key.threshold)
    };
    for (stream, left) in streams.iter().zip(outcomes) {
        let Ok(CellOutcome { records, strategies }) = left else { continue };
        if is_left_out(&stream.cell.key, &outcome.left_out) {
            continue;
        }
        outcome.unreadable_strategies +=
            records.iter().filter(|record| record.kept == Some(StrategyOutcome::Unreadable)).count();
        let place = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
        let stored = |(at, strategy)| {
            let position = place(at) - place(stream.cell.warmup);
            StoredStrategy { cell: Arc::clone(&stream.cell.key), position, strategy }
        };
        outcome.strategies.extend(strategies.into_iter().map(stored));
        outcome.records.extend(records);
    }
    mark_shared_calls(&mut outcome.records);
    outcome
}

/// Marks the calls that an earlier record needed too. Told from the records alone, so that a resumed run says the
/// same as one that was never interrupted.
fn mark_shared_calls(records: &mut [Record]) {
    let mut seen = HashMap::new();
    for (row, record) in records.iter_mut().enumerate() {
        for call in &mut record.calls {
            if let Some(key) = call.journal_key {
                call.journal_hit = *seen.entry(key).or_insert(row) != row;
            }
        }
    }
}
