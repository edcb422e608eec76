//! Default values for tests. A test sets the fields that it is about and uses these values for the rest.

use std::sync::Arc;

use super::chat::Usage;
use super::item::{Item, ItemId, Target};
use super::level::Level;
use super::record::{Call, CellKey, Graded, Purpose, Record, Score};

/// Item with an empty query and the number 1 as target.
#[must_use]
pub fn item(id: impl Into<ItemId>, group: impl Into<Arc<str>>) -> Item {
    Item {
        id: id.into(),
        group: group.into(),
        query: String::new(),
        options: Vec::new(),
        target: Target::Number("1".into()),
        solution: None,
        subject: None,
    }
}

/// Call at a level, by the model `weak` or `strong`, without tokens.
#[must_use]
pub fn call(level: Level, purpose: Purpose) -> Call {
    Call {
        level: Some(level),
        model: if level == Level::FIRST { "weak".into() } else { "strong".into() },
        purpose,
        usage: Usage::default(),
        confidence: None,
        latency_ms: 1.0,
        answered_by: None,
        journal_key: None,
        journal_hit: false,
        recorded_fee_usd: None,
        noted: None,
        server: None,
    }
}

/// Record without answers of the item at this position of the stream. Id and group of the item are the position.
#[must_use]
pub fn record(cell: &Arc<CellKey>, position: usize) -> Record {
    Record {
        cell: Arc::clone(cell),
        item_id: position.to_string().into(),
        group: position.to_string().into(),
        position,
        strategies_used: Vec::new(),
        strategy_groups: Vec::new(),
        strategy_scores: Vec::new(),
        similarity_max: None,
        levels: Vec::new(),
        deferred: false,
        answering_level: None,
        graded: Graded { answer: None, score: Score::NoAnswer },
        repository_size: 0,
        calls: Vec::new(),
        kept: None,
        refused: Vec::new(),
    }
}
