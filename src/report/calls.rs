//! The table `calls`, one row per call, or part of a call, of each record: the list of its columns, and the
//! construction of a call from a row.

use std::path::Path;

use anyhow::{Result, anyhow};

use super::records::{RecordKey, arm};
use super::rows::{Column, Rows, count, read, set, written};
use super::table::Table;
use crate::types::arm::Arm;
use crate::types::chat::{CallKey, Usage};
use crate::types::confidence::Confidence;
use crate::types::level::Level;
use crate::types::noted::AnswerNotes;
use crate::types::record::{Call, Purpose, Record};

/// A column of `calls`; a row is written from a record and one of its calls.
type Of = Column<Record, Call, Draft>;

/// The columns. To add one, append a line here and, if the column is read back, a field in [`Draft`].
static COLUMNS: [Of; 23] = [
    Of::text("dataset", |r, _| Some(r.cell.dataset.to_string()), |_, _| Ok(())).derived(),
    Of::text("item_id", |r, _| Some(r.item_id.to_string()), |d, id| set(&mut d.item, id.to_owned())).filled(),
    Of::text("arm", |r, _| Some(r.cell.arm.to_string()), |d, name| set(&mut d.arm, Some(arm(name)?))).filled(),
    Of::count("order", |r, _| count(r.cell.order), |d, order| set(&mut d.order, order)).essential(),
    Of::float("threshold", |r, _| r.cell.threshold, |d, lambda| set(&mut d.threshold, Some(lambda))).essential(),
    Of::count("level", |_, call| count(call.level?.index()), |d, index| set(&mut d.level, Some(Level::at(index))))
        .essential(),
    Of::text("model", |_, call| Some(call.model.to_string()), |d, name| set(&mut d.model, name.to_owned())).filled(),
    Of::text(
        "purpose",
        |_, call| Some(call.purpose.name().to_owned()),
        |d, name| set(&mut d.purpose, Some(purpose(name)?)),
    )
    .filled(),
    Of::count("input_tokens", |_, call| Some(call.usage.input), |d, n| set(&mut d.usage.input, n as u64)).essential(),
    Of::count(
        "cached_input_tokens",
        |_, call| Some(call.usage.cached_input),
        |d, n| set(&mut d.usage.cached_input, n as u64),
    )
    .with_figures("fees of models with a price for cached tokens")
    .paired_with("model"),
    Of::count("output_tokens", |_, call| Some(call.usage.output), |d, n| set(&mut d.usage.output, n as u64))
        .essential(),
    Of::float(
        "confidence",
        |_, call| Some(call.confidence?.value()),
        |d, value| set(&mut d.confidence, Some(Confidence::new(value)?)),
    )
    .with_figures("calibration, reliability and accuracy over coverage"),
    Of::float(
        "latency_ms",
        |_, call| Some(call.latency_ms).filter(|_| !call.is_batched()),
        |d, ms| set(&mut d.latency_ms, ms),
    )
    .with_figures("times")
    .paired_with("model"),
    Of::flag("journal_hit", |_, call| call.journal_hit, |d, hit| set(&mut d.journal_hit, hit)).paired_with("model"),
    Of::text(
        "answered_by",
        |_, call| Some(call.answered_by.as_ref()?.to_string()),
        |d, name| set(&mut d.answered_by, Some(name.to_owned())),
    ),
    Of::text(
        "journal_key",
        |_, call| Some(call.journal_key?.to_string()),
        |d, key| set(&mut d.journal_key, Some(key.parse()?)),
    ),
    Of::float("recorded_fee_usd", |_, call| call.recorded_fee_usd, |d, fee| set(&mut d.recorded_fee_usd, Some(fee)))
        .with_figures("fees that were recorded with the answers"),
    Of::text(
        "finish",
        |_, call| Some(call.noted.as_ref()?.end().to_owned()),
        |d, end| set(&mut d.end, Some(end.to_owned())),
    )
    .with_figures("how answers ended")
    .paired_with("answered_by"),
    // Without `finish` the next columns have no meaning, so only `finish` is reported as missing.
    Of::optional_flag("empty", |_, call| Some(call.noted.as_ref()?.empty), |d, empty| set(&mut d.empty, empty)).later(),
    Of::optional_flag("estimated", |_, call| Some(call.noted.as_ref()?.estimated), |d, is| set(&mut d.estimated, is))
        .later(),
    Of::text(
        "notes",
        |_, call| call.noted.as_ref().map(AnswerNotes::notes).filter(|notes| !notes.is_empty()),
        |d, notes| set(&mut d.notes, notes.to_owned()),
    )
    .later(),
    Of::text(
        "server",
        |_, call| Some(call.server.as_ref()?.to_string()),
        |d, server| set(&mut d.server, Some(server.to_owned())),
    )
    .later(),
    Of::optional_flag("batched", |_, call| Some(call.noted.as_ref()?.batched), |d, is| set(&mut d.batched, is)).later(),
];

/// A row that was read, before its call is constructed.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column")]
struct Draft {
    item: String,
    arm: Option<Arm>,
    order: usize,
    threshold: Option<f64>,
    level: Option<Level>,
    model: String,
    purpose: Option<Purpose>,
    usage: Usage,
    confidence: Option<Confidence>,
    latency_ms: f64,
    journal_hit: bool,
    answered_by: Option<String>,
    journal_key: Option<CallKey>,
    recorded_fee_usd: Option<f64>,
    end: Option<String>,
    empty: bool,
    estimated: bool,
    notes: String,
    server: Option<String>,
    batched: bool,
}

/// Returns the table of these records' calls.
///
/// # Errors
/// If polars refuses it.
pub(super) fn table(name: &'static str, records: &[Record]) -> Result<Table> {
    let rows = records.iter().flat_map(|record| record.calls.iter().map(move |call| (record, call)));
    let rows: Vec<(&Record, &Call)> = rows.collect();
    written(name, &COLUMNS, &rows)
}

/// Reads the calls in a table, each with the key of the record that it belongs to.
///
/// # Errors
/// If the file cannot be read or does not fit; the error names the file and the column.
pub(super) fn calls(path: &Path, table: &str) -> Result<Rows<(RecordKey, Call)>> {
    let Rows { rows, lacking } = read(path, table, &COLUMNS)?;
    Ok(Rows { rows: rows.into_iter().filter_map(Draft::call).collect(), lacking })
}

impl Draft {
    /// Returns the call. `None` without an arm or a purpose, which every row has.
    fn call(self) -> Option<(RecordKey, Call)> {
        let read = |end| AnswerNotes::read(end, self.empty, self.estimated, &self.notes);
        let noted = self.end.as_deref().map(|end| AnswerNotes { batched: self.batched, ..read(end) });
        let call = Call {
            level: self.level,
            model: self.model.into(),
            purpose: self.purpose?,
            usage: self.usage,
            confidence: self.confidence,
            latency_ms: self.latency_ms,
            answered_by: self.answered_by.map(Into::into),
            journal_key: self.journal_key,
            journal_hit: self.journal_hit,
            recorded_fee_usd: self.recorded_fee_usd,
            noted,
            server: self.server.map(Into::into),
        };
        Some((RecordKey::new(self.item, self.arm?, self.order, self.threshold), call))
    }
}

fn purpose(name: &str) -> Result<Purpose> {
    let found = Purpose::ALL.into_iter().find(|purpose| purpose.name() == name);
    found.ok_or_else(|| anyhow!("unknown purpose `{name}`"))
}
