//! `unparsed.jsonl`: the answers that no extraction rule could read, each once, with their text. They count as wrong;
//! the file lets a person check that. The text of a replayed answer is in its recording and `null` here.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::json;

use crate::gateway::journal::Journal;
use crate::types::level::Level;
use crate::types::record::{Call, Purpose, Record, Score};

/// The file's name.
pub const FILE: &str = "unparsed.jsonl";

/// Returns the lines of the file. Empty if every answer could be read.
///
/// # Errors
/// If the journal cannot be read.
pub async fn lines(records: &[Record], journal: &Journal) -> Result<Vec<u8>> {
    let (mut lines, mut seen) = (Vec::new(), BTreeSet::new());
    for (record, call) in records.iter().flat_map(|record| unread(record).map(move |call| (record, call))) {
        let Some(key) = call.journal_key.filter(|key| seen.insert(key.to_string())) else { continue };
        // For a refused answer, the text is the provider's refusal.
        let text = journal.get(&key).await?.map(|response| response.refusal.unwrap_or(response.text));
        let line = json!({
            "item_id": record.item_id, "level": call.level, "model": call.model, "journal_key": key.to_string(), "text": text,
        });
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// The calls of a record whose answers could not be read.
fn unread(record: &Record) -> impl Iterator<Item = &Call> {
    let unread = record.levels.iter().filter(|answer| answer.graded.score == Score::NoAnswer);
    let levels: BTreeSet<Level> = unread.map(|answer| answer.level).collect();
    let answers = record.calls.iter().filter(|call| call.purpose == Purpose::Answer);
    answers.filter(move |call| call.level.is_some_and(|level| levels.contains(&level)))
}
