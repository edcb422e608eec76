//! Observations about a whole file: keys that count from one, options with equal texts, and questions that the file
//! marks as bad.

use std::collections::{BTreeMap, HashSet};

use super::fault::Fault;
use crate::tables::Location;

/// A column of keys without a 0 is rejected if keys counted from 0 would contain a 0 with at least this
/// probability.
const REJECT_FROM: f64 = 0.99;
/// A column of keys without a 0 causes a notice from this probability on.
const NOTICE_FROM: f64 = 0.7;

/// Observations on the rows of a file so far.
#[derive(Debug)]
pub(super) struct FileObservations {
    /// Number of keys that are numbers counted from 0.
    keys: usize,
    /// Location of the first of these keys.
    first: Option<Location>,
    /// True if one of these keys is 0.
    zero: bool,
    /// Location of the first key that equals the number of options, and the number of such keys.
    past: Option<(Location, usize)>,
    /// Probability that none of the keys is 0, if each option is right equally often.
    chance: f64,
    /// Location of the first row with two options of equal text, the number of such rows, and of those with the
    /// right option among the equal ones.
    equal: Option<(Location, usize, usize)>,
    /// For each error that the file marks: the number of rows, and of rows with a corrected key.
    errors: BTreeMap<String, (usize, usize)>,
}

impl Default for FileObservations {
    fn default() -> Self {
        Self { keys: 0, first: None, zero: false, past: None, chance: 1.0, equal: None, errors: BTreeMap::new() }
    }
}

impl FileObservations {
    /// Records a key that counts from 0, of a question with this number of options.
    #[expect(clippy::cast_precision_loss, reason = "a number of options")]
    pub(super) fn key(&mut self, location: Location, key: usize, options: usize) {
        self.keys += 1;
        self.first.get_or_insert(location);
        self.zero |= key == 0;
        self.chance *= 1.0 - 1.0 / options.max(1) as f64;
        if key == options {
            self.past.get_or_insert((location, 0)).1 += 1;
        }
    }

    /// Records a question's options, of which `right` is the index of the right one.
    pub(super) fn options(&mut self, location: Location, options: &[String], right: usize) {
        let mut seen = HashSet::new();
        let repeated: HashSet<&str> =
            options.iter().map(|text| text.trim()).filter(|text| !seen.insert(*text)).collect();
        if !repeated.is_empty() {
            let (_, rows, hit) = self.equal.get_or_insert((location, 0, 0));
            *rows += 1;
            *hit += usize::from(options.get(right).is_some_and(|text| repeated.contains(text.trim())));
        }
    }

    /// Records the error that a file marks in a row, and if the row has a corrected key.
    pub(super) fn error(&mut self, what: &str, corrected: bool) {
        let (rows, with_key) = self.errors.entry(what.to_owned()).or_default();
        *rows += 1;
        *with_key += usize::from(corrected);
    }

    /// Returns the fault that the keys of a file count from one, if the whole column indicates it.
    pub(super) fn fault(&self) -> Option<Fault> {
        if self.zero || self.keys < 2 {
            return None;
        }
        let what = match self.past {
            Some((_, rows)) => format!("{rows} equal the number of options"),
            None if self.chance < 1.0 - REJECT_FROM => "this is not by chance".to_owned(),
            None => return None,
        };
        let location = self.past.map(|(location, _)| location).or(self.first)?;
        let what = format!(
            "none of the file's {} numbers is 0, and {what}: they seem to count from 1, but 0 must be the first option. Subtract \
             1 from each, or write letters",
            self.keys
        );
        Some(Fault { location, field: Some("answer".to_owned()), what })
    }

    /// Returns the notices about the file.
    pub(super) fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if !self.zero && self.chance < 1.0 - NOTICE_FROM && self.fault().is_none() {
            notices.push(format!(
                "none of the {} answers that are numbers is 0, and they are read as counted from 0. If they count from 1, subtract 1 from each",
                self.keys
            ));
        }
        if let Some((location, rows, hit)) = self.equal {
            notices.push(format!(
                "{rows} questions have two options with equal text (the first: {location}); in {hit} of them this text is the right option, but only \
                 one of the two letters counts as correct"
            ));
        }
        if !self.errors.is_empty() {
            let counts = self.errors.iter().map(|(what, (rows, with_key))| match with_key {
                0 => format!("{rows} {what}"),
                _ => format!("{rows} {what} ({with_key} graded by `correct_answer`)"),
            });
            notices.push(format!(
                "rows whose error_type marks the question as bad are used: {}; rows without a readable `correct_answer` are \
                 graded by `answer`. Remove them from the file if they must not count",
                counts.collect::<Vec<_>>().join(", ")
            ));
        }
        notices
    }
}
