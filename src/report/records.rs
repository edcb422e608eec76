//! The table `records`, one row per item and cell: the list of its columns, and the construction of a record from a
//! row.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};

use super::rows::{Column, Rows, count, read, set, written};
use super::table::Table;
use crate::types::arm::Arm;
use crate::types::chat::Finish;
use crate::types::check::{Check, CheckOutcomes};
use crate::types::confidence::Confidence;
use crate::types::item::ItemId;
use crate::types::level::Level;
use crate::types::noted::AnswerNotes;
use crate::types::record::{CellKey, Graded, LevelAnswer, Purpose, Record, Score, StrategyOutcome, top_level};
use crate::types::store_rule::StoreRule;

/// A column of `records`; a row is written from a record and the top level.
type Of = Column<Record, Level, Draft>;

/// The columns. To add one, append a line here and, if the column is read back, a field in [`Draft`].
static COLUMNS: [Of; 40] = [
    Of::text("dataset", |r, _| Some(r.cell.dataset.to_string()), |d, name| set(&mut d.dataset, name.into())).filled(),
    Of::text("item_id", |r, _| Some(r.item_id.to_string()), |d, id| set(&mut d.item, id.to_owned())).filled(),
    Of::text("group", |r, _| Some(r.group.to_string()), |d, group| set(&mut d.group, group.to_owned())).filled(),
    Of::text("arm", |r, _| Some(r.cell.arm.to_string()), |d, name| set(&mut d.arm, Some(arm(name)?))).filled(),
    Of::count("order", |r, _| count(r.cell.order), |d, order| set(&mut d.order, order)).filled(),
    Of::count("position", |r, _| count(r.position), |d, position| set(&mut d.position, position)).filled(),
    Of::float("threshold", |r, _| r.cell.threshold, |d, lambda| set(&mut d.threshold, Some(lambda))).essential(),
    Of::text(
        "strategies_used",
        |r, _| Some(joined(r.strategies_used.iter())),
        |d, ids| set(&mut d.strategies, ids.to_owned()),
    )
    .essential(),
    Of::float("similarity_max", |r, _| r.similarity_max, |d, cosine| set(&mut d.similarity, Some(cosine)))
        .with_figures("the range of similarities"),
    Of::text(
        "weak_answer",
        |r, _| r.first()?.graded.answer.clone(),
        |d, text| set(&mut d.first_answer, Some(text.to_owned())),
    ),
    Of::text(
        "weak_score",
        |r, _| Some(r.first()?.graded.score.name().to_owned()),
        |d, name| set(&mut d.first_score, Some(score(name)?)),
    )
    .with_figures("weak accuracy, what strategies change in it, and calibration"),
    Of::float(
        "confidence",
        |r, _| Some(r.first()?.confidence?.value()),
        |d, value| set(&mut d.confidence, Some(Confidence::new(value)?)),
    )
    .with_figures("calibration, reliability and accuracy over coverage"),
    Of::flag("deferred", |r, _| r.deferred, |d, deferred| set(&mut d.deferred, deferred)).essential(),
    Of::count(
        "answering_level",
        |r, _| count(r.answering_level?.index()),
        |d, index| set(&mut d.answering_level, Some(Level::at(index))),
    )
    .essential(),
    Of::text("answer", |r, _| r.graded.answer.clone(), |d, text| set(&mut d.answer, Some(text.to_owned()))),
    Of::text("score", |r, _| Some(r.graded.score.name().to_owned()), |d, name| set(&mut d.score, Some(score(name)?)))
        .filled(),
    Of::count("repository_size", |r, _| count(r.repository_size), |d, size| set(&mut d.repository_size, size)).filled(),
    tokens("weak_input_tokens", |r, _| Some(r.usage(Some(Level::FIRST), Purpose::Answer).input)),
    tokens("weak_output_tokens", |r, _| Some(r.usage(Some(Level::FIRST), Purpose::Answer).output)),
    tokens("strong_input_tokens", |r, top| Some(r.usage(Some(*top), Purpose::Answer).input)),
    tokens("strong_output_tokens", |r, top| Some(r.usage(Some(*top), Purpose::Answer).output)),
    tokens("distil_input_tokens", |r, top| Some(r.usage(Some(*top), Purpose::Distil).input)),
    tokens("distil_output_tokens", |r, top| Some(r.usage(Some(*top), Purpose::Distil).output)),
    tokens("embed_tokens", |r, _| Some(r.usage(None, Purpose::Embed).input)),
    Of::float("latency_ms", |r, _| r.latency_ms(), |_, _| Ok(())).derived(),
    Of::text(
        "strategy_scores",
        |r, _| Some(joined(r.strategy_scores.iter().map(|score| score.name()))),
        |d, names| set(&mut d.strategy_scores, list(names).map(score).collect::<Result<_>>()?),
    )
    .with_figures("the table by right and wrong strategies"),
    Of::text(
        "strategy_outcome",
        |r, _| Some(r.kept?.name().to_owned()),
        |d, name| set(&mut d.kept, Some(strategy_outcome(name)?)),
    )
    .with_figures("the counts of stored and dropped strategies")
    .formerly("strategy_kept"),
    Of::text(
        "weak_score_strict",
        |r, _| Some(r.first()?.strict?.name().to_owned()),
        |d, name| set(&mut d.strict, Some(score(name)?)),
    )
    .paired_with("weak_score"),
    Of::text(
        "refused",
        |r, top| Some(joined(r.refused.iter().map(|level| level.name(*top)))),
        |d, names| set(&mut d.refused, names.to_owned()),
    )
    .later(),
    noted("weak_cut", |r, _| Some(is_cut(r.notes(Level::FIRST)?))),
    noted("strong_cut", |r, top| Some(is_cut(r.notes(*top)?))),
    noted("weak_empty", |r, _| Some(r.notes(Level::FIRST)?.empty)),
    noted("strong_empty", |r, top| Some(r.notes(*top)?.empty)),
    Of::check(Check::Calculations, |r, _| first_checks(r), |d| &mut d.checks),
    Of::check(Check::AllNumbersUsed, |r, _| first_checks(r), |d| &mut d.checks),
    Of::check(Check::GroundedNumbers, |r, _| first_checks(r), |d| &mut d.checks),
    Of::check(Check::FollowsExample, |r, _| first_checks(r), |d| &mut d.checks),
    Of::check(Check::ExampleReplay, |r, _| first_checks(r), |d| &mut d.checks),
    Of::optional_flag("checks_passed", |r, _| r.first()?.passes, |d, passes| set(&mut d.passes, Some(passes))).later(),
    Of::check(Check::Conclusions, |r, _| first_checks(r), |d| &mut d.checks),
];

