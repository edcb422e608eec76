//! The arms of a config at many thresholds.

use std::str::FromStr;

use anyhow::anyhow;
use serde_json::json;

use super::Prepared;
use super::error::RunError;
use super::execute::{Ended, RunReport};
use super::left_out::{Runnable, nothing};
use super::progress::Progress;
use super::resources::{gates, orders};
use super::session::Session;
use crate::analysis::curves::grid::grid;
use crate::report::manifest::Manifest;
use crate::types::arm::{Arm, Deferral};
use crate::types::record::Record;

/// Thresholds that are taken from the weak level's confidences, unless another number is asked for.
const USUAL: usize = 21;

/// The most thresholds of a range.
const MOST: f64 = 10_000.0;

/// Which thresholds are swept.
#[derive(Debug, Clone, PartialEq)]
pub enum Thresholds {
    /// These, ascending, each in [0, 1].
    Listed(Vec<f64>),
    /// So many of the weak level's own confidences.
    Observed(usize),
}

impl FromStr for Thresholds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("`{text}` is no number"));
        if let Some(rest) = text.strip_prefix("auto") {
            let count = rest.strip_prefix(':').map_or(Ok(USUAL), str::parse);
            return match count {
                Ok(count) if count > 0 && (rest.is_empty() || rest.starts_with(':')) => Ok(Self::Observed(count)),
                _ => Err("auto, or auto:N with a number of thresholds".to_owned()),
            };
        }
        let parts: Vec<f64> = text.split([':', ',']).map(number).collect::<Result<_, _>>()?;
        let mut thresholds = match (text.contains(':'), parts.as_slice()) {
            (true, [first, last, step]) if *step > 0.0 && first <= last => {
                if (last - first) / step > MOST {
                    return Err(format!("more than {MOST} thresholds; take a wider step"));
                }
                steps(*first, *last, *step)
            }
            (true, _) => return Err("first:last:step, as in 0.5:0.95:0.05".to_owned()),
            (false, _) => parts,
        };
        if let Some(wrong) = thresholds.iter().find(|threshold| !(0.0..=1.0).contains(*threshold)) {
            return Err(format!("{wrong} is not from 0 to 1"));
        }
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        Ok(Self::Listed(thresholds))
    }
}

/// From `first` to `last`, both included, without the digits that adding up would leave.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of steps")]
fn steps(first: f64, last: f64, step: f64) -> Vec<f64> {
    let count = ((last - first) / step + 1e-9).floor() as u32;
    (0..=count).map(|i| ((first + step * f64::from(i)) * 1e12).round() / 1e12).collect()
}

impl Thresholds {
    /// How many they are at most.
    #[must_use]
    pub fn most(&self) -> usize {
        match self {
            Self::Listed(thresholds) => thresholds.len(),
            Self::Observed(count) => *count,
        }
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

    /// The thresholds, once the weak level has answered.
    fn of(&self, records: &[Record]) -> Vec<f64> {
        match self {
            Self::Listed(thresholds) => thresholds.clone(),
            Self::Observed(count) => {
                let weak = records.iter().filter(|record| record.cell.arm == Arm::WeakOnly);
                let seen: Vec<f64> =
                    weak.filter_map(|record| Some(record.first()?.gate_confidence()?.value())).collect();
                grid(&seen, *count)
            }
        }
    }
}

impl Prepared {
    /// Runs the arms at many thresholds. The cascade costs both levels once, whatever the number of thresholds; an arm that
    /// learns is run at each. The usual folder is `results/<name>-sweep`.
    ///
    /// # Errors
    /// [`RunError`]; what was answered until then is in the journal.
    pub async fn sweep(&self, thresholds: &Thresholds, progress: &Progress) -> Result<RunReport, RunError> {
        let resolved = &self.resolved;
        if resolved.signal.is_none() {
            return Err(RunError::Config(anyhow!(
                "a sweep needs an arm that is gated by confidence, and `arms` names none"
            )));
        }
        let place = self.place("-sweep");
        let mut identity = self.identity();
        identity["deferral"]["threshold"] = json!({ "swept": thresholds.describe() });
        let setting = resolved.describe_with_gate(&format!("below a threshold is deferred: {}", thresholds.describe()));
        let swept = |manifest| Manifest { setting, swept: Some(Vec::new()), ..manifest };
        let (session, mut manifest) = Session::begin(self, &place, identity, progress, swept)?;
        let models = session.models().await?;
        let gates = gates(resolved).swept();
        let Runnable { gates, calibration, left_out } = session.runnable(&models, &gates).await?;

        let alone = gates.only(|arm| arm.deferral() != Deferral::BelowThreshold);
        let cells = alone.cells(&calibration.arms, &[], orders(resolved));
        let levels = session.run_cells(&models, &cells, "both levels").await?.without(left_out);
        if let Some(first) = levels.left_out.iter().find(|cell| cell.arm.is_one_level()) {
            return Err(nothing("a sweep needs both levels' answers to every item", first));
        }
        let thresholds = thresholds.of(&levels.records);
        let taught = gates.only(|arm| arm.deferral() == Deferral::BelowThreshold && *arm != Arm::Cascade);
        let cells = taught.cells(&calibration.arms, &thresholds, orders(resolved));
        let outcome = levels.and(session.run_cells(&models, &cells, "sweep").await?);

        manifest.swept = Some(thresholds);
        let of_gates = Vec::new();
        Ended { session: &session, models: &models, manifest, outcome, calibration, of_gates }.report().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_a_range_a_list_or_observed() {
        let read = |text: &str| text.parse::<Thresholds>();
        assert_eq!(read("0.5:0.8:0.1"), Ok(Thresholds::Listed(vec![0.5, 0.6, 0.7, 0.8])));
        assert_eq!(read("0.9,0.5,0.9"), Ok(Thresholds::Listed(vec![0.5, 0.9])));
        assert_eq!(read("auto"), Ok(Thresholds::Observed(USUAL)));
        assert_eq!(read("auto:5"), Ok(Thresholds::Observed(5)));
        for wrong in ["0.5:0.8", "0.8:0.5:0.1", "0:1:0", "0:1:0.00001", "1.5", "high", "auto5", "auto:0", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let Ok(Thresholds::Listed(steps)) = read("0:1:0.005") else { panic!("a range") };
        assert_eq!((steps.len(), steps[200], steps[1]), (201, 1.0, 0.005));
    }
}
