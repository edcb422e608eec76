//! A gate told from a calibration set: the records of its items, the threshold, and what can be said for it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::analysis::calibration::{Grid, Guarantee, Outcome, calibrate};
use crate::analysis::recalibration::{Recalibration, isotonic, platt};
use crate::analysis::reliability::Judged;
use crate::types::record::{Record, Score};

/// What makes a probability of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recalibrate {
    /// A logistic curve.
    Platt,
    /// A non-decreasing step curve.
    Isotonic,
}

/// What is asked of a calibration set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// The guarantee; none: only the recalibration is fitted, and the threshold stands in the config.
    pub guarantee: Option<(Guarantee, Grid)>,
    /// The recalibration; none: scores stand.
    pub recalibrate: Option<Recalibrate>,
}

/// The gate of one arm, told from items that no stream holds.
#[derive(Debug, Clone)]
pub struct Calibrated {
    /// The arm's name.
    pub arm: String,
    /// The calibration items' records, in the order in which they were drawn. Arms share them where the weak level
    /// answered without strategies.
    pub records: Arc<[Record]>,
    /// Whether the records are of this arm itself, strategies included.
    pub own: bool,
    /// What was asked.
    pub wanted: Wanted,
    /// What the first half of the items makes of a score; the threshold then comes from the second half alone.
    pub recalibration: Option<Recalibration>,
    /// What the items say of the threshold; none where it stands in the config.
    pub outcome: Option<Outcome>,
}

impl Calibrated {
    /// Tells the gate of `arm`.
    #[must_use]
    pub fn new(arm: &str, records: Arc<[Record]>, own: bool, wanted: Wanted) -> Self {
        let answers = judged(&records);
        let (fitted_on, told_from) = match (wanted.recalibrate, wanted.guarantee) {
            (None, _) => (&[][..], &answers[..]),
            (Some(_), None) => (&answers[..], &[][..]),
            (Some(_), Some(_)) => answers.split_at(answers.len() / 2),
        };
        let recalibration = wanted.recalibrate.and_then(|method| match method {
            Recalibrate::Platt => platt(fitted_on),
            Recalibrate::Isotonic => isotonic(fitted_on),
        });
        let mapped = |answer: &Judged| Judged {
            confidence: recalibration.as_ref().map_or(answer.confidence, |map| map.apply(answer.confidence)),
            ..*answer
        };
        let told_from: Vec<Judged> = told_from.iter().map(mapped).collect();
        let outcome = wanted.guarantee.map(|(guarantee, grid)| calibrate(&told_from, grid, guarantee));
        Self { arm: arm.to_owned(), records, own, wanted, recalibration, outcome }
    }

    /// λ: infinite where nothing was certified, so that everything is deferred; none where the config has it.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        self.outcome.map(|outcome| outcome.threshold().unwrap_or(f64::INFINITY))
    }

    /// The number of items that the threshold is told from.
    #[must_use]
    pub fn told_from(&self) -> usize {
        self.records.len() - if self.wanted.recalibrate.is_some() { self.records.len() / 2 } else { 0 }
    }
}

/// The weak level's score of each record, and whether its answer is right.
fn judged(records: &[Record]) -> Vec<Judged> {
    let judged = |record: &Record| {
        let weak = record.weak.as_ref()?;
        Some(Judged { confidence: weak.confidence?, right: weak.graded.score == Score::Correct })
    };
    records.iter().filter_map(judged).collect()
}
