//! The strategies that a run stored: `strategies.jsonl`, and one of them as a person reads it, with the answers that it changed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::outputs::FinishedRun;
use crate::cascade::experiment::StoredStrategy;
use crate::config::suggest;
use crate::report::manifest::Manifest;
use crate::types::arm::Arm;
use crate::types::escaped::escaped;
use crate::types::record::{Record, Score};

/// The file's name in a run's folder.
pub const FILE: &str = "strategies.jsonl";

/// A line of the file: all that another program needs to retrieve and show the strategy.
#[derive(Serialize)]
struct StrategyLine<'a> {
    #[serde(flatten)]
    stored: &'a StoredStrategy,
    /// The text that is embedded.
    query: &'a str,
    embedder: Option<&'a str>,
    /// The weak level's prompt, in whose form `following` the text is shown.
    prompt: Option<&'a str>,
}

/// The strategies as JSON, one a line.
pub(super) fn lines(strategies: &[StoredStrategy], manifest: &Manifest) -> Result<Vec<u8>> {
    let named = |place: &str| manifest.identity.pointer(place).and_then(serde_json::Value::as_str);
    let (embedder, prompt) = (named("/learning/embedder"), named("/prompts/0"));
    let mut bytes = Vec::new();
    for stored in strategies {
        let query = &stored.strategy.solved.question;
        serde_json::to_writer(&mut bytes, &StrategyLine { stored, query, embedder, prompt })?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// A strategy as the file holds it; files of earlier versions lack the query.
#[derive(Debug, Clone, Deserialize)]
struct SavedStrategy {
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
    query: Option<String>,
}

/// What a strategy did to the answers of the items that it was shown for.
#[derive(Debug, Default)]
struct Effects<'a> {
    helped: Vec<&'a str>,
    harmed: Vec<&'a str>,
    right: usize,
    wrong: usize,
    /// Items without an answer of weak-only to compare with.
    unknown: usize,
}

/// The strategies of a finished run in `folder`, and its records.
pub struct Strategies {
    written: Vec<SavedStrategy>,
    records: Vec<Record>,
}

impl Strategies {
    /// Reads them.
    ///
    /// # Errors
    /// If the folder holds no finished run, or a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let records = FinishedRun::read(folder)?.records;
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let parse = |(number, line): (usize, &str)| {
            serde_json::from_str(line).with_context(|| format!("{}: line {}", path.display(), number + 1))
        };
        Ok(Self { written: text.lines().enumerate().map(parse).collect::<Result<_>>()?, records })
    }

    /// A line on each strategy of an arm: its source item, how many items it was shown for, and how many weak answers it helped and
    /// harmed, those that were shown most often first. `None` for `arm`: the first arm that has any;
    /// `None` for `threshold`: all of the arm's λ, which each line then names.
    ///
    /// # Errors
    /// If the arm stored none.
    pub fn list(&self, arm: Option<Arm>, threshold: Option<f64>) -> Result<Vec<String>> {
        let of = self.of(arm, threshold)?;
        let several = of.iter().any(|strategy| strategy.threshold != of[0].threshold);
        let at = |strategy: &SavedStrategy| match strategy.threshold {
            Some(threshold) if several => format!(" at λ {threshold}"),
            _ => String::new(),
        };
        let alone = self.alone();
        let mut rows: Vec<_> = of.into_iter().map(|strategy| (strategy, self.effects(strategy, &alone))).collect();
        rows.sort_by_key(|(_, effects)| std::cmp::Reverse(effects.shown()));
        let line = |(strategy, effects): &(&SavedStrategy, Effects)| {
            format!(
                "{} (order {}, {}{}): shown {}, helped {}, harmed {}, its own solution {}",
                escaped(&strategy.source),
                strategy.order,
                strategy.arm,
                at(strategy),
                effects.shown(),
                effects.helped.len(),
                effects.harmed.len(),
                strategy.source_score.name()
            )
        };
        Ok(rows.iter().map(line).collect())
    }

    /// The strategy that comes from item `source`, as a person reads it. `None` for `arm`: the first arm that has it.
    ///
    /// # Errors
    /// Names the nearest source item if there is none of this name.
    pub fn show(&self, source: &str, arm: Option<Arm>, order: usize, threshold: Option<f64>) -> Result<String> {
        let of = self.of(arm, threshold)?;
        let found = of.iter().find(|strategy| strategy.source == source && strategy.order == order);
        let strategy = found.ok_or_else(|| {
            let names: Vec<&str> = of.iter().map(|strategy| strategy.source.as_str()).collect();
            anyhow!("no strategy comes from an item `{source}` in order {order}{}", suggest::nearest(source, &names))
        })?;
        let effects = self.effects(strategy, &self.alone());
        let lambda = strategy.threshold.map_or_else(String::new, |lambda| format!(", λ {lambda}"));
        let mut text = format!(
            "from item {} (group {}), written by {}, stored at position {} of order {}, arm {}{lambda}\n\
             its own solution is {} (known after the fact)\n",
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
        let _ = write!(text, "\nshown to the weak model:\n{}\n", escaped(&strategy.text));
        let _ = write!(
            text,
            "\nshown for {} items. Against weak-only's answers to the same items: {} helped{}, {} harmed{}, {} right both times, {} wrong both times, \
             {} without a comparison\n",
            effects.shown(),
            effects.helped.len(),
            listed(&effects.helped),
            effects.harmed.len(),
            listed(&effects.harmed),
            effects.right,
            effects.wrong,
            effects.unknown
        );
        Ok(text)
    }

    /// The strategies of an arm, at one λ if it is given.
    fn of(&self, arm: Option<Arm>, threshold: Option<f64>) -> Result<Vec<&SavedStrategy>> {
        let Some(arm) = arm.or_else(|| self.written.first().map(|first| first.arm)) else {
            bail!("the run stored no strategy");
        };
        let of: Vec<&SavedStrategy> = self.written.iter().filter(|strategy| strategy.arm == arm).collect();
        if of.is_empty() {
            bail!("the arm {arm} stored no strategy in this run");
        }
        let Some(threshold) = threshold else { return Ok(of) };
        let mut thresholds: Vec<f64> = of.iter().filter_map(|strategy| strategy.threshold).collect();
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        let of: Vec<&SavedStrategy> = of
            .into_iter()
            .filter(|strategy| strategy.threshold.is_some_and(|own| own.total_cmp(&threshold).is_eq()))
            .collect();
        if of.is_empty() {
            let known: Vec<String> = thresholds.iter().map(f64::to_string).collect();
            bail!("the arm {arm} stored no strategy at λ {threshold}; it has strategies at λ {}", known.join(", "));
        }
        Ok(of)
    }

    /// How weak-only's answers were scored, by order and item.
    fn alone(&self) -> HashMap<(usize, &str), Score> {
        let alone = self.records.iter().filter(|record| record.cell.arm == Arm::WeakOnly);
        alone
            .filter_map(|record| Some(((record.cell.order, &*record.item_id.0), record.first()?.graded.score)))
            .collect()
    }

    fn effects(&self, strategy: &SavedStrategy, alone: &HashMap<(usize, &str), Score>) -> Effects<'_> {
        let was_shown = |record: &&Record| {
            let cell = &record.cell;
            (cell.arm, cell.order, cell.threshold) == (strategy.arm, strategy.order, strategy.threshold)
                && record.strategies_used.iter().any(|used| *used.0 == *strategy.source)
        };
        let mut effects = Effects::default();
        for record in self.records.iter().filter(was_shown) {
            let id = &*record.item_id.0;
            let before = alone.get(&(record.cell.order, id)).map(|score| *score == Score::Correct);
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
    fn shown(&self) -> usize {
        self.helped.len() + self.harmed.len() + self.right + self.wrong + self.unknown
    }
}

/// Items in brackets; nothing if there are none.
fn listed(items: &[&str]) -> String {
    if items.is_empty() { String::new() } else { format!(" ({})", escaped(&items.join(", "))) }
}
