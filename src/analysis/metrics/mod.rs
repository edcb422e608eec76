//! Metrics over records: rates, fees, changes against the cascade with their intervals, and the sources of a learning
//! arm's gain. All metrics are computed from a run's records, so that an old run can gain a new metric or a new price
//! without a call.

pub mod across;
pub mod averaged;
pub mod calibrated;
pub mod changes;
pub mod chosen;
pub mod comparison;
pub mod confidence;
pub mod control;
pub mod ends;
pub mod fees;
pub mod frontier;
pub mod growth;
pub mod judged;
pub mod kinds;
pub mod learning;
pub mod odd_answers;
pub mod operating;
pub mod price_ratio;
pub mod recommendation;
pub mod references;
pub mod selective;
pub mod shortest;
pub mod slices;
pub mod swept;
pub mod windows;

pub use across::{ArmInRun, RunChanges};
pub use calibrated::Calibrated;
pub use changes::{AgainstReference, Changes};
pub use comparison::Comparison;
pub use fees::{FeeRow, Prices, fee_rows};
pub use references::Reference;
pub use slices::{ItemOutcome, Slice, baseline, slices};

use crate::types::arm::Arm;

/// The arm that all others are compared with.
pub const BASELINE: Arm = Arm::Cascade;

/// Returns `part / whole`, or 0 if `whole` is 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of items")]
pub fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;
