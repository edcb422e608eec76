//! What a run leaves behind: facts only. Money and rates come after, in [`crate::types::price`] and [`crate::analysis::metrics`].

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

/// How an answer compares with its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// It is the target.
    Correct,
    /// It is not.
    Incorrect,
    /// No answer could be read from the text; counts as wrong.
    NoAnswer,
}

impl Score {
    /// The name used in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Incorrect => "incorrect",
            Self::NoAnswer => "no-answer",
        }
    }
}

/// What tokens were spent on; fees are reported by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Answering the query.
    Answer,
    /// Writing a strategy.
    Distil,
    /// Embedding the query.
    Embed,
    /// Telling how sure an answer is, by calls of its own.
    Confidence,
    /// Answering again, to see whether the answer holds.
    Verify,
    /// Answering items that the threshold is told from.
    Calibrate,
}

impl Purpose {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Answer, Self::Distil, Self::Embed, Self::Confidence, Self::Verify, Self::Calibrate];

    /// The name used in every output.
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

/// Which cell of the experiment a row belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellKey {
    /// The data set's name.
    pub dataset: Arc<str>,
    /// The arm.
    pub arm: Arm,
    /// Zero-based number of the stream's order.
    pub order: usize,
    /// λ; none for an arm that has no gate.
    pub threshold: Option<f64>,
}

/// An answer as graded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graded {
    /// The answer read from the text, in its canonical form; none where none could be read.
    pub answer: Option<String>,
    /// How it compares with the target.
    pub score: Score,
}

/// What one level answered for one item. Its tokens and its time are those of the record's calls at this level.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelAnswer {
    /// The level.
    pub level: Level,
    /// Its answer.
    pub graded: Graded,
    /// The score under the strict rule alone, which reads `#### N`, `\boxed{…}` or "the answer is (X)"; `None` if the answer was
    /// not read by it, as that of the top level.
    pub strict: Option<Score>,
    /// Its confidence in [0, 1], recalibrated if the run does so; `None` for the top level, and if no arm of the run is gated
    /// and no calibration asks for it.
    pub confidence: Option<Confidence>,
    /// λ of the level's gate; `None` for the top level, and in an arm that has no gate.
    pub threshold: Option<f64>,
    /// The number of strategies in its prompt.
    pub strategies_shown: usize,
    /// Whether the query went on to the next level.
    pub deferred: bool,
    /// What the checks of its work found.
    pub checks: CheckOutcomes,
    /// Whether it passes every check of its level's gate; `None` if the gate has none.
    pub passes: Option<bool>,
}

impl LevelAnswer {
    /// An answer that stands, of a level without a gate.
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

    /// The confidence that λ is compared with. `None`, so that the query is deferred at any λ, if the answer fails a check of the
    /// gate, or has no confidence.
    #[must_use]
    pub fn gate_confidence(&self) -> Option<Confidence> {
        self.confidence.filter(|_| self.passes != Some(false))
    }
}

/// What became of the strategy of a deferred item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StrategyOutcome {
    /// It is in the repository.
    Stored,
    /// None could be read.
    Unreadable,
    /// The provider refused to answer, so that there was none.
    Refused,
    /// This store rule kept it out.
    Dropped(StoreRule),
}

impl StrategyOutcome {
    /// The name used in every output.
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

/// One item in one cell. Texts that many rows share are shared in memory too.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The cell.
    pub cell: Arc<CellKey>,
    /// The item.
    pub item_id: ItemId,
    /// The item's group.
    pub group: Arc<str>,
    /// Zero-based place in the stream.
    pub position: usize,
    /// The source items of the strategies shown, in the order shown.
    pub strategies_used: Vec<ItemId>,
    /// The source items' groups, in the same order.
    pub strategy_groups: Vec<Arc<str>>,
    /// The greatest cosine similarity between the query and a shown strategy's query.
    pub similarity_max: Option<f64>,
    /// The answers of the levels that were asked, the first level first; empty if an earlier answer was used again.
    pub levels: Vec<LevelAnswer>,
    /// Whether the query went beyond the first level.
    pub deferred: bool,
    /// The level whose answer stands; `None` if an earlier answer was used again.
    pub answering_level: Option<Level>,
    /// The answer that stands.
    pub graded: Graded,
    /// Strategies in the repository when the item's turn came.
    pub repository_size: usize,
    /// The calls that the item needed.
    pub calls: Vec<Call>,
    /// How the strong level's own answers were scored to the items that the strategies shown come from, in their
    /// order; known after the fact, never used.
    pub strategy_scores: Vec<Score>,
    /// What became of the strategy, where the item was deferred in a learning arm.
    pub kept: Option<StrategyOutcome>,
    /// The levels whose provider refused to answer; ascending.
    pub refused: Vec<Level>,
}

