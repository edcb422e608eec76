//! Sweeps: the arms of a config at many thresholds.

use std::str::FromStr;

use anyhow::anyhow;
use serde_json::json;

use super::Prepared;
use super::batch::{BatchPhase, BatchedLevels};
use super::error::RunError;
use super::execute::{Ended, RunReport};
use super::left_out::{Runnable, not_recorded};
use super::progress::Progress;
use super::resources::{calibration_plan, orders};
use super::session::Session;
use super::shards::partition::Partition;
use crate::analysis::curves::grid::grid;
use crate::config::resolved::ResolvedConfig;
use crate::report::manifest::Manifest;
use crate::types::arm::{Arm, Deferral};
use crate::types::record::Record;
use crate::types::shard::{CellPlace, Shard};

/// Default number of thresholds that are quantiles of the weak level's confidences.
const DEFAULT_COUNT: usize = 21;

/// Maximum number of thresholds of a range.
const MAX_COUNT: f64 = 10_000.0;

/// Thresholds of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum Thresholds {
    /// Explicit thresholds, ascending, each in [0, 1].
    Listed(Vec<f64>),
    /// Up to this number of the weak level's confidences.
    Observed(usize),
}

impl FromStr for Thresholds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("`{text}` is not a number"));
        if let Some(rest) = text.strip_prefix("auto") {
            let count = rest.strip_prefix(':').map_or(Ok(DEFAULT_COUNT), str::parse);
            return match count {
                Ok(count) if count > 0 && (rest.is_empty() || rest.starts_with(':')) => Ok(Self::Observed(count)),
                _ => Err("expected auto, or auto:N with a number N of thresholds".to_owned()),
            };
        }
        let parts: Vec<f64> = text.split([':', ',']).map(number).collect::<Result<_, _>>()?;
        let mut thresholds = match (text.contains(':'), parts.as_slice()) {
            (true, [first, last, step]) if *step > 0.0 && first <= last => {
                if (last - first) / step > MAX_COUNT {
                    return Err(format!("more than {MAX_COUNT} thresholds. Use a larger step"));
                }
                steps(*first, *last, *step)
            }
            (true, _) => return Err("expected first:last:step, as in 0.5:0.95:0.05".to_owned()),
            (false, _) => parts,
        };
        if let Some(wrong) = thresholds.iter().find(|threshold| !(0.0..=1.0).contains(*threshold)) {
            return Err(format!("{wrong} is not between 0 and 1"));
        }
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        Ok(Self::Listed(thresholds))
    }
}

/// Values from `first` to `last` inclusive, rounded to twelve decimals to remove floating-point noise.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of steps")]
fn steps(first: f64, last: f64, step: f64) -> Vec<f64> {
    let count = ((last - first) / step + 1e-9).floor() as u32;
    (0..=count).map(|i| ((first + step * f64::from(i)) * 1e12).round() / 1e12).collect()
}

impl Thresholds {
    /// Maximum number of thresholds.
    #[must_use]
    pub fn max_count(&self) -> usize {
        match self {
            Self::Listed(thresholds) => thresholds.len(),
            Self::Observed(count) => *count,
        }
    }

    /// Arm whose records determine the thresholds, so that every shard runs it. `None` if they are listed.
    fn arm(&self) -> Option<Arm> {
        matches!(self, Self::Observed(_)).then_some(Arm::WeakOnly)
    }

    fn describe(&self) -> String {
        match self {
            Self::Listed(thresholds) => {
                let texts: Vec<String> = thresholds.iter().map(f64::to_string).collect();
                texts.join(", ")
            }
            Self::Observed(count) => format!("{count} of the weak level's own confidences"),
        }
    }

    /// Thresholds of the sweep, given the records of `weak-only`.
    fn of(&self, records: &[Record]) -> Vec<f64> {
        match self {
            Self::Listed(thresholds) => thresholds.clone(),
            Self::Observed(count) => {
                let weak = records.iter().filter(|record| record.cell.arm == Arm::WeakOnly);
                let confidences: Vec<f64> =
                    weak.filter_map(|record| Some(record.first()?.gate_confidence()?.value())).collect();
                grid(&confidences, *count)
            }
        }
    }
}

