//! Comparison of every arm with the cascade. All reports are made from it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::BASELINE;
use super::calibrated::{Calibrated, Guaranteed};
use super::changes::{AgainstReference, Changes, RESAMPLES, relative_changes};
use super::confidence::{ConfidenceIntervals, confidence_intervals};
use super::fees::{FeeRow, Prices, by_group, fee_of, fee_rows, item_fee};
use super::price_ratio::Curve;
use super::references::Reference;
use super::shortest::shortest;
use super::slices::{ItemOutcome, Slice, baseline, confidences, make_readable, slices};
use crate::analysis::stats::holm::holm;
use crate::analysis::stats::units::{differ, relative_change};
use crate::analysis::stats::{Draws, Estimate, Interval, Units};
use crate::types::arm::Arm;
use crate::types::price::Fee;
use crate::types::record::{Purpose, Record};
use crate::types::seed::Seed;

/// All arms at all thresholds.
pub struct Comparison<'a> {
    /// The arms at their thresholds.
    pub slices: Vec<Slice<'a>>,
    /// The changes of each slice against its cascade. `None` for the cascade itself, and without a cascade.
    pub changes: Vec<Option<Changes>>,
    /// The fees of each slice.
    fees: Vec<Vec<FeeRow>>,
    /// The relative changes of each slice's fees against its base: first of the total fee, then row by row.
    fee_changes: Vec<Vec<Option<Estimate>>>,
    /// The interval of each slice's accuracy, computed on first use.
    accuracy_intervals: OnceLock<Vec<Option<Interval>>>,
    /// The intervals of the confidence metrics of each slice, computed on first use.
    confidence_intervals: OnceLock<Vec<[ConfidenceIntervals; 2]>>,
    /// The changes of each slice against each reference, computed on first use.
    against: OnceLock<[Vec<Option<AgainstReference>>; Reference::ALL.len()]>,
    /// The fee of each learning arm over the price ratio of the levels, computed on first use.
    pub(super) price_curves: OnceLock<Vec<(usize, Vec<Curve>)>>,
    /// All confidences that a gate compared with a threshold, ascending, collected on first use.
    confidences: OnceLock<Vec<f64>>,
    /// The calibrated gates of arms without a stated λ.
    pub calibrated: &'a [Calibrated],
    /// Prices by model.
    pub prices: &'a Prices,
    /// Seed of the resampling.
    pub seed: Seed,
}

impl<'a> Comparison<'a> {
    /// Compares the arms in the records of a run.
    #[must_use]
    pub fn new(records: &'a [Record], calibrated: &'a [Calibrated], prices: &'a Prices, seed: Seed) -> Self {
        Self::of(slices(records), calibrated, prices, seed)
    }

    /// Compares the arms in the records of a sweep. The cascade at each threshold is derived from weak-only and
    /// strong-only.
    #[must_use]
    pub fn swept(
        records: &'a [Record],
        thresholds: &[f64],
        calibrated: &'a [Calibrated],
        prices: &'a Prices,
        seed: Seed,
    ) -> Self {
        let mut found = slices(records);
        let index = |arm| found.iter().position(|slice| slice.cell.arm == arm);
        if let (Some(weak), Some(strong)) = (index(Arm::WeakOnly), index(Arm::StrongOnly)) {
            let cascades = found[weak].gated(&found[strong], thresholds);
            let after = weak.max(strong) + 1;
            found.splice(after..after, cascades);
        }
        Self::of(found, calibrated, prices, seed)
    }

