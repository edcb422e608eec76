//! `intercascade sweep`: the arms at many thresholds.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};
use serde_json::json;

use super::session::{Named, Session, Sources};
use super::{Status, block_on};
use crate::report::manifest::Manifest;
use crate::report::sweep::Sweep;
use crate::run::resources::{gates, orders, output_folder};
use crate::types::arm::{Arm, Deferral};
use crate::types::record::Record;

/// Thresholds that are told from the weak level's confidences, unless another number is asked for.
const USUAL: usize = 21;

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade sweep --config configs/quickstart.toml\n  intercascade sweep --config configs/quickstart.toml --thresholds 0.5:0.95:0.05 --accuracy 0.8\n\nThe cascade costs weak-only and strong-only once, whatever the number of thresholds; an arm that learns is run at each."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    /// first:last:step, a list as in 0.5,0.7,0.9, or auto:N for N of the weak level's own confidences
    #[arg(long, value_name = "SPEC", default_value = "auto:21")]
    thresholds: Thresholds,
    /// Say which arm and threshold to take for this fee in USD an item
    #[arg(long, value_name = "USD")]
    budget: Option<f64>,
    /// Say which arm and threshold reach this accuracy (0 to 1) for the least
    #[arg(long, value_name = "SHARE")]
    accuracy: Option<f64>,
    /// Folder for the outputs [default: results/<name>-sweep]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Set outputs that are there aside and start over; the journal of calls stays in use
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    sources: Sources,
}

/// The most thresholds of a range.
const MOST: f64 = 10_000.0;

/// Which thresholds are swept.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Thresholds {
    /// These, ascending.
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
    fn told(&self) -> String {
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
                let mut seen: Vec<f64> = weak.filter_map(|record| Some(record.first()?.confidence?.value())).collect();
                seen.sort_by(f64::total_cmp);
                seen.dedup();
                thinned(&seen, *count)
            }
        }
    }
}

/// `count` of some values, at even distances in their order, the first and the last among them.
fn thinned(values: &[f64], count: usize) -> Vec<f64> {
    if values.len() <= count {
        return values.to_vec();
    }
    let last = values.len() - 1;
    (0..count).map(|i| values[if count == 1 { last / 2 } else { i * last / (count - 1) }]).collect()
}

pub(super) fn run(args: &Args) -> Result<Status> {
    let assembly = args.named.load(&args.sources, &[])?;
    if assembly.signal.is_none() {
        bail!("a sweep needs an arm that is gated by confidence, and `arms` names none");
    }
    let usual = output_folder(&assembly.config, None);
    let beside = usual.with_file_name(format!("{}-sweep", assembly.config.name));
    let folder = args.out.clone().unwrap_or(beside);
    let mut identity = assembly.identity();
    identity["deferral"]["threshold"] = json!({ "swept": args.thresholds.told() });
    let (session, mut manifest) = Session::begin(&assembly, identity, &folder, None, &args.sources, args.fresh)?;
    manifest.setting = assembly.setting_with(&format!("below a threshold is deferred: {}", args.thresholds.told()));
    manifest.swept = Some(Vec::new());
    block_on(go(args, &session, manifest))
}

async fn go(args: &Args, session: &Session<'_>, mut manifest: Manifest) -> Result<Status> {
    session.note(&manifest)?;
    let assembly = session.assembly;
    let models = session.models().await?;
    let gates = gates(assembly).swept();
    let told = session.calibrate(&models, &gates).await?;

    let alone = gates.only(|arm| arm.deferral() != Deferral::BelowThreshold);
    let levels = session.through(&models, &alone.cells(&told.arms, &[], orders(assembly)), "both levels").await?;
    let thresholds = args.thresholds.of(&levels.records);
    let taught = gates.only(|arm| arm.learning().is_some());
    let taught = session.through(&models, &taught.cells(&told.arms, &thresholds, orders(assembly)), "sweep").await?;
    let outcome = levels.and(taught);

    manifest.swept = Some(thresholds);
    let asked = |sweep: &Sweep| sweep.answers(args.budget, args.accuracy);
    session.finish(&models, manifest, &outcome, &told, Vec::new(), asked).await
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

    #[test]
    fn thinning_keeps_both_ends() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(thinned(&values, 3), [0.0, 49.0, 99.0]);
        assert_eq!(thinned(&values, 1), [49.0]);
        assert_eq!(thinned(&values[..2], 5), [0.0, 1.0]);
    }
}
