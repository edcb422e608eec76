//! The arms that can be run with what is recorded: those whose embeddings and calibration are there, or may be made.

use super::error::RunError;
use super::outputs::Calibration;
use super::resources::Models;
use super::session::Session;
use crate::cascade::calibration::CalibrationPlan;
use crate::types::arm::Arm;
use crate::types::left_out::{LeftOut, Unrecorded};

/// The arms of a run, once those are left out that lack an embedding or a calibration item's answer.
pub(super) struct Runnable {
    /// Their gates.
    pub(super) gates: CalibrationPlan,
    /// What was found with the calibration items.
    pub(super) calibration: Calibration,
    /// The arms that were left out.
    pub(super) left_out: Vec<LeftOut>,
}

impl Session<'_> {
    /// Takes the calibration items through, if anything is found with them, and finds which arms can be run.
    pub(super) async fn runnable(&self, models: &Models, gates: &CalibrationPlan) -> Result<Runnable, RunError> {
        let mut left_out = Vec::new();
        if let Some(lacks) = &models.lacks {
            let learners = gates.arms.iter().filter(|arm| arm.learning().is_some());
            left_out.extend(learners.map(|arm| before_its_gate(*arm, lacks)));
        }
        let gates = gates.only(|arm| arm.learning().is_none() || models.lacks.is_none());
        let Some(cells) = gates.calibration_cells() else {
            return Ok(Runnable { gates, calibration: Calibration::default(), left_out });
        };
        let outcome = self.run_cells(models, &cells, "calibration").await?;
        let lost = |arm: &Arm| {
            let source = gates.source_of(*arm)?;
            let cell = outcome.left_out.iter().find(|cell| cell.arm == source)?;
            Some(before_its_gate(*arm, &cell.lacks))
        };
        left_out.extend(gates.arms.iter().filter_map(lost));
        let gates = gates.only(|arm| left_out.iter().all(|cell| cell.arm != *arm));
        let calibration = Calibration { arms: gates.fit(&outcome.records), records: outcome.records };
        Ok(Runnable { gates, calibration, left_out })
    }
}

fn before_its_gate(arm: Arm, lacks: &Unrecorded) -> LeftOut {
    LeftOut { arm, threshold: None, order: 0, lacks: lacks.clone() }
}

/// The error of a run of which nothing can be shown.
pub(super) fn nothing(what: &str, first: &LeftOut) -> RunError {
    RunError::NotRecorded { what: what.to_owned(), lacks: first.lacks.clone() }
}
