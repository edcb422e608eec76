//! Stored strategies of a run: the file `strategies.jsonl`, and listings of strategies with the answers that they
//! changed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::outputs::FinishedRun;
use super::warnings::StoredFacts;
use crate::cascade::experiment::StoredStrategy;
use crate::config::suggest;
use crate::report::manifest::Manifest;
use crate::report::page::SavedText;
use crate::types::arm::Arm;
use crate::types::escaped::escaped;
use crate::types::record::{Record, Score};

/// Name of the file in a run's folder.
pub const FILE: &str = "strategies.jsonl";

/// A line of the file, with everything that another program needs to retrieve and use the strategy.
#[derive(Serialize)]
struct StrategyLine<'a> {
    #[serde(flatten)]
    stored: &'a StoredStrategy,
    /// Text that is embedded for retrieval.
    query: &'a str,
    embedder: Option<&'a str>,
    /// Name of the weak level's prompt. Its form `following` contains the strategy's text.
    prompt: Option<&'a str>,
}

/// Formats the strategies as JSON, one per line.
pub(super) fn lines(strategies: &[StoredStrategy], manifest: &Manifest) -> Result<Vec<u8>> {
    let identity = |pointer: &str| manifest.identity.pointer(pointer).and_then(serde_json::Value::as_str);
    let (embedder, prompt) = (identity("/learning/embedder"), identity("/prompts/0"));
    let mut bytes = Vec::new();
    for stored in strategies {
        let query = &stored.strategy.solved.question;
        serde_json::to_writer(&mut bytes, &StrategyLine { stored, query, embedder, prompt })?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// A strategy as read from the file. Files of earlier versions lack the query.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SavedStrategy {
    arm: Arm,
    order: usize,
    threshold: Option<f64>,
    position: i64,
    source: String,
    group: String,
    text: String,
    model: String,
    source_score: Score,
    #[serde(default)]
    cut: usize,
    #[serde(default)]
    query: Option<String>,
}

impl SavedStrategy {
    /// Arm, order of the stream and λ of the cell that stored the strategy.
    pub(super) fn cell(&self) -> (Arm, usize, Option<f64>) {
        (self.arm, self.order, self.threshold)
    }

    /// Facts on which warnings depend.
    pub(super) fn facts(&self) -> StoredFacts {
        StoredFacts { cut: self.cut, source_score: self.source_score }
    }
}

impl From<SavedStrategy> for SavedText {
    fn from(saved: SavedStrategy) -> Self {
        let SavedStrategy { arm, order, threshold, position, source, group, text, .. } = saved;
        Self { arm, order, threshold, position, source: source.into(), group, text }
    }
}

/// Parses the lines of the file at `path`.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<SavedStrategy>> {
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{}: line {}", path.display(), number + 1))
    };
    text.lines().enumerate().map(parse).collect()
}

/// Reads the strategies of a run's folder. Empty if the folder has no such file.
pub(super) fn saved(folder: &Path) -> Result<Vec<SavedStrategy>> {
    let path = folder.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, &path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Effects of a strategy on the answers to the items for which it was retrieved, relative to weak-only.
#[derive(Debug, Default)]
struct Effects<'a> {
    helped: Vec<&'a str>,
    harmed: Vec<&'a str>,
    right: usize,
    wrong: usize,
    /// Number of items without an answer of weak-only for comparison.
    unknown: usize,
}

/// Strategies and records of a finished run.
pub struct Strategies {
    strategies: Vec<SavedStrategy>,
    records: Vec<Record>,
}

