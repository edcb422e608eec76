//! What is only seen of a whole file: keys that count from one, options with equal texts, and questions that their own
//! file calls bad.

use std::collections::{BTreeMap, HashSet};

use super::fault::Fault;
use crate::tables::Place;

/// A column of keys without a 0 is refused if that many keys counted from 0 would have one with this probability at least.
const SURE: f64 = 0.99;
/// A reader is told of it from this probability on.
const LIKELY: f64 = 0.7;

/// What the rows of a file have shown so far.
#[derive(Debug)]
pub(super) struct FileSurvey {
    /// Keys that are numbers counted from 0.
    keys: usize,
    /// The first of them.
    first: Option<Place>,
    /// Whether one of them is 0.
    zero: bool,
    /// The first that is as great as the number of options, and how many are.
    past: Option<(Place, usize)>,
    /// The probability that none of the keys is 0, if each option is right as often as every other.
    chance: f64,
    /// The first row with two options of one text, how many there are, and in how many the right one is among them.
    equal: Option<(Place, usize, usize)>,
    /// Rows by what their file says is wrong with them: how many, and how many of them have another key for it.
    errors: BTreeMap<String, (usize, usize)>,
}

impl Default for FileSurvey {
    fn default() -> Self {
        Self { keys: 0, first: None, zero: false, past: None, chance: 1.0, equal: None, errors: BTreeMap::new() }
    }
}

impl FileSurvey {
    /// Notes a key that counts from 0, of so many options.
    #[expect(clippy::cast_precision_loss, reason = "a number of options")]
    pub(super) fn key(&mut self, place: Place, key: usize, options: usize) {
        self.keys += 1;
        self.first.get_or_insert(place);
        self.zero |= key == 0;
        self.chance *= 1.0 - 1.0 / options.max(1) as f64;
        if key == options {
            self.past.get_or_insert((place, 0)).1 += 1;
        }
    }

    /// Notes a question's options, of which `right` is the right one.
    pub(super) fn options(&mut self, place: Place, options: &[String], right: usize) {
        let mut seen = HashSet::new();
        let repeated: HashSet<&str> =
            options.iter().map(|text| text.trim()).filter(|text| !seen.insert(*text)).collect();
        if !repeated.is_empty() {
            let (_, rows, hit) = self.equal.get_or_insert((place, 0, 0));
            *rows += 1;
            *hit += usize::from(options.get(right).is_some_and(|text| repeated.contains(text.trim())));
        }
    }

    /// Notes what a file says is wrong with a row, and whether the row names another key.
    pub(super) fn error(&mut self, what: &str, corrected: bool) {
        let (rows, with_key) = self.errors.entry(what.to_owned()).or_default();
        *rows += 1;
        *with_key += usize::from(corrected);
    }

    /// That the keys of a file count from one, if the whole column says so.
    pub(super) fn fault(&self) -> Option<Fault> {
        if self.zero || self.keys < 2 {
            return None;
        }
        let what = match self.past {
            Some((_, rows)) => format!("{rows} are as great as the number of options"),
            None if self.chance < 1.0 - SURE => "none of so many would be by chance".to_owned(),
            None => return None,
        };
        let place = self.past.map(|(place, _)| place).or(self.first)?;
        let what = format!(
            "none of the file's {} numbers is 0, and {what}: they seem to count from 1, and here 0 is the first option; take \
             1 off each, or write letters",
            self.keys
        );
        Some(Fault { place, field: Some("answer".to_owned()), what })
    }

    /// What a reader of the file must know.
    pub(super) fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if !self.zero && self.chance < 1.0 - LIKELY && self.fault().is_none() {
            notices.push(format!(
                "none of the {} answers that are numbers is 0; they are taken to count from 0: if they count from 1, take 1 off each",
                self.keys
            ));
        }
        if let Some((place, rows, hit)) = self.equal {
            notices.push(format!(
                "{rows} questions have two options of one text (the first: {place}); in {hit} of them it is the right one, and only \
                 one of the two letters counts as right"
            ));
        }
        if !self.errors.is_empty() {
            let told = self.errors.iter().map(|(what, (rows, with_key))| match with_key {
                0 => format!("{rows} {what}"),
                _ => format!("{rows} {what} ({with_key} graded by `correct_answer`)"),
            });
            notices.push(format!(
                "rows whose error_type says that the question is bad are kept: {}; those without a readable `correct_answer` are \
                 graded by `answer`: take them out of the file if they are not to count",
                told.collect::<Vec<_>>().join(", ")
            ));
        }
        notices
    }
}
