//! The tables of what the arms reached: accuracy, strong calls, fees, and what confidence is worth.

use anyhow::Result;
use polars::prelude::Column;

use super::tables::{Table, float, int, optional_flag, optional_int, text};
use crate::analysis::metrics::calibrated::Guaranteed;
use crate::analysis::metrics::changes::RESAMPLES;
use crate::analysis::metrics::confidence::{Ends, Realised, Reliability};
use crate::analysis::metrics::{Calibrated, Changes, Comparison, Slice, ratio};
use crate::analysis::stats::{Draws, Estimate, Interval};
use crate::types::price::Fee;
use crate::types::record::Purpose;

/// The tables of what the arms reached.
///
/// # Errors
/// Where polars refuses a table.
pub fn of_arms(comparison: &Comparison, gauged: Option<Gauged>) -> Result<Vec<Table>> {
    let arms = Arms(comparison);
    let mut tables = vec![arms.accuracy()?, arms.strong_calls()?, arms.fees()?];
    if let Some(gauged) = gauged {
        let worth = arms.worth();
        tables.extend([arms.calibration(gauged, &worth)?, Arms::reliability(&worth)?]);
    }
    Ok(tables)
}

/// Whose confidence it is, and what it is read from.
#[derive(Debug, Clone, Copy)]
pub struct Gauged<'a> {
    /// The weak level's model.
    pub model: &'a str,
    /// The signal.
    pub signal: &'a str,
}

struct Arms<'a, 'b>(&'a Comparison<'b>);

impl<'a, 'b> Arms<'a, 'b> {
    fn rows(&self) -> std::slice::Iter<'a, Slice<'b>> {
        self.0.slices.iter()
    }

    fn changed<T>(&self, figure: impl Fn(&Changes) -> Option<T>) -> impl Iterator<Item = Option<T>> {
        self.0.changes.iter().map(move |changes| changes.as_ref().and_then(&figure))
    }

    fn head(&self) -> Vec<Column> {
        vec![
            text("dataset", self.rows().map(|slice| slice.cell.dataset.to_string())),
            text("arm", self.rows().map(|slice| slice.cell.arm.to_string())),
            float("threshold", self.rows().map(|slice| slice.cell.threshold)),
            int("orders", self.rows().map(|slice| slice.orders)),
            int("n", self.rows().map(|slice| slice.n)),
        ]
    }

    fn accuracy(&self) -> Result<Table> {
        let own = |slice: &Slice| {
            let labels = ["own-accuracy", slice.cell.arm.name()];
            slice.accuracy_interval(Draws { seed: self.0.seed, labels: &labels, count: RESAMPLES })
        };
        let own: Vec<Option<Interval>> = self.rows().map(own).collect();
        let weak = |figure: fn(&Estimate) -> Option<f64>| {
            self.changed(move |changes| changes.weak_accuracy.as_ref().and_then(figure))
        };
        let spread = |end: fn(f64, f64) -> f64| {
            self.changed(move |changes| changes.accuracy_by_order.iter().copied().reduce(end).map(points))
        };
        let mut columns = self.head();
        columns.extend([
            float("accuracy", self.rows().map(Slice::accuracy)),
            float("accuracy_low", own.iter().map(|own| own.map(|own| own.low))),
            float("accuracy_high", own.iter().map(|own| own.map(|own| own.high))),
            float("weak_accuracy", self.rows().map(Slice::weak_accuracy)),
            float("accepted_accuracy", self.rows().map(Slice::accepted_accuracy)),
            float("coverage", self.rows().map(Slice::coverage)),
            float("no_answer", self.rows().map(Slice::no_answer)),
            float("change_vs_cascade_pp", self.changed(|changes| Some(points(changes.accuracy.value)))),
            float("change_low_pp", self.changed(|changes| low(&changes.accuracy))),
            float("change_high_pp", self.changed(|changes| high(&changes.accuracy))),
            float("p_value", self.changed(|changes| changes.accuracy.p_value)),
            float("p_holm", self.0.adjusted(|changes| changes.accuracy.p_value).into_iter()),
            float("change_order_min_pp", spread(f64::min)),
            float("change_order_max_pp", spread(f64::max)),
            float("weak_change_vs_cascade_pp", weak(|change| Some(points(change.value)))),
            float("weak_change_low_pp", weak(low)),
            float("weak_change_high_pp", weak(high)),
            float("weak_p_value", weak(|change| change.p_value)),
            float("coverage_change_pp", self.changed(|changes| Some(points(changes.coverage.value)))),
        ]);
        Table::new("accuracy", columns)
    }

