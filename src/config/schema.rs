//! What may stand in a config, with its defaults: its structs and nothing else.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, IntoDeserializer as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::analysis::metrics::calibrated::Recalibrate;
use crate::backend::raw::RawEntry;
use crate::cascade::gate::WithoutExample;
use crate::cascade::teach::Distil;
use crate::dataset::Format;
use crate::retrieval::embedder::EmbedderName;
use crate::task::calculations::AtLeast;
use crate::task::confidence::Signal;
use crate::task::extraction::Extraction;
use crate::types::arm::{Arm, Content};
use crate::types::check::Check;
use crate::types::seed::Seed;
use crate::types::store_rule::StoreRule;

/// A run as its author wrote it, with the defaults filled in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the run and of its output folder.
    pub name: String,
    /// Seed of everything that is drawn.
    #[serde(default)]
    pub seed: Seed,
    /// The arms to run.
    pub arms: Vec<Arm>,
    /// Names of the weak and the strong model.
    pub levels: Vec<String>,
    /// The data.
    pub dataset: DatasetConfig,
    /// The gate.
    pub deferral: DeferralConfig,
    /// What learning arms do.
    #[serde(default)]
    pub learning: LearningConfig,
    /// What a run may spend.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Models of this config; they win over those of `models.toml`.
    #[serde(default, rename = "model")]
    pub models: Vec<RawEntry>,
}

/// `[dataset]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// An entry of the catalogue; with `path`, the name in outputs.
    #[serde(default)]
    pub name: Option<String>,
    /// A file or folder that the catalogue does not list.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// How the file is read; absent: told from its ending.
    #[serde(default)]
    pub format: Option<Format>,
    /// The folder or file in it, where `path` is an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// With `path`: the field that makes the group; absent: `group`, or what the row says it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Subjects of the data set, or MMLU's groups of them; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Vec<String>>,
    /// The split; absent: the only one.
    #[serde(default)]
    pub split: Option<String>,
    /// Items in the stream, the first ones of the split; absent: all.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Items in the stream, in whole groups drawn by seed; in place of `limit`, which takes a file's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
    /// Groups in the stream, drawn by seed, each with all its items, or its first `per_group`; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_groups: Option<usize>,
    /// The share of the groups, drawn by seed, on which a sweep chooses each arm's λ, which it judges on the others; absent: all
    /// groups show every λ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choose: Option<f64>,
    /// Items set apart for calibration, one of each of as many groups drawn by seed: of those that `per_group`, `limit` and
    /// `sample` take.
    #[serde(default)]
    pub calibration: usize,
    /// Whether the whole groups of calibration items leave the stream, and not the items alone.
    #[serde(default = "yes")]
    pub group_split: bool,
    /// The split that they are drawn from; absent: the stream's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_split: Option<String>,
    /// Items of each group, the first ones, before `limit`, `sample` or `sample_groups` take theirs; absent: all.
    #[serde(default)]
    pub per_group: Option<usize>,
    /// The rules that read answers, in their order; absent: the usual ones for the kind of question.
    #[serde(default)]
    pub extraction: Option<Vec<Extraction>>,
    /// Seeded permutations of the stream.
    #[serde(default = "one")]
    pub orders: usize,
    /// Math in this process: whether expressions that a model writes are computed for it.
    #[serde(default)]
    pub calculator: bool,
}

/// One name, or several in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Names<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of names")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                T::deserialize(name.into_deserializer()).map(OneOrMany::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(names)).map(OneOrMany::Many)
            }
        }

        deserializer.deserialize_any(Names(PhantomData))
    }
}

impl<T: Clone> OneOrMany<T> {
    /// As a list.
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one.clone()],
            Self::Many(many) => many.clone(),
        }
    }
}

/// `[learning]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LearningConfig {
    /// Strategies shown at most.
    pub k: usize,
    /// Cosine below which no strategy is shown by similarity.
    pub min_similarity: f64,
    /// What queries are compared by.
    pub embedder: EmbedderName,
    /// Whether strategies of the item's own group are passed over (a control: transfer without look-up).
    pub exclude_same_group: bool,
    /// What is kept of a deferred item.
    pub content: Content,
    /// When the strong level writes a strategy, where the content is one.
    pub distil: Distil,
    /// What must hold for it to be kept: one rule or several.
    pub store: OneOrMany<StoreRule>,
    /// The rule confident: the least mean token probability of the strong level's answer.
    pub confident_from: f64,
    /// The rule checked: the least number of calculations, or "each-line".
    pub checked_at_least: AtLeast,
    /// The rules verified and majority: the temperature of the further draws.
    pub verify_temperature: f64,
    /// The rule majority: the draws, the answer itself included.
    #[serde(skip_serializing_if = "is_usual_majority")]
    pub majority_draws: u32,
    /// Whether the top level is shown what was retrieved for the weak level too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub top_level_examples: bool,
    /// The arm fixed-example: the question that is shown solved before every query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_example: Option<FixedExample>,
    /// The longest strategy in tokens (of four bytes), cut at a line; absent: as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_strategy_tokens: Option<usize>,
    /// The arm semantic-cache: the cosine from which on an earlier answer is given again.
    pub reuse_from: f64,
}

