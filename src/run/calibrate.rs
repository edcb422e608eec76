//! Calibration of a config's threshold on its calibration items, without a run of the stream.

use std::path::PathBuf;

use anyhow::anyhow;

use super::batch::{BatchPhase, BatchedLevels};
use super::error::RunError;
use super::left_out::{Runnable, not_recorded};
use super::outputs::Calibration;
use super::progress::Progress;
use super::resources::calibration_plan;
use super::session::Session;
use super::{Prepared, Run};
use crate::analysis::calibration::{Grid, Guarantee};
use crate::analysis::metrics::Calibrated;
use crate::config::schema::{Calibrate, Config};
use crate::report::calibration::{CERTIFIABLE, latex, table};
use crate::report::files::write_files;
use crate::types::arm::{Arm, Deferral};
use crate::types::left_out::LeftOut;

/// Overrides of the config's guarantee. `None` keeps the value of the config.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuaranteeOverrides {
    /// Risk bound α on P(wrong | accepted), in (0, 1).
    pub alpha: Option<f64>,
    /// Probability δ that the guarantee fails, in (0, 1).
    pub delta: Option<f64>,
    /// Minimum number of accepted answers of a candidate threshold.
    pub min_accepted: Option<usize>,
}

/// A checked calibration, ready to run.
pub struct PreparedCalibration {
    prepared: Prepared,
    /// δ, minimum number of accepted answers, and grid of a calibration without α. `None` if the config states α.
    open: Option<(Guarantee, Grid)>,
}

/// Result of a calibration.
pub struct CalibrationReport {
    /// Lines on the setting: data, models and gate.
    pub setting: Vec<String>,
    /// Calibrated gate of each arm, with the records of the items. Without α, no threshold is certified.
    pub calibration: Calibration,
    /// Arms that were left out because some of their calls are not recorded.
    pub left_out: Vec<LeftOut>,
    /// True if no α was given. The report then states which α can be certified at which λ.
    pub is_open: bool,
    /// Folder of the table and the journal.
    pub folder: PathBuf,
}

impl CalibrationReport {
    /// True if a threshold was certified for every arm with a guarantee.
    #[must_use]
    pub fn is_certified(&self) -> bool {
        self.calibration.arms.iter().filter_map(Calibrated::guaranteed).all(|found| found.certified)
    }
}

impl Run {
    /// Prepares a calibration. `guarantee` overrides the config's guarantee. If neither states α, the calibration is
    /// open: it reports which α can be certified.
    ///
    /// # Errors
    /// [`RunError::Config`] if there is nothing to calibrate or too few calibration items, otherwise the errors of
    /// [`Run::prepare`].
    pub fn prepare_calibration(&self, guarantee: GuaranteeOverrides) -> Result<PreparedCalibration, RunError> {
        let stated = Config::unchecked(&self.config, &self.overrides)?.deferral.fixed_threshold().is_some();
        let overrides = [self.overrides.clone(), guarantee.overrides(stated)].concat();
        let prepared = Self { overrides, ..self.clone() }.prepare()?;
        let config = &prepared.resolved.config;
        if !config.arms.iter().any(|arm| arm.deferral() == Deferral::BelowThreshold) {
            return Err(RunError::Config(anyhow!(
                "`arms` names no arm that defers by confidence, so there is no threshold to calibrate. Add cascade to `arms`"
            )));
        }
        if config.dataset.calibration == 0 {
            return Err(RunError::Config(anyhow!(
                "the config has no calibration items. Add --set dataset.calibration=N"
            )));
        }
        let is_open = config.deferral.calibration_task().guarantee.is_none();
        let open = if is_open { Some(guarantee.open()?) } else { None };
        if let Some((guarantee, _)) = open {
            let used = config.deferral.calibration_task().n_for_threshold(config.dataset.calibration);
            if used < guarantee.min_accepted {
                return Err(RunError::Config(anyhow!(
                    "too few calibration items: a threshold must accept at least {} answers, and only {used} items are used. Increase \
                     dataset.calibration or lower --min-accepted",
                    guarantee.min_accepted
                )));
            }
        }
        Ok(PreparedCalibration { prepared, open })
    }
}

