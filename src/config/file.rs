//! The config file: what may stand in it, its defaults, and errors that name file, line and key.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow, bail};
use regex::Regex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::deferral::DeferralConfig;
use super::suggest;
use crate::backend::raw::RawEntry;
use crate::cascade::gating::Gates;
use crate::cascade::teach::Distil;
use crate::dataset::Format;
use crate::retrieval::embedder::EmbedderName;
use crate::task::calculations::AtLeast;
use crate::task::extraction::Extraction;
use crate::types::arm::{Arm, Content};
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
    /// Items set apart for calibration, one of each of as many groups drawn by seed.
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

/// One value, or several in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
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
    /// The rule verified: the temperature of the second draw.
    pub verify_temperature: f64,
    /// The longest strategy in tokens (of four bytes), cut at a line; absent: as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_strategy_tokens: Option<usize>,
    /// The arm semantic-cache: the cosine from which on an earlier answer is given again.
    pub reuse_from: f64,
}

/// `[limits]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The most calls in flight over all models and cells.
    pub concurrency: usize,
    /// Fee in USD that the run's calls may not pass; needs a price for every model.
    pub max_fee_usd: Option<f64>,
    /// The share of a model's items, in [0, 1], that its provider may refuse before the run stops; five may always be, unless
    /// the share is 0.
    #[serde(skip_serializing_if = "is_usual_share")]
    pub max_refused: f64,
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
        Self { concurrency: 32, max_fee_usd: None, max_refused: MAX_REFUSED }
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
            checked_at_least: AtLeast::Count(1),
            verify_temperature: 0.7,
            max_strategy_tokens: None,
            reuse_from: 0.95,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelsFile {
    #[serde(default)]
    pub(super) model: Vec<RawEntry>,
}

/// More calls in flight than any server takes.
const MOST_AT_ONCE: usize = 65_536;

