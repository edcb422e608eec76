//! Arms, besides the cascade, that all other arms are compared with.

use super::changes::{AgainstReference, relative_changes};
use super::fees::{by_group, item_fee};
use super::{Comparison, ItemOutcome, Slice};
use crate::analysis::stats::Estimate;
use crate::analysis::stats::units::{differ, relative_change};
use crate::types::arm::Arm;
use crate::types::price::Fee;

/// An arm, besides the cascade, that all other arms are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// Strong-only.
    StrongOnly,
    /// The cascade at its separately tuned threshold.
    CascadeTuned,
}

impl Reference {
    /// All references, in the order of reports.
    pub const ALL: [Self; 2] = [Self::StrongOnly, Self::CascadeTuned];

    /// The arm of this reference.
    #[must_use]
    pub fn arm(self) -> Arm {
        match self {
            Self::StrongOnly => Arm::StrongOnly,
            Self::CascadeTuned => Arm::CascadeTuned,
        }
    }

    /// Zero-based index in [`Self::ALL`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::StrongOnly => 0,
            Self::CascadeTuned => 1,
        }
    }
}

impl Comparison<'_> {
    /// Computes the changes of each slice against a reference.
    pub(super) fn changes_against(&self, reference: Reference) -> Vec<Option<AgainstReference>> {
        let Some(base) = self.reference(reference) else { return vec![None; self.slices.len()] };
        let fees = self.fee_changes_against(base);
        let changes = |(slice, fee): (&Slice, Option<Estimate>)| {
            let others = slice.cell != base.cell;
            others.then(|| AgainstReference::between(slice, base, fee, self.seed)).flatten()
        };
        self.slices.iter().zip(fees).map(changes).collect()
    }

    /// Computes the relative change of each slice's fee against the fee of `base`. The fee of calibrating a threshold
    /// enters as a constant.
    fn fee_changes_against(&self, base: &Slice) -> Vec<Option<Estimate>> {
        let mut units = Vec::new();
        let mut changes: Vec<Option<Estimate>> = Vec::new();
        let mut indices = Vec::new();
        for (index, slice) in self.slices.iter().enumerate() {
            let fees = self.fee(slice).zip(self.fee(base));
            let value = fees.and_then(|(own, base)| relative_change([Fee::usd(own), Fee::usd(base)]));
            changes.push(value.map(|value| Estimate::new(value, None)));
            let fee = |outcome: ItemOutcome| item_fee(outcome, None, self.prices);
            let paid = by_group(&slice.paired(base), |one, other| Some([fee(one)?, fee(other)?]));
            if let Some(paid) = paid.filter(|_| value.is_some()) {
                let apart = [slice, base].map(|slice| self.calibration_fee(slice, None));
                units.push((paid.contributing(differ), apart));
                indices.push(index);
            }
        }
        for (index, found) in indices.into_iter().zip(relative_changes(&units, self.seed)) {
            if let Some(change) = &mut changes[index] {
                change.interval = found.and_then(|found| found.interval);
            }
        }
        changes
    }
}