impl PreparedCalibration {
    /// Returns the run whose threshold is calibrated.
    #[must_use]
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Runs the calibration items and calibrates the thresholds. Answers go to the journal of the run's folder, so the
    /// run does not repeat these calls. The table of certifiable thresholds is written to the same folder.
    ///
    /// # Errors
    /// [`RunError`]. The journal holds every answer up to the error.
    pub async fn calibrate(&self, progress: &Progress) -> Result<CalibrationReport, RunError> {
        let Self { prepared, open } = self;
        let notes = prepared.check_batches(BatchedLevels::Weak)?;
        let location = prepared.location("");
        std::fs::create_dir_all(&location.folder).map_err(|error| RunError::Folder(error.into()))?;
        let session = Session::open(prepared, &location, progress)?;
        let mut plan = calibration_plan(&prepared.resolved);
        plan.task.guarantee = open.or(plan.task.guarantee);
        if let Some(phase) = BatchPhase::begin((prepared, &notes), &session, &plan, progress).await? {
            phase.end()?;
        }
        let is_learner = |(arm, _): &(Arm, _)| arm.learning().is_some();
        let learns = plan.calibration_cells().is_some_and(|cells| cells.arms.iter().any(is_learner));
        let models = if learns { session.models().await? } else { session.models_without_embeddings().await? };
        let Runnable { calibration, left_out, .. } = session.runnable(&models, &plan).await?;
        if let (true, Some(first)) = (calibration.arms.is_empty(), left_out.first()) {
            return Err(not_recorded("no arm can be calibrated", first));
        }
        let files = table(&calibration.arms).and_then(|mut table| table.files()).map_err(RunError::Output)?;
        let floats = latex(&prepared.resolved.config.name, &calibration.arms).into_bytes();
        let files = files.into_iter().chain([(format!("{CERTIFIABLE}.tex"), floats)]);
        let files: Vec<_> = files.map(|(name, bytes)| (location.folder.join(name), bytes)).collect();
        write_files(&files).map_err(RunError::Output)?;
        let mut setting = prepared.resolved.describe();
        if let Some((Guarantee { delta, min_accepted, .. }, _)) = open {
            setting.push(format!(
                "calibration: {} items, each from another group, and these groups are not in the stream; no α is given; δ {delta}, at \
                 least {min_accepted} accepted answers",
                prepared.resolved.calibration().len()
            ));
        }
        let (is_open, folder) = (open.is_some(), location.folder.clone());
        Ok(CalibrationReport { setting, calibration, left_out, is_open, folder })
    }
}

impl GuaranteeOverrides {
    /// Overrides of the config: of its guarantee, or of its fixed threshold. Without α a fixed threshold stays.
    fn overrides(self, stated: bool) -> Vec<String> {
        let Self { alpha, delta, min_accepted } = self;
        let is_open = stated && alpha.is_none();
        let alpha = alpha.map(|alpha| format!("alpha={alpha}"));
        let delta = delta.map(|delta| format!("delta={delta}"));
        let least = min_accepted.map(|least| format!("min_accepted={least}"));
        let values: Vec<String> = alpha.into_iter().chain(delta).chain(least).collect();
        match (values.is_empty() || is_open, stated) {
            (true, _) => Vec::new(),
            (_, true) => vec![format!("deferral.threshold={{ calibrate = {{ {} }} }}", values.join(", "))],
            (_, false) => values.iter().map(|one| format!("deferral.threshold.calibrate.{one}")).collect(),
        }
    }

    /// Returns δ, minimum number of accepted answers and default grid of a calibration without α.
    ///
    /// # Errors
    /// [`RunError::Config`] if δ is not in (0, 1) or the minimum is 0.
    fn open(self) -> Result<(Guarantee, Grid), RunError> {
        let (guarantee, grid) = Calibrate::without_alpha(self.delta, self.min_accepted);
        let Guarantee { delta, min_accepted, .. } = guarantee;
        if !(delta > 0.0 && delta < 1.0) {
            return Err(RunError::Config(anyhow!("--delta must be between 0 and 1, not {delta}")));
        }
        if min_accepted == 0 {
            return Err(RunError::Config(anyhow!("--min-accepted must be at least 1")));
        }
        Ok((guarantee, grid))
    }
}
