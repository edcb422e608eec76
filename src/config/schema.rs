//! Schema of a config: its structs and their defaults.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
use crate::types::one_or_many::OneOrMany;
use crate::types::seed::Seed;
use crate::types::store_rule::StoreRule;

/// Config of a run, with the defaults filled in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the run and of its output folder.
    pub name: String,
    /// Seed of all random draws.
    #[serde(default)]
    pub seed: Seed,
    /// Arms to run.
    pub arms: Vec<Arm>,
    /// Names of the weak and the strong model.
    pub levels: Vec<String>,
    /// Data set and selection of items.
    pub dataset: DatasetConfig,
    /// Deferral gate.
    pub deferral: DeferralConfig,
    /// Settings of learning arms.
    #[serde(default)]
    pub learning: LearningConfig,
    /// Limits on calls and fees.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Models of this config. They override models of the same name in `models.toml`.
    #[serde(default, rename = "model")]
    pub models: Vec<RawEntry>,
}

/// `[dataset]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// Name of a data set in the catalogue. With `path`: the name in outputs.
    #[serde(default)]
    pub name: Option<String>,
    /// File or folder that is not in the catalogue.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Format of the file. Default: from the file name extension.
    #[serde(default)]
    pub format: Option<Format>,
    /// Folder or file inside an archive, if `path` is an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// With `path`: the field with the group. Default: `group`, or the field that names the row's origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Subjects of the data set, or groups of MMLU subjects. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Vec<String>>,
    /// Split. Default: the only one.
    #[serde(default)]
    pub split: Option<String>,
    /// Number of items, taken from the start of the split. Default: all.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Number of items, in whole groups drawn at random with the seed. Excludes `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
    /// Number of groups, drawn at random with the seed, each with all items or the first `per_group`. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_groups: Option<usize>,
    /// Share of the groups, in (0, 1), drawn at random with the seed, on which a sweep selects each arm's λ. The sweep
    /// evaluates this λ on the other groups. Default: no selection; every λ is evaluated on all groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choose: Option<f64>,
    /// Number of calibration items, each from another group drawn at random with the seed, out of the items that
    /// `per_group`, `limit` and `sample` select.
    #[serde(default)]
    pub calibration: usize,
    /// True if the whole groups of calibration items are left out of the stream, not only the items.
    #[serde(default = "yes")]
    pub group_split: bool,
    /// Split of the calibration items. Default: the split of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_split: Option<String>,
    /// Number of items of each group, from its start, before `limit`, `sample` or `sample_groups` apply. Default: all.
    #[serde(default)]
    pub per_group: Option<usize>,
    /// Extraction rules, in the order of application. Default: the standard rules for the kind of question.
    #[serde(default)]
    pub extraction: Option<Vec<Extraction>>,
    /// Number of seeded permutations of the stream.
    #[serde(default = "one")]
    pub orders: usize,
    /// True if a calculator evaluates the expressions that a model writes. For math questions and local models.
    #[serde(default)]
    pub calculator: bool,
}

/// `[learning]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LearningConfig {
    /// Maximum number of retrieved strategies per query.
    pub k: usize,
    /// Smallest cosine similarity at which a strategy is retrieved by similarity, in [-1, 1].
    pub min_similarity: f64,
    /// Embedder of the queries.
    pub embedder: EmbedderName,
    /// True if strategies from the item's own group are skipped (a control: transfer without look-up).
    pub exclude_same_group: bool,
    /// Content that is stored from a deferred item.
    pub content: Content,
    /// Call in which the strong level writes a strategy, if the content includes one.
    pub distil: Distil,
    /// Store rules: one or several, all of which must pass.
    pub store: OneOrMany<StoreRule>,
    /// Rule `confident`: smallest mean token probability of the strong level's answer, in [0, 1].
    pub confident_from: f64,
    /// Rule `checked`: smallest number of calculations, or `each-line`.
    pub checked_at_least: AtLeast,
    /// Rules `verified` and `majority`: temperature of the additional samples, in [0, 2].
    pub verify_temperature: f64,
    /// Rule `majority`: number of samples, including the answer itself. Default: 3.
    #[serde(skip_serializing_if = "is_default_majority")]
    pub majority_draws: u32,
    /// True if the retrieved strategies are also shown in the top level's prompt. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub top_level_examples: bool,
    /// Arm `fixed-example`: the worked example for every query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_example: Option<FixedExample>,
    /// Maximum length of a strategy in tokens of four bytes; longer ones are cut at a line end. Default: not cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_strategy_tokens: Option<usize>,
    /// Arm `semantic-cache`: smallest cosine similarity at which an earlier answer is reused, in [-1, 1].
    pub reuse_from: f64,
}

