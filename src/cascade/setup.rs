//! What a step starts from: the run's setup and a cell of it, and the rows that they begin.

use std::sync::Arc;

use super::answer::ConfidenceEstimator;
use super::gate::{DeferralGate, WithoutExample};
use super::level::Levels;
use super::repository::{RetrievalRule, Retrieved};
use super::teach::TeachingPolicy;
use crate::gateway::concurrency::Priority;
use crate::task::Grader;
use crate::types::arm::{Arm, Deferral, Use};
use crate::types::chat::Usage;
use crate::types::embedding::Embedded;
use crate::types::item::Item;
use crate::types::record::{Call, CellKey, Graded, LevelAnswer, Purpose, Record, Strategy};
use crate::types::seed::Seed;

/// What all cells of a run share.
pub struct ExperimentContext {
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
    /// The levels.
    pub levels: Levels,
    /// How the confidence of a level below the top is estimated. `None` if no arm defers on it and no calibration asks for it.
    pub gauge: Option<ConfidenceEstimator>,
    /// What a learning arm may show.
    pub rule: RetrievalRule,
    /// Cosine from which on an arm may give an earlier answer again.
    pub reuse_from: f64,
    /// Whether the weak level of a learning arm is asked if no example is near enough.
    pub without_example: WithoutExample,
    /// The example of the arm that shows the same one before every query. `None` if no arm does.
    pub fixed_example: Option<Retrieved>,
    /// What is kept of what the strong level wrote.
    pub teaching: TeachingPolicy,
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
    /// The gates: one for each level below the top, the first level's first.
    pub gates: Arc<[DeferralGate]>,
    /// At each position of the stream, the item's index.
    pub stream: Arc<[usize]>,
    /// The stream's first items, which were set apart for calibration: the arm defers and learns from them, and their
    /// records are not the stream's.
    pub warmup: usize,
}

impl Cell {
    /// Where the calls of the item at `position` stand among all: in the stream's order, cell by cell.
    pub(super) fn priority(&self, position: usize) -> Priority {
        Priority { position: u32::try_from(position).unwrap_or(u32::MAX), cell: self.number }
    }

    /// A level's answer with its score recalibrated and the decision on it: whether it stands or goes on to the next level.
    ///
    /// # Panics
    /// If the cell has no gate for the level, which [`super::experiment::Cells::streams`] excludes.
    pub(super) fn decide(&self, position: usize, answer: LevelAnswer) -> LevelAnswer {
        let gate = &self.gates[answer.level.index()];
        let answer = LevelAnswer { passes: gate.passes(&answer), ..gate.recalibrated(answer) };
        let (threshold, deferred) = match self.arm.deferral() {
            Deferral::Never => (None, false),
            Deferral::Always => (None, true),
            Deferral::BelowThreshold => (Some(gate.threshold), position < self.warmup || gate.defers(&answer)),
            Deferral::WithoutExample { .. } => (None, position < self.warmup || answer.passes == Some(false)),
        };
        LevelAnswer { threshold, deferred, ..answer }
    }

    /// What its walks may pick.
    #[must_use]
    pub fn rule(&self, setup: &ExperimentContext) -> RetrievalRule {
        match self.arm.learning().map(|learning| learning.used) {
            Some(Use::AnswerCache) => RetrievalRule { k: 1, min_similarity: setup.reuse_from, ..setup.rule },
            Some(Use::Replayed) => RetrievalRule { k: 1, ..setup.rule },
            Some(Use::InContext(_) | Use::InTopContext) | None => setup.rule,
        }
    }
}

