//! A run's records, read back from its tables, those of earlier versions too: a column that they lack is null, and is
//! named with the figures that it takes away.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use polars::prelude::{Column, DataFrame, DataType, ParallelStrategy, ParquetReader, SerReader};

use super::tables::{LEVELS, OF_STREAM};
use crate::tables::guarded::guarded;
use crate::types::arm::Arm;
use crate::types::chat::Usage;
use crate::types::confidence::Confidence;
use crate::types::item::ItemId;
use crate::types::noted::Noted;
use crate::types::record::{Call, CellKey, Graded, Kept, Purpose, Record, Score, WeakAnswer};
use crate::types::store_rule::StoreRule;

/// The columns without which the items' table is none.
const OF_ITEMS: [&str; 12] = [
    "dataset",
    "item_id",
    "group",
    "arm",
    "order",
    "position",
    "threshold",
    "strategies_used",
    "deferred",
    "answering_level",
    "score",
    "repository_size",
];
/// The columns without which the calls' table is none.
const OF_CALLS: [&str; 9] =
    ["item_id", "arm", "order", "threshold", "level", "model", "purpose", "input_tokens", "output_tokens"];

/// The figures that a column gives; a column that is not here is only shown as it is.
const FIGURES: [(&str, &str); 9] = [
    ("weak_score", "weak accuracy, what strategies change in it, and calibration"),
    ("confidence", "calibration, reliability and accuracy over coverage"),
    ("similarity_max", "the range of similarities"),
    ("strategy_scores", "the table by right and wrong strategies"),
    ("strategy_kept", "the counts of stored and dropped strategies"),
    ("latency_ms", "times"),
    ("cached_input_tokens", "fees of models with a price for cached tokens"),
    ("finish", "how answers ended"),
    ("recorded_fee_usd", "fees that were recorded with the answers"),
];
/// Columns that have a value in every row in which their neighbour has one, so that nothing but nulls is no column.
const FULL: [(&str, &str); 5] = [
    ("weak_score_strict", "weak_score"),
    ("latency_ms", "model"),
    ("cached_input_tokens", "model"),
    ("journal_hit", "model"),
    ("finish", "answered_by"),
];

/// A column that a table of an earlier version lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The table's name.
    pub table: String,
    /// The column's name.
    pub column: &'static str,
}

impl Lacking {
    /// What a reader of the report must know.
    #[must_use]
    pub fn told(&self) -> String {
        let Self { table, column } = self;
        let figures = FIGURES.iter().find(|(name, _)| name == column).map_or("", |(_, figures)| figures);
        let left_out = if figures.is_empty() { String::new() } else { format!("; left out: {figures}") };
        format!(
            "{table}.parquet has no column `{column}`, since an earlier version wrote it: the column is empty here{left_out}."
        )
    }
}

/// The records in the tables of these two names, the items' and the calls', and the columns that they lack; none if there
/// are no such tables. `known` are records of other tables whose items may have been shown here.
///
/// # Errors
/// Names the file and what does not fit.
pub fn records(folder: &Path, names: [&str; 2], known: &[Record]) -> Result<(Vec<Record>, Vec<Lacking>)> {
    let [items, calls] = names.map(|name| folder.join(format!("{name}.parquet")));
    if !items.exists() && names != OF_STREAM {
        return Ok((Vec::new(), Vec::new()));
    }
    let (items_table, calls_table) = (Table::read(&items, &OF_ITEMS)?, Table::read(&calls, &OF_CALLS)?);
    let mut records = rows(&items_table, known).with_context(|| format!("{} cannot be read back", items.display()))?;
    let mut waiting: VecDeque<(Place, Call)> =
        call_rows(&calls_table).with_context(|| format!("{} cannot be read back", calls.display()))?.into();
    for record in &mut records {
        let place = Place::of(record);
        while waiting.front().is_some_and(|(of, _)| *of == place) {
            record.calls.extend(waiting.pop_front().map(|(_, call)| call));
        }
    }
    if let Some((place, _)) = waiting.front() {
        bail!(
            "{} has a call for item `{}` of {} that {} does not list in its place",
            calls.display(),
            place.item,
            place.arm,
            items.display()
        );
    }
    let lacking = [(names[0], items_table), (names[1], calls_table)].into_iter().flat_map(|(table, read)| {
        read.lacking.into_inner().into_iter().map(|column| Lacking { table: table.to_owned(), column })
    });
    Ok((records, lacking.collect()))
}

