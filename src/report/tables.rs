//! The tables of a run, and both their forms: CSV and parquet with the same columns and rows.

use anyhow::Result;
use polars::prelude::{Column, CsvWriter, DataFrame, NamedFrom, ParquetWriter, SerWriter, Series};

use crate::types::chat::Finish;
use crate::types::confidence::Confidence;
use crate::types::noted::Noted;
use crate::types::record::{Purpose, Record};

/// One table under its file name.
pub struct Table {
    /// File name without ending.
    pub name: &'static str,
    /// The rows.
    pub frame: DataFrame,
}

impl Table {
    pub(super) fn new(name: &'static str, columns: Vec<Column>) -> Result<Self> {
        Ok(Self { name, frame: DataFrame::new_infer_height(columns)? })
    }

    /// Takes every value out of these columns: they were not known.
    ///
    /// # Errors
    /// If polars cannot build the column.
    pub fn empty<'a>(&mut self, columns: impl Iterator<Item = &'a str>) -> Result<()> {
        for name in columns {
            let nulls = {
                let column = self.frame.column(name)?;
                Series::full_null(name.into(), column.len(), column.dtype())
            };
            self.frame.with_column(nulls.into())?;
        }
        Ok(())
    }

    /// The table's two files: name and bytes.
    ///
    /// # Errors
    /// Where polars cannot write it.
    pub fn files(&mut self) -> Result<[(String, Vec<u8>); 2]> {
        let (mut csv, mut parquet) = (Vec::new(), Vec::new());
        CsvWriter::new(&mut csv).finish(&mut self.frame)?;
        ParquetWriter::new(&mut parquet).finish(&mut self.frame)?;
        Ok([(format!("{}.csv", self.name), csv), (format!("{}.parquet", self.name), parquet)])
    }
}

/// The levels in the column `refused` of `records`.
pub(super) const LEVELS: [&str; 2] = ["weak", "strong"];

/// The tables of the stream, row by row.
pub const OF_STREAM: [&str; 2] = ["records", "calls"];
/// The tables of the calibration items, row by row.
pub const OF_CALIBRATION: [&str; 2] = ["calibration_items", "calibration_calls"];

