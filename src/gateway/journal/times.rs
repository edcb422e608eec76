//! Elapsed time of the calls in a journal.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::schema::MADE;
use super::{cannot_read, opened};

/// Elapsed time of some calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Elapsed {
    /// Number of calls.
    pub calls: u64,
    /// Seconds during which at least one of the calls was in flight.
    pub seconds: f64,
    /// End of the last call so far, in seconds since 1970.
    until: f64,
}

impl Elapsed {
    /// Counts a call of `seconds`. Calls must come in the order of their beginnings. A call whose end is not known
    /// counts its whole length.
    fn count(&mut self, seconds: f64, end: Option<f64>) {
        self.calls += 1;
        self.seconds += match end {
            Some(end) => (end - self.until.max(end - seconds)).max(0.0),
            None => seconds,
        };
        self.until = self.until.max(end.unwrap_or(0.0));
    }

    /// Adds calls of another, disjoint period.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.seconds += other.seconds;
    }

    /// Extrapolates the seconds for `calls` calls at this pace.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a number of calls")]
    pub fn seconds_for(&self, calls: usize) -> f64 {
        self.seconds / self.calls as f64 * calls as f64
    }
}

/// Returns the elapsed time of the calls of a journal, an export, or a folder of parts: of all calls, and by the
/// model's name. The time at which a copied call was made is not known, so it counts its whole length.
///
/// # Errors
/// Names the file that is not a journal or was changed after its export.
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
