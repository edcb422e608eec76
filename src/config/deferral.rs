//! What `[deferral]` asks for: a threshold that is stated, or one that is calibrated.

use super::schema::{Calibrate, Config, DeferralConfig, GridName, NamedGrid, Threshold};
use crate::analysis::calibration::{Grid, Guarantee};
use crate::analysis::metrics::calibrated::Wanted;
use crate::cascade::calibration::Gates;

impl GridName {
    fn grid(self) -> Grid {
        match self {
            Self::Steps(steps) => Grid::Uniform(steps),
            Self::Named(NamedGrid::Logit) => Grid::Logit,
        }
    }
}

impl Calibrate {
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
    pub fn wanted(&self) -> Wanted {
        let guarantee = match self.threshold {
            Threshold::Stated(_) => None,
            Threshold::Told { calibrate } => Some((calibrate.guarantee(), calibrate.grid.grid())),
        };
        Wanted { guarantee, recalibrate: self.recalibrate }
    }
}

impl Config {
    /// How the arms get their gates, from calibration items at these indices.
    #[must_use]
    pub fn gates(&self, calibration: impl IntoIterator<Item = usize>) -> Gates {
        Gates {
            arms: self.arms.clone(),
            wanted: self.deferral.wanted(),
            per_arm: self.deferral.calibrate_per_arm,
            calibration: calibration.into_iter().collect(),
            checks: self.deferral.checks.clone(),
            tuned: self.deferral.tuned_threshold,
        }
    }
}
