//! The first phase of `--batch`: the cells that do not learn, and the calibration without learning arms, run with models
//! that answer through the provider's batch API. Their answers go to the journal, where the ordinary run finds them.

pub(super) mod batching;
mod delivery;
mod submission;
pub(super) mod transport;

use std::sync::Arc;

use anyhow::anyhow;

use self::batching::Batching;
use super::Prepared;
use super::error::RunError;
use super::progress::Progress;
use super::resources::{Models, calibration_plan, orders};
use super::session::Session;
use crate::analysis::metrics::Calibrated;
use crate::backend::entry::ModelEntry;
use crate::cascade::calibration::CalibrationPlan;
use crate::types::arm::Arm;
use crate::types::record::Record;

/// Levels whose calls a flow may put into batches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchedLevels {
    /// Both levels.
    Both,
    /// The weak level alone, which answers the calibration items.
    Weak,
}

impl Prepared {
    /// Checks that a level can answer in batches, if the run asks for batches. Returns notes for the user.
    ///
    /// # Errors
    /// [`RunError::Config`] if no level's server has a batch API.
    pub(super) fn check_batches(&self, levels: BatchedLevels) -> Result<Vec<String>, RunError> {
        let (weak, strong) = (&self.resolved.weak, &self.resolved.strong);
        let entries: &[&ModelEntry] = match levels {
            _ if !self.batch => &[],
            BatchedLevels::Both => &[weak, strong],
            BatchedLevels::Weak => &[weak],
        };
        let names: Vec<String> = entries.iter().map(|entry| format!("`{}`", entry.name)).collect();
        if !entries.is_empty() && !entries.iter().any(|entry| entry.has_batch_api()) {
            return Err(RunError::Config(anyhow!(
                "--batch: no batch API is known for {}. If the server of a model with backend `openai` has OpenAI's batch API, set \
                 batch_api = true in its entry; otherwise remove --batch",
                names.join(" and ")
            )));
        }
        let note = |entry: &&&ModelEntry| {
            let ModelEntry { name, price, .. } = **entry;
            if !entry.has_batch_api() {
                return Some(format!("no batch API is known for `{name}`: its calls are made directly"));
            }
            let unknown = price.as_ref().is_some_and(|price| price.batch.is_none());
            unknown.then(|| {
                format!(
                    "the batch price of `{name}` is unknown, so the full price is assumed: set price.batch, the share of the price, such \
                     as 0.5"
                )
            })
        };
        Ok(entries.iter().filter_map(|entry| note(&entry)).collect())
    }
}

/// The first phase of a run in batches, after its calibration.
pub(super) struct BatchPhase<'a> {
    session: &'a Session<'a>,
    models: Models,
    /// Plan of the arms that do not learn.
    plan: CalibrationPlan,
    calibrated: Vec<Calibrated>,
}

impl<'a> BatchPhase<'a> {
    /// Shows the notes of [`Prepared::check_batches`], and answers the calibration items that no learning arm needs.
    /// `None` without `--batch`.
    ///
    /// # Errors
    /// [`RunError::Config`] if no level's server has a batch API, and [`RunError::Journal`] if an earlier command left an
    /// open batch that this command would pay for again. Otherwise the errors of the calls.
    pub(super) async fn begin(
        (prepared, notes): (&Prepared, &[String]),
        session: &'a Session<'a>,
        plan: &CalibrationPlan,
        progress: &Progress,
    ) -> Result<Option<Self>, RunError> {
        if !prepared.batch {
            check_nothing_open(session)?;
            return Ok(None);
        }
        for note in notes {
            progress.message(note);
        }
        let listener = progress.clone();
        let on_message = Arc::new(move |line: &str| listener.message(line));
        let batching = Batching { on_message, direct: Arc::default() };
        let models = session.batch_models(&batching).await?;
        let does_not_learn = |arm: &Arm| arm.learning().is_none();
        let records = match plan.calibration_cells() {
            None => Vec::new(),
            Some(mut cells) => {
                cells.arms.retain(|(arm, _)| does_not_learn(arm));
                session.run_cells(&models, &cells, "calibration in batches").await?.records
            }
        };
        let plan = plan.only(does_not_learn);
        let calibrated = plan.fit(&records);
        Ok(Some(Self { session, models, plan, calibrated }))
    }

    /// Answers the items of the arms for which `keep` is true, at these thresholds. Returns the records of the cells that
    /// batches answered completely.
    ///
    /// # Errors
    /// The errors of the calls.
    pub(super) async fn run(&self, keep: impl Fn(&Arm) -> bool, thresholds: &[f64]) -> Result<Vec<Record>, RunError> {
        let orders = orders(self.session.resolved);
        let cells = self.plan.only(keep).cells(&self.calibrated, thresholds, orders);
        Ok(self.session.run_cells(&self.models, &cells, "batches").await?.records)
    }

    /// Ends the phase: batches whose answers are all in the journal end.
    ///
    /// # Errors
    /// [`RunError::Journal`] if the journal cannot be read or written.
    pub(super) fn end(self) -> Result<(), RunError> {
        self.session.resources.journal.open_batches().map(drop).map_err(RunError::Journal)
    }
}

impl Prepared {
    /// Runs the first phase of a run with fixed or calibrated thresholds, if the run asks for batches.
    ///
    /// # Errors
    /// As [`BatchPhase::begin`].
    pub(super) async fn run_batches(
        &self,
        notes: &[String],
        session: &Session<'_>,
        progress: &Progress,
    ) -> Result<(), RunError> {
        let plan = calibration_plan(&self.resolved);
        let Some(phase) = BatchPhase::begin((self, notes), session, &plan, progress).await? else { return Ok(()) };
        let thresholds: Vec<f64> = self.resolved.config.deferral.fixed_threshold().into_iter().collect();
        phase.run(|_| true, &thresholds).await?;
        phase.end()
    }
}

/// Checks that no earlier command left a batch whose calls this command would make a second time.
fn check_nothing_open(session: &Session<'_>) -> Result<(), RunError> {
    let resources = &session.resources;
    let open =
        if resources.offline { Vec::new() } else { resources.journal.open_batches().map_err(RunError::Journal)? };
    let Some(first) = open.first() else { return Ok(()) };
    let calls: usize = open.iter().map(|batch| batch.keys.len()).sum();
    Err(RunError::Journal(anyhow!(
        "{} holds an open batch of `{}` ({}): {calls} of its calls are not answered yet and would be paid for twice. Run the command with \
         --batch to collect the answers; a batch that is cancelled at the provider is collected, too",
        resources.journal.path().display(),
        first.model,
        first.batch.as_deref().unwrap_or("not yet created"),
    )))
}