    /// Compares these slices.
    #[must_use]
    pub fn of(mut slices: Vec<Slice<'a>>, calibrated: &'a [Calibrated], prices: &'a Prices, seed: Seed) -> Self {
        make_readable(&mut slices);
        let change = |slice: &Slice| {
            let base = baseline(&slices, slice).filter(|_| slice.cell.arm != BASELINE)?;
            Changes::between(slice, base, seed)
        };
        let changes = slices.iter().map(change).collect();
        let rows = |slice: &Slice| {
            // An arm without a gate needs no threshold.
            let calibrated = Calibrated::of(calibrated, slice.cell.arm).filter(|_| slice.cell.threshold.is_some());
            fee_rows(slice, calibrated.map_or(&[][..], |calibrated| &calibrated.records), prices)
        };
        let fees = slices.iter().map(rows).collect();
        let mut comparison = Self {
            slices,
            changes,
            fees,
            fee_changes: Vec::new(),
            accuracy_intervals: OnceLock::new(),
            confidence_intervals: OnceLock::new(),
            against: OnceLock::new(),
            price_curves: OnceLock::new(),
            confidences: OnceLock::new(),
            calibrated,
            prices,
            seed,
        };
        comparison.fee_changes = comparison.changes_of_fees();
        comparison
    }

    /// The slices, each with its changes.
    pub fn rows(&self) -> impl Iterator<Item = (&Slice<'a>, Option<&Changes>)> {
        self.slices.iter().zip(self.changes.iter().map(Option::as_ref))
    }

    /// The arms, in the order of their slices.
    #[must_use]
    pub fn arms(&self) -> Vec<Arm> {
        let mut arms = Vec::new();
        for slice in &self.slices {
            if !arms.contains(&slice.cell.arm) {
                arms.push(slice.cell.arm);
            }
        }
        arms
    }

    /// The slices of one arm.
    pub fn of_arm(&self, arm: Arm) -> impl Iterator<Item = (&Slice<'a>, Option<&Changes>)> {
        self.rows().filter(move |(slice, _)| slice.cell.arm == arm)
    }

