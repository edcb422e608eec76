//! The plan of calibration: which cells run before the stream, and which gates are fitted on their records. The calibration
//! items run with the first level alone, and once more with each learning arm that has a threshold of its own: such an arm
//! defers all of them, learns from them, and starts the stream with the repository that this has built.

use std::sync::Arc;

use super::experiment::Cells;
use super::gate::DeferralGate;
use crate::analysis::metrics::calibrated::{Calibrated, CalibrationTask};
use crate::types::arm::{Arm, Deferral};
use crate::types::check::Check;
use crate::types::record::Record;

/// How the arms of a run get their gates, in a cascade of two levels: each cell has one, that of the first level.
#[derive(Debug, Clone)]
pub struct CalibrationPlan {
    /// The arms.
    pub arms: Vec<Arm>,
    /// What is asked of the calibration items.
    pub wanted: CalibrationTask,
    /// Whether each learning arm is asked for itself.
    pub per_arm: bool,
    /// The calibration items' indices.
    pub calibration: Arc<[usize]>,
    /// The checks that an answer must pass to stand; those on examples are for the arms that show some.
    pub checks: Vec<Check>,
    /// The threshold of the arm that has one of its own. `None` if there is no such arm.
    pub tuned: Option<f64>,
}

impl CalibrationPlan {
    /// The cells that have to be run first; none where nothing is told from them.
    #[must_use]
    pub fn calibration_cells(&self) -> Option<Cells> {
        let all = |arm| {
            Arc::from([DeferralGate { threshold: f64::INFINITY, recalibration: None, checks: self.checks_of(arm) }])
        };
        let own = self.arms.iter().copied().filter(|arm| self.is_calibrated_alone(*arm));
        let shared = self.calibrated_arms().any(|arm| !self.is_calibrated_alone(arm)).then_some(Arm::WeakOnly);
        self.wanted.asks().then(|| Cells {
            arms: shared.into_iter().chain(own).map(|arm| (arm, vec![all(arm)])).collect(),
            orders: vec![Arc::clone(&self.calibration)],
            before: Arc::new([]),
        })
    }

    /// What the records of [`Self::calibration_cells`] say, for each arm of which there are some.
    #[must_use]
    pub fn fit(&self, records: &[Record]) -> Vec<Calibrated> {
        let of = |arm: Arm| records.iter().filter(|record| record.cell.arm == arm).cloned().collect();
        let shared: Arc<[Record]> = of(Arm::WeakOnly);
        let told = |arm| {
            let own = self.is_calibrated_alone(arm);
            let records = if own { of(arm) } else { Arc::clone(&shared) };
            (!records.is_empty()).then(|| Calibrated::new(arm, records, own, self.wanted))
        };
        self.calibrated_arms().filter_map(told).collect()
    }

    /// The arm of [`Self::calibration_cells`] whose records give an arm its gate. `None` if the arm's gate needs none.
    #[must_use]
    pub fn source_of(&self, arm: Arm) -> Option<Arm> {
        let needs = self.calibrated_arms().any(|told| told == arm);
        needs.then(|| if self.is_calibrated_alone(arm) { arm } else { Arm::WeakOnly })
    }

    /// The run's cells; `thresholds` are those of the arms for which none was told.
    #[must_use]
    pub fn cells(&self, calibrated: &[Calibrated], thresholds: &[f64], orders: Vec<Arc<[usize]>>) -> Cells {
        let gates = |arm: &Arm| {
            let told = Calibrated::of(calibrated, *arm);
            let recalibration = told.and_then(|told| told.recalibration.clone());
            let own = self.tuned.filter(|_| *arm == Arm::CascadeTuned);
            let thresholds = match (arm.deferral(), own.or(told.and_then(Calibrated::threshold))) {
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
        let before = if self.per_arm { Arc::clone(&self.calibration) } else { Arc::new([]) };
        Cells { arms: self.arms.iter().map(gates).collect(), orders, before }
    }

    /// The same for thresholds that are given: none is told, and nothing guaranteed.
    #[must_use]
    pub fn without_guarantee(mut self) -> Self {
        self.wanted.guarantee = None;
        self.per_arm &= self.wanted.asks();
        self
    }

    /// The same for a sweep: both levels alone, the cascade that is read off them, and the arms that show or use examples.
    #[must_use]
    pub fn swept(&self) -> Self {
        let with_examples =
            self.arms.iter().copied().filter(|arm| arm.learning().is_some() || *arm == Arm::FixedExample);
        let arms = [Arm::WeakOnly, Arm::StrongOnly, Arm::Cascade].into_iter().chain(with_examples).collect();
        Self { arms, ..self.clone() }.without_guarantee()
    }

    /// The same for some of the arms.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Arm) -> bool) -> Self {
        Self { arms: self.arms.iter().copied().filter(keep).collect(), ..self.clone() }
    }

    /// The arms for which something is told: those with a gate, and the weak level alone where its scores are mapped.
    fn calibrated_arms(&self) -> impl Iterator<Item = Arm> {
        self.arms.iter().copied().filter(|arm| match arm.deferral() {
            Deferral::BelowThreshold => *arm != Arm::CascadeTuned && self.wanted.asks(),
            Deferral::Never => self.wanted.recalibrate.is_some(),
            Deferral::Always | Deferral::WithoutExample { .. } => false,
        })
    }

    /// The checks of an arm's gate.
    fn checks_of(&self, arm: Arm) -> Arc<[Check]> {
        self.checks.iter().copied().filter(|check| arm.has_check(*check)).collect()
    }

    fn is_calibrated_alone(&self, arm: Arm) -> bool {
        self.per_arm && arm.learning().is_some() && arm.deferral() == Deferral::BelowThreshold
    }
}
