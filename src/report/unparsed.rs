//! `unparsed.jsonl`: the answers that no extraction rule could read, each once, with their text. They count as wrong;
//! the file lets a person check that. The text of a replayed answer is in its recording and `null` here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;

use crate::gateway::journal::Journal;
use crate::types::chat::CallKey;
use crate::types::level::Level;
use crate::types::record::{Call, Purpose, Record, Score};

/// The file's name.
pub const FILE: &str = "unparsed.jsonl";

/// Returns the lines of the file. Empty if every answer could be read.
///
/// # Errors
/// If the journal cannot be read.
pub async fn lines(records: &[Record], journal: &Journal) -> Result<Vec<u8>> {
    let mut texts = Texts::new();
    for (_, _, key) in each(records) {
        // For a refused answer, the text is the provider's refusal.
        let text = journal.get(&key).await?.map(|response| response.refusal.unwrap_or(response.text));
        texts.insert(key.to_string(), text);
    }
    written(records, &texts)
}

/// Texts of answers by the key of their call. `None` for an answer whose text is in a recording.
pub type Texts = BTreeMap<String, Option<String>>;

/// Returns the lines of the file for these records, with texts that are known. Empty if every answer could be read.
///
/// # Errors
/// If a line cannot be written as JSON.
pub fn written(records: &[Record], texts: &Texts) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for (record, call, key) in each(records) {
        let key = key.to_string();
        let line = json!({
            "item_id": record.item_id, "level": call.level, "model": call.model, "journal_key": key,
            "text": texts.get(&key).cloned().flatten(),
        });
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Reads the texts of a file; empty if there is no file.
///
/// # Errors
/// If the file cannot be read; the error names it.
pub fn texts(path: &Path) -> Result<Texts> {
    #[derive(Deserialize)]
    struct Line {
        journal_key: String,
        text: Option<String>,
    }
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Texts::new()),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let parse = |(number, line): (usize, &str)| {
        let Line { journal_key, text } =
            serde_json::from_str(line).with_context(|| format!("{}: line {}", path.display(), number + 1))?;
        Ok((journal_key, text))
    };
    text.lines().enumerate().map(parse).collect()
}

/// The calls whose answers could not be read, each once, with its first record.
fn each(records: &[Record]) -> impl Iterator<Item = (&Record, &Call, CallKey)> {
    let mut seen = BTreeSet::new();
    let calls = records.iter().flat_map(|record| unread(record).map(move |call| (record, call)));
    calls.filter_map(move |(record, call)| {
        let key = call.journal_key.filter(|key| seen.insert(key.to_string()))?;
        Some((record, call, key))
    })
}

/// The calls of a record whose answers could not be read.
fn unread(record: &Record) -> impl Iterator<Item = &Call> {
    let unread = record.levels.iter().filter(|answer| answer.graded.score == Score::NoAnswer);
    let levels: BTreeSet<Level> = unread.map(|answer| answer.level).collect();
    let answers = record.calls.iter().filter(|call| call.purpose == Purpose::Answer);
    answers.filter(move |call| call.level.is_some_and(|level| levels.contains(&level)))
}