fn first_checks(record: &Record) -> CheckOutcomes {
    record.first().map(|first| first.checks).unwrap_or_default()
}

const fn tokens(name: &'static str, write: fn(&Record, &Level) -> Option<u64>) -> Of {
    Of::count(name, write, |_, _| Ok(())).derived()
}

const fn noted(name: &'static str, write: fn(&Record, &Level) -> Option<bool>) -> Of {
    Of::optional_flag(name, write, |_, _| Ok(())).derived()
}

fn is_cut(noted: &AnswerNotes) -> bool {
    noted.finish == Finish::Length
}

/// A row that was read, before its record is constructed.
#[derive(Default)]
pub(super) struct Draft {
    dataset: String,
    item: String,
    group: String,
    arm: Option<Arm>,
    order: usize,
    position: usize,
    threshold: Option<f64>,
    /// Item ids, joined by `;`.
    strategies: String,
    strategy_scores: Vec<Score>,
    similarity: Option<f64>,
    first_answer: Option<String>,
    first_score: Option<Score>,
    strict: Option<Score>,
    confidence: Option<Confidence>,
    deferred: bool,
    answering_level: Option<Level>,
    answer: Option<String>,
    score: Option<Score>,
    repository_size: usize,
    kept: Option<StrategyOutcome>,
    /// Names of levels, joined by `;`.
    refused: String,
    checks: CheckOutcomes,
    passes: Option<bool>,
}

/// Returns the table of these records.
///
/// # Errors
/// If polars refuses it.
pub(super) fn table(name: &'static str, records: &[Record]) -> Result<Table> {
    let top = top_level(records);
    let rows: Vec<(&Record, &Level)> = records.iter().map(|record| (record, &top)).collect();
    written(name, &COLUMNS, &rows)
}

/// Reads the rows of a table; [`records`] constructs the records from them.
///
/// # Errors
/// If the file cannot be read or does not fit; the error names the file and the column.
pub(super) fn rows(path: &Path, table: &str) -> Result<Rows<Draft>> {
    read(path, table, &COLUMNS)
}

/// Constructs the records from a table's rows, without their calls. `known` are records of other tables whose items may
/// have been retrieved here. `top` is the top level.
///
/// # Errors
/// If a row is inconsistent; the error names the row.
pub(super) fn records(rows: Vec<Draft>, known: &[Record], top: Level) -> Result<Vec<Record>> {
    let groups = known.iter().map(|record| (record.item_id.to_string(), Arc::clone(&record.group))).collect();
    let mut shared = Shared { top, groups, cells: HashMap::new() };
    // The example of the arm fixed-example, which precedes every query, is not an item of the data set.
    let fixed = Arm::FixedExample.name();
    shared.groups.entry(fixed.to_owned()).or_insert_with(|| fixed.into());
    for row in &rows {
        shared.groups.entry(row.item.clone()).or_insert_with(|| row.group.as_str().into());
    }
    let record = |(index, row): (usize, Draft)| row.record(&mut shared).with_context(|| format!("row {}", index + 1));
    rows.into_iter().enumerate().map(record).collect()
}

