//! Replay of cells over many orders of the stream. Outcome and strategy of an item depend only on the cell and on the
//! strategies that were retrieved for it, so each distinct step is carried out once, in however many orders it occurs.
//! With recorded answers a thousand orders take less than a minute, and the averages are those of the run itself.

use std::collections::HashMap;
use std::sync::Arc;

use super::experiment::Cells;
use super::level::StepError;
use super::repository::Retrieved;
use super::schedule::{Stream, one_by_one};
use super::setup::ExperimentContext;
use super::step::{Step, step};
use crate::types::item::ItemId;
use crate::types::left_out::LeftOut;
use crate::types::record::{CellKey, CountedRecord, Record, Strategy};

/// Replays the cells over their orders, one after the other. An arm that does not learn is independent of the order,
/// and only its first order is replayed. If only recordings may answer and a call of a cell is in none, the cell is left
/// out. `progress` is called after each order. The records are sorted by cell, then by item.
///
/// # Errors
/// The first call that returned no usable answer although it is recorded.
pub async fn replay(
    experiment: &ExperimentContext,
    cells: &Cells,
    mut progress: impl FnMut(),
) -> Result<Replayed, StepError> {
    let mut replayed: Vec<ReplayedCell> = Vec::new();
    let mut left_out: Vec<LeftOut> = Vec::new();
    for order in 0..cells.orders.len() {
        let streams = cells.streams_of(experiment, order, 0);
        replayed.resize_with(streams.len(), ReplayedCell::default);
        for (stream, cell) in streams.iter().zip(&mut replayed) {
            if cell.is_left_out || (order > 0 && stream.rankings.is_none()) {
                continue;
            }
            let Err(error) = cell.add(experiment, stream).await else { continue };
            let Some(lacks) = error.unrecorded() else { return Err(error) };
            let CellKey { arm, order, threshold, .. } = *stream.cell.key;
            left_out.push(LeftOut { arm, threshold, order, lacks });
            *cell = ReplayedCell { is_left_out: true, ..ReplayedCell::default() };
        }
        progress();
    }
    Ok(Replayed { records: replayed.into_iter().flat_map(ReplayedCell::into_records).collect(), left_out })
}

/// Records of a replay, and the cells that it left out.
pub struct Replayed {
    /// Distinct records with their numbers of orders.
    pub records: Vec<CountedRecord>,
    /// Cells with a call that no recording holds.
    pub left_out: Vec<LeftOut>,
}

/// Distinct steps of a cell over its orders.
#[derive(Default)]
struct ReplayedCell {
    /// True if no recording holds one of its calls.
    is_left_out: bool,
    steps: Vec<DistinctStep>,
    /// Index of each step, by item and retrieved strategies.
    indices: HashMap<(usize, Vec<*const Strategy>), usize>,
    /// Strategies by source item. Equal strategies are one, so that their address identifies them.
    strategies: HashMap<ItemId, Vec<Arc<Strategy>>>,
}

/// A step with the number of orders in which it occurs.
struct DistinctStep {
    item: usize,
    record: Record,
    strategy: Option<Arc<Strategy>>,
    orders: u32,
}

impl ReplayedCell {
    /// Runs one order of the cell.
    async fn add(&mut self, experiment: &ExperimentContext, stream: &Stream) -> Result<(), StepError> {
        let cell = &stream.cell;
        one_by_one(experiment, stream, async |position, retrieved| {
            let item = cell.stream[position];
            let key = (item, retrieved.iter().map(|one: &Retrieved| Arc::as_ptr(&one.strategy)).collect());
            let index = if let Some(index) = self.indices.get(&key) {
                *index
            } else {
                let Step { record, strategy } = step(experiment, cell, position, retrieved).await?;
                let strategy = strategy.map(|strategy| self.unique(strategy));
                let record = Record { position: 0, ..record };
                self.steps.push(DistinctStep { item, record, strategy, orders: 0 });
                self.indices.insert(key, self.steps.len() - 1);
                self.steps.len() - 1
            };
            let step = &mut self.steps[index];
            // Calibration items run before the stream and are not part of it.
            step.orders += u32::from(position >= cell.warmup);
            Ok(step.strategy.clone())
        })
        .await?;
        Ok(())
    }

    /// Returns the strategy that equals this one and was first.
    fn unique(&mut self, strategy: Arc<Strategy>) -> Arc<Strategy> {
        let known = self.strategies.entry(strategy.source.clone()).or_default();
        if let Some(same) = known.iter().find(|known| **known == strategy) {
            return Arc::clone(same);
        }
        known.push(Arc::clone(&strategy));
        strategy
    }

    fn into_records(mut self) -> impl Iterator<Item = CountedRecord> {
        self.steps.retain(|step| step.orders > 0);
        self.steps.sort_by_key(|step| step.item);
        self.steps.into_iter().map(|step| CountedRecord { record: step.record, orders: step.orders })
    }
}