    /// Returns the cascade that a slice is compared with. `None` for the cascade itself, and without a cascade.
    #[must_use]
    pub fn base(&self, slice: &Slice) -> Option<&Slice<'a>> {
        baseline(&self.slices, slice).filter(|_| slice.cell.arm != BASELINE)
    }

    /// Returns the slice with the weak level's answers to all items without strategies. `None` if no arm calls the
    /// weak level that way.
    #[must_use]
    pub fn untaught(&self) -> Option<&Slice<'a>> {
        let first = |is: fn(Arm) -> bool| self.slices.iter().find(|slice| is(slice.cell.arm));
        first(|arm| matches!(arm, Arm::Cascade | Arm::WeakOnly)).or_else(|| first(|arm| arm == Arm::CascadeTuned))
    }

    /// The only slice of a reference. `None` if the run does not have the arm.
    #[must_use]
    pub fn reference(&self, reference: Reference) -> Option<&Slice<'a>> {
        self.of_arm(reference.arm()).next().map(|(slice, _)| slice)
    }

    /// The changes of each slice against a reference, in the order of the slices. `None` for the reference itself, and
    /// if the run does not have it.
    #[must_use]
    pub fn against(&self, reference: Reference) -> &[Option<AgainstReference>] {
        &self.against.get_or_init(|| Reference::ALL.map(|reference| self.changes_against(reference)))[reference.index()]
    }

    /// The changes of one slice against a reference. `None` for the reference itself, and if the run does not have it.
    #[must_use]
    pub fn of_slice_against(&self, slice: &Slice, reference: Reference) -> Option<AgainstReference> {
        self.against(reference)[self.index_of(slice)?]
    }

    /// The slices of the arms that learn.
    pub fn learners(&self) -> impl Iterator<Item = &Slice<'a>> {
        let learns = |slice: &&Slice| slice.cell.arm.learning().is_some();
        self.slices.iter().filter(learns)
    }

    /// Returns the calibrated gate of an arm. `None` if the config states its λ.
    #[must_use]
    pub fn calibrated(&self, arm: Arm) -> Option<&'a Calibrated> {
        Calibrated::of(self.calibrated, arm)
    }

    /// The fees of a slice, the fee of calibrating its threshold included.
    #[must_use]
    pub fn fees(&self, slice: &Slice) -> &[FeeRow] {
        self.index_of(slice).map_or(&[], |index| &self.fees[index])
    }

    /// The total fee of a slice as if its arm ran alone. `None` if a model has no price.
    #[must_use]
    pub fn fee(&self, slice: &Slice) -> Option<Fee> {
        fee_of(self.fees(slice))
    }

    /// Returns the threshold with the fewest digits that makes the same decisions on all answers of the run, for
    /// display.
    #[must_use]
    pub fn readable(&self, threshold: f64) -> f64 {
        shortest(threshold, self.confidences.get_or_init(|| confidences(&self.slices)))
    }

    /// The interval of each slice's accuracy, in shares and in the order of the slices.
    #[must_use]
    pub fn accuracy_intervals(&self) -> &[Option<Interval>] {
        let interval = |slice: &Slice| {
            let labels = ["own-accuracy", slice.cell.arm.name()];
            slice.accuracy_interval(Draws { seed: self.seed, labels: &labels, count: RESAMPLES })
        };
        self.accuracy_intervals.get_or_init(|| self.slices.iter().map(interval).collect())
    }

    /// The intervals of a slice's confidence metrics over the whole stream.
    #[must_use]
    pub fn confidence_intervals(&self, slice: &Slice) -> ConfidenceIntervals {
        self.all_confidence_intervals(slice)[0]
    }

    /// The intervals of a slice's confidence metrics over the items for which the weak level was called.
    #[must_use]
    pub fn confidence_intervals_asked(&self, slice: &Slice) -> ConfidenceIntervals {
        self.all_confidence_intervals(slice)[1]
    }

    fn all_confidence_intervals(&self, slice: &Slice) -> [ConfidenceIntervals; 2] {
        self.index_of(slice).map_or_else(Default::default, |index| {
            self.confidence_intervals.get_or_init(|| confidence_intervals(&self.slices, self.seed))[index]
        })
    }

    /// Returns the guarantee of a gated slice. `None` if its threshold is stated in the config.
    #[must_use]
    pub fn guaranteed(&self, slice: &Slice) -> Option<Guaranteed> {
        self.calibrated(slice.cell.arm).filter(|_| slice.cell.threshold.is_some())?.guaranteed()
    }

    /// The relative change of the total fee against the base, as a share. The interval covers the sampling of the
    /// stream's items; the fee of calibrating the threshold enters as a constant. `None` for the cascade, without
    /// prices, or if the base pays nothing.
    #[must_use]
    pub fn fee_change(&self, slice: &Slice) -> Option<Estimate> {
        self.index_of(slice).and_then(|index| self.fee_changes[index][0])
    }

    /// The fees of a slice, each with its relative change as a share.
    pub fn fees_with_changes(&self, slice: &Slice) -> impl Iterator<Item = (&FeeRow, Option<Estimate>)> {
        let changes = self.index_of(slice).map_or(&[][..], |index| &self.fee_changes[index][1..]);
        self.fees(slice).iter().zip(changes.iter().copied())
    }

    /// Fee in USD of calibrating a slice's threshold, for one model or for all.
    pub(super) fn calibration_fee(&self, slice: &Slice, model: Option<&str>) -> f64 {
        let calibration = self.fees(slice).iter().filter(|row| row.purpose == Some(Purpose::Calibrate));
        calibration
            .filter(|row| model.is_none_or(|model| row.model == model))
            .filter_map(|row| row.fee)
            .map(Fee::usd)
            .sum()
    }

    fn index_of(&self, slice: &Slice) -> Option<usize> {
        self.slices.iter().position(|other| other.cell == slice.cell)
    }

    /// Computes the relative changes of each slice's fees against its base: first of the total fee, then row by row.
    fn changes_of_fees(&self) -> Vec<Vec<Option<Estimate>>> {
        let mut changes: Vec<_> = self.fees.iter().map(|rows| vec![None; rows.len() + 1]).collect();
        let mut units: Vec<(Units<2>, [f64; 2])> = Vec::new();
        let mut intervals = Vec::new();
        for ((slice, fees), changes) in self.slices.iter().zip(&self.fees).zip(&mut changes) {
            let Some(base) = self.base(slice) else { continue };
            let pairs = slice.paired(base);
            let rows = fees.iter().map(|row| Some((&*row.model, row.purpose)));
            for (row, change) in [None].into_iter().chain(rows).zip(changes) {
                let of = |slice| match row {
                    None => self.fee(slice),
                    Some(row) => self.fees(slice).iter().find(|other| (&*other.model, other.purpose) == row)?.fee,
                };
                let fees = of(slice).zip(of(base));
                let value = fees.and_then(|(own, base)| relative_change([own.usd(), base.usd()]));
                *change = value.map(|value| Estimate::new(value, None));
                let Some(Estimate { interval, .. }) = change else { continue };
                if matches!(row, Some((_, Some(Purpose::Calibrate)))) {
                    continue;
                }
                let fee = |outcome: ItemOutcome| item_fee(outcome, row, self.prices);
                let Some(paid) = by_group(&pairs, |one, other| Some([fee(one)?, fee(other)?])) else { continue };
                let paid = paid.contributing(differ);
                // The fee of calibrating thresholds is part of the total of all models and of one model, and of no
                // other purpose.
                let apart = match row {
                    Some((_, Some(_))) => [0.0; 2],
                    _ => [slice, base].map(|slice| self.calibration_fee(slice, row.map(|(model, _)| model))),
                };
                let paid = (paid, apart);
                // The total of a model with one row equals that row.
                if units.last() != Some(&paid) {
                    units.push(paid);
                }
                intervals.push((units.len() - 1, interval));
            }
        }
        let found = relative_changes(&units, self.seed);
        for (index, interval) in intervals {
            *interval = found[index].and_then(|found| found.interval);
        }
        changes
    }

    /// Adjusts a p-value of each slice over the arms that are compared with the same cascade (Holm 1979). `None` for
    /// weak-only and strong-only: they are the ends of the range, and no hypotheses on learning.
    #[must_use]
    pub fn adjusted(&self, p_value: impl Fn(&Changes) -> Option<f64>) -> Vec<Option<f64>> {
        self.holm(self.changes.iter().map(|changes| changes.as_ref().and_then(&p_value)))
    }

    /// The p-values of the accuracy changes against a reference, adjusted over the same arms and the cascade.
    #[must_use]
    pub fn adjusted_against(&self, reference: Reference) -> Vec<Option<f64>> {
        self.holm(self.against(reference).iter().map(|against| against.as_ref()?.accuracy.p_value))
    }

    /// Adjusts p-values, in the order of the slices, over each cascade and the arms that are compared with it.
    fn holm(&self, p_values: impl Iterator<Item = Option<f64>>) -> Vec<Option<f64>> {
        let mut adjusted = vec![None; self.slices.len()];
        let mut families: BTreeMap<Option<u64>, Vec<(usize, f64)>> = BTreeMap::new();
        for (index, (slice, p_value)) in self.slices.iter().zip(p_values).enumerate() {
            if let Some(p_value) = p_value.filter(|_| !slice.cell.arm.is_one_level()) {
                let cascade = if slice.cell.arm == BASELINE { Some(slice) } else { self.base(slice) };
                let family = cascade.and_then(|cascade| cascade.cell.threshold).map(f64::to_bits);
                families.entry(family).or_default().push((index, p_value));
            }
        }
        for family in families.into_values() {
            let raw: Vec<f64> = family.iter().map(|(_, p)| *p).collect();
            for ((index, _), p) in family.into_iter().zip(holm(&raw)) {
                adjusted[index] = Some(p);
            }
        }
        adjusted
    }
}