    fn strong_calls(&self) -> Result<Table> {
        let of = |figure: fn(Estimate) -> Option<f64>| self.changed(move |changes| figure(changes.strong_calls?));
        let all = |figure: fn(Estimate) -> Option<f64>| self.changed(move |changes| figure(changes.strong_calls_all?));
        let spread = |end: fn(f64, f64) -> f64| {
            self.changed(move |changes| changes.strong_calls_by_order.iter().copied().flatten().reduce(end).map(points))
        };
        let change = |change: Estimate| Some(points(change.value));
        let ends = [|change: Estimate| low(&change), |change: Estimate| high(&change)];
        let mut columns = self.head();
        columns.extend([
            int("strong_calls", self.rows().map(Slice::strong_calls)),
            float("strong_call_rate", self.rows().map(|slice| ratio(slice.strong_calls(), slice.taken.len()))),
            float("change_vs_cascade_percent", of(change)),
            float("change_low_percent", of(ends[0])),
            float("change_high_percent", of(ends[1])),
            float("p_value", self.changed(|changes| Some(changes.strong_calls_p_value))),
            int("strong_calls_all", self.rows().map(Slice::strong_calls_all)),
            float("p_holm", self.0.adjusted(|changes| Some(changes.strong_calls_p_value)).into_iter()),
            float("change_order_min_percent", spread(f64::min)),
            float("change_order_max_percent", spread(f64::max)),
            float("change_all_vs_cascade_percent", all(change)),
            float("change_all_low_percent", all(ends[0])),
            float("change_all_high_percent", all(ends[1])),
        ]);
        Table::new("strong_calls", columns)
    }

    fn fees(&self) -> Result<Table> {
        let mut rows = Vec::new();
        for slice in &self.0.slices {
            let of_slice = self.0.fees_with_changes(slice);
            rows.extend(of_slice.map(|(row, change)| (&slice.cell, row, change)));
        }
        let each = || rows.iter();
        let columns = vec![
            text("dataset", each().map(|(cell, ..)| cell.dataset.to_string())),
            text("arm", each().map(|(cell, ..)| cell.arm.to_string())),
            float("threshold", each().map(|(cell, ..)| cell.threshold)),
            text("model", each().map(|(_, row, _)| row.model.clone())),
            text("purpose", each().map(|(_, row, _)| row.purpose.map_or("total", Purpose::name).to_owned())),
            int("calls", each().map(|(_, row, _)| row.calls)),
            int("input_tokens", each().map(|(_, row, _)| row.usage.input)),
            int("cached_input_tokens", each().map(|(_, row, _)| row.usage.cached_input)),
            int("output_tokens", each().map(|(_, row, _)| row.usage.output)),
            float("fee_usd", each().map(|(_, row, _)| row.fee.map(Fee::usd))),
            float("change_vs_cascade_percent", each().map(|(.., change)| change.map(|change| points(change.value)))),
            float("change_low_percent", each().map(|(.., change)| low(change.as_ref()?))),
            float("change_high_percent", each().map(|(.., change)| high(change.as_ref()?))),
        ];
        Table::new("fees", columns)
    }
}

/// A slice, and what the weak level's confidence is worth in it.
type Worth<'a> = (&'a Slice<'a>, Reliability);

/// The interval of one figure of what confidence is worth.
type End = fn(&Ends) -> Option<Interval>;

/// A row of the table `calibration`.
struct GateRow<'a> {
    slice: &'a Slice<'a>,
    worth: &'a Reliability,
    found: Option<Guaranteed>,
    /// Whose answers told the threshold.
    told_from: Option<&'static str>,
    realised: Option<Realised>,
    ends: Ends,
}

impl<'a> GateRow<'a> {
    fn new(comparison: &Comparison, slice: &'a Slice<'a>, worth: &'a Reliability) -> Self {
        let found = comparison.guaranteed(slice);
        Self {
            slice,
            worth,
            found,
            told_from: comparison.calibrated(slice.cell.arm).map(Calibrated::whose),
            realised: found.map(|found| slice.realised(found.guarantee.alpha)),
            ends: comparison.confidence_ends(slice),
        }
    }
}

