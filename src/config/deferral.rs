//! What `[deferral]` asks for: a threshold that is stated, or one that is calibrated.

use super::schema::{self, Calibrate, Config, DeferralConfig, GridName, NamedGrid, Threshold};
use crate::analysis::calibration::{Grid, Guarantee};
use crate::analysis::metrics::calibrated::CalibrationTask;
use crate::cascade::calibration::CalibrationPlan;

impl GridName {
    fn grid(self) -> Grid {
        match self {
            Self::Steps(steps) => Grid::Uniform(steps),
            Self::Named(NamedGrid::Logit) => Grid::Logit,
        }
    }
}

impl Calibrate {
    /// What a calibration that names no α goes by: the usual values for what is `None`. No answer could be wrong too often for
    /// its α of 1.
    #[must_use]
    pub fn without_alpha(delta: Option<f64>, min_accepted: Option<usize>) -> (Guarantee, Grid) {
        let delta = delta.unwrap_or_else(schema::delta);
        let min_accepted = min_accepted.unwrap_or_else(schema::min_accepted);
        (Guarantee { alpha: 1.0, delta, min_accepted }, GridName::default().grid())
    }

    /// The guarantee that the threshold must have.
    pub(super) fn guarantee(self) -> Guarantee {
        Guarantee { alpha: self.alpha, delta: self.delta, min_accepted: self.min_accepted }
    }
}

impl DeferralConfig {
    /// The stated λ. `None` if it is calibrated.
    #[must_use]
    pub fn stated(&self) -> Option<f64> {
        match self.threshold {
            Threshold::Stated(threshold) => Some(threshold),
            Threshold::Told { .. } => None,
        }
    }

    /// The guarantee and the recalibration that the calibration items are used for.
    #[must_use]
    pub fn calibration_task(&self) -> CalibrationTask {
        let guarantee = match self.threshold {
            Threshold::Stated(_) => None,
            Threshold::Told { calibrate } => Some((calibrate.guarantee(), calibrate.grid.grid())),
        };
        CalibrationTask { guarantee, recalibrate: self.recalibrate }
    }
}

impl Config {
    /// How the arms get their gates, from calibration items at these indices.
    #[must_use]
    pub fn gates(&self, calibration: impl IntoIterator<Item = usize>) -> CalibrationPlan {
        CalibrationPlan {
            arms: self.arms.clone(),
            wanted: self.deferral.calibration_task(),
            per_arm: self.deferral.calibrate_per_arm,
            calibration: calibration.into_iter().collect(),
            checks: self.deferral.checks.clone(),
            tuned: self.deferral.tuned_threshold,
        }
    }
}