impl Strategies {
    /// Reads strategies and records from the run in `folder`.
    ///
    /// # Errors
    /// If the folder holds no finished run or a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let records = FinishedRun::read(folder)?.records;
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { strategies: parse(&text, &path)?, records })
    }

    /// Returns one line for each strategy of an arm: source item, number of items for which it was retrieved, and
    /// number of weak answers that it helped and harmed. The most often retrieved strategies come first. The default of
    /// `arm` is the first arm with a strategy. The default of `threshold` is all thresholds of the arm, and each line
    /// then states its λ.
    ///
    /// # Errors
    /// If the arm stored no strategy at the threshold.
    pub fn list(&self, arm: Option<Arm>, threshold: Option<f64>) -> Result<Vec<String>> {
        let selected = self.select(arm, threshold)?;
        let several = selected.iter().any(|strategy| strategy.threshold != selected[0].threshold);
        let lambda = |strategy: &SavedStrategy| match strategy.threshold {
            Some(threshold) if several => format!(" at λ {threshold}"),
            _ => String::new(),
        };
        let baseline = self.weak_only_scores();
        let mut rows: Vec<_> =
            selected.into_iter().map(|strategy| (strategy, self.effects(strategy, &baseline))).collect();
        rows.sort_by_key(|(_, effects)| std::cmp::Reverse(effects.retrieved()));
        let line = |(strategy, effects): &(&SavedStrategy, Effects)| {
            format!(
                "{} (order {}, {}{}): retrieved {}, helped {}, harmed {}, source answer {}",
                escaped(&strategy.source),
                strategy.order,
                strategy.arm,
                lambda(strategy),
                effects.retrieved(),
                effects.helped.len(),
                effects.harmed.len(),
                strategy.source_score.name()
            )
        };
        Ok(rows.iter().map(line).collect())
    }

    /// Formats the strategy from item `source` for a terminal. The default of `arm` is the first arm with a strategy,
    /// and the default of `threshold` is the first λ.
    ///
    /// # Errors
    /// If no strategy comes from the item in this order, with the nearest item that has one.
    pub fn show(&self, source: &str, arm: Option<Arm>, order: usize, threshold: Option<f64>) -> Result<String> {
        let selected = self.select(arm, threshold)?;
        let found = selected.iter().find(|strategy| strategy.source == source && strategy.order == order);
        let strategy = found.ok_or_else(|| {
            let names: Vec<&str> = selected.iter().map(|strategy| strategy.source.as_str()).collect();
            anyhow!("no strategy comes from item `{source}` in order {order}{}", suggest::nearest(source, &names))
        })?;
        let effects = self.effects(strategy, &self.weak_only_scores());
        let lambda = strategy.threshold.map_or_else(String::new, |lambda| format!(", λ {lambda}"));
        let mut text = format!(
            "from item {} (group {}), written by {}, stored at position {} of order {}, arm {}{lambda}\n\
             the source answer is {} (by the gold answer)\n",
            escaped(&strategy.source),
            escaped(&strategy.group),
            escaped(&strategy.model),
            strategy.position,
            strategy.order,
            strategy.arm,
            strategy.source_score.name()
        );
        if let Some(query) = &strategy.query {
            let _ = write!(text, "\nretrieved by its similarity to:\n{}\n", escaped(query));
        }
        let _ = write!(text, "\ntext in the weak model's prompt:\n{}\n", escaped(&strategy.text));
        let _ = write!(
            text,
            "\nretrieved for {} items. Compared with weak-only on these items: {} helped{}, {} harmed{}, {} correct in both, {} incorrect in \
             both, {} without a comparison\n",
            effects.retrieved(),
            effects.helped.len(),
            in_brackets(&effects.helped),
            effects.harmed.len(),
            in_brackets(&effects.harmed),
            effects.right,
            effects.wrong,
            effects.unknown
        );
        Ok(text)
    }

    /// Selects the strategies of an arm, and of one λ if `threshold` is given.
    fn select(&self, arm: Option<Arm>, threshold: Option<f64>) -> Result<Vec<&SavedStrategy>> {
        let Some(arm) = arm.or_else(|| self.strategies.first().map(|first| first.arm)) else {
            bail!("the run stored no strategy");
        };
        let of_arm: Vec<&SavedStrategy> = self.strategies.iter().filter(|strategy| strategy.arm == arm).collect();
        if of_arm.is_empty() {
            bail!("the arm {arm} stored no strategy in this run");
        }
        let Some(threshold) = threshold else { return Ok(of_arm) };
        let mut thresholds: Vec<f64> = of_arm.iter().filter_map(|strategy| strategy.threshold).collect();
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        let at_threshold: Vec<&SavedStrategy> = of_arm
            .into_iter()
            .filter(|strategy| strategy.threshold.is_some_and(|lambda| lambda.total_cmp(&threshold).is_eq()))
            .collect();
        if at_threshold.is_empty() {
            let known: Vec<String> = thresholds.iter().map(f64::to_string).collect();
            bail!("the arm {arm} stored no strategy at λ {threshold}. It has strategies at λ {}", known.join(", "));
        }
        Ok(at_threshold)
    }

    /// Scores of weak-only's answers, by order and item.
    fn weak_only_scores(&self) -> HashMap<(usize, &str), Score> {
        let weak_only = self.records.iter().filter(|record| record.cell.arm == Arm::WeakOnly);
        weak_only
            .filter_map(|record| Some(((record.cell.order, &*record.item_id.0), record.first()?.graded.score)))
            .collect()
    }

    /// Compares the answers after a strategy with weak-only's answers.
    fn effects(&self, strategy: &SavedStrategy, baseline: &HashMap<(usize, &str), Score>) -> Effects<'_> {
        let was_retrieved = |record: &&Record| {
            let cell = &record.cell;
            (cell.arm, cell.order, cell.threshold) == (strategy.arm, strategy.order, strategy.threshold)
                && record.strategies_used.iter().any(|used| *used.0 == *strategy.source)
        };
        let mut effects = Effects::default();
        for record in self.records.iter().filter(was_retrieved) {
            let id = &*record.item_id.0;
            let before = baseline.get(&(record.cell.order, id)).map(|score| *score == Score::Correct);
            let after = record.first().map(|first| first.graded.score == Score::Correct);
            match (before, after) {
                (Some(false), Some(true)) => effects.helped.push(id),
                (Some(true), Some(false)) => effects.harmed.push(id),
                (Some(true), Some(true)) => effects.right += 1,
                (Some(false), Some(false)) => effects.wrong += 1,
                _ => effects.unknown += 1,
            }
        }
        effects
    }
}

impl Effects<'_> {
    /// Number of items for which the strategy was retrieved.
    fn retrieved(&self) -> usize {
        self.helped.len() + self.harmed.len() + self.right + self.wrong + self.unknown
    }
}

/// Items in brackets; an empty text if there are no items.
fn in_brackets(items: &[&str]) -> String {
    if items.is_empty() { String::new() } else { format!(" ({})", escaped(&items.join(", "))) }
}