/// Which record a call belongs to.
#[derive(PartialEq)]
struct Place {
    item: String,
    arm: Arm,
    order: usize,
    threshold: Option<u64>,
}

impl Place {
    fn of(record: &Record) -> Self {
        Self {
            item: record.item_id.to_string(),
            arm: record.cell.arm,
            order: record.cell.order,
            threshold: record.cell.threshold.map(f64::to_bits),
        }
    }
}

fn rows(table: &Table, known: &[Record]) -> Result<Vec<Record>> {
    let texts = |name| table.texts(name);
    let (ids, groups) = (texts("item_id")?, texts("group")?);
    let mut group_of: HashMap<&str, Arc<str>> =
        known.iter().map(|record| (&*record.item_id.0, Arc::clone(&record.group))).collect();
    for (id, group) in ids.iter().zip(&groups) {
        if let (Some(id), Some(group)) = (id, group) {
            group_of.entry(id.as_str()).or_insert_with(|| group.as_str().into());
        }
    }
    let (datasets, arms, orders) = (texts("dataset")?, texts("arm")?, table.counts("order")?);
    let (positions, thresholds) = (table.counts("position")?, table.floats("threshold")?);
    let (used, scores) = (texts("strategies_used")?, texts("strategy_scores")?);
    let (similarity, kept) = (table.floats("similarity_max")?, texts("strategy_kept")?);
    let (weak_answers, weak_scores) = (texts("weak_answer")?, texts("weak_score")?);
    let strict = texts("weak_score_strict")?;
    let strict: Vec<Score> =
        strict.iter().map(|name| name.as_deref().map_or(Ok(Score::NoAnswer), score)).collect::<Result<_>>()?;
    let (confidence, deferred) = (table.floats("confidence")?, table.flags("deferred")?);
    let (levels, answers) = (table.counts("answering_level")?, texts("answer")?);
    // Tables of earlier versions do not have it: nothing was refused.
    let refused = if table.has("refused") { texts("refused")? } else { vec![None; table.height()] };
    let (final_scores, sizes) = (texts("score")?, table.counts("repository_size")?);
    let mut cells: HashMap<(Arm, usize, Option<u64>), Arc<CellKey>> = HashMap::new();
    let mut records = Vec::new();
    for row in 0..table.height() {
        let text = |column: &[Option<String>], name: &str| {
            column[row].clone().with_context(|| format!("row {}: {name} is empty", row + 1))
        };
        let count = |column: &[Option<usize>], name: &str| {
            column[row].with_context(|| format!("row {}: {name} is empty", row + 1))
        };
        let id = text(&ids, "item_id")?;
        let (arm, order, threshold) = (arm(&text(&arms, "arm")?, row)?, count(&orders, "order")?, thresholds[row]);
        let dataset = text(&datasets, "dataset")?;
        let cell = cells
            .entry((arm, order, threshold.map(f64::to_bits)))
            .or_insert_with(|| Arc::new(CellKey { dataset: dataset.as_str().into(), arm, order, threshold }));
        let strategies_used: Vec<ItemId> = list(used[row].as_deref()).map(|id| id.to_owned().into()).collect();
        let group = |id: &ItemId| {
            group_of
                .get(&*id.0)
                .cloned()
                .with_context(|| format!("row {}: strategy of an unknown item `{id}`", row + 1))
        };
        let weak_score = weak_scores[row].as_deref().map(score).transpose()?;
        let sure = sure(confidence[row], row)?;
        records.push(Record {
            cell: Arc::clone(cell),
            group: Arc::clone(&group_of[id.as_str()]),
            item_id: id.into(),
            position: count(&positions, "position")?,
            strategy_groups: strategies_used.iter().map(group).collect::<Result<_>>()?,
            strategies_used,
            similarity_max: similarity[row],
            weak: weak_score.map(|score| WeakAnswer {
                graded: Graded { answer: weak_answers[row].clone(), score },
                strict: strict[row],
                confidence: sure,
            }),
            deferred: deferred[row],
            answering_level: levels[row],
            graded: Graded { answer: answers[row].clone(), score: score(&text(&final_scores, "score")?)? },
            repository_size: count(&sizes, "repository_size")?,
            calls: Vec::new(),
            strategy_scores: list(scores[row].as_deref()).map(score).collect::<Result<_>>()?,
            kept: kept[row].as_deref().map(fate).transpose()?,
            refused: list(refused[row].as_deref()).map(level).collect::<Result<_>>()?,
        });
    }
    Ok(records)
}

