//! A run as cells, arm by arm and order by order, and each cell as a stream taken one item after the other.

use super::arm::Arm;
use super::repository::Repository;
use super::step::{Cell, Setup, StepError, select, step};
use crate::dataset::stream;
use crate::types::record::{CellKey, Record, Strategy};

/// A strategy with its place.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Stored {
    /// The cell whose repository holds it.
    #[serde(flatten)]
    pub cell: CellKey,
    /// Position in the stream of the item that it came from.
    pub position: usize,
    /// The strategy.
    #[serde(flatten)]
    pub strategy: Strategy,
}

/// What a run leaves.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One record per item and cell: by order, then arm, then position.
    pub records: Vec<Record>,
    /// The repositories' contents, in the same order.
    pub strategies: Vec<Stored>,
    /// Deferred items of learning arms whose strategy could not be read.
    pub unreadable_strategies: usize,
}

/// Takes every arm through every order; `progress` hears of each record.
///
/// # Errors
/// The first call that gave no usable answer. What was answered until then is in the journal.
pub async fn run(
    setup: &Setup,
    arms: &[Arm],
    orders: usize,
    mut progress: impl FnMut(&Record),
) -> Result<Outcome, StepError> {
    let mut outcome = Outcome::default();
    for order in 0..orders {
        let stream = stream::permutation(setup.seed, order, setup.items.len());
        for arm in arms {
            let cell = Cell { arm: *arm, order, stream: stream.clone() };
            run_cell(setup, &cell, &mut outcome, &mut progress).await?;
        }
    }
    mark_shared_calls(&mut outcome.records);
    Ok(outcome)
}

/// The sequential reference: item after item, each decided before the next begins.
async fn run_cell(
    setup: &Setup,
    cell: &Cell,
    outcome: &mut Outcome,
    progress: &mut impl FnMut(&Record),
) -> Result<(), StepError> {
    let mut repository = Repository::new(cell.stream.len());
    for position in 0..cell.stream.len() {
        let picked = select(setup, cell, position, &repository)
            .unwrap_or_else(|| unreachable!("every earlier item is decided when the stream is taken one by one"));
        let step = step(setup, cell, position, &picked, &repository).await?;
        let learns = cell.arm.learning().is_some();
        outcome.unreadable_strategies += usize::from(learns && step.record.deferred && step.strategy.is_none());
        if let Some(strategy) = &step.strategy {
            let stored = Stored { cell: step.record.cell.clone(), position, strategy: strategy.clone() };
            outcome.strategies.push(stored);
        }
        repository.settle(position, step.strategy);
        progress(&step.record);
        outcome.records.push(step.record);
    }
    Ok(())
}

/// Marks the calls that an earlier record needed too. Told from the records alone, so that a resumed run says the
/// same as one that was never interrupted.
fn mark_shared_calls(records: &mut [Record]) {
    let mut seen = std::collections::HashMap::new();
    for (row, record) in records.iter_mut().enumerate() {
        for call in &mut record.calls {
            if let Some(key) = &call.journal_key {
                call.journal_hit = *seen.entry(key.clone()).or_insert(row) != row;
            }
        }
    }
}