/// Values that the records of a table share.
struct Shared {
    top: Level,
    /// The group of each item.
    groups: HashMap<String, Arc<str>>,
    cells: HashMap<(Arm, usize, Option<u64>), Arc<CellKey>>,
}

impl Draft {
    fn record(self, shared: &mut Shared) -> Result<Record> {
        let (arm, score) = (self.arm.context("no arm")?, self.score.context("no score")?);
        let (order, threshold) = (self.order, self.threshold);
        let cell = shared
            .cells
            .entry((arm, order, threshold.map(f64::to_bits)))
            .or_insert_with(|| Arc::new(CellKey { dataset: self.dataset.as_str().into(), arm, order, threshold }));
        let strategies_used: Vec<ItemId> = list(&self.strategies).map(|id| id.to_owned().into()).collect();
        let group = |id: &str| shared.groups.get(id).cloned();
        let group_of = |id: &ItemId| group(&id.0).with_context(|| format!("strategy of an unknown item `{id}`"));
        let graded = Graded { answer: self.answer, score };
        let first = self.first_score.map(|score| LevelAnswer {
            strict: self.strict,
            confidence: self.confidence,
            threshold,
            strategies_shown: strategies_used.len(),
            deferred: self.deferred,
            checks: self.checks,
            passes: self.passes,
            ..LevelAnswer::new(Level::FIRST, Graded { answer: self.first_answer, score })
        });
        let above = self.answering_level.filter(|level| !level.is_first());
        let above = above.map(|level| LevelAnswer::new(level, graded.clone()));
        let level =
            |name| Level::named(name, shared.top).ok_or_else(|| anyhow!("column `refused`: unknown level `{name}`"));
        Ok(Record {
            cell: Arc::clone(cell),
            group: group(&self.item).unwrap_or_else(|| self.group.as_str().into()),
            position: self.position,
            strategy_groups: strategies_used.iter().map(group_of).collect::<Result<_>>()?,
            strategies_used,
            similarity_max: self.similarity,
            levels: first.into_iter().chain(above).collect(),
            deferred: self.deferred,
            answering_level: self.answering_level,
            graded,
            repository_size: self.repository_size,
            calls: Vec::new(),
            strategy_scores: self.strategy_scores,
            kept: self.kept,
            refused: list(&self.refused).map(level).collect::<Result<_>>()?,
            item_id: self.item.into(),
        })
    }
}

/// Key of the record that a row of another table belongs to.
#[derive(PartialEq)]
pub(super) struct RecordKey {
    pub(super) item: String,
    pub(super) arm: Arm,
    order: usize,
    threshold: Option<u64>,
}

impl RecordKey {
    pub(super) fn new(item: String, arm: Arm, order: usize, threshold: Option<f64>) -> Self {
        Self { item, arm, order, threshold: threshold.map(f64::to_bits) }
    }

    pub(super) fn of(record: &Record) -> Self {
        Self::new(record.item_id.to_string(), record.cell.arm, record.cell.order, record.cell.threshold)
    }
}

/// Returns the arm with this name in the column `arm`.
pub(super) fn arm(name: &str) -> Result<Arm> {
    let known = || Arm::ALL.map(Arm::name).join(", ");
    Arm::named(name).ok_or_else(|| anyhow!("unknown arm `{name}`; the arms of this version are {}", known()))
}

/// Returns the score with this name.
pub(super) fn score(name: &str) -> Result<Score> {
    let all = [Score::Correct, Score::Incorrect, Score::NoAnswer];
    all.into_iter().find(|score| score.name() == name).ok_or_else(|| anyhow!("unknown score `{name}`"))
}

fn strategy_outcome(name: &str) -> Result<StrategyOutcome> {
    let dropped = StoreRule::ALL.map(StrategyOutcome::Dropped);
    let mut all =
        [StrategyOutcome::Stored, StrategyOutcome::Unreadable, StrategyOutcome::Refused].into_iter().chain(dropped);
    all.find(|kept| kept.name() == name).ok_or_else(|| anyhow!("unknown outcome of a strategy `{name}`"))
}

/// Joins several values into one cell.
fn joined<S: ToString>(parts: impl Iterator<Item = S>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(";")
}

/// Splits a cell that holds several values.
fn list(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').filter(|part| !part.is_empty())
}