impl Config {
    /// Reads a config file, with `sets` (`key.path=value`) laid over it.
    ///
    /// # Errors
    /// Names file, line and key, and the nearest right key for a wrong one.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self> {
        let text = read(path)?;
        let config: Self = parse(&text, path).map_err(|error| {
            for_another_verb(&text, &["config", "table"], path, "an ablation's file: intercascade ablate")
                .unwrap_or(error)
        })?;
        let config = if sets.is_empty() { config } else { overridden(&text, path, sets)? };
        config.check().with_context(|| format!("{}", path.display()))?;
        Ok(config)
    }

    /// All entries that can be named: this config's, then those of the `models.toml` beside it.
    ///
    /// # Errors
    /// Where that file cannot be read.
    pub fn known_entries(&self, path: &Path) -> Result<Vec<RawEntry>> {
        let file = models_file(path);
        let mut known = self.models.clone();
        if file.is_file() {
            known.extend(parse::<ModelsFile>(&read(&file)?, &file)?.model);
        }
        Ok(known)
    }

    /// The entries of `levels` among those that are known, weak to strong.
    ///
    /// # Errors
    /// Names a model that is in neither file, and the nearest name.
    pub fn level_entries(&self, known: &[RawEntry], path: &Path) -> Result<Vec<RawEntry>> {
        let find = |name: &String| {
            known.iter().find(|entry| entry.name == *name).cloned().ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(|entry| entry.name.as_str()).collect();
                anyhow!(
                    "{}: levels: no model is called `{name}`{}; there are: {}. Add a [[model]] there or in {}",
                    path.display(),
                    suggest::nearest(name, &names),
                    if names.is_empty() { "none".to_owned() } else { names.join(", ") },
                    models_file(path).display()
                )
            })
        };
        self.levels.iter().map(find).collect()
    }

    /// How the arms get their gates, from calibration items at these indices.
    #[must_use]
    pub fn gates(&self, calibration: impl IntoIterator<Item = usize>) -> Gates {
        Gates {
            arms: self.arms.clone(),
            wanted: self.deferral.wanted(),
            per_arm: self.deferral.calibrate_per_arm,
            calibration: calibration.into_iter().collect(),
        }
    }

    fn check(&self) -> Result<()> {
        if self.name.is_empty() || self.name.contains(['/', '\\']) || self.name.starts_with('.') {
            bail!("name: `{}` cannot name a folder", self.name);
        }
        if self.levels.len() != 2 || self.levels[0] == self.levels[1] {
            bail!("levels: name two different models, the weak one first, not {:?}", self.levels);
        }
        if self.arms.is_empty() {
            bail!("arms: name at least one");
        }
        if let Some(arm) = self.arms.iter().enumerate().find_map(|(i, arm)| self.arms[..i].contains(arm).then_some(arm))
        {
            bail!("arms: `{}` stands twice", arm.name());
        }
        let ranges = [
            ("learning.min_similarity", self.learning.min_similarity, -1.0, 1.0),
            ("learning.confident_from", self.learning.confident_from, 0.0, 1.0),
            ("learning.verify_temperature", self.learning.verify_temperature, 0.0, 2.0),
            ("learning.reuse_from", self.learning.reuse_from, -1.0, 1.0),
            ("limits.max_refused", self.limits.max_refused, 0.0, 1.0),
        ];
        for (key, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                bail!("{key}: must be from {least} to {most}, not {value}");
            }
        }
        let counts = [
            ("dataset.orders", Some(self.dataset.orders)),
            ("dataset.limit", self.dataset.limit),
            ("dataset.sample", self.dataset.sample),
            ("dataset.sample_groups", self.dataset.sample_groups),
            ("dataset.per_group", self.dataset.per_group),
            ("limits.concurrency", Some(self.limits.concurrency)),
            ("learning.max_strategy_tokens", self.learning.max_strategy_tokens),
        ];
        for (key, value) in counts {
            if value == Some(0) {
                bail!("{key}: must be at least 1");
            }
        }
        if self.limits.concurrency > MOST_AT_ONCE {
            bail!("limits.concurrency: must be at most {MOST_AT_ONCE}, not {}", self.limits.concurrency);
        }
        if self.limits.max_fee_usd.is_some_and(|limit| !(limit >= 0.0 && limit.is_finite())) {
            bail!("limits.max_fee_usd: must be a number of USD from 0 on");
        }
        if self.dataset.name.is_none() && self.dataset.path.is_none() {
            bail!("dataset: give the name of a data set (`intercascade datasets list`) or a path");
        }
        if self.dataset.limit.is_some() && self.dataset.sample.is_some() {
            bail!("dataset: `limit` takes the first items and `sample` draws some; give one of them");
        }
        let other = [("limit", self.dataset.limit), ("sample", self.dataset.sample)];
        let other =
            other.into_iter().find(|(_, items)| items.is_some()).filter(|_| self.dataset.sample_groups.is_some());
        if let Some((key, _)) = other {
            bail!("dataset: `sample_groups` counts whole groups and `{key}` counts items; give one of them");
        }
        if self.dataset.calibration_split.is_some() && self.dataset.calibration == 0 {
            bail!("dataset.calibration_split: say with dataset.calibration how many of its items are drawn");
        }
        self.deferral.check(self.dataset.calibration)
    }
}

/// The file of models that configs of a folder share.
pub(super) fn models_file(config: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new(".")).join("models.toml")
}

pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read the config {}", path.display()))
}

/// The error of a file that could not be read because it is for another verb: it has that one's keys at its top.
pub(super) fn for_another_verb(text: &str, keys: &[&str], path: &Path, verb: &str) -> Option<anyhow::Error> {
    let table: toml::Table = toml::from_str(text).ok()?;
    let is = keys.iter().all(|key| table.contains_key(*key));
    is.then(|| anyhow!("{0}: this is {verb} --config {0}", path.display()))
}

pub(super) fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    let parsed = toml::Deserializer::parse(text).map_err(|error| explain(path, text, None, &error))?;
    serde_path_to_error::deserialize(parsed).map_err(|error| {
        let key = error.path().to_string();
        explain(path, text, Some(&key), &error.into_inner())
    })
}

