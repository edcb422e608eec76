//! The tables of a run, and both their forms: CSV and parquet with the same columns and rows. Columns that need the
//! statistics of resampling are there and empty.

use anyhow::Result;
use polars::prelude::{Column, CsvWriter, DataFrame, NamedFrom, ParquetWriter, SerWriter, Series};

use crate::analysis::metrics::{
    Prices, Slice, baseline, change_percent, correct, fee_rows, paired, slices, strong_calls_change,
};
use crate::analysis::price::Fee;
use crate::types::record::{CellKey, Purpose, Record};

/// One table under its file name.
pub struct Table {
    /// File name without ending.
    pub name: &'static str,
    /// The rows.
    pub frame: DataFrame,
}

impl Table {
    fn new(name: &'static str, columns: Vec<Column>) -> Result<Self> {
        Ok(Self { name, frame: DataFrame::new_infer_height(columns)? })
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

/// All tables of a run.
///
/// # Errors
/// Where polars refuses a table.
pub fn all(records: &[Record], prices: &Prices) -> Result<Vec<Table>> {
    Ok(vec![
        records_table(records)?,
        calls_table(records)?,
        accuracy_table(records)?,
        strong_calls_table(records)?,
        fees_table(records, prices)?,
    ])
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

fn level(name: &str, values: impl Iterator<Item = Option<usize>>) -> Column {
    let values: Vec<Option<i64>> = values.map(|level| i64::try_from(level?).ok()).collect();
    Series::new(name.into(), values).into()
}

fn flag(name: &str, values: impl Iterator<Item = bool>) -> Column {
    let values: Vec<bool> = values.collect();
    Series::new(name.into(), values).into()
}

/// A column that is not computed yet.
fn empty(name: &str, rows: usize) -> Column {
    float(name, (0..rows).map(|_| None))
}

fn records_table(records: &[Record]) -> Result<Table> {
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
    Table::new(
        "records",
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
            float("confidence", rows().map(|r| r.weak.as_ref().and_then(|weak| weak.confidence))),
            flag("deferred", rows().map(|r| r.deferred)),
            level("answering_level", rows().map(|r| r.answering_level)),
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
        ],
    )
}

fn joined(record: &Record) -> String {
    names(record.strategies_used.iter().map(|id| &*id.0))
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(";")
}

fn calls_table(records: &[Record]) -> Result<Table> {
    let rows = || records.iter().flat_map(|record| record.calls.iter().map(move |call| (record, call)));
    Table::new(
        "calls",
        vec![
            text("dataset", rows().map(|(r, _)| r.cell.dataset.to_string())),
            text("item_id", rows().map(|(r, _)| r.item_id.to_string())),
            text("arm", rows().map(|(r, _)| r.cell.arm.to_string())),
            int("order", rows().map(|(r, _)| r.cell.order)),
            float("threshold", rows().map(|(r, _)| r.cell.threshold)),
            level("level", rows().map(|(_, call)| call.level)),
            text("model", rows().map(|(_, call)| call.model.to_string())),
            text("purpose", rows().map(|(_, call)| call.purpose.name().to_owned())),
            int("input_tokens", rows().map(|(_, call)| call.usage.input)),
            int("cached_input_tokens", rows().map(|(_, call)| call.usage.cached_input)),
            int("output_tokens", rows().map(|(_, call)| call.usage.output)),
            float("confidence", rows().map(|(_, call)| call.confidence)),
            float("latency_ms", rows().map(|(_, call)| call.latency_ms)),
            flag("journal_hit", rows().map(|(_, call)| call.journal_hit)),
            text("answered_by", rows().map(|(_, call)| call.answered_by.as_deref().map(str::to_owned))),
            text("journal_key", rows().map(|(_, call)| call.journal_key.map(|key| key.to_string()))),
        ],
    )
}

fn head<'a>(cells: impl Iterator<Item = &'a CellKey> + Clone) -> Vec<Column> {
    vec![
        text("dataset", cells.clone().map(|cell| cell.dataset.to_string())),
        text("arm", cells.clone().map(|cell| cell.arm.to_string())),
        float("threshold", cells.map(|cell| cell.threshold)),
    ]
}

fn accuracy_table(records: &[Record]) -> Result<Table> {
    let slices = slices(records);
    let rows = || slices.iter();
    let change = |slice| paired(slice, baseline(&slices, slice)?, correct).map(|e| e.mean * 100.0);
    let mut columns = head(rows().map(|slice| slice.cell));
    columns.extend([
        int("orders", rows().map(|slice| slice.orders)),
        int("n", rows().map(|slice| slice.n)),
        float("accuracy", rows().map(Slice::accuracy)),
        empty("accuracy_low", slices.len()),
        empty("accuracy_high", slices.len()),
        float("weak_accuracy", rows().map(Slice::weak_accuracy)),
        float("accepted_accuracy", rows().map(Slice::accepted_accuracy)),
        float("coverage", rows().map(Slice::coverage)),
        float("no_answer", rows().map(Slice::no_answer)),
        float("change_vs_cascade_pp", rows().map(change)),
        empty("change_low_pp", slices.len()),
        empty("change_high_pp", slices.len()),
        empty("p_value", slices.len()),
    ]);
    Table::new("accuracy", columns)
}

fn strong_calls_table(records: &[Record]) -> Result<Table> {
    let slices = slices(records);
    let rows = || slices.iter();
    let mut columns = head(rows().map(|slice| slice.cell));
    columns.extend([
        int("orders", rows().map(|slice| slice.orders)),
        int("n", rows().map(|slice| slice.n)),
        int("strong_calls", rows().map(Slice::strong_calls)),
        float("strong_call_rate", rows().map(|slice| 1.0 - slice.coverage())),
        float("change_vs_cascade_percent", rows().map(|slice| strong_calls_change(slice, baseline(&slices, slice)?))),
        empty("change_low_percent", slices.len()),
        empty("change_high_percent", slices.len()),
        empty("p_value", slices.len()),
        int("strong_calls_all", rows().map(Slice::strong_calls_all)),
    ]);
    Table::new("strong_calls", columns)
}

fn fees_table(records: &[Record], prices: &Prices) -> Result<Table> {
    let slices = slices(records);
    let mut rows = Vec::new();
    for slice in &slices {
        let base = baseline(&slices, slice).map(|base| fee_rows(base, prices)).unwrap_or_default();
        for row in fee_rows(slice, prices) {
            let same = base.iter().find(|other| other.model == row.model && other.purpose == row.purpose);
            let change = same.and_then(|same| change_percent(row.fee?.usd(), same.fee?.usd()));
            rows.push((slice.cell, row, change));
        }
    }
    let each = || rows.iter();
    let mut columns = head(each().map(|(cell, _, _)| *cell));
    columns.extend([
        text("model", each().map(|(_, row, _)| row.model.clone())),
        text("purpose", each().map(|(_, row, _)| row.purpose.map_or("total", Purpose::name).to_owned())),
        int("calls", each().map(|(_, row, _)| row.calls)),
        int("input_tokens", each().map(|(_, row, _)| row.usage.input)),
        int("cached_input_tokens", each().map(|(_, row, _)| row.usage.cached_input)),
        int("output_tokens", each().map(|(_, row, _)| row.usage.output)),
        float("fee_usd", each().map(|(_, row, _)| row.fee.map(Fee::usd))),
        float("change_vs_cascade_percent", each().map(|(_, _, change)| *change)),
        empty("change_low_percent", rows.len()),
        empty("change_high_percent", rows.len()),
    ]);
    Table::new("fees", columns)
}
