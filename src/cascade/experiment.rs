//! A run as cells: every arm over every order of the stream at every threshold.

use std::collections::HashMap;
use std::sync::Arc;

use super::arm::{Arm, Deferral, Selection};
use super::level::StepError;
use super::ranking::Rankings;
use super::schedule::{CellOutcome, Stream, side_by_side};
use super::step::{Cell, Setup};
use crate::dataset::stream;
use crate::model::gate::Gate;
use crate::types::record::{CellKey, Kept, Record, Strategy};

/// Items under way for each call that may be in flight: enough for the gate to choose from.
const UNDER_WAY_PER_CALL: usize = 4;

/// A strategy with its place.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Stored {
    /// The cell whose repository holds it.
    #[serde(flatten)]
    pub cell: Arc<CellKey>,
    /// Position in the stream of the item that it came from.
    pub position: usize,
    /// The strategy.
    #[serde(flatten)]
    pub strategy: Arc<Strategy>,
}

/// What a run leaves.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One record per item and cell: by order, then threshold, then arm, then position.
    pub records: Vec<Record>,
    /// The repositories' contents, in the same order.
    pub strategies: Vec<Stored>,
    /// Deferred items of learning arms whose strategy could not be read.
    pub unreadable_strategies: usize,
}

/// What is run, besides the setup.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    /// The arms.
    pub arms: &'a [Arm],
    /// Seeded permutations of the stream.
    pub orders: usize,
    /// λs; an arm without a gate runs once.
    pub thresholds: &'a [f64],
}

impl Cells<'_> {
    /// The cells in the order of their records.
    #[must_use]
    pub fn streams(&self, setup: &Setup) -> Vec<Stream> {
        let mut streams = Vec::new();
        for order in 0..self.orders {
            let permutation: Arc<[usize]> = stream::permutation(setup.seed, order, setup.items.len()).into();
            let mut rankings = HashMap::new();
            for (place, threshold) in self.thresholds.iter().copied().enumerate() {
                for arm in self.arms.iter().copied() {
                    let gated = arm.deferral() == Deferral::BelowThreshold;
                    if !gated && place > 0 {
                        continue;
                    }
                    let key = CellKey {
                        dataset: Arc::clone(&setup.dataset),
                        arm: arm.name().into(),
                        order,
                        threshold: gated.then_some(threshold),
                    };
                    let number = u32::try_from(streams.len()).unwrap_or(u32::MAX);
                    let cell = Cell { key: Arc::new(key), number, arm, threshold, stream: Arc::clone(&permutation) };
                    let rankings = arm.learning().map(|learning| {
                        let make = || ranked(setup, learning.selection, &permutation, order);
                        Arc::clone(rankings.entry(learning.selection).or_insert_with(make))
                    });
                    streams.push(Stream { cell: Arc::new(cell), rankings });
                }
            }
        }
        streams
    }
}

fn ranked(setup: &Setup, selection: Selection, stream: &Arc<[usize]>, order: usize) -> Arc<Rankings> {
    Arc::new(Rankings::new(selection, (&setup.items, &setup.embeddings), stream, setup.seed, order))
}

/// Takes every cell through, with at most `concurrency` calls in flight past `gate`; `progress` hears of each record.
///
/// # Errors
/// The first call that gave no usable answer. What was answered until then is in the journal.
pub async fn run(
    setup: &Arc<Setup>,
    cells: &Cells<'_>,
    gate: &Gate,
    concurrency: usize,
    progress: impl FnMut(&Record),
) -> Result<Outcome, StepError> {
    let streams = cells.streams(setup);
    let outcomes = side_by_side(setup, &streams, gate, concurrency * UNDER_WAY_PER_CALL, progress).await?;
    Ok(gathered(&streams, outcomes))
}

/// The cells' outcomes as one.
#[must_use]
pub fn gathered(streams: &[Stream], outcomes: Vec<CellOutcome>) -> Outcome {
    let mut outcome = Outcome::default();
    for (stream, CellOutcome { records, strategies }) in streams.iter().zip(outcomes) {
        outcome.unreadable_strategies += records.iter().filter(|record| record.kept == Some(Kept::Unreadable)).count();
        let stored = |(position, strategy)| Stored { cell: Arc::clone(&stream.cell.key), position, strategy };
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
