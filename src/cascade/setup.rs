//! Input of a step: the context of the experiment and one of its cells. Both build the records of the cell's items.

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

/// Data and settings that all cells of a run share.
pub struct ExperimentContext {
    /// Name of the data set.
    pub dataset: Arc<str>,
    /// Reads and scores answers.
    pub grader: Grader,
    /// All items, in the order of the data set.
    pub items: Arc<[Item]>,
    /// Embedding of each item. Empty if no arm learns.
    pub embeddings: Arc<[Embedded]>,
    /// Name of the embedder.
    pub embedder: Arc<str>,
    /// Levels of the cascade.
    pub levels: Levels,
    /// Estimator of the confidence of a level below the top. `None` if no arm defers on a confidence and no calibration
    /// needs one.
    pub estimator: Option<ConfidenceEstimator>,
    /// Constraints on retrieved strategies.
    pub rule: RetrievalRule,
    /// Smallest cosine similarity at which the arm `semantic-cache` reuses an earlier answer, in [-1, 1].
    pub reuse_from: f64,
    /// Treatment of queries without a near enough example, in arms that show examples.
    pub without_example: WithoutExample,
    /// Example of the arm `fixed-example`. `None` if the run does not have this arm.
    pub fixed_example: Option<Retrieved>,
    /// Rules for what is stored of the strong level's solutions.
    pub teaching: TeachingPolicy,
    /// Seed of the run.
    pub seed: Seed,
}

/// One arm over one order of the stream at one threshold.
pub struct Cell {
    /// Key of the cell in records.
    pub key: Arc<CellKey>,
    /// Index of the cell in the run.
    pub index: u32,
    /// Arm.
    pub arm: Arm,
    /// Deferral gates, one for each level below the top, the first level's gate first.
    pub gates: Arc<[DeferralGate]>,
    /// Index of the item at each position of the stream.
    pub stream: Arc<[usize]>,
    /// Number of calibration items at the start of the stream. The arm defers them and learns from them. Their records
    /// are not part of the stream's records.
    pub warmup: usize,
}

impl Cell {
    /// Priority of the calls for the item at `position`: by position, then by cell.
    pub(super) fn priority(&self, position: usize) -> Priority {
        Priority { position: u32::try_from(position).unwrap_or(u32::MAX), cell: self.index }
    }

    /// Recalibrates the confidence of an answer and decides whether the query is deferred to the next level.
    ///
    /// # Panics
    /// If the cell has no gate for the level. [`super::experiment::Cells::streams`] excludes this.
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

    /// Constraints on the strategies that the cell's arm retrieves.
    #[must_use]
    pub fn rule(&self, experiment: &ExperimentContext) -> RetrievalRule {
        match self.arm.learning().map(|learning| learning.used) {
            Some(Use::AnswerCache) => RetrievalRule { k: 1, min_similarity: experiment.reuse_from, ..experiment.rule },
            Some(Use::Replayed) => RetrievalRule { k: 1, ..experiment.rule },
            Some(Use::InContext(_) | Use::InTopContext) | None => experiment.rule,
        }
    }
}

impl ExperimentContext {
    /// Answers the item from the nearest example without a model: with the example's answer (`semantic-cache`), or with
    /// its calculations on the item's numbers (`example-replay`). `None` if the arm calls a model for every item, no
    /// example is near enough, or the calculations have no unique result.
    pub(super) fn answer_from_example<'a>(
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

    /// Returns the strategies for the prompt of the first level and those for the prompt of the top level.
    pub(super) fn examples_for_levels<'a>(
        &'a self,
        cell: &Cell,
        retrieved: &'a [Retrieved],
    ) -> (&'a [Retrieved], &'a [Retrieved]) {
        let for_top = if self.teaching.shows_top_level(cell.arm.learning()) { retrieved } else { &[] };
        let for_first = match cell.arm {
            Arm::FixedExample => self.fixed_example.as_slice(),
            arm if arm.shows_examples() => retrieved,
            _ => &[],
        };
        (for_first, for_top)
    }

    /// True if the levels below the top are called for an item with these `retrieved` strategies.
    pub(super) fn asks_lower_levels(&self, cell: &Cell, retrieved: &[Retrieved]) -> bool {
        match cell.arm.deferral() {
            Deferral::Never => true,
            Deferral::Always => false,
            Deferral::BelowThreshold => {
                !cell.arm.shows_examples() || !retrieved.is_empty() || self.without_example == WithoutExample::Ask
            }
            Deferral::WithoutExample { .. } => !retrieved.is_empty(),
        }
    }

    /// Record of an item that the `nearest` example answers without a model.
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

    /// Record of an item with the `deferred` answers, the first level's answer first, and the final answer. `examples`
    /// are the strategies in the prompt.
    pub(super) fn record_of_answers(
        &self,
        cell: &Cell,
        position: usize,
        examples: &[Retrieved],
        deferred: Vec<LevelAnswer>,
        answer: LevelAnswer,
    ) -> Record {
        Record {
            deferred: !answer.level.is_first(),
            answering_level: Some(answer.level),
            levels: deferred.into_iter().chain([answer.clone()]).collect(),
            ..self.empty_record(cell, position, examples, answer.graded)
        }
    }

    /// Record without any level's answer and without calls.
    fn empty_record(&self, cell: &Cell, position: usize, examples: &[Retrieved], graded: Graded) -> Record {
        let item = &self.items[cell.stream[position]];
        let strategies: Vec<&Strategy> = examples.iter().map(|example| &*example.strategy).collect();
        Record {
            cell: Arc::clone(&cell.key),
            item_id: item.id.clone(),
            group: Arc::clone(&item.group),
            position: position.saturating_sub(cell.warmup),
            strategies_used: strategies.iter().map(|strategy| strategy.source.clone()).collect(),
            strategy_groups: strategies.iter().map(|strategy| Arc::clone(&strategy.group)).collect(),
            strategy_scores: strategies.iter().map(|strategy| strategy.source_score).collect(),
            similarity_max: examples.iter().filter_map(|example| example.similarity).max_by(f64::total_cmp),
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

    /// Row of the call that embeds the item at `index`.
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
            server: None,
        }
    }
}
