//! The time that the calls of a journal took.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::schema::MADE;
use super::{cannot_read, opened};

/// What calls took, by the clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Elapsed {
    /// Calls.
    pub calls: u64,
    /// The seconds in which at least one of them was in flight.
    pub seconds: f64,
    /// The last of these, in seconds since 1970.
    until: f64,
}

impl Elapsed {
    /// Counts a call of so many seconds, in the order of their beginnings; one whose end is not known stands for itself.
    fn count(&mut self, seconds: f64, end: Option<f64>) {
        self.calls += 1;
        self.seconds += match end {
            Some(end) => (end - self.until.max(end - seconds)).max(0.0),
            None => seconds,
        };
        self.until = self.until.max(end.unwrap_or(0.0));
    }

    /// Counts calls of another time too.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.seconds += other.seconds;
    }

    /// The seconds that so many calls take at this pace.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a number of calls")]
    pub fn seconds_for(&self, calls: usize) -> f64 {
        self.seconds / self.calls as f64 * calls as f64
    }
}

/// The time that the calls of a journal took, all together and by model: of a journal, an export, or a folder of parts. When
/// an imported call was made is not known: each counts as if alone.
///
/// # Errors
/// Names the file that is no journal or was changed after its export.
pub fn times(path: &Path) -> Result<(Elapsed, BTreeMap<String, Elapsed>)> {
    let mut calls: Vec<(f64, String, f64, Option<f64>)> = Vec::new();
    for (part, connection) in opened(path)? {
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = connection.prepare(&format!(
                "SELECT made - seconds, model, seconds, {MADE} FROM (SELECT *, response ->> '$.latency_ms' / 1000.0 AS seconds FROM calls)"
            ))?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            rows.into_iter().try_for_each(|row| row.map(|row| calls.push(row)))
        };
        read().with_context(|| cannot_read(&part))?;
    }
    calls.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
    let (mut all, mut models) = (Elapsed::default(), BTreeMap::<String, Elapsed>::new());
    for (_, model, seconds, end) in calls {
        all.count(seconds, end);
        models.entry(model).or_default().count(seconds, end);
    }
    Ok((all, models))
}