/// `[learning.fixed_example]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedExample {
    /// The question.
    pub question: String,
    /// Its solution, with the answer in a form that the run's rules read.
    pub solution: String,
    /// The right answer, as a data set of the run's kind writes it: a number, or the option's letter.
    pub answer: String,
}

/// `[limits]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The most calls in flight over all models and cells.
    pub concurrency: usize,
    /// Fee in USD that the run's own calls may not pass, over all of its sessions; needs a price for every model.
    pub max_fee_usd: Option<f64>,
    /// Fee in USD that the calls of this run and of the runs beside it may not pass together; needs a price for every model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_total_fee_usd: Option<f64>,
    /// The share of a model's items, in [0, 1], that its provider may refuse before the run stops; five may always be, unless
    /// the share is 0.
    #[serde(skip_serializing_if = "is_usual_share")]
    pub max_refused: f64,
}

/// The draws of the store rule majority, unless a config says another number.
const MAJORITY_DRAWS: u32 = 3;

/// What is not written stays out of identities of earlier versions too.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_usual_majority(draws: &u32) -> bool {
    *draws == MAJORITY_DRAWS
}

/// The share of refused items above which a run stops, unless its config says another.
const MAX_REFUSED: f64 = 0.01;

/// What is not written stays out of manifests of earlier versions too.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_usual_share(share: &f64) -> bool {
    *share == MAX_REFUSED
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { concurrency: 32, max_fee_usd: None, max_total_fee_usd: None, max_refused: MAX_REFUSED }
    }
}

impl Default for LearningConfig {
    fn default() -> Self {
        Self {
            k: 2,
            min_similarity: 0.0,
            embedder: EmbedderName::default(),
            exclude_same_group: false,
            content: Content::default(),
            distil: Distil::default(),
            store: OneOrMany::One(StoreRule::Always),
            confident_from: 0.9,
            checked_at_least: AtLeast::default(),
            verify_temperature: 0.7,
            majority_draws: MAJORITY_DRAWS,
            top_level_examples: false,
            fixed_example: None,
            max_strategy_tokens: None,
            reuse_from: 0.95,
        }
    }
}

/// `[deferral]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeferralConfig {
    /// How confidence is read; absent: option-probability where the weak level scores options, else
    /// mean-token-probability.
    #[serde(default)]
    pub signal: Option<Signal>,
    /// λ: below it the query is deferred.
    pub threshold: Threshold,
    /// Whether each learning arm has a λ of its own, told while it learns from the calibration items; else all share the
    /// one of the weak level without strategies.
    #[serde(default)]
    pub calibrate_per_arm: bool,
    /// What makes a probability of the score, fitted on calibration items; absent: the score stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalibrate: Option<Recalibrate>,
    /// Checks of the answer's work that it must pass to stand, whatever its confidence; those on examples are for learning arms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The check calculations: the least number of them, or "each-line".
    #[serde(default, skip_serializing_if = "AtLeast::is_usual")]
    pub calculations_at_least: AtLeast,
    /// What becomes of a query for which no example is near enough, in the arms that show some: ask (the weak level) or defer.
    #[serde(default, skip_serializing_if = "is_ask")]
    pub without_example: WithoutExample,
    /// λ of the arm cascade-tuned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned_threshold: Option<f64>,
    /// The quantile of quantile-token-probability, in (0, 1].
    #[serde(default = "quantile")]
    pub quantile: f64,
    /// Further draws of self-consistency.
    #[serde(default = "draws")]
    pub draws: u32,
    /// Their temperature.
    #[serde(default = "draw_temperature")]
    pub draw_temperature: f64,
}

/// Where λ comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "must be a number from 0 to 1, or { calibrate = { alpha = 0.15 } } with, if wanted, delta, grid and min_accepted"
)]
pub enum Threshold {
    /// It is stated, in [0, 1].
    Stated(f64),
    /// It is told from the calibration items.
    Told {
        /// What is to hold.
        calibrate: Calibrate,
    },
}

/// What a λ is to guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {
    /// The tolerated risk, P(wrong | accepted), in (0, 1).
    pub alpha: f64,
    /// The chance that the calibration items mislead, in (0, 1).
    #[serde(default = "delta")]
    pub delta: f64,
    /// The candidates.
    #[serde(default)]
    pub grid: GridName,
    /// Candidates that accept fewer answers are passed over.
    #[serde(default = "min_accepted")]
    pub min_accepted: usize,
}

/// The candidates for λ, as configs name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "must be a number of even steps from 1 down to 0, or \"logit\"")]
pub enum GridName {
    /// Even steps from 1 down to 0.
    Steps(u32),
    /// By its name.
    Named(NamedGrid),
}

/// The grids that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedGrid {
    /// Even steps of the log-odds, for confidences that crowd near 1.
    Logit,
}

impl Default for GridName {
    fn default() -> Self {
        Self::Steps(1000)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_ask(without_example: &WithoutExample) -> bool {
    *without_example == WithoutExample::Ask
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

pub(super) fn delta() -> f64 {
    0.1
}

pub(super) fn min_accepted() -> usize {
    30
}

fn quantile() -> f64 {
    0.1
}

fn draws() -> u32 {
    5
}

fn draw_temperature() -> f64 {
    0.7
}