impl Arms<'_, '_> {
    fn calibration(&self, gauged: Gauged, worth: &[Worth]) -> Result<Table> {
        let rows: Vec<GateRow> = worth.iter().map(|(slice, worth)| GateRow::new(self.0, slice, worth)).collect();
        let each = || rows.iter();
        let found = || each().map(|row| row.found.as_ref());
        let tested = || found().map(|found| found.and_then(|found| found.tested.as_ref()));
        let mut columns = vec![
            text("dataset", each().map(|row| row.slice.cell.dataset.to_string())),
            text("arm", each().map(|row| row.slice.cell.arm.to_string())),
            text("model", each().map(|_| gauged.model.to_owned())),
            text("signal", each().map(|_| gauged.signal.to_owned())),
            int("n", each().map(|row| row.worth.n)),
            float("ece", each().map(|row| row.worth.ece)),
            float("brier", each().map(|row| row.worth.brier)),
            float("auroc", each().map(|row| row.worth.auroc)),
            float("aurc", each().map(|row| row.worth.aurc)),
            float("threshold", each().map(|row| row.slice.cell.threshold)),
            float("alpha", found().map(|found| found.map(|found| found.guarantee.alpha))),
            float("delta", found().map(|found| found.map(|found| found.guarantee.delta))),
            optional_flag("certified", found().map(|found| found.map(|found| found.certified))),
            int("ece_bins", each().map(|row| row.worth.bins.len())),
            text("told_from", each().map(|row| row.told_from.map(str::to_owned))),
            optional_int("calibration_n", found().map(|found| found.map(|found| found.told_from))),
            optional_int("calibration_accepted", tested().map(|tested| tested.map(|tested| tested.n))),
            optional_int("calibration_errors", tested().map(|tested| tested.map(|tested| tested.errors))),
            float("calibration_risk", tested().map(|tested| tested.map(|tested| tested.risk))),
            float("risk_bound", tested().map(|tested| tested.map(|tested| tested.bound))),
            float("smallest_alpha", found().map(|found| found.map(|found| found.smallest_alpha))),
            float("realised_risk", each().map(|row| row.realised.and_then(|realised| realised.risk))),
            float("drift_wealth", each().map(|row| row.realised.map(|realised| realised.wealth))),
            float("drift_p_value", each().map(|row| row.realised.map(|realised| realised.p))),
        ];
        let ends: [(&str, End); 3] =
            [("auroc", |ends| ends.auroc), ("ece", |ends| ends.ece), ("brier", |ends| ends.brier)];
        for (name, of) in ends {
            columns.push(float(&format!("{name}_low"), each().map(|row| of(&row.ends).map(|ends| ends.low))));
            columns.push(float(&format!("{name}_high"), each().map(|row| of(&row.ends).map(|ends| ends.high))));
        }
        Table::new("calibration", columns)
    }

    /// What the weak level's confidence is worth in each slice that has one.
    fn worth(&self) -> Vec<Worth<'_>> {
        self.rows().filter_map(|slice| Some((slice, slice.reliability()?))).collect()
    }

    fn reliability(worth: &[Worth]) -> Result<Table> {
        let rows: Vec<_> = worth
            .iter()
            .flat_map(|(slice, worth)| worth.bins.iter().enumerate().map(move |(place, bin)| (slice, place, bin)))
            .collect();
        let each = || rows.iter();
        let columns = vec![
            text("dataset", each().map(|(slice, ..)| slice.cell.dataset.to_string())),
            text("arm", each().map(|(slice, ..)| slice.cell.arm.to_string())),
            float("threshold", each().map(|(slice, ..)| slice.cell.threshold)),
            int("bin", each().map(|(_, place, _)| *place)),
            float("low", each().map(|(_, _, bin)| bin.low)),
            float("high", each().map(|(_, _, bin)| bin.high)),
            int("n", each().map(|(_, _, bin)| bin.n)),
            float("confidence", each().map(|(_, _, bin)| bin.confidence)),
            float("accuracy", each().map(|(_, _, bin)| bin.accuracy)),
        ];
        Table::new("reliability", columns)
    }
}

/// In hundredths, as tables have points and percent.
pub(super) fn points(share: f64) -> f64 {
    share * 100.0
}

pub(super) fn low(estimate: &Estimate) -> Option<f64> {
    estimate.interval.map(|interval| points(interval.low))
}

pub(super) fn high(estimate: &Estimate) -> Option<f64> {
    estimate.interval.map(|interval| points(interval.high))
}
