//! The table `levels`, one row per record and level that was asked: the list of its columns, and the reconstruction of
//! the answers of middle levels, which `records` does not hold.

use std::collections::VecDeque;
use std::path::Path;

use anyhow::{Result, bail};

use super::records::{RecordKey, arm, score};
use super::rows::{Column, Rows, count, read, set, written};
use super::table::Table;
use crate::types::arm::Arm;
use crate::types::chat::Usage;
use crate::types::check::{Check, CheckOutcomes};
use crate::types::confidence::Confidence;
use crate::types::level::Level;
use crate::types::record::{Call, Graded, LevelAnswer, Purpose, Record, Score, total_latency_ms};

/// A column of `levels`; a row is written from a record and the answer of one of its levels.
type Of = Column<Record, LevelAnswer, Draft>;

/// The columns: the keys of `records`, and those of the level. `threshold` is the cell's, `level_threshold` the
/// level's.
static COLUMNS: [Of; 25] = [
    Of::text("dataset", |r, _| Some(r.cell.dataset.to_string()), |_, _| Ok(())).derived(),
    Of::text("item_id", |r, _| Some(r.item_id.to_string()), |d, id| set(&mut d.item, id.to_owned())).filled(),
    Of::text("group", |r, _| Some(r.group.to_string()), |_, _| Ok(())).derived(),
    Of::text("arm", |r, _| Some(r.cell.arm.to_string()), |d, name| set(&mut d.arm, Some(arm(name)?))).filled(),
    Of::count("order", |r, _| count(r.cell.order), |d, order| set(&mut d.order, order)).filled(),
    Of::count("position", |r, _| count(r.position), |_, _| Ok(())).derived(),
    Of::float("threshold", |r, _| r.cell.threshold, |d, lambda| set(&mut d.threshold, Some(lambda))).essential(),
    Of::count("level", |_, own| count(own.level.index()), |d, index| set(&mut d.level, Some(Level::at(index))))
        .filled(),
    Of::text("model", |r, own| Some(answer_call(r, own)?.model.to_string()), |_, _| Ok(())).derived(),
    Of::text("answer", |_, own| own.graded.answer.clone(), |d, text| set(&mut d.answer, Some(text.to_owned()))),
    Of::text(
        "score",
        |_, own| Some(own.graded.score.name().to_owned()),
        |d, name| set(&mut d.score, Some(score(name)?)),
    )
    .filled(),
    Of::float(
        "confidence",
        |_, own| Some(own.confidence?.value()),
        |d, value| set(&mut d.confidence, Some(Confidence::new(value)?)),
    ),
    Of::float("level_threshold", |_, own| own.threshold, |d, lambda| set(&mut d.level_threshold, Some(lambda))),
    Of::count("strategies_shown", |_, own| count(own.strategies_shown), |d, n| set(&mut d.strategies_shown, n)),
    Of::flag("deferred", |_, own| own.deferred, |d, deferred| set(&mut d.deferred, deferred)).essential(),
    Of::count("input_tokens", |r, own| Some(usage(r, own).input), |_, _| Ok(())).derived(),
    Of::count("output_tokens", |r, own| Some(usage(r, own).output), |_, _| Ok(())).derived(),
    Of::float("latency_ms", |r, own| total_latency_ms(calls(r, own)), |_, _| Ok(())).derived(),
    Of::check(Check::Calculations, |_, own| own.checks, |d| &mut d.checks),
    Of::check(Check::AllNumbersUsed, |_, own| own.checks, |d| &mut d.checks),
    Of::check(Check::GroundedNumbers, |_, own| own.checks, |d| &mut d.checks),
    Of::check(Check::FollowsExample, |_, own| own.checks, |d| &mut d.checks),
    Of::check(Check::ExampleReplay, |_, own| own.checks, |d| &mut d.checks),
    Of::optional_flag("checks_passed", |_, own| own.passes, |d, passes| set(&mut d.passes, Some(passes))).later(),
    Of::check(Check::Conclusions, |_, own| own.checks, |d| &mut d.checks),
];

/// All calls of the level for the record, for any purpose.
fn calls<'a>(record: &'a Record, own: &LevelAnswer) -> impl Iterator<Item = &'a Call> {
    let level = Some(own.level);
    record.calls.iter().filter(move |call| call.level == level)
}

fn answer_call<'a>(record: &'a Record, own: &LevelAnswer) -> Option<&'a Call> {
    calls(record, own).find(|call| call.purpose == Purpose::Answer)
}

fn usage(record: &Record, own: &LevelAnswer) -> Usage {
    calls(record, own).fold(Usage::default(), |sum, call| sum.plus(call.usage))
}

/// A row that was read, before its answer is constructed.
#[derive(Default)]
struct Draft {
    item: String,
    arm: Option<Arm>,
    order: usize,
    threshold: Option<f64>,
    level: Option<Level>,
    answer: Option<String>,
    score: Option<Score>,
    confidence: Option<Confidence>,
    level_threshold: Option<f64>,
    strategies_shown: usize,
    deferred: bool,
    checks: CheckOutcomes,
    passes: Option<bool>,
}

/// Returns the table of each level's answers in these records.
///
/// # Errors
/// If polars refuses it.
pub(super) fn table(name: &'static str, records: &[Record]) -> Result<Table> {
    let rows = records.iter().flat_map(|record| record.levels.iter().map(move |own| (record, own)));
    let rows: Vec<(&Record, &LevelAnswer)> = rows.collect();
    written(name, &COLUMNS, &rows)
}

/// Adds the answers of the levels above the first one from the table to the records. Without the table, which earlier
/// versions do not write, nothing changes: their runs have no other levels than `records` holds.
///
/// # Errors
/// If the file cannot be read or does not fit; the error names the file.
pub(super) fn complete(path: &Path, table: &str, records: &mut [Record]) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let Rows { rows, .. } = read(path, table, &COLUMNS)?;
    let answers = rows.into_iter().filter_map(Draft::answer).filter(|(_, answer)| !answer.level.is_first());
    let mut waiting: VecDeque<(RecordKey, LevelAnswer)> = answers.collect();
    for record in records {
        let key = RecordKey::of(record);
        while let Some((_, answer)) = waiting.pop_front_if(|(of, _)| *of == key) {
            let at = record.levels.partition_point(|own| own.level < answer.level);
            match record.levels.get_mut(at).filter(|own| own.level == answer.level) {
                Some(own) => *own = answer,
                None => record.levels.insert(at, answer),
            }
        }
    }
    if let Some((key, _)) = waiting.front() {
        bail!(
            "{} has a level for item `{}` of {}, but `records` has no such \
               record",
            path.display(),
            key.item,
            key.arm
        );
    }
    Ok(())
}

impl Draft {
    /// Returns the answer. `None` without an arm, a level or a score, which every row has.
    fn answer(self) -> Option<(RecordKey, LevelAnswer)> {
        let answer = LevelAnswer {
            level: self.level?,
            graded: Graded { answer: self.answer, score: self.score? },
            strict: None,
            confidence: self.confidence,
            threshold: self.level_threshold,
            strategies_shown: self.strategies_shown,
            deferred: self.deferred,
            checks: self.checks,
            passes: self.passes,
        };
        Some((RecordKey::new(self.item, self.arm?, self.order, self.threshold), answer))
    }
}