impl ExperimentContext {
    /// The answer that the nearest example gives without a model: its own again, or that of its calculations on the item's
    /// numbers. `None` if the arm asks models of every item, no example is near enough, or the calculations give no single answer.
    pub(super) fn answered_by_example<'a>(
        &self,
        cell: &Cell,
        item: &Item,
        retrieved: &'a [Retrieved],
    ) -> Option<(&'a Retrieved, Graded)> {
        let nearest = retrieved.first()?;
        let graded = match cell.arm.learning()?.used {
            Use::InContext(_) | Use::InTopContext => None,
            Use::AnswerCache => Some(self.grader.reuse(item, nearest.strategy.answer.as_deref().unwrap_or_default())),
            Use::Replayed => self.grader.replay(item, &nearest.strategy.solved),
        };
        Some((nearest, graded?))
    }

    /// Of the `retrieved` strategies, those that are shown to the first level and those that are shown to the top level.
    pub(super) fn examples_for_levels<'a>(
        &'a self,
        cell: &Cell,
        retrieved: &'a [Retrieved],
    ) -> (&'a [Retrieved], &'a [Retrieved]) {
        let to_top = if self.teaching.shows_top(cell.arm.learning()) { retrieved } else { &[] };
        let to_first = match cell.arm {
            Arm::FixedExample => self.fixed_example.as_slice(),
            arm if arm.shows_examples() => retrieved,
            _ => &[],
        };
        (to_first, to_top)
    }

    /// Whether the levels below the top are asked of an item for which these strategies were retrieved.
    pub(super) fn asks_below_top(&self, cell: &Cell, retrieved: &[Retrieved]) -> bool {
        match cell.arm.deferral() {
            Deferral::Never => true,
            Deferral::Always => false,
            Deferral::BelowThreshold => {
                !cell.arm.shows_examples() || !retrieved.is_empty() || self.without_example == WithoutExample::Ask
            }
            Deferral::WithoutExample { .. } => !retrieved.is_empty(),
        }
    }

    /// The row of an answer that the `nearest` example gives: no model is asked.
    pub(super) fn record_from_example(
        &self,
        cell: &Cell,
        position: usize,
        nearest: &Retrieved,
        graded: Graded,
        calls: Vec<Call>,
    ) -> Record {
        Record { calls, ..self.empty_record(cell, position, std::slice::from_ref(nearest), graded) }
    }

    /// The row of an item: the answers that were `deferred`, from the first level up, and the one that stands.
    pub(super) fn record_of_answers(
        &self,
        cell: &Cell,
        position: usize,
        shown: &[Retrieved],
        deferred: Vec<LevelAnswer>,
        standing: LevelAnswer,
    ) -> Record {
        Record {
            deferred: !standing.level.is_first(),
            answering_level: Some(standing.level),
            levels: deferred.into_iter().chain([standing.clone()]).collect(),
            ..self.empty_record(cell, position, shown, standing.graded)
        }
    }

    /// A row in which no level has a part.
    fn empty_record(&self, cell: &Cell, position: usize, shown: &[Retrieved], graded: Graded) -> Record {
        let item = &self.items[cell.stream[position]];
        let of_shown = |shown: &Retrieved| Arc::clone(&shown.strategy);
        let strategies: Vec<Arc<Strategy>> = shown.iter().map(of_shown).collect();
        Record {
            cell: Arc::clone(&cell.key),
            item_id: item.id.clone(),
            group: Arc::clone(&item.group),
            position: position.saturating_sub(cell.warmup),
            strategies_used: strategies.iter().map(|strategy| strategy.source.clone()).collect(),
            strategy_groups: strategies.iter().map(|strategy| Arc::clone(&strategy.group)).collect(),
            strategy_scores: strategies.iter().map(|strategy| strategy.source_score).collect(),
            similarity_max: shown.iter().filter_map(|shown| shown.similarity).max_by(f64::total_cmp),
            levels: Vec::new(),
            deferred: false,
            answering_level: None,
            graded,
            repository_size: 0,
            calls: Vec::new(),
            kept: None,
            refused: Vec::new(),
        }
    }

    /// The row of the call that embeds the item at `index`.
    pub(super) fn embed_call(&self, index: usize) -> Call {
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