/// One line: file, line, key, what is wrong, and the nearest right name.
fn explain(path: &Path, text: &str, key: Option<&str>, error: &toml::de::Error) -> anyhow::Error {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let line = line.map(|line| format!(" line {line}:")).unwrap_or_default();
    anyhow!("{}:{line} {}", path.display(), complaint(key, error))
}

/// Key, what is wrong, and the nearest right name.
fn complaint(key: Option<&str>, error: &toml::de::Error) -> String {
    static NAMES: LazyLock<Regex> = LazyLock::new(|| Regex::new("`([^`]+)`").expect("the pattern is valid"));
    let message = error.message();
    let names: Vec<&str> = NAMES.captures_iter(message).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    let suggestion = match names.as_slice() {
        [wrong, right @ ..] if message.starts_with("unknown") => suggest::nearest(wrong, right),
        _ => String::new(),
    };
    let key = key.filter(|key| *key != ".").map(|key| format!("{key}: ")).unwrap_or_default();
    format!("{key}{message}{suggestion}")
}

/// The table at `a.b`; a `[[model]]` is named as in `model.NAME`, where the name may have dots of its own.
fn place<'a>(table: &'a mut toml::Table, path: &str) -> Result<&'a mut toml::Table, String> {
    let mut place = table;
    let mut rest = path;
    while !rest.is_empty() {
        let (part, after) = rest.split_once('.').unwrap_or((rest, ""));
        rest = after;
        if part == "model" && !place.contains_key(part) {
            return Err("there is no [[model]] (change those of models.toml there)".to_owned());
        }
        let value = place.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        place = match value {
            toml::Value::Table(table) => table,
            toml::Value::Array(_) if rest.is_empty() => {
                return Err(format!("`{part}` needs a name, as in {part}.NAME.key"));
            }
            toml::Value::Array(entries) => {
                let named = |entry: &'a mut toml::Table| {
                    let after = rest.strip_prefix(entry.get("name")?.as_str()?)?;
                    let after = if after.is_empty() { after } else { after.strip_prefix('.')? };
                    Some((entry, after))
                };
                let found = entries.iter_mut().filter_map(toml::Value::as_table_mut).filter_map(named);
                // Of `a` and `a.b` the longer name is meant.
                let found = found.min_by_key(|(_, after)| after.len());
                let (entry, after) = found.ok_or_else(|| format!("no `{part}` is called `{rest}`"))?;
                rest = after;
                entry
            }
            _ => return Err(format!("`{part}` is no table")),
        };
    }
    Ok(place)
}

