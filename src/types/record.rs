//! Records of a run: measured facts only. [`crate::types::price`] and [`crate::analysis::metrics`] compute fees and
//! rates from them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::chat::{CallKey, Usage};
use super::check::CheckOutcomes;
use super::confidence::Confidence;
use super::item::ItemId;
use super::level::Level;
use super::noted::AnswerNotes;
use super::store_rule::StoreRule;

/// Score of an answer against its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// The answer equals the target.
    Correct,
    /// The answer differs from the target.
    Incorrect,
    /// No answer could be read from the text. Counts as wrong.
    NoAnswer,
}

impl Score {
    /// Name in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Incorrect => "incorrect",
            Self::NoAnswer => "no-answer",
        }
    }
}

/// Purpose of tokens. Fees are reported by purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Answering the query.
    Answer,
    /// Writing a strategy.
    Distil,
    /// Embedding the query.
    Embed,
    /// Estimating the confidence in an answer by separate calls.
    Confidence,
    /// Answering again to verify an answer.
    Verify,
    /// Answering calibration items.
    Calibrate,
}

impl Purpose {
    /// All purposes, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Answer, Self::Distil, Self::Embed, Self::Confidence, Self::Verify, Self::Calibrate];

    /// Name in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Distil => "distil",
            Self::Embed => "embed",
            Self::Confidence => "confidence",
            Self::Verify => "verify",
            Self::Calibrate => "calibrate",
        }
    }
}

/// Key of a cell of the experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellKey {
    /// Name of the data set.
    pub dataset: Arc<str>,
    /// Arm.
    pub arm: Arm,
    /// Zero-based index of the order of the stream.
    pub order: usize,
    /// Threshold λ in [0, 1]. `None` for an arm without a threshold.
    pub threshold: Option<f64>,
}

/// A graded answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graded {
    /// Answer that was read from the text, in canonical form. `None` if no answer could be read.
    pub answer: Option<String>,
    /// Score against the target.
    pub score: Score,
}

/// Answer of one level to one item. Tokens and latency are in the record's calls at this level.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelAnswer {
    /// Level.
    pub level: Level,
    /// Graded answer.
    pub graded: Graded,
    /// Score under the strict extraction rule only, which accepts `#### N`, `\boxed{…}` or "the answer is (X)". `None`
    /// if the strict rule was not applied, as for the top level.
    pub strict: Option<Score>,
    /// Confidence in [0, 1], recalibrated if the run recalibrates. `None` for the top level, and if no arm of the run
    /// is gated and no calibration needs a confidence.
    pub confidence: Option<Confidence>,
    /// Threshold λ of the level's gate. `None` for the top level, and in an arm without a threshold.
    pub threshold: Option<f64>,
    /// Number of strategies in the prompt.
    pub strategies_shown: usize,
    /// True if the query was deferred to the next level.
    pub deferred: bool,
    /// Outcomes of the checks on the answer.
    pub checks: CheckOutcomes,
    /// True if the answer passes every check of the level's gate. `None` if the gate has no checks.
    pub passes: Option<bool>,
}

impl LevelAnswer {
    /// Returns an accepted answer of a level without a gate.
    #[must_use]
    pub fn new(level: Level, graded: Graded) -> Self {
        let checks = CheckOutcomes::default();
        Self {
            level,
            graded,
            strict: None,
            confidence: None,
            threshold: None,
            strategies_shown: 0,
            deferred: false,
            checks,
            passes: None,
        }
    }

    /// Confidence that is compared with λ. `None` if the answer fails a check of the gate or has no confidence; the
    /// query is then deferred at any λ.
    #[must_use]
    pub fn gate_confidence(&self) -> Option<Confidence> {
        self.confidence.filter(|_| self.passes != Some(false))
    }
}

/// Outcome for the strategy of a deferred item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StrategyOutcome {
    /// The strategy is in the repository.
    Stored,
    /// No strategy could be read from the response.
    Unreadable,
    /// The provider refused to answer.
    Refused,
    /// The strategy failed this store rule.
    Dropped(StoreRule),
}

impl StrategyOutcome {
    /// Name in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::Dropped(rule) => rule.name(),
        }
    }
}

/// Record of one item in one cell. Texts that many records share are stored once in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Cell.
    pub cell: Arc<CellKey>,
    /// Id of the item.
    pub item_id: ItemId,
    /// Group of the item.
    pub group: Arc<str>,
    /// Zero-based position in the stream.
    pub position: usize,
    /// Source items of the strategies in the prompt, in the order of the prompt.
    pub strategies_used: Vec<ItemId>,
    /// Groups of the source items, in the order of `strategies_used`.
    pub strategy_groups: Vec<Arc<str>>,
    /// Maximum cosine similarity between the query and the queries of the strategies, in [-1, 1]. `None` without
    /// strategies.
    pub similarity_max: Option<f64>,
    /// Answers of the levels that were called, the first level first. Empty if an example answered the item without a
    /// model.
    pub levels: Vec<LevelAnswer>,
    /// True if the query was deferred beyond the first level.
    pub deferred: bool,
    /// Level of the final answer. `None` if an example answered the item without a model.
    pub answering_level: Option<Level>,
    /// Final answer.
    pub graded: Graded,
    /// Number of strategies in the repository at the item's position in the stream.
    pub repository_size: usize,
    /// Calls that the item needed.
    pub calls: Vec<Call>,
    /// Scores of the strong level's answers to the source items, in the order of `strategies_used`. For analysis only;
    /// the run does not use them.
    pub strategy_scores: Vec<Score>,
    /// Outcome for the strategy. `None` unless the item was deferred in a learning arm.
    pub kept: Option<StrategyOutcome>,
    /// Levels whose provider refused to answer, in ascending order.
    pub refused: Vec<Level>,
}