/// `[learning.fixed_example]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedExample {
    /// Question.
    pub question: String,
    /// Solution, with the answer in a form that the extraction rules of the run read.
    pub solution: String,
    /// Gold answer, in the format of the run's data set: a number, or the letter of an option.
    pub answer: String,
}

/// `[limits]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Maximum number of calls in flight over all models and cells.
    pub concurrency: usize,
    /// Maximum fee in USD of the calls of this run over all its sessions. Requires a price for every model.
    pub max_fee_usd: Option<f64>,
    /// Maximum total fee in USD of this run and the runs in the same output folder. Requires a price for every model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_total_fee_usd: Option<f64>,
    /// Maximum share of a model's items, in [0, 1], that its provider may refuse before the run stops. Five refusals
    /// are always allowed, unless the share is 0. Default: 0.01.
    #[serde(skip_serializing_if = "is_default_share")]
    pub max_refused: f64,
}

/// Default number of samples of the store rule `majority`.
const MAJORITY_DRAWS: u32 = 3;

/// True for the default, which is omitted: identities of earlier versions do not contain the key.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "signature required by serde")]
fn is_default_majority(draws: &u32) -> bool {
    *draws == MAJORITY_DRAWS
}

/// Default of `limits.max_refused`.
const MAX_REFUSED: f64 = 0.01;

/// True for the default, which is omitted: manifests of earlier versions do not contain the key.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "signature required by serde")]
fn is_default_share(share: &f64) -> bool {
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
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeferralConfig {
    /// Confidence signal. Default: `option-probability` if the weak level scores options, otherwise
    /// `mean-token-probability`.
    #[serde(default)]
    pub signal: Option<Signal>,
    /// Threshold λ. A confidence below λ defers the query.
    pub threshold: Threshold,
    /// True if each learning arm has its own λ, calibrated while the arm learns from the calibration items. Otherwise
    /// all arms share the λ that is calibrated on the weak level without strategies.
    #[serde(default)]
    pub calibrate_per_arm: bool,
    /// Map from a score to a probability, fitted on the calibration items. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalibrate: Option<Recalibrate>,
    /// Checks that an answer must pass to be accepted, whatever its confidence. Checks that need an example apply to
    /// learning arms. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// Check `calculations`: smallest number of calculations, or `each-line`. Default: 1.
    #[serde(default, skip_serializing_if = "AtLeast::is_usual")]
    pub calculations_at_least: AtLeast,
    /// Treatment of a query without a near enough example, in arms that show examples: `ask` the weak level or `defer`. Default: `ask`.
    #[serde(default, skip_serializing_if = "is_ask")]
    pub without_example: WithoutExample,
    /// Threshold λ of the arm `cascade-tuned`, in [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned_threshold: Option<f64>,
    /// Quantile of the signal `quantile-token-probability`, in [0, 1].
    #[serde(default = "quantile")]
    pub quantile: f64,
    /// Number of additional samples of the signal `self-consistency`.
    #[serde(default = "draws")]
    pub draws: u32,
    /// Temperature of the additional samples of `self-consistency`, in [0, 2].
    #[serde(default = "draw_temperature")]
    pub draw_temperature: f64,
}

/// Source of the threshold λ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "must be a number from 0 to 1, or { calibrate = { alpha = 0.15 } } optionally with delta, grid and min_accepted"
)]
pub enum Threshold {
    /// Fixed threshold in [0, 1].
    Fixed(f64),
    /// Threshold that is calibrated on the calibration items.
    Calibrated {
        /// Required guarantee.
        calibrate: Calibrate,
    },
}

/// Guarantee that a calibrated λ must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {
    /// Tolerated selective risk α: P(wrong | accepted), in (0, 1).
    pub alpha: f64,
    /// Failure probability δ of the guarantee over the draw of the calibration items, in (0, 1).
    #[serde(default = "delta")]
    pub delta: f64,
    /// Candidates for λ.
    #[serde(default)]
    pub grid: GridName,
    /// Smallest number of accepted answers at which a candidate is considered.
    #[serde(default = "min_accepted")]
    pub min_accepted: usize,
}

/// Candidates for λ, in the notation of configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "must be a number of even steps from 1 down to 0, or \"logit\"")]
pub enum GridName {
    /// Even steps from 1 down to 0.
    Steps(u32),
    /// Named grid.
    Named(NamedGrid),
}

/// Named grids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NamedGrid {
    /// Even steps of the log-odds, for confidences that are concentrated near 1.
    Logit,
}

impl Default for GridName {
    fn default() -> Self {
        Self::Steps(1000)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "signature required by serde")]
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
