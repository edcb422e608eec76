//! Selection of the arms that can run with the recorded calls: arms whose embeddings and calibration exist or may be
//! computed.

use super::error::RunError;
use super::outputs::Calibration;
use super::resources::Models;
use super::session::Session;
use crate::cascade::calibration::CalibrationPlan;
use crate::types::arm::Arm;
use crate::types::left_out::{LeftOut, Unrecorded};

/// Arms of a run without those that lack an embedding or an answer to a calibration item.
pub(super) struct Runnable {
    /// Plan for the gates of these arms.
    pub(super) plan: CalibrationPlan,
    /// Results of the calibration items.
    pub(super) calibration: Calibration,
    /// Arms that were left out.
    pub(super) left_out: Vec<LeftOut>,
}

impl Session<'_> {
    /// Runs the calibration items if the plan uses any, and selects the arms that can run.
    pub(super) async fn runnable(&self, models: &Models, plan: &CalibrationPlan) -> Result<Runnable, RunError> {
        let mut left_out = Vec::new();
        if let Some(lacks) = &models.lacks {
            let learners = plan.arms.iter().filter(|arm| arm.learning().is_some());
            left_out.extend(learners.map(|arm| missing_before_stream(*arm, lacks)));
        }
        let plan = plan.only(|arm| arm.learning().is_none() || models.lacks.is_none());
        let Some(cells) = plan.calibration_cells() else {
            return Ok(Runnable { plan, calibration: Calibration::default(), left_out });
        };
        let outcome = self.run_cells(models, &cells, "calibration").await?;
        let lost = |arm: &Arm| {
            let source = plan.source_of(*arm)?;
            let cell = outcome.left_out.iter().find(|cell| cell.arm == source)?;
            Some(missing_before_stream(*arm, &cell.lacks))
        };
        left_out.extend(plan.arms.iter().filter_map(lost));
        let plan = plan.only(|arm| left_out.iter().all(|cell| cell.arm != *arm));
        let calibration = Calibration { arms: plan.fit(&outcome.records), records: outcome.records };
        Ok(Runnable { plan, calibration, left_out })
    }
}

/// An arm that was left out because a call before its stream is not recorded.
fn missing_before_stream(arm: Arm, lacks: &Unrecorded) -> LeftOut {
    LeftOut { arm, threshold: None, order: 0, lacks: lacks.clone() }
}

/// Error of a run without any result, with the first call that is not recorded.
pub(super) fn not_recorded(what: &str, first: &LeftOut) -> RunError {
    RunError::NotRecorded { what: what.to_owned(), lacks: first.lacks.clone() }
}