impl Record {
    /// Answer of the first level. `None` if the first level was not called.
    #[must_use]
    pub fn first(&self) -> Option<&LevelAnswer> {
        self.levels.first().filter(|answer| answer.level.is_first())
    }

    /// Token counts of the record's calls at `level` (`None`: the embedder) for `purpose`.
    #[must_use]
    pub fn usage(&self, level: Option<Level>, purpose: Purpose) -> Usage {
        self.calls
            .iter()
            .filter(|call| call.level == level && call.purpose == purpose)
            .fold(Usage::default(), |sum, call| sum.plus(call.usage))
    }

    /// Notes on the first answer of a level. `None` if the level was not called or the notes are not known.
    #[must_use]
    pub fn notes(&self, level: Level) -> Option<&AnswerNotes> {
        let answers = |call: &&Call| call.level == Some(level) && call.purpose == Purpose::Answer;
        self.calls.iter().find(answers)?.noted.as_ref()
    }

    /// Sum of the latencies of the calls, in milliseconds. `None` if an answer came in a batch.
    #[must_use]
    pub fn latency_ms(&self) -> Option<f64> {
        total_latency_ms(&self.calls)
    }
}

/// A record that several orders of the stream have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct CountedRecord {
    /// Record. Its cell is that of the first order; its position and `repository_size` are 0.
    pub record: Record,
    /// Number of orders that have it, at least 1.
    pub orders: u32,
}

/// Sum of the latencies of calls, in milliseconds. `None` if an answer came in a batch, whose latency is unknown.
#[must_use]
pub fn total_latency_ms<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Option<f64> {
    calls.into_iter().try_fold(0.0, |sum, call| (!call.is_batched()).then_some(sum + call.latency_ms))
}

/// Top level of the cascade that produced the records: the highest level of any call or answer, at least the second.
#[must_use]
pub fn top_level<'a>(records: impl IntoIterator<Item = &'a Record>) -> Level {
    let levels_of = |record: &'a Record| {
        let called_levels = record.calls.iter().filter_map(|call| call.level);
        called_levels.chain(record.levels.iter().map(|answer| answer.level))
    };
    records.into_iter().flat_map(levels_of).fold(Level::SECOND, Level::max)
}

/// Row of a call: the tokens that the call spent on one purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Level that was called. `None` for the embedder.
    pub level: Option<Level>,
    /// Name of the model in the config.
    pub model: Arc<str>,
    /// Purpose of the tokens.
    pub purpose: Purpose,
    /// Token counts.
    pub usage: Usage,
    /// Confidence in the answer of this call, before recalibration. `None` if none was computed.
    pub confidence: Option<Confidence>,
    /// Latency of the call in milliseconds. 0 on the rows of the call's further purposes, and if the answer came in a
    /// batch.
    pub latency_ms: f64,
    /// Name of the model, as returned by the server. `None` for the embedder.
    pub answered_by: Option<Arc<str>>,
    /// Key of the call in the journal. `None` for the embedder.
    pub journal_key: Option<CallKey>,
    /// True if an earlier record of the run needed the same call, which was made only once.
    pub journal_hit: bool,
    /// Fee in USD recorded with the answer. Replaces the fee computed from tokens and prices. `None` if none is
    /// recorded.
    pub recorded_fee_usd: Option<f64>,
    /// Notes on the answer. `None` for the embedder, and in tables of versions that did not store notes.
    pub noted: Option<AnswerNotes>,
    /// Host and port of the server that answered. `None` for other backends, and in tables of earlier versions.
    pub server: Option<Arc<str>>,
}

impl Call {
    /// True if one of the `earlier` rows of the record belongs to the same call.
    #[must_use]
    pub fn shares_with(&self, earlier: &[Self]) -> bool {
        self.journal_key.is_some() && earlier.iter().any(|other| other.journal_key == self.journal_key)
    }

    /// True if the answer came in a batch.
    #[must_use]
    pub fn is_batched(&self) -> bool {
        self.noted.as_ref().is_some_and(|noted| noted.batched)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "required by serde")]
fn is_zero(bytes: &usize) -> bool {
    *bytes == 0
}

/// A strategy in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Strategy {
    /// Source item: the deferred item that the strategy was distilled from.
    pub source: ItemId,
    /// Group of the source item.
    pub group: Arc<str>,
    /// Text for the prompts of later queries.
    pub text: String,
    /// Number of bytes that the length limit cut off.
    #[serde(skip_serializing_if = "is_zero")]
    pub cut: usize,
    /// Name of the model that wrote the strategy.
    pub model: Arc<str>,
    /// Score of the strong level's answer to the source item. For analysis only; of the store rules, only the oracle
    /// `correct-only` uses scores.
    pub source_score: Score,
    /// Answer of the strong level to the source item: a number, or the text of an option. `None` if no answer could be
    /// read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Arc<str>>,
    /// Question and solution that the strategy comes from. Checks compare later answers with them.
    #[serde(skip)]
    pub solved: Arc<Solved>,
}

/// A question with a solution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Solved {
    /// Question.
    pub question: String,
    /// Solution, as the strong level wrote it.
    pub solution: String,
    /// Answer in the form of [`Graded::answer`]. `None` if no answer could be read.
    pub answer: Option<String>,
}
