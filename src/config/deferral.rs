//! `[deferral]`: how confidence is read, and the gate's threshold, stated or told from a calibration set.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::analysis::calibration::{Grid, Guarantee, smallest_certifiable_alpha};
use crate::analysis::metrics::calibrated::{Recalibrate, Wanted};
use crate::task::confidence::Signal;

/// `[deferral]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeferralConfig {
    /// How confidence is read; absent: option-probability where the weak level scores options, else
    /// mean-token-probability.
    #[serde(default)]
    pub signal: Option<Signal>,
    /// λ: below it the query is deferred.
    pub threshold: Threshold,
    /// Whether each learning arm has a λ of its own, told while it learns from the calibration items; else all share the
    /// one of the weak level without strategies.
    #[serde(default)]
    pub calibrate_per_arm: bool,
    /// What makes a probability of the score, fitted on calibration items; absent: the score stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalibrate: Option<Recalibrate>,
    /// The quantile of quantile-token-probability, in (0, 1].
    #[serde(default = "quantile")]
    pub quantile: f64,
    /// Further draws of self-consistency.
    #[serde(default = "draws")]
    pub draws: u32,
    /// Their temperature.
    #[serde(default = "draw_temperature")]
    pub draw_temperature: f64,
}

/// Where λ comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "must be a number from 0 to 1, or { calibrate = { alpha = 0.15 } } with, if wanted, delta, grid and min_accepted"
)]
pub enum Threshold {
    /// It is stated, in [0, 1].
    Stated(f64),
    /// It is told from the calibration items.
    Told {
        /// What is to hold.
        calibrate: Calibrate,
    },
}

/// What a λ is to guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {
    /// The tolerated risk, P(wrong | accepted), in (0, 1).
    pub alpha: f64,
    /// The chance that the calibration items mislead, in (0, 1).
    #[serde(default = "delta")]
    pub delta: f64,
    /// The candidates.
    #[serde(default)]
    pub grid: GridName,
    /// Candidates that accept fewer answers are passed over.
    #[serde(default = "min_accepted")]
    pub min_accepted: usize,
}

/// The candidates for λ, as configs name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "must be a number of even steps from 1 down to 0, or \"logit\"")]
pub enum GridName {
    /// Even steps from 1 down to 0.
    Steps(u32),
    /// By its name.
    Named(NamedGrid),
}

/// The grids that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedGrid {
    /// Even steps of the log-odds, for confidences that crowd near 1.
    Logit,
}

impl Default for GridName {
    fn default() -> Self {
        Self::Steps(1000)
    }
}

impl GridName {
    fn grid(self) -> Grid {
        match self {
            Self::Steps(steps) => Grid::Uniform(steps),
            Self::Named(NamedGrid::Logit) => Grid::Logit,
        }
    }
}

impl Calibrate {
    fn guarantee(self) -> Guarantee {
        Guarantee { alpha: self.alpha, delta: self.delta, min_accepted: self.min_accepted }
    }
}

impl DeferralConfig {
    /// The stated λ; none where it is told from calibration items.
    #[must_use]
    pub fn stated(&self) -> Option<f64> {
        match self.threshold {
            Threshold::Stated(threshold) => Some(threshold),
            Threshold::Told { .. } => None,
        }
    }

    /// What is asked of the calibration items.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let guarantee = match self.threshold {
            Threshold::Stated(_) => None,
            Threshold::Told { calibrate } => Some((calibrate.guarantee(), calibrate.grid.grid())),
        };
        Wanted { guarantee, recalibrate: self.recalibrate }
    }

    /// What the gate does, in words.
    #[must_use]
    pub fn told(&self) -> String {
        match self.threshold {
            Threshold::Stated(threshold) => format!("below {threshold} is deferred"),
            Threshold::Told { calibrate: Calibrate { alpha, delta, min_accepted, .. } } => format!(
                "below a threshold told from the calibration items is deferred: risk at most {alpha} with probability {} \
                 over their draw, at least {min_accepted} accepted",
                1.0 - delta
            ),
        }
    }

    /// Checks what can be checked with `calibration` items set apart, before any is answered.
    ///
    /// # Errors
    /// Names the key and the mend.
    pub fn check(&self, calibration: usize) -> Result<()> {
        if let Some(threshold) = self.stated().filter(|threshold| !(0.0..=1.0).contains(threshold)) {
            bail!("deferral.threshold: must be from 0 to 1, not {threshold}");
        }
        for (key, value) in [("quantile", self.quantile), ("draw_temperature", self.draw_temperature / 2.0)] {
            if !(0.0..=1.0).contains(&value) {
                bail!("deferral.{key}: must be from 0 to {}", if key == "quantile" { 1 } else { 2 });
            }
        }
        if self.draws == 0 {
            bail!("deferral.draws: must be at least 1");
        }
        if self.calibrate_per_arm && !self.wanted().asks() {
            bail!(
                "deferral.calibrate_per_arm: there is nothing to calibrate; give threshold = {{ calibrate = … }} or recalibrate"
            );
        }
        if self.wanted().asks() && calibration == 0 {
            bail!(
                "deferral: calibrating needs items that the stream does not hold; set dataset.calibration to their number"
            );
        }
        self.check_guarantee(calibration)
    }

    /// A set that can never certify α is refused before anything is asked of it.
    fn check_guarantee(&self, calibration: usize) -> Result<()> {
        let Threshold::Told { calibrate } = self.threshold else { return Ok(()) };
        let Calibrate { alpha, delta, grid, min_accepted } = calibrate;
        for (key, value) in [("alpha", alpha), ("delta", delta)] {
            if !(value > 0.0 && value < 1.0) {
                bail!("deferral.threshold.calibrate.{key}: must lie between 0 and 1, not {value}");
            }
        }
        if grid == GridName::Steps(0) || min_accepted == 0 {
            bail!("deferral.threshold.calibrate: grid and min_accepted must be at least 1");
        }
        let told_from = self.wanted().told_from(calibration);
        let needed = calibrate.guarantee().needed();
        if told_from < needed {
            let half =
                if self.recalibrate.is_some() { ", half of them, since the others fit the recalibration" } else { "" };
            let smallest = smallest_certifiable_alpha(told_from, delta);
            bail!(
                "deferral.threshold.calibrate: {told_from} items tell λ{half}, and α {alpha} with δ {delta} and min_accepted \
                 {min_accepted} needs {needed} accepted answers, all right: set more apart with dataset.calibration, or ask for \
                 less (the smallest α that {told_from} can certify is {smallest:.4})"
            );
        }
        Ok(())
    }
}

fn delta() -> f64 {
    0.1
}

fn min_accepted() -> usize {
    30
}

fn quantile() -> f64 {
    0.1
}

fn draws() -> u32 {
    5
}

fn draw_temperature() -> f64 {
    0.7
}