/// The config with `--set` values laid over it. A value is TOML where it reads as such, else a text; an empty one takes the key
/// out.
fn overridden(text: &str, path: &Path, sets: &[String]) -> Result<Config> {
    let mut table: toml::Table = toml::from_str(text)?;
    for set in sets {
        let (key, value) = set
            .split_once('=')
            .ok_or_else(|| anyhow!("--set {set}: must be key.path=value, as in dataset.limit=50"))?;
        let (parents, last) = key.rsplit_once('.').map_or((None, key), |(parents, last)| (Some(parents), last));
        let place = match parents {
            Some(parents) => place(&mut table, parents),
            None => Ok(&mut table),
        };
        let place = place.map_err(|fault| anyhow!("--set {set}: {fault} in {}", path.display()))?;
        if value.is_empty() {
            place.remove(last);
            continue;
        }
        let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| toml::Value::String(value.to_owned()));
        place.insert(last.to_owned(), value);
    }
    let whole = toml::to_string(&table)?;
    let deserializer = toml::Deserializer::parse(&whole)?;
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let key = error.path().to_string();
        let complaint = complaint(Some(&key), &error.into_inner());
        anyhow!("{} with --set {}: {complaint}", path.display(), sets.join(" --set "))
    })
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "x"
arms = ["cascade"]
levels = ["a", "b"]
[dataset]
name = "gsm-templates"
[deferral]
threshold = 0.8
"#;

    fn load(text: &str, sets: &[&str]) -> Result<Config> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.toml");
        std::fs::write(&path, text).expect("written");
        Config::load(&path, &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
    }

    fn error(text: &str, sets: &[&str]) -> String {
        format!("{:#}", load(text, sets).expect_err("refused"))
    }

    #[test]
    fn defaults_are_filled_in() {
        let config = load(GOOD, &[]).expect("good");
        assert_eq!((config.seed, config.dataset.orders, config.learning.k), (Seed(0), 1, 2));
        assert_eq!(config.dataset.limit, None);
    }

    #[test]
    fn set_lays_values_over_the_file() {
        let config = load(GOOD, &["dataset.limit=5", "name=y", "learning.k=0", "arms=[\"weak-only\"]"]).expect("good");
        assert_eq!((config.dataset.limit, config.name.as_str(), config.learning.k), (Some(5), "y", 0));
        assert_eq!(config.arms, [Arm::WeakOnly]);
    }

    #[test]
    fn set_reaches_a_model_whose_name_has_dots() {
        let text = format!(
            "{GOOD}[[model]]\nname = \"m-0.5\"\nbackend = \"reference\"\n[[model]]\nname = \"m-0\"\nbackend = \"reference\"\n"
        );
        let tokens = |sets: &[&str]| {
            load(&text, sets).expect("good").models.iter().map(|model| model.max_tokens).collect::<Vec<_>>()
        };
        assert_eq!(tokens(&["model.m-0.5.max_tokens=7", "model.m-0.max_tokens=9"]), [7, 9]);
        assert!(error(&text, &["model.m-1.5.max_tokens=7"]).contains("no `model` is called `m-1.5`"));
        assert!(error(&text, &["model.max_tokens=7"]).contains("`model` needs a name"));
    }

    #[test]
    fn wrong_keys_name_file_line_and_the_nearest_right_one() {
        let text = GOOD.replace("threshold", "treshold");
        let error = error(&text, &[]);
        assert!(error.contains("x.toml: line 8:"), "{error}");
        assert!(error.contains("`treshold`") && error.contains("did you mean `threshold`?"), "{error}");
    }

    #[test]
    fn wrong_values_name_their_key() {
        assert!(error(&GOOD.replace("0.8", "\"high\""), &[]).contains("deferral.threshold"));
        assert!(error(&GOOD.replace("0.8", "1.8"), &[]).contains("deferral.threshold: must be from 0 to 1"));
        assert!(error(&GOOD.replace("[\"cascade\"]", "[\"cascades\"]"), &[]).contains("did you mean `cascade`?"));
        assert!(error(&GOOD.replace("\"a\", \"b\"", "\"a\""), &[]).contains("levels: name two different models"));
        assert!(error(GOOD, &["dataset.limt=5"]).contains("did you mean `limit`?"));
        assert!(error(GOOD, &["dataset.limit"]).contains("must be key.path=value"));
        let config = load(GOOD, &["dataset.limit=5", "dataset.limit=", "dataset.sample=6"]).expect("good");
        assert_eq!((config.dataset.limit, config.dataset.sample), (None, Some(6)));
        assert!(error(GOOD, &["dataset.limit=5", "dataset.sample=5"]).contains("give one of them"));
        for key in ["limit", "sample"] {
            let error = error(GOOD, &[&format!("dataset.{key}=5"), "dataset.sample_groups=5"]);
            assert!(error.contains(&format!("`{key}` counts items; give one of them")), "{error}");
        }
        assert!(error(GOOD, &["dataset.sample_groups=0"]).contains("dataset.sample_groups: must be at least 1"));
        assert!(error(GOOD, &["limits.max_fee_usd=-1.0"]).contains("limits.max_fee_usd: must be a number"));
        assert!(error(GOOD, &["dataset.limit=0"]).contains("dataset.limit: must be at least 1"));
    }
}
