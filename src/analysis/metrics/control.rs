//! How much of a learning arm's gain its control with random strategies has too: what the form of the prompt gives.

use super::changes::RESAMPLES;
use super::fees::item_fee;
use super::{Comparison, ItemOutcome, Slice};
use crate::analysis::stats::{Draws, Estimate, Units};

/// A gain below the smallest amount of money is rounding.
const LEAST: f64 = 1e-12;

/// Gains of which the control's share is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// Of the weak level's accuracy.
    WeakAccuracy,
    /// Of the accuracy.
    Accuracy,
    /// Of the coverage.
    Coverage,
    /// Strong calls spared.
    StrongCalls,
    /// Requests of the strong level spared.
    StrongRequests,
    /// Of the fee, what is spared.
    Fee,
}

impl Gain {
    /// What an item adds to the gain. None without a price.
    fn of(self, taken: ItemOutcome, comparison: &Comparison) -> Option<f64> {
        let one = |is: bool| f64::from(u8::from(is));
        Some(match self {
            Self::WeakAccuracy => one(taken.weak_correct()),
            Self::Accuracy => one(taken.correct()),
            Self::Coverage => one(!taken.deferred()),
            Self::StrongCalls => -one(taken.deferred()),
            Self::StrongRequests => -f64::from(u32::try_from(taken.strong_calls_all()).ok()?),
            Self::Fee => -item_fee(taken, None, comparison.prices)?,
        })
    }
}

/// The control's gain as a share of the arm's, both against the cascade `base`, with its BCa interval over groups. None if the arm
/// gains nothing, or without prices; no interval if the arm gains nothing on more than 1 % of the resamples.
#[must_use]
pub fn share(comparison: &Comparison, gain: Gain, arm: &Slice, control: &Slice, base: &Slice) -> Option<Estimate> {
    let differences = |slice: &Slice| {
        let pairs = slice.paired(base).into_iter();
        let rows = pairs.map(|(one, other)| {
            Some((one.group().to_owned(), gain.of(one, comparison)? - gain.of(other, comparison)?))
        });
        rows.collect::<Option<Vec<(String, f64)>>>()
    };
    let own = differences(arm)?.into_iter().map(|(group, gain)| (group, [0.0, gain]));
    let controls = differences(control)?.into_iter().map(|(group, gain)| (group, [gain, 0.0]));
    let units = Units::by_group(own.chain(controls)).contributing(|[_, own]| own != 0.0);
    // What thresholds took is no item's.
    let apart = match gain {
        Gain::Fee => {
            let took = |slice| comparison.calibration_fee(slice, None);
            [took(base) - took(control), took(base) - took(arm)]
        }
        _ => [0.0; 2],
    };
    let figure = |[control, own]: [f64; 2]| {
        let (control, own) = (control + apart[0], own + apart[1]);
        (own >= LEAST).then(|| control / own)
    };
    units.bca(Draws { seed: comparison.seed, labels: &["control", arm.cell.arm.name()], count: RESAMPLES }, figure)
}
