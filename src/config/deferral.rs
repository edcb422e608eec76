//! Interpretation of `[deferral]`: a fixed threshold or a calibrated one.

use super::schema::{self, Calibrate, Config, DeferralConfig, GridName, NamedGrid, Threshold};
use crate::analysis::calibration::{Grid, Guarantee};
use crate::analysis::metrics::calibrated::CalibrationTask;
use crate::cascade::calibration::CalibrationPlan;

impl GridName {
    /// Candidates for λ.
    fn grid(self) -> Grid {
        match self {
            Self::Steps(steps) => Grid::Uniform(steps),
            Self::Named(NamedGrid::Logit) => Grid::Logit,
        }
    }
}

impl Calibrate {
    /// Guarantee and grid of a calibration without an α. The guarantee has α = 1, which every threshold satisfies.
    /// `None` arguments have the default values of a config.
    #[must_use]
    pub fn without_alpha(delta: Option<f64>, min_accepted: Option<usize>) -> (Guarantee, Grid) {
        let delta = delta.unwrap_or_else(schema::delta);
        let min_accepted = min_accepted.unwrap_or_else(schema::min_accepted);
        (Guarantee { alpha: 1.0, delta, min_accepted }, GridName::default().grid())
    }

    /// Guarantee that the threshold must satisfy.
    pub(super) fn guarantee(self) -> Guarantee {
        Guarantee { alpha: self.alpha, delta: self.delta, min_accepted: self.min_accepted }
    }
}

impl DeferralConfig {
    /// Fixed λ in [0, 1]. `None` if λ is calibrated.
    #[must_use]
    pub fn fixed_threshold(&self) -> Option<f64> {
        match self.threshold {
            Threshold::Fixed(threshold) => Some(threshold),
            Threshold::Calibrated { .. } => None,
        }
    }

    /// Guarantee and recalibration that are fitted on the calibration items.
    #[must_use]
    pub fn calibration_task(&self) -> CalibrationTask {
        let guarantee = match self.threshold {
            Threshold::Fixed(_) => None,
            Threshold::Calibrated { calibrate } => Some((calibrate.guarantee(), calibrate.grid.grid())),
        };
        CalibrationTask { guarantee, recalibrate: self.recalibrate }
    }
}

impl Config {
    /// Plan of how the arms get their gates, with the calibration items at these indices.
    #[must_use]
    pub fn calibration_plan(&self, calibration: impl IntoIterator<Item = usize>) -> CalibrationPlan {
        CalibrationPlan {
            arms: self.arms.clone(),
            task: self.deferral.calibration_task(),
            per_arm: self.deferral.calibrate_per_arm,
            calibration: calibration.into_iter().collect(),
            checks: self.deferral.checks.clone(),
            tuned: self.deferral.tuned_threshold,
        }
    }
}