fn call_rows(table: &Table) -> Result<Vec<(Place, Call)>> {
    let texts = |name| table.texts(name);
    let (ids, arms, orders) = (texts("item_id")?, texts("arm")?, table.counts("order")?);
    let (thresholds, levels, models) = (table.floats("threshold")?, table.counts("level")?, texts("model")?);
    let (purposes, latency) = (texts("purpose")?, table.floats("latency_ms")?);
    let tokens = ["input_tokens", "cached_input_tokens", "output_tokens"].map(|name| table.counts(name));
    let [input, cached, output] = tokens;
    let (input, cached, output) = (input?, cached?, output?);
    let (confidence, hits) = (table.floats("confidence")?, table.flags("journal_hit")?);
    let (answered_by, keys) = (texts("answered_by")?, texts("journal_key")?);
    let fees = table.floats("recorded_fee_usd")?;
    let ends = texts("finish")?;
    // Without `finish` the others say nothing; it stands for them all.
    let notes = if table.has("notes") { texts("notes")? } else { vec![None; table.height()] };
    let later = |name| if table.has(name) { table.optional_flags(name) } else { Ok(vec![None; table.height()]) };
    let (empty, estimated) = (later("empty")?, later("estimated")?);
    let row = |row: usize| -> Result<(Place, Call)> {
        let text = |column: &[Option<String>], name: &str| {
            column[row].clone().with_context(|| format!("row {}: {name} is empty", row + 1))
        };
        let named = text(&purposes, "purpose")?;
        let purpose = Purpose::ALL.into_iter().find(|purpose| purpose.name() == named);
        let place = Place {
            item: text(&ids, "item_id")?,
            arm: arm(&text(&arms, "arm")?, row)?,
            order: orders[row].unwrap_or_default(),
            threshold: thresholds[row].map(f64::to_bits),
        };
        let tokens = |column: &[Option<usize>]| column[row].unwrap_or_default() as u64;
        let call = Call {
            level: levels[row],
            model: text(&models, "model")?.into(),
            purpose: purpose.ok_or_else(|| anyhow!("row {}: no purpose is called `{named}`", row + 1))?,
            usage: Usage { input: tokens(&input), cached_input: tokens(&cached), output: tokens(&output) },
            confidence: sure(confidence[row], row)?,
            latency_ms: latency[row].unwrap_or_default(),
            answered_by: answered_by[row].as_deref().map(Into::into),
            journal_key: keys[row].as_deref().map(str::parse).transpose()?,
            journal_hit: hits[row],
            recorded_fee_usd: fees[row],
            noted: ends[row].as_deref().map(|end| {
                let is = |column: &[Option<bool>]| column[row].unwrap_or_default();
                Noted::read(end, is(&empty), is(&estimated), notes[row].as_deref().unwrap_or_default())
            }),
        };
        Ok((place, call))
    };
    (0..table.height()).map(row).collect()
}

/// A confidence as a table has it.
fn sure(value: Option<f64>, row: usize) -> Result<Option<Confidence>> {
    value.map(Confidence::new).transpose().with_context(|| format!("row {}: column `confidence`", row + 1))
}

/// The arm of a name in the column `arm`.
fn arm(name: &str, row: usize) -> Result<Arm> {
    let known = || Arm::ALL.map(Arm::name).join(", ");
    Arm::named(name)
        .ok_or_else(|| anyhow!("row {}: this version knows no arm `{name}`; its arms are {}", row + 1, known()))
}