impl Prepared {
    /// Runs the arms at many thresholds. The cascade calls both levels once for each item, for any number of
    /// thresholds. A learning arm runs once for each threshold. The default folder is `results/<name>-sweep`.
    ///
    /// # Errors
    /// [`RunError`]. The journal holds every answer up to the error.
    pub async fn sweep(&self, thresholds: &Thresholds, progress: &Progress) -> Result<RunReport, RunError> {
        let resolved = &self.resolved;
        if resolved.signal.is_none() {
            return Err(RunError::Config(anyhow!(
                "`arms` names no arm that defers by confidence, so there is no threshold to sweep. Add cascade to `arms`"
            )));
        }
        let notes = self.check_batches(BatchedLevels::Both)?;
        let location = self.location("-sweep");
        let mut identity = self.identity();
        identity["deferral"]["threshold"] = json!({ "swept": thresholds.describe() });
        let setting = resolved.describe_with_gate(&format!("below a threshold is deferred: {}", thresholds.describe()));
        let mut partition = partition_of_levels(resolved, self.shard, thresholds);
        let shard = partition.begun();
        let swept = |manifest| Manifest { setting, swept: Some(Vec::new()), shard, ..manifest };
        let (session, mut manifest) = Session::begin(self, &location, identity, progress, swept)?;
        let plan = calibration_plan(resolved).swept();
        if let Some(phase) = BatchPhase::begin((self, &notes), &session, &plan, progress).await? {
            let levels = phase.run(|arm| is_fixed(*arm), &[]).await?;
            phase.run(|arm| *arm == Arm::FixedExample, &thresholds.of(&levels)).await?;
            phase.end()?;
        }
        let models = session.models().await?;
        let is_needed = |arm: &Arm| thresholds.arm() == Some(*arm);
        let plan = plan.only(|arm| !is_fixed(*arm) || partition.has(*arm) || is_needed(arm));
        let Runnable { plan, calibration, left_out } = session.runnable(&models, &plan).await?;

        let fixed_arms = plan.only(|arm| is_fixed(*arm)).cells(&calibration.arms, &[], orders(resolved));
        let needed_places = fixed_arms.places().filter(|place| is_needed(&place.arm));
        let with_needed = partition.own().map(|own| own.into_iter().chain(needed_places).collect());
        let fixed_arms = fixed_arms.restricted(with_needed);
        let levels = session.run_cells(&models, &fixed_arms, "both levels").await?.without(left_out);
        if let Some(first) = levels.left_out.iter().find(|cell| cell.arm.is_one_level()) {
            return Err(not_recorded("a sweep needs the answers of both levels to every item", first));
        }
        let thresholds = thresholds.of(&levels.records);
        let levels = match partition.own() {
            Some(own) => levels.only(|key| own.contains(&CellPlace { arm: key.arm, order: key.order, lambda: 0 })),
            None => levels,
        };
        add_learning_arms(&mut partition, resolved, &thresholds);
        let learning_arms = plan.only(|arm| is_repeated(*arm)).cells(&calibration.arms, &thresholds, orders(resolved));
        let learning_arms = learning_arms.restricted(partition.own());
        partition.note_thresholds(&learning_arms);
        let outcome = levels.and(session.run_cells(&models, &learning_arms, "sweep").await?);

        manifest.swept = Some(thresholds);
        let gate_warnings = Vec::new();
        let ended =
            Ended { session: &session, models: &models, manifest, outcome, calibration, gate_warnings, partition };
        ended.report().await
    }
}

/// True if the arm runs once for all thresholds.
fn is_fixed(arm: Arm) -> bool {
    arm.deferral() != Deferral::BelowThreshold
}

/// True if the arm runs once for each threshold. The cascade is computed from both levels.
fn is_repeated(arm: Arm) -> bool {
    !is_fixed(arm) && arm != Arm::Cascade
}

/// Division of the cells that run before the thresholds are known.
fn partition_of_levels(resolved: &ResolvedConfig, shard: Shard, thresholds: &Thresholds) -> Partition {
    let mut partition = Partition::of(shard);
    let fixed_arms = calibration_plan(resolved).swept().only(|arm| is_fixed(*arm));
    partition.add(&fixed_arms.cells(&[], &[], orders(resolved)), thresholds.arm());
    partition
}

/// Adds the cells of the arms that run once for each threshold.
fn add_learning_arms(partition: &mut Partition, resolved: &ResolvedConfig, thresholds: &[f64]) {
    let learning_arms = calibration_plan(resolved).swept().only(|arm| is_repeated(*arm));
    partition.add(&learning_arms.cells(&[], thresholds, orders(resolved)), None);
}

/// Division of a sweep's cells before the first call: with as many thresholds as there can be.
pub(super) fn partition(resolved: &ResolvedConfig, shard: Shard, thresholds: &Thresholds) -> Partition {
    let mut partition = partition_of_levels(resolved, shard, thresholds);
    add_learning_arms(&mut partition, resolved, &vec![0.0; thresholds.max_count()]);
    partition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_parse_range_list_and_auto() {
        let read = |text: &str| text.parse::<Thresholds>();
        assert_eq!(read("0.5:0.8:0.1"), Ok(Thresholds::Listed(vec![0.5, 0.6, 0.7, 0.8])));
        assert_eq!(read("0.9,0.5,0.9"), Ok(Thresholds::Listed(vec![0.5, 0.9])));
        assert_eq!(read("auto"), Ok(Thresholds::Observed(DEFAULT_COUNT)));
        assert_eq!(read("auto:5"), Ok(Thresholds::Observed(5)));
        for wrong in ["0.5:0.8", "0.8:0.5:0.1", "0:1:0", "0:1:0.00001", "1.5", "high", "auto5", "auto:0", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let Ok(Thresholds::Listed(steps)) = read("0:1:0.005") else { panic!("a range") };
        assert_eq!((steps.len(), steps[200], steps[1]), (201, 1.0, 0.005));
    }
}
