//! What the calibration items of a config say of its threshold, without a run.

use std::path::PathBuf;

use anyhow::anyhow;

use super::error::RunError;
use super::left_out::{Runnable, nothing};
use super::outputs::Calibration;
use super::progress::Progress;
use super::resources::gates;
use super::session::Session;
use super::{Prepared, Run};
use crate::analysis::calibration::{Grid, Guarantee};
use crate::analysis::metrics::Calibrated;
use crate::config::schema::{Calibrate, Config};
use crate::report::calibration::{CERTIFIABLE, latex, table};
use crate::report::files::write_files;
use crate::types::arm::{Arm, Deferral};
use crate::types::left_out::LeftOut;

/// A guarantee other than the config's; what is `None` is as in the config.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuaranteeOverrides {
    /// The tolerated risk, P(wrong | accepted).
    pub alpha: Option<f64>,
    /// The chance that the calibration items mislead.
    pub delta: Option<f64>,
    /// The least number of accepted answers of a candidate.
    pub min_accepted: Option<usize>,
}

/// A calibration that can be made.
pub struct PreparedCalibration {
    prepared: Prepared,
    /// δ, the least number of accepted answers and the grid, if no α is given. `None` if the config has all.
    open: Option<(Guarantee, Grid)>,
}

/// What the calibration items showed.
pub struct CalibrationReport {
    /// Lines that say what ran.
    pub setting: Vec<String>,
    /// What was found, arm by arm, with the records of the items. Without an α nothing of it is certified.
    pub calibration: Calibration,
    /// The arms that were left out, since not all of their calls were recorded.
    pub left_out: Vec<LeftOut>,
    /// Whether no α was given, so that the answer is which α can be certified at which λ.
    pub is_open: bool,
    /// The folder of the table and the journal.
    pub folder: PathBuf,
}

impl CalibrationReport {
    /// Whether a threshold was certified for every arm that asks for a guarantee.
    #[must_use]
    pub fn is_certified(&self) -> bool {
        self.calibration.arms.iter().filter_map(Calibrated::guaranteed).all(|found| found.certified)
    }
}

impl Run {
    /// Prepares a calibration, of another guarantee if one is given. If neither it nor the config has an α, the calibration
    /// is open: it says which α can be certified.
    ///
    /// # Errors
    /// [`RunError::Config`] if there is nothing to calibrate; else as [`Run::prepare`].
    pub fn prepare_calibration(&self, certify: GuaranteeOverrides) -> Result<PreparedCalibration, RunError> {
        let stated = Config::unchecked(&self.config, &self.overrides)?.deferral.stated().is_some();
        let overrides = [self.overrides.clone(), certify.overrides(stated)].concat();
        let prepared = Self { overrides, ..self.clone() }.prepare()?;
        let config = &prepared.resolved.config;
        if !config.arms.iter().any(|arm| arm.deferral() == Deferral::BelowThreshold) {
            return Err(RunError::Config(anyhow!(
                "`arms` names none that is gated by confidence, so there is no threshold to find"
            )));
        }
        if config.dataset.calibration == 0 {
            return Err(RunError::Config(anyhow!(
                "no questions are set apart to calibrate on: add --set dataset.calibration=N"
            )));
        }
        let is_open = config.deferral.calibration_task().guarantee.is_none();
        let open = if is_open { Some(certify.open()?) } else { None };
        if let Some((guarantee, _)) = open {
            let used = config.deferral.calibration_task().n_for_threshold(config.dataset.calibration);
            if used < guarantee.min_accepted {
                return Err(RunError::Config(anyhow!(
                    "{used} calibration items can certify nothing: a threshold must accept at least {} answers. Set more apart with \
                     dataset.calibration, or lower --min-accepted",
                    guarantee.min_accepted
                )));
            }
        }
        Ok(PreparedCalibration { prepared, open })
    }
}

impl PreparedCalibration {
    /// The run that it is of.
    #[must_use]
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Takes the calibration items through. Answers go to the journal of the run's own folder, so that the run does not ask
    /// again, and beside it the table of what can be certified.
    ///
    /// # Errors
    /// [`RunError`]; what was answered until then is in the journal.
    pub async fn calibrate(&self, progress: &Progress) -> Result<CalibrationReport, RunError> {
        let Self { prepared, open } = self;
        let place = prepared.place("");
        std::fs::create_dir_all(&place.folder).map_err(|error| RunError::Folder(error.into()))?;
        let session = Session::open(prepared, &place, progress)?;
        let mut gates = gates(&prepared.resolved);
        gates.wanted.guarantee = open.or(gates.wanted.guarantee);
        let of_learners = |(arm, _): &(Arm, _)| arm.learning().is_some();
        let learns = gates.calibration_cells().is_some_and(|cells| cells.arms.iter().any(of_learners));
        let models = if learns { session.models().await? } else { session.models_alone().await? };
        let Runnable { calibration, left_out, .. } = session.runnable(&models, &gates).await?;
        if let (true, Some(first)) = (calibration.arms.is_empty(), left_out.first()) {
            return Err(nothing("nothing can be calibrated", first));
        }
        let files = table(&calibration.arms).and_then(|mut table| table.files()).map_err(RunError::Output)?;
        let floats = latex(&prepared.resolved.config.name, &calibration.arms).into_bytes();
        let files = files.into_iter().chain([(format!("{CERTIFIABLE}.tex"), floats)]);
        let files: Vec<_> = files.map(|(name, bytes)| (place.folder.join(name), bytes)).collect();
        write_files(&files).map_err(RunError::Output)?;
        let mut setting = prepared.resolved.describe();
        if let Some((Guarantee { delta, min_accepted, .. }, _)) = open {
            setting.push(format!(
                "calibration: {} items, one of each of as many groups that the stream does not hold; no α is given; δ {delta}, at least \
                 {min_accepted} accepted answers",
                prepared.resolved.calibration().len()
            ));
        }
        let (is_open, folder) = (open.is_some(), place.folder.clone());
        Ok(CalibrationReport { setting, calibration, left_out, is_open, folder })
    }
}

impl GuaranteeOverrides {
    /// The values that are laid over the config: over what it calibrates for, or in place of the threshold that it states.
    /// Without an α a stated threshold stays.
    fn overrides(self, stated: bool) -> Vec<String> {
        let Self { alpha, delta, min_accepted } = self;
        let is_open = stated && alpha.is_none();
        let alpha = alpha.map(|alpha| format!("alpha={alpha}"));
        let delta = delta.map(|delta| format!("delta={delta}"));
        let least = min_accepted.map(|least| format!("min_accepted={least}"));
        let given: Vec<String> = alpha.into_iter().chain(delta).chain(least).collect();
        match (given.is_empty() || is_open, stated) {
            (true, _) => Vec::new(),
            (_, true) => vec![format!("deferral.threshold={{ calibrate = {{ {} }} }}", given.join(", "))],
            (_, false) => given.iter().map(|one| format!("deferral.threshold.calibrate.{one}")).collect(),
        }
    }

    /// δ and the least number of accepted answers of a calibration without an α, with the usual grid.
    fn open(self) -> Result<(Guarantee, Grid), RunError> {
        let (guarantee, grid) = Calibrate::without_alpha(self.delta, self.min_accepted);
        let Guarantee { delta, min_accepted, .. } = guarantee;
        if !(delta > 0.0 && delta < 1.0) {
            return Err(RunError::Config(anyhow!("--delta must lie between 0 and 1, not {delta}")));
        }
        if min_accepted == 0 {
            return Err(RunError::Config(anyhow!("--min-accepted must be at least 1")));
        }
        Ok((guarantee, grid))
    }
}
