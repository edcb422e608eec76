//! The algorithm on one screen: `step` takes one item through one arm. Standard cascade, Inter-Cascade and the
//! controls differ only in the values of [`Arm`]. Method: arXiv 2509.22984, as far as docs/METHODOLOGY.md says.

use std::sync::Arc;

use super::answer::Gauge;
use super::gating::Gating;
use super::level::{Asked, Level, StepError};
use super::repository::{Rule, Shown};
use super::teach::Teaching;
use crate::gateway::concurrency::Priority;
use crate::task::Grader;
use crate::types::arm::{Arm, Deferral, Use};
use crate::types::chat::Usage;
use crate::types::embedding::Embedded;
use crate::types::item::Item;
use crate::types::record::{Call, CellKey, Graded, Kept, Purpose, Record, Strategy};
use crate::types::seed::Seed;

pub(super) const WEAK: usize = 0;
pub(super) const STRONG: usize = 1;

/// What all cells of a run share.
pub struct Setup {
    /// The data set's name.
    pub dataset: Arc<str>,
    /// How answers are read and compared.
    pub grader: Grader,
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
    /// How the weak level's confidence is told; none where no arm is gated by it and none is told.
    pub gauge: Option<Gauge>,
    /// What a learning arm may show.
    pub rule: Rule,
    /// Cosine from which on an arm may give an earlier answer again.
    pub reuse_from: f64,
    /// What is kept of what the strong level wrote.
    pub teaching: Teaching,
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
    /// The gate.
    pub gating: Arc<Gating>,
    /// At each position of the stream, the item's index.
    pub stream: Arc<[usize]>,
    /// The stream's first items, which were set apart for calibration: the arm defers and learns from them, and their
    /// records are not the stream's.
    pub before: usize,
}

/// What a step leaves: its record, and what it adds to the repository.
#[derive(Debug)]
pub struct Step {
    /// The row; the repository's size is not known yet, since items run side by side.
    pub record: Record,
    /// The strategy, where one is kept.
    pub strategy: Option<Arc<Strategy>>,
}

/// Takes the item at `position` of the cell's stream through the cell's arm, with these strategies `shown`.
///
/// # Errors
/// Where a call gave no usable answer; nothing is scored then.
pub async fn step(setup: &Setup, cell: &Cell, position: usize, shown: &[Shown]) -> Result<Step, StepError> {
    let index = cell.stream[position];
    let item = &setup.items[index];
    let learning = cell.arm.learning();
    let mut calls = Vec::new();
    if learning.is_some() {
        calls.push(setup.embed_call(index));
    }
    if let (Some(Use::Reused), [nearest, ..]) = (learning.map(|learning| learning.used), shown) {
        return Ok(setup.reuse(cell, position, nearest, calls));
    }
    let priority = cell.priority(position);
    let mut asked = Asked { item, grader: &setup.grader, priority, calls: &mut calls, refused: Vec::new() };

    let weak = match cell.arm.deferral() {
        Deferral::Always => None,
        Deferral::Never | Deferral::BelowThreshold => {
            let answer = setup.weak.answer(WEAK, &mut asked, shown, setup.gauge.as_ref()).await?;
            Some(cell.gating.gauged(answer))
        }
    };
    let deferred = match (cell.arm.deferral(), &weak) {
        (Deferral::BelowThreshold, Some(weak)) => position < cell.before || cell.gating.defers(weak),
        (deferral, _) => deferral == Deferral::Always,
    };
    let strong = if deferred {
        Some(setup.strong.resolve(STRONG, &mut asked, &setup.teaching.of(learning), &setup.weak).await?)
    } else {
        None
    };

    let graded = match (&strong, &weak) {
        (Some(strong), _) => strong.graded.clone(),
        (None, Some(weak)) => weak.graded.clone(),
        (None, None) => unreachable!("an arm that does not ask the weak level defers"),
    };
    let (kept, strategy) = strong.map_or((None, None), |strong| (strong.kept, strong.strategy));
    let answering_level = Some(if deferred { STRONG } else { WEAK });
    let refused = asked.refused;
    let record =
        Record { weak, deferred, answering_level, kept, refused, ..setup.record(cell, position, shown, graded, calls) };
    Ok(Step { record, strategy: strategy.map(Arc::new) })
}

impl Cell {
    /// Where the calls of the item at `position` stand among all: in the stream's order, cell by cell.
    fn priority(&self, position: usize) -> Priority {
        Priority { position: u32::try_from(position).unwrap_or(u32::MAX), cell: self.number }
    }

    /// What its walks may pick.
    #[must_use]
    pub fn rule(&self, setup: &Setup) -> Rule {
        match self.arm.learning().map(|learning| learning.used) {
            Some(Use::Reused) => Rule { k: 1, min_similarity: setup.reuse_from, ..setup.rule },
            Some(Use::Shown(_)) | None => setup.rule,
        }
    }
}

impl Setup {
    /// An earlier answer given again: no model is asked.
    fn reuse(&self, cell: &Cell, position: usize, nearest: &Shown, calls: Vec<Call>) -> Step {
        let item = &self.items[cell.stream[position]];
        let graded = self.grader.reuse(item, nearest.strategy.answer.as_deref().unwrap_or_default());
        Step { record: self.record(cell, position, std::slice::from_ref(nearest), graded, calls), strategy: None }
    }

    /// A row of which the levels have no part yet.
    fn record(&self, cell: &Cell, position: usize, shown: &[Shown], graded: Graded, calls: Vec<Call>) -> Record {
        let item = &self.items[cell.stream[position]];
        let of_shown = |shown: &Shown| Arc::clone(&shown.strategy);
        let strategies: Vec<Arc<Strategy>> = shown.iter().map(of_shown).collect();
        Record {
            cell: Arc::clone(&cell.key),
            item_id: item.id.clone(),
            group: Arc::clone(&item.group),
            position: position.saturating_sub(cell.before),
            strategies_used: strategies.iter().map(|strategy| strategy.source.clone()).collect(),
            strategy_groups: strategies.iter().map(|strategy| Arc::clone(&strategy.group)).collect(),
            strategy_scores: strategies.iter().map(|strategy| strategy.source_score).collect(),
            similarity_max: shown.iter().map(|shown| shown.similarity).max_by(f64::total_cmp),
            weak: None,
            deferred: false,
            answering_level: None,
            graded,
            repository_size: 0,
            calls,
            kept: None::<Kept>,
            refused: Vec::new(),
        }
    }

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
            noted: None,
        }
    }
}