impl Record {
    /// The answer of the first level; `None` if it was not asked.
    #[must_use]
    pub fn first(&self) -> Option<&LevelAnswer> {
        self.levels.first().filter(|answer| answer.level.is_first())
    }

    /// Tokens of this record's calls at `level` (`None`: the embedder's) for `purpose`.
    #[must_use]
    pub fn usage(&self, level: Option<Level>, purpose: Purpose) -> Usage {
        self.calls
            .iter()
            .filter(|call| call.level == level && call.purpose == purpose)
            .fold(Usage::default(), |sum, call| sum.plus(call.usage))
    }

    /// What the answer of a level was like, its first if there are several; `None` if it was not asked, or that is not known.
    #[must_use]
    pub fn notes(&self, level: Level) -> Option<&AnswerNotes> {
        let answers = |call: &&Call| call.level == Some(level) && call.purpose == Purpose::Answer;
        self.calls.iter().find(answers)?.noted.as_ref()
    }

    /// Time that the calls took, one after the other, in milliseconds.
    #[must_use]
    pub fn latency_ms(&self) -> f64 {
        self.calls.iter().map(|call| call.latency_ms).sum()
    }
}

/// The top level of the cascade behind some records: the highest that any of their calls or answers names, and at least the
/// second.
#[must_use]
pub fn top_level<'a>(records: impl IntoIterator<Item = &'a Record>) -> Level {
    let of = |record: &'a Record| {
        let called = record.calls.iter().filter_map(|call| call.level);
        called.chain(record.levels.iter().map(|answer| answer.level))
    };
    records.into_iter().flat_map(of).fold(Level::SECOND, Level::max)
}

/// One call's share of tokens for one purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The level that was called; `None` for the embedder.
    pub level: Option<Level>,
    /// The model's name in the config.
    pub model: Arc<str>,
    /// What the tokens were for.
    pub purpose: Purpose,
    /// The tokens.
    pub usage: Usage,
    /// The level's confidence where it was read from this call.
    pub confidence: Option<Confidence>,
    /// Time of the call in milliseconds; 0 on the rows of a call's further purposes.
    pub latency_ms: f64,
    /// The model's name as the answer carries it; none for the embedder.
    pub answered_by: Option<Arc<str>>,
    /// The call's key in the journal; none for the embedder.
    pub journal_key: Option<CallKey>,
    /// Whether an earlier record of the run had needed the same call, so that it was made only once.
    pub journal_hit: bool,
    /// A fee in USD that was recorded with the answer, and stands instead of one told from tokens and prices.
    pub recorded_fee_usd: Option<f64>,
    /// What the answer was like; `None` for the embedder, and if the tables were written before that was kept.
    pub noted: Option<AnswerNotes>,
}

impl Call {
    /// Whether this is a further part of a call that stands among `earlier` rows of the same record.
    #[must_use]
    pub fn shares_with(&self, earlier: &[Self]) -> bool {
        self.journal_key.is_some() && earlier.iter().any(|other| other.journal_key == self.journal_key)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(bytes: &usize) -> bool {
    *bytes == 0
}

/// A strategy in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Strategy {
    /// The item whose deferral led to it.
    pub source: ItemId,
    /// That item's group.
    pub group: Arc<str>,
    /// The text that is put before the weak level's later prompts.
    pub text: String,
    /// The bytes that the length budget cut off.
    #[serde(skip_serializing_if = "is_zero")]
    pub cut: usize,
    /// The model that wrote it.
    pub model: Arc<str>,
    /// How the strong level's own answer to the source item was scored; known after the fact, never used, but by the
    /// store rule that is called an oracle for it.
    pub source_score: Score,
    /// The strong level's answer to the source item: a number, or an option's text; none where none could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Arc<str>>,
    /// The solution that it comes from, which checks compare later answers with.
    #[serde(skip)]
    pub solved: Arc<Solved>,
}

/// A question with a solution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Solved {
    /// The question.
    pub question: String,
    /// The solution, as the strong level wrote it.
    pub solution: String,
    /// Its answer in the form of [`Graded::answer`]; `None` if none could be read.
    pub answer: Option<String>,
}
