//! Share of a learning arm's gain that its control with random strategies reaches too: the part that comes from the
//! form of the prompt.

use super::changes::RESAMPLES;
use super::fees::item_fee;
use super::{Comparison, ItemOutcome, Slice};
use crate::analysis::stats::{Draws, Estimate, Units};

/// The smallest gain. A smaller one is rounding.
const LEAST: f64 = 1e-12;

/// Gains for which the control's share is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// Gain of the weak level's accuracy.
    WeakAccuracy,
    /// Gain of the accuracy.
    Accuracy,
    /// Gain of the coverage.
    Coverage,
    /// Reduction of strong calls.
    StrongCalls,
    /// Reduction of strong calls, distillation included.
    StrongRequests,
    /// Reduction of the fee.
    Fee,
}

impl Gain {
    /// Contribution of one item to the gain. `None` without a price.
    fn of(self, outcome: ItemOutcome, comparison: &Comparison) -> Option<f64> {
        let one = |is: bool| f64::from(u8::from(is));
        Some(match self {
            Self::WeakAccuracy => one(outcome.weak_correct()),
            Self::Accuracy => one(outcome.correct()),
            Self::Coverage => one(!outcome.deferred()),
            Self::StrongCalls => -one(outcome.deferred()),
            Self::StrongRequests => -f64::from(u32::try_from(outcome.strong_calls_all()).ok()?),
            Self::Fee => -item_fee(outcome, None, comparison.prices)?,
        })
    }
}

/// Computes the control's gain as a share of the arm's, both against the cascade `base`, with its BCa interval over
/// groups. `None` if the arm gains nothing, or without prices. No interval if the arm gains nothing on more than 1 %
/// of the resamples.
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
    // The fee of calibrating thresholds belongs to no item.
    let apart = match gain {
        Gain::Fee => {
            let calibration = |slice| comparison.calibration_fee(slice, None);
            [calibration(base) - calibration(control), calibration(base) - calibration(arm)]
        }
        _ => [0.0; 2],
    };
    let figure = |[control, own]: [f64; 2]| {
        let (control, own) = (control + apart[0], own + apart[1]);
        (own >= LEAST).then(|| control / own)
    };
    units.bca(Draws { seed: comparison.seed, labels: &["control", arm.cell.arm.name()], count: RESAMPLES }, figure)
}
