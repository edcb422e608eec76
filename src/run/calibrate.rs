//! What the calibration items of a config say of its threshold, without a run.

use anyhow::anyhow;

use super::error::RunError;
use super::left_out::{Runnable, nothing};
use super::outputs::Calibration;
use super::progress::Progress;
use super::resources::gates;
use super::session::Session;
use super::{Prepared, Run};
use crate::analysis::metrics::Calibrated;
use crate::types::arm::Deferral;
use crate::types::left_out::LeftOut;

/// A guarantee other than the config's; what is `None` is as in the config.
#[derive(Debug, Clone, Copy, Default)]
pub struct Certify {
    /// The tolerated risk, P(wrong | accepted).
    pub alpha: Option<f64>,
    /// The chance that the calibration items mislead.
    pub delta: Option<f64>,
    /// The least number of accepted answers of a candidate.
    pub min_accepted: Option<usize>,
}

/// What the calibration items showed.
pub struct CalibrationReport {
    /// Lines that say what ran.
    pub setting: Vec<String>,
    /// What was found, arm by arm, with the records of the items.
    pub calibration: Calibration,
    /// The arms that were left out, since not all of their calls were recorded.
    pub left_out: Vec<LeftOut>,
}

impl CalibrationReport {
    /// Whether a threshold was certified for every arm that asks for a guarantee.
    #[must_use]
    pub fn is_certified(&self) -> bool {
        self.calibration.arms.iter().filter_map(Calibrated::guaranteed).all(|found| found.certified)
    }
}

impl Run {
    /// Prepares a calibration, of another guarantee if one is given.
    ///
    /// # Errors
    /// [`RunError::Config`] if there is nothing to calibrate; else as [`Run::prepare`].
    pub fn prepare_calibration(&self, certify: Certify) -> Result<Prepared, RunError> {
        let mut prepared = self.prepare()?;
        let overrides = certify.overrides(prepared.resolved.config.deferral.stated().is_some())?;
        if !overrides.is_empty() {
            let overrides = [self.overrides.clone(), overrides].concat();
            prepared = Self { overrides, ..self.clone() }.prepare()?;
        }
        let config = &prepared.resolved.config;
        if !config.deferral.wanted().asks() {
            return Err(RunError::Config(anyhow!(
                "deferral.threshold is stated, so there is nothing to calibrate; ask with --alpha, or write threshold = {{ calibrate = {{ alpha = … }} }}"
            )));
        }
        if !config.arms.iter().any(|arm| arm.deferral() == Deferral::BelowThreshold) {
            return Err(RunError::Config(anyhow!(
                "`arms` names none that is gated by confidence, so there is no threshold to tell"
            )));
        }
        Ok(prepared)
    }
}

impl Prepared {
    /// Takes the calibration items through. Answers go to the journal of the run's own folder, so that the run does not ask
    /// again.
    ///
    /// # Errors
    /// [`RunError`]; what was answered until then is in the journal.
    pub async fn calibrate(&self, progress: &Progress) -> Result<CalibrationReport, RunError> {
        let place = self.place("");
        std::fs::create_dir_all(&place.folder).map_err(|error| RunError::Folder(error.into()))?;
        let session = Session::open(self, &place, progress)?;
        let gates = gates(&self.resolved);
        let learns =
            gates.calibrating().is_some_and(|cells| cells.arms.iter().any(|(arm, _)| arm.learning().is_some()));
        let models = if learns { session.models().await? } else { session.models_alone().await? };
        let Runnable { calibration, left_out, .. } = session.runnable(&models, &gates).await?;
        if let (true, Some(first)) = (calibration.arms.is_empty(), left_out.first()) {
            return Err(nothing("nothing can be calibrated", first));
        }
        Ok(CalibrationReport { setting: self.resolved.setting(), calibration, left_out })
    }
}

impl Certify {
    /// The values that are laid over the config: over what it calibrates for, or in place of the threshold that it states.
    fn overrides(self, stated: bool) -> Result<Vec<String>, RunError> {
        let Self { alpha, delta, min_accepted } = self;
        if stated && alpha.is_none() && (delta.is_some() || min_accepted.is_some()) {
            return Err(RunError::Config(anyhow!(
                "--delta and --min-accepted go with --alpha, where the config states a threshold"
            )));
        }
        let alpha = alpha.map(|alpha| format!("alpha={alpha}"));
        let delta = delta.map(|delta| format!("delta={delta}"));
        let least = min_accepted.map(|least| format!("min_accepted={least}"));
        let given: Vec<String> = alpha.into_iter().chain(delta).chain(least).collect();
        Ok(match (given.is_empty(), stated) {
            (true, _) => Vec::new(),
            (_, true) => vec![format!("deferral.threshold={{ calibrate = {{ {} }} }}", given.join(", "))],
            (_, false) => given.iter().map(|one| format!("deferral.threshold.calibrate.{one}")).collect(),
        })
    }
}
