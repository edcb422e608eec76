//! Calibration plan: the cells that run before the stream, and the deferral gates that are fitted on their records.
//! Calibration items run once with the first level alone, and once for each learning arm that has its own threshold.
//! Such an arm defers every calibration item, learns from it, and starts the stream with the resulting repository.

use std::sync::Arc;

use super::experiment::Cells;
use super::gate::DeferralGate;
use crate::analysis::metrics::calibrated::{Calibrated, CalibrationTask};
use crate::types::arm::{Arm, Deferral};
use crate::types::check::Check;
use crate::types::record::Record;

/// Plan of how the arms of a run get their gates in a cascade of two levels. Each cell has one gate, at the first
/// level.
#[derive(Debug, Clone)]
pub struct CalibrationPlan {
    /// Arms of the run.
    pub arms: Vec<Arm>,
    /// Guarantee and recalibration that are fitted on the calibration items.
    pub task: CalibrationTask,
    /// True if each learning arm is calibrated on its own records.
    pub per_arm: bool,
    /// Indices of the calibration items.
    pub calibration: Arc<[usize]>,
    /// Checks that an answer must pass to be accepted. Checks that need an example apply only to arms that show
    /// examples.
    pub checks: Vec<Check>,
    /// Threshold of the arm `cascade-tuned`. `None` if the config sets none.
    pub tuned: Option<f64>,
}

impl CalibrationPlan {
    /// Cells that must run before the stream, over the calibration items. `None` if nothing is calibrated.
    #[must_use]
    pub fn calibration_cells(&self) -> Option<Cells> {
        let defer_all = |arm| {
            Arc::from([DeferralGate { threshold: f64::INFINITY, recalibration: None, checks: self.checks_of(arm) }])
        };
        let own = self.arms.iter().copied().filter(|arm| self.is_calibrated_alone(*arm));
        let shared = self.calibrated_arms().any(|arm| !self.is_calibrated_alone(arm)).then_some(Arm::WeakOnly);
        self.task.asks().then(|| Cells {
            arms: shared.into_iter().chain(own).map(|arm| (arm, vec![defer_all(arm)])).collect(),
            orders: vec![Arc::clone(&self.calibration)],
            warmup: Arc::new([]),
            only: None,
        })
    }

    /// Fits threshold and recalibration on the records of [`Self::calibration_cells`], for each arm that has records.
    #[must_use]
    pub fn fit(&self, records: &[Record]) -> Vec<Calibrated> {
        let of = |arm: Arm| records.iter().filter(|record| record.cell.arm == arm).cloned().collect();
        let shared: Arc<[Record]> = of(Arm::WeakOnly);
        let fitted = |arm| {
            let own = self.is_calibrated_alone(arm);
            let records = if own { of(arm) } else { Arc::clone(&shared) };
            (!records.is_empty()).then(|| Calibrated::new(arm, records, own, self.task))
        };
        self.calibrated_arms().filter_map(fitted).collect()
    }

    /// Arm of [`Self::calibration_cells`] whose records determine the gate of `arm`. `None` if the gate needs no
    /// records.
    #[must_use]
    pub fn source_of(&self, arm: Arm) -> Option<Arm> {
        let needs = self.calibrated_arms().any(|calibrated| calibrated == arm);
        needs.then(|| if self.is_calibrated_alone(arm) { arm } else { Arm::WeakOnly })
    }

    /// Cells of the run over these orders of the stream. `thresholds` apply to the arms without a calibrated or own
    /// threshold.
    #[must_use]
    pub fn cells(&self, calibrated: &[Calibrated], thresholds: &[f64], orders: Vec<Arc<[usize]>>) -> Cells {
        let gates = |arm: &Arm| {
            let fitted = Calibrated::of(calibrated, *arm);
            let recalibration = fitted.and_then(|fitted| fitted.recalibration.clone());
            let own = self.tuned.filter(|_| *arm == Arm::CascadeTuned);
            let thresholds = match (arm.deferral(), own.or(fitted.and_then(Calibrated::threshold))) {
                (Deferral::Never | Deferral::Always | Deferral::WithoutExample { .. }, _) => vec![0.0],
                (Deferral::BelowThreshold, Some(threshold)) => vec![threshold],
                (Deferral::BelowThreshold, None) => thresholds.to_vec(),
            };
            let checks = self.checks_of(*arm);
            let gate = |threshold| {
                Arc::from([DeferralGate {
                    threshold,
                    recalibration: recalibration.clone(),
                    checks: Arc::clone(&checks),
                }])
            };
            (*arm, thresholds.into_iter().map(gate).collect())
        };
        let warmup = if self.per_arm { Arc::clone(&self.calibration) } else { Arc::new([]) };
        Cells { arms: self.arms.iter().map(gates).collect(), orders, warmup, only: None }
    }

    /// Returns the plan with fixed thresholds: none is calibrated and no risk is guaranteed. A recalibration stays.
    #[must_use]
    pub fn without_guarantee(mut self) -> Self {
        self.task.guarantee = None;
        self.per_arm &= self.task.asks();
        self
    }

    /// Returns the plan of a threshold sweep: weak-only, strong-only, the cascade (computed from these two), and the
    /// arms that show or use examples.
    #[must_use]
    pub fn swept(&self) -> Self {
        let with_examples =
            self.arms.iter().copied().filter(|arm| arm.learning().is_some() || *arm == Arm::FixedExample);
        let arms = [Arm::WeakOnly, Arm::StrongOnly, Arm::Cascade].into_iter().chain(with_examples).collect();
        Self { arms, ..self.clone() }.without_guarantee()
    }

    /// Returns the plan restricted to the arms for which `keep` is true.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Arm) -> bool) -> Self {
        Self { arms: self.arms.iter().copied().filter(keep).collect(), ..self.clone() }
    }

    /// Arms that are calibrated: those with a threshold, and weak-only if confidences are recalibrated.
    fn calibrated_arms(&self) -> impl Iterator<Item = Arm> {
        self.arms.iter().copied().filter(|arm| match arm.deferral() {
            Deferral::BelowThreshold => *arm != Arm::CascadeTuned && self.task.asks(),
            Deferral::Never => self.task.recalibrate.is_some(),
            Deferral::Always | Deferral::WithoutExample { .. } => false,
        })
    }

    /// Checks of an arm's gate.
    fn checks_of(&self, arm: Arm) -> Arc<[Check]> {
        self.checks.iter().copied().filter(|check| arm.has_check(*check)).collect()
    }

    /// True if the arm's gate is fitted on the arm's own records.
    fn is_calibrated_alone(&self, arm: Arm) -> bool {
        self.per_arm && arm.learning().is_some() && arm.deferral() == Deferral::BelowThreshold
    }
}
