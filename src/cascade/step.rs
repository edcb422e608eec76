//! The algorithm on one screen: `step` takes one item through one arm. Standard cascade, Inter-Cascade and the
//! controls differ only in the values of [`Arm`]. Method: arXiv 2509.22984, as far as docs/METHODOLOGY.md says.

use std::sync::Arc;

use super::arm::{Arm, Deferral};
use super::level::{Asked, Level, StepError};
use super::repository::{Rule, Shown};
use crate::model::gate::Priority;
use crate::retrieval::Embedded;
use crate::task::Task;
use crate::task::confidence::Signal;
use crate::types::chat::Usage;
use crate::types::item::Item;
use crate::types::record::{Call, CellKey, Purpose, Record, Strategy};
use crate::types::seed::Seed;

const WEAK: usize = 0;
const STRONG: usize = 1;

/// What all cells of a run share.
pub struct Setup {
    /// The data set's name.
    pub dataset: Arc<str>,
    /// Its kind of question.
    pub task: Task,
    /// Its items.
    pub items: Arc<[Item]>,
    /// Each item's embedding; empty where no arm learns.
    pub embeddings: Arc<[Embedded]>,
    /// The embedder's name.
    pub embedder: Arc<str>,
    /// The weak level.
    pub weak: Level,
    /// The strong level.
    pub strong: Level,
    /// How the weak level's confidence is read; none where no arm is gated by it and none is told.
    pub signal: Option<Signal>,
    /// What a learning arm may show.
    pub rule: Rule,
    /// The run's seed.
    pub seed: Seed,
}

/// One arm over one order of the stream at one threshold.
pub struct Cell {
    /// How its rows are marked.
    pub key: Arc<CellKey>,
    /// Its place among the run's cells.
    pub number: u32,
    /// The arm.
    pub arm: Arm,
    /// λ.
    pub threshold: f64,
    /// At each position of the stream, the item's index.
    pub stream: Arc<[usize]>,
}

/// What a step leaves: its record, and what it adds to the repository.
#[derive(Debug)]
pub struct Step {
    /// The row; the repository's size is not known yet, since items run side by side.
    pub record: Record,
    /// The strategy, where the item was deferred in a learning arm and its strategy can be read.
    pub strategy: Option<Arc<Strategy>>,
}

/// Takes the item at `position` of the cell's stream through the cell's arm, with these strategies `shown`.
///
/// # Errors
/// Where a call gave no usable answer; nothing is scored then.
pub async fn step(setup: &Setup, cell: &Cell, position: usize, shown: &[Shown]) -> Result<Step, StepError> {
    let index = cell.stream[position];
    let item = &setup.items[index];
    let learns = cell.arm.learning().is_some();
    let mut calls = Vec::new();
    if learns {
        calls.push(setup.embed_call(index));
    }
    let mut asked = Asked { item, task: setup.task, priority: cell.priority(position), calls: &mut calls };

    let weak = match cell.arm.deferral() {
        Deferral::Always => None,
        Deferral::Never | Deferral::BelowThreshold => {
            Some(setup.weak.answer(WEAK, &mut asked, shown, setup.signal).await?)
        }
    };
    let deferred = match (cell.arm.deferral(), &weak) {
        (Deferral::BelowThreshold, Some(weak)) => weak.confidence.is_none_or(|confidence| confidence < cell.threshold),
        (deferral, _) => deferral == Deferral::Always,
    };
    let strong = if deferred { Some(setup.strong.resolve(STRONG, &mut asked, learns).await?) } else { None };
    let (strong, strategy) = strong.unzip();

    let graded = match (strong, &weak) {
        (Some(strong), _) => strong,
        (None, Some(weak)) => weak.graded.clone(),
        (None, None) => unreachable!("an arm that does not ask the weak level defers"),
    };
    let record = Record {
        cell: Arc::clone(&cell.key),
        item_id: item.id.clone(),
        group: Arc::clone(&item.group),
        position,
        strategies_used: shown.iter().map(|shown| shown.strategy.source.clone()).collect(),
        strategy_groups: shown.iter().map(|shown| Arc::clone(&shown.strategy.group)).collect(),
        similarity_max: shown.iter().map(|shown| shown.similarity).max_by(f64::total_cmp),
        weak,
        deferred,
        answering_level: if deferred { STRONG } else { WEAK },
        graded,
        repository_size: 0,
        calls,
    };
    Ok(Step { record, strategy: strategy.flatten().map(Arc::new) })
}

impl Cell {
    /// Where the calls of the item at `position` stand among all: in the stream's order, cell by cell.
    fn priority(&self, position: usize) -> Priority {
        Priority { position: u32::try_from(position).unwrap_or(u32::MAX), cell: self.number }
    }
}

impl Setup {
    fn embed_call(&self, index: usize) -> Call {
        Call {
            level: None,
            model: Arc::clone(&self.embedder),
            purpose: Purpose::Embed,
            usage: Usage { input: self.embeddings[index].tokens, ..Usage::default() },
            confidence: None,
            latency_ms: 0.0,
            answered_by: None,
            journal_key: None,
            journal_hit: false,
            recorded_fee_usd: None,
        }
    }
}