/// The parts of a cell that holds several.
fn list(cell: Option<&str>) -> impl Iterator<Item = &str> {
    cell.unwrap_or_default().split(';').filter(|part| !part.is_empty())
}

fn score(name: &str) -> Result<Score> {
    let all = [Score::Correct, Score::Incorrect, Score::NoAnswer];
    all.into_iter().find(|score| score.name() == name).ok_or_else(|| anyhow!("no score is called `{name}`"))
}

/// The level of a name in the column `refused`.
fn level(name: &str) -> Result<usize> {
    LEVELS.iter().position(|level| *level == name).ok_or_else(|| anyhow!("no level is called `{name}`"))
}

fn fate(name: &str) -> Result<Kept> {
    let dropped = StoreRule::ALL.map(Kept::Dropped);
    let mut all = [Kept::Stored, Kept::Unreadable, Kept::Refused].into_iter().chain(dropped);
    all.find(|kept| kept.name() == name).ok_or_else(|| anyhow!("no strategy can be `{name}`"))
}

/// A parquet file.
struct Table {
    frame: DataFrame,
    /// Columns that were asked for and are not there.
    lacking: RefCell<Vec<&'static str>>,
}

impl Table {
    /// Reads a file that has these columns at least.
    fn read(path: &Path, essential: &[&str]) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let read = || ParquetReader::new(file).read_parallel(ParallelStrategy::None).finish();
        let frame = guarded(read)
            .map_err(|what| anyhow!("{} cannot be read: {what}", path.display()))?
            .with_context(|| format!("{} is no parquet", path.display()))?;
        let missing: Vec<String> =
            essential.iter().filter(|name| frame.column(name).is_err()).map(|name| format!("`{name}`")).collect();
        if !missing.is_empty() {
            bail!("{} is no table of a run: it has no column {}", path.display(), missing.join(", "));
        }
        Ok(Self { frame, lacking: RefCell::default() })
    }

    fn height(&self) -> usize {
        self.frame.height()
    }

    fn has(&self, name: &str) -> bool {
        self.frame.column(name).is_ok()
    }

    /// A column; `None` if it is absent, or holds nothing though its neighbour does.
    fn column(&self, name: &'static str) -> Option<&Column> {
        let nothing = |column: &Column| column.null_count() == column.len();
        let column = self.frame.column(name).ok().filter(|column| *column.dtype() != DataType::Null);
        let beside = FULL.iter().find(|(full, _)| *full == name).and_then(|(_, other)| self.frame.column(other).ok());
        let empty = column.zip(beside).is_some_and(|(column, beside)| nothing(column) && !nothing(beside));
        let column = column.filter(|_| !empty);
        let absent = column.is_none() && (empty || self.frame.column(name).is_err());
        if absent && !self.lacking.borrow().contains(&name) {
            self.lacking.borrow_mut().push(name);
        }
        column
    }

    fn cells<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Column) -> Result<Vec<Option<T>>>,
    ) -> Result<Vec<Option<T>>> {
        match self.column(name) {
            Some(column) => read(column).with_context(|| format!("column `{name}`")),
            None => Ok((0..self.height()).map(|_| None).collect()),
        }
    }

    fn texts(&self, name: &'static str) -> Result<Vec<Option<String>>> {
        self.cells(name, |column| Ok(column.str()?.iter().map(|text| text.map(str::to_owned)).collect()))
    }

    fn floats(&self, name: &'static str) -> Result<Vec<Option<f64>>> {
        self.cells(name, |column| Ok(column.f64()?.iter().collect()))
    }

    fn counts(&self, name: &'static str) -> Result<Vec<Option<usize>>> {
        let count = |value: Option<i64>| value.map(usize::try_from).transpose();
        self.cells(name, |column| Ok(column.i64()?.iter().map(count).collect::<Result<_, _>>()?))
    }

    fn flags(&self, name: &'static str) -> Result<Vec<bool>> {
        Ok(self.optional_flags(name)?.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn optional_flags(&self, name: &'static str) -> Result<Vec<Option<bool>>> {
        self.cells(name, |column| Ok(column.bool()?.iter().collect()))
    }
}