/// The tables of what was run, row by row, under the names of their files.
///
/// # Errors
/// Where polars refuses a table.
pub fn of_records([items, calls]: [&'static str; 2], records: &[Record]) -> Result<Vec<Table>> {
    Ok(vec![records_table(items, records)?, calls_table(calls, records)?])
}

fn text<S: Into<Option<String>>>(name: &str, values: impl Iterator<Item = S>) -> Column {
    let values: Vec<Option<String>> = values.map(Into::into).collect();
    Series::new(name.into(), values).into()
}

fn float<F: Into<Option<f64>>>(name: &str, values: impl Iterator<Item = F>) -> Column {
    let values: Vec<Option<f64>> = values.map(Into::into).collect();
    Series::new(name.into(), values).into()
}

fn int<I: TryInto<i64>>(name: &str, values: impl Iterator<Item = I>) -> Column {
    let values: Vec<Option<i64>> = values.map(|value| value.try_into().ok()).collect();
    Series::new(name.into(), values).into()
}

fn optional_int(name: &str, values: impl Iterator<Item = Option<usize>>) -> Column {
    let values: Vec<Option<i64>> = values.map(|value| i64::try_from(value?).ok()).collect();
    Series::new(name.into(), values).into()
}

fn optional_flag(name: &str, values: impl Iterator<Item = Option<bool>>) -> Column {
    let values: Vec<Option<bool>> = values.collect();
    Series::new(name.into(), values).into()
}

fn flag(name: &str, values: impl Iterator<Item = bool>) -> Column {
    let values: Vec<bool> = values.collect();
    Series::new(name.into(), values).into()
}

fn records_table(name: &'static str, records: &[Record]) -> Result<Table> {
    let rows = || records.iter();
    let tokens = |name: &str, level, purpose, input: bool| {
        int(
            name,
            rows().map(|record| {
                let usage = record.usage(level, purpose);
                if input { usage.input } else { usage.output }
            }),
        )
    };
    let (weak, strong) = (Some(0), Some(1));
    let noted = |name, level, is: fn(&Noted) -> bool| {
        optional_flag(name, rows().map(move |record| record.noted(level).map(is)))
    };
    Table::new(
        name,
        vec![
            text("dataset", rows().map(|r| r.cell.dataset.to_string())),
            text("item_id", rows().map(|r| r.item_id.to_string())),
            text("group", rows().map(|r| r.group.to_string())),
            text("arm", rows().map(|r| r.cell.arm.to_string())),
            int("order", rows().map(|r| r.cell.order)),
            int("position", rows().map(|r| r.position)),
            float("threshold", rows().map(|r| r.cell.threshold)),
            text("strategies_used", rows().map(joined)),
            float("similarity_max", rows().map(|r| r.similarity_max)),
            text("weak_answer", rows().map(|r| r.weak.as_ref().and_then(|weak| weak.graded.answer.clone()))),
            text("weak_score", rows().map(|r| r.weak.as_ref().map(|weak| weak.graded.score.name().to_owned()))),
            float("confidence", rows().map(|r| r.weak.as_ref()?.confidence.map(Confidence::value))),
            flag("deferred", rows().map(|r| r.deferred)),
            optional_int("answering_level", rows().map(|r| r.answering_level)),
            text("answer", rows().map(|r| r.graded.answer.clone())),
            text("score", rows().map(|r| r.graded.score.name().to_owned())),
            int("repository_size", rows().map(|r| r.repository_size)),
            tokens("weak_input_tokens", weak, Purpose::Answer, true),
            tokens("weak_output_tokens", weak, Purpose::Answer, false),
            tokens("strong_input_tokens", strong, Purpose::Answer, true),
            tokens("strong_output_tokens", strong, Purpose::Answer, false),
            tokens("distil_input_tokens", strong, Purpose::Distil, true),
            tokens("distil_output_tokens", strong, Purpose::Distil, false),
            tokens("embed_tokens", None, Purpose::Embed, true),
            float("latency_ms", rows().map(Record::latency_ms)),
            text("strategy_scores", rows().map(|r| names(r.strategy_scores.iter().map(|score| score.name())))),
            text("strategy_kept", rows().map(|r| r.kept.map(|kept| kept.name().to_owned()))),
            text("weak_score_strict", rows().map(|r| r.weak.as_ref().map(|weak| weak.strict.name().to_owned()))),
            text("refused", rows().map(|r| names(r.refused.iter().filter_map(|level| LEVELS.get(*level).copied())))),
            noted("weak_cut", 0, |noted| noted.finish == Finish::Length),
            noted("strong_cut", 1, |noted| noted.finish == Finish::Length),
            noted("weak_empty", 0, |noted| noted.empty),
            noted("strong_empty", 1, |noted| noted.empty),
        ],
    )
}

fn joined(record: &Record) -> String {
    names(record.strategies_used.iter().map(|id| &*id.0))
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(";")
}

fn calls_table(name: &'static str, records: &[Record]) -> Result<Table> {
    let rows = || records.iter().flat_map(|record| record.calls.iter().map(move |call| (record, call)));
    let noted = || rows().map(|(_, call)| call.noted.as_ref());
    Table::new(
        name,
        vec![
            text("dataset", rows().map(|(r, _)| r.cell.dataset.to_string())),
            text("item_id", rows().map(|(r, _)| r.item_id.to_string())),
            text("arm", rows().map(|(r, _)| r.cell.arm.to_string())),
            int("order", rows().map(|(r, _)| r.cell.order)),
            float("threshold", rows().map(|(r, _)| r.cell.threshold)),
            optional_int("level", rows().map(|(_, call)| call.level)),
            text("model", rows().map(|(_, call)| call.model.to_string())),
            text("purpose", rows().map(|(_, call)| call.purpose.name().to_owned())),
            int("input_tokens", rows().map(|(_, call)| call.usage.input)),
            int("cached_input_tokens", rows().map(|(_, call)| call.usage.cached_input)),
            int("output_tokens", rows().map(|(_, call)| call.usage.output)),
            float("confidence", rows().map(|(_, call)| call.confidence.map(Confidence::value))),
            float("latency_ms", rows().map(|(_, call)| call.latency_ms)),
            flag("journal_hit", rows().map(|(_, call)| call.journal_hit)),
            text("answered_by", rows().map(|(_, call)| call.answered_by.as_deref().map(str::to_owned))),
            text("journal_key", rows().map(|(_, call)| call.journal_key.map(|key| key.to_string()))),
            float("recorded_fee_usd", rows().map(|(_, call)| call.recorded_fee_usd)),
            text("finish", noted().map(|noted| noted.map(|noted| noted.end().to_owned()))),
            optional_flag("empty", noted().map(|noted| noted.map(|noted| noted.empty))),
            optional_flag("estimated", noted().map(|noted| noted.map(|noted| noted.estimated))),
            text("notes", noted().map(|noted| noted.map(Noted::notes).filter(|notes| !notes.is_empty()))),
        ],
    )
}
