//! A sweep for people and for tables: curves, what they are worth, budgets, and savings at equal accuracy.

use std::fmt::Write;

use anyhow::Result;

use super::columns::{Column, Sheet};
use super::format::{lambda, percent};
use super::table::Table;
use crate::analysis::curves::budget::{best_within, cheapest_reaching};
use crate::analysis::curves::{Axis, Point};
use crate::analysis::metrics::swept::{Choice, RESAMPLES, Routing, Saving, Swept};
use crate::analysis::metrics::{BASELINE, Comparison};
use crate::types::arm::Arm;

/// Rungs of the ladder of budgets, and of accuracies.
const RUNGS: u32 = 10;
/// The most points of the oracle's path.
const ORACLE_POINTS: usize = 101;

/// The figures of a sweep on both axes; on fees only where every model has a price.
pub struct Sweep<'c, 'a> {
    dataset: String,
    axes: Vec<OnAxis<'c, 'a>>,
}

/// The figures on one axis.
struct OnAxis<'c, 'a> {
    axis: Axis,
    swept: Swept<'c, 'a>,
    routing: Vec<Routing>,
    savings: Vec<Saving>,
}

/// Axis, arm, λ, point, and AutoMix's lift there.
type CurveRow = (Axis, String, Option<f64>, Point, Option<f64>);

/// An answer to "which arm and λ".
struct Advice {
    axis: Axis,
    asked: &'static str,
    value: f64,
    found: Option<(Choice, Point)>,
}

impl<'c, 'a> Sweep<'c, 'a> {
    /// Everything that the comparison gives.
    #[must_use]
    pub fn new(comparison: &'c Comparison<'a>) -> Self {
        let axis = |axis| {
            let swept = Swept::new(comparison, axis)?;
            let (routing, savings) = (swept.routing(), swept.savings());
            Some(OnAxis { axis, swept, routing, savings })
        };
        Self {
            dataset: comparison.slices.first().map(|slice| slice.cell.dataset.to_string()).unwrap_or_default(),
            axes: [Axis::StrongCalls, Axis::Fee].into_iter().filter_map(axis).collect(),
        }
    }

    /// Its tables.
    ///
    /// # Errors
    /// Where polars refuses one.
    pub fn tables(&self) -> Result<Vec<Table>> {
        [self.curves(), self.routing(), self.budgets(), self.equal_accuracy()].iter().map(Sheet::table).collect()
    }

    /// The best arm and λ for a fee per item in USD, and the cheapest for an accuracy, as sentences.
    #[must_use]
    pub fn answers(&self, budget: Option<f64>, accuracy: Option<f64>) -> Vec<String> {
        let mut lines = Vec::new();
        for OnAxis { axis, swept, .. } in &self.axes {
            let unit = unit(*axis);
            if let (Some(budget), Axis::Fee) = (budget, axis) {
                lines.push(match best_within(swept.choices().iter().cloned(), budget) {
                    Some((choice, point)) => format!(
                        "within {budget} USD an item: {}, accuracy {} for {} {unit}",
                        told(&choice),
                        percent(point.accuracy),
                        cost(*axis, point.cost)
                    ),
                    None => format!("within {budget} USD an item: nothing that was swept is so cheap"),
                });
            }
            if let Some(accuracy) = accuracy {
                lines.push(match cheapest_reaching(swept.choices().iter().cloned(), accuracy) {
                    Some((choice, point)) => format!(
                        "for an accuracy of {}: {}, at {} {unit}",
                        percent(accuracy),
                        told(&choice),
                        cost(*axis, point.cost)
                    ),
                    None => format!("for an accuracy of {}: nothing that was swept reaches it", percent(accuracy)),
                });
            }
        }
        if budget.is_some() && !self.axes.iter().any(|on| on.axis == Axis::Fee) {
            lines.push("a budget needs a price for every model".to_owned());
        }
        lines
    }

    /// What a terminal shows.
    #[must_use]
    pub fn terminal(&self, width: u16) -> String {
        let sheets = [self.routing(), self.equal_accuracy()].into_iter().filter(|sheet| !sheet.is_empty());
        sheets.map(|sheet| sheet.terminal(width)).collect::<Vec<_>>().join("\n")
    }

    /// Its part of the summary, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let _ = write!(
            text,
            "\n## What accuracy costs\n\n{}\nBetween the corners weak-only and strong-only. Area: mean accuracy over that range of \
             cost; APGR and CPT as in RouteLLM; 0 of the oracle's area is the random router (in expectation), 1 the router \
             that knows which level is right, which is an oracle: it looks at the targets. The cascade at every λ is read off \
             the two levels alone, whose calls it makes; other arms with a gate were run at every λ. No interval here covers that \
             the best of many λ was picked on the same items.\n",
            self.routing().markdown()
        );
        let saved = self.equal_accuracy();
        if !saved.is_empty() {
            let _ = write!(
                text,
                "\n## What is saved at the cascade's accuracy\n\n{}\nAlong the curves through each arm's thresholds and both corners, so \
                 that between neighbours one of them is chosen at random for each item: cost where both are as accurate as \
                 the cascade at the λ named. For an arm that learns that is an interpolation: no run had those deferrals. In \
                 brackets 95 % bootstrap intervals over groups ({RESAMPLES} resamples), conditional on the orders. – : the \
                 arm's curve never reaches that accuracy, or starts above it.\n",
                saved.markdown()
            );
        }
        let _ = write!(text, "\n## For a budget, for an accuracy\n\n{}", self.budgets().markdown());
        text
    }

    /// Budgets in even steps from the cheapest to the dearest choice, and accuracies from the lowest to the highest.
    fn advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        for OnAxis { axis, swept, .. } in &self.axes {
            let choices = swept.choices();
            let ladder = |of: fn(&Point) -> f64| {
                let values = || choices.iter().map(|(_, point)| of(point));
                let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
                (0..=RUNGS).map(move |rung| low + (high - low) * f64::from(rung) / f64::from(RUNGS))
            };
            for value in ladder(|point| point.cost) {
                let found = best_within(choices.iter().cloned(), value);
                advice.push(Advice { axis: *axis, asked: "budget", value, found });
            }
            for value in ladder(|point| point.accuracy) {
                let found = cheapest_reaching(choices.iter().cloned(), value);
                advice.push(Advice { axis: *axis, asked: "accuracy", value, found });
            }
        }
        advice
    }

    fn curves(&self) -> Sheet {
        let mut rows: Vec<CurveRow> = Vec::new();
        for OnAxis { axis, swept, routing, .. } in &self.axes {
            let corners = swept.corners();
            for (arm, point) in [(Arm::WeakOnly, corners.weak), (Arm::StrongOnly, corners.strong)] {
                rows.push((*axis, arm.to_string(), None, point, None));
            }
            for routing in routing {
                let own = routing.points.iter();
                rows.extend(own.map(|(threshold, point)| {
                    (*axis, routing.arm.to_string(), Some(*threshold), *point, corners.ibc_lift(*point))
                }));
            }
            let ungated = |choice: &Choice| choice.threshold.is_none() && !choice.arm.is_one_level();
            for (choice, point) in swept.choices().iter().filter(|(choice, _)| ungated(choice)) {
                rows.push((*axis, choice.arm.to_string(), None, *point, corners.ibc_lift(*point)));
            }
            for point in [corners.weak, corners.strong] {
                rows.push((*axis, "random-router".to_owned(), None, point, None));
            }
            let path = swept.oracle().points();
            let step = path.len().div_ceil(ORACLE_POINTS).max(1);
            let last = path.len().saturating_sub(1);
            let kept = path.iter().enumerate().filter(|(place, _)| place % step == 0 || *place == last);
            rows.extend(kept.map(|(_, point)| (*axis, "oracle-router".to_owned(), None, *point, None)));
        }
        let each = || rows.iter();
        let columns = vec![
            Column::text(each().map(|_| self.dataset.clone())).file("dataset"),
            Column::text(each().map(|row| row.1.clone())).file("arm"),
            Column::text(each().map(|row| column(row.0).to_owned())).file("axis"),
            Column::exact(each().map(|row| row.2)).file("threshold"),
            Column::exact(each().map(|row| row.3.cost)).file("cost"),
            Column::share(each().map(|row| row.3.accuracy)).file("accuracy"),
            Column::number(3, each().map(|row| row.4)).file("ibc_lift"),
        ];
        Sheet { name: "curves", columns }
    }

    fn routing(&self) -> Sheet {
        let rows: Vec<_> = self.axes.iter().flat_map(|on| on.routing.iter().map(|row| (on.axis, row))).collect();
        let each = || rows.iter();
        let figure = |of: fn(&Routing) -> Option<f64>| Column::number(3, rows.iter().map(move |(_, row)| of(row)));
        let columns = vec![
            Column::text(each().map(|_| self.dataset.clone())).file("dataset"),
            Column::text(each().map(|(axis, _)| name(*axis).to_owned())).heading("cost"),
            Column::text(each().map(|(_, row)| row.arm.to_string())).file("arm").heading("arm"),
            Column::text(each().map(|(axis, _)| column(*axis).to_owned())).file("axis"),
            Column::count(each().map(|(_, row)| row.points.len())).file("thresholds").heading("thresholds"),
            figure(|row| row.area).file("area").heading("area"),
            figure(|row| row.apgr).file("apgr").heading("APGR"),
            figure(|row| row.cpt[0]).file("cpt_50").heading("CPT(50)"),
            figure(|row| row.cpt[1]).file("cpt_80").heading("CPT(80)"),
            figure(|row| row.oracle_normalised).file("oracle_normalised_area").heading("of the oracle's area"),
        ];
        Sheet { name: "routing", columns }
    }

    fn budgets(&self) -> Sheet {
        let rows = self.advice();
        let each = || rows.iter();
        let found = || each().map(|row| row.found.as_ref());
        let asked = |row: &Advice| format!("{}, {}", row.asked, name(row.axis));
        let value = |row: &Advice| if row.asked == "accuracy" { percent(row.value) } else { cost(row.axis, row.value) };
        let paid = |row: &Advice| row.found.as_ref().map(|(_, point)| cost(row.axis, point.cost)).unwrap_or_default();
        let columns = vec![
            Column::text(each().map(|_| self.dataset.clone())).file("dataset"),
            Column::text(each().map(|row| column(row.axis).to_owned())).file("axis"),
            Column::text(each().map(|row| row.asked.to_owned())).file("asked"),
            Column::written(each().map(asked)).aside("asked"),
            Column::exact(each().map(|row| row.value)).file("value"),
            Column::written(each().map(value)).aside("of"),
            Column::text(found().map(|found| Some(found?.0.arm.to_string()))).or("none").file("arm").aside("arm"),
            Column::exact(found().map(|found| found?.0.threshold)).or("").file("threshold").aside("λ"),
            Column::share(found().map(|found| Some(found?.1.accuracy))).or("").file("accuracy").aside("accuracy"),
            Column::exact(found().map(|found| Some(found?.1.cost))).file("cost"),
            Column::written(each().map(paid)).aside("cost of an item"),
        ];
        Sheet { name: "budgets", columns }
    }

    fn equal_accuracy(&self) -> Sheet {
        let rows: Vec<(Axis, &Saving)> =
            self.axes.iter().flat_map(|on| on.savings.iter().map(|saving| (on.axis, saving))).collect();
        let each = || rows.iter();
        let columns = vec![
            Column::text(each().map(|_| self.dataset.clone())).file("dataset"),
            Column::text(each().map(|(axis, _)| name(*axis).to_owned())).heading("cost"),
            Column::text(each().map(|(_, saving)| saving.arm.to_string())).file("arm").heading("arm"),
            Column::text(each().map(|(axis, _)| column(*axis).to_owned())).file("axis"),
            Column::exact(each().map(|(_, saving)| saving.threshold)).file("cascade_threshold").heading("cascade's λ"),
            Column::share(each().map(|(_, saving)| saving.accuracy)).file("accuracy").heading("accuracy"),
            Column::relative(each().map(|(_, saving)| saving.change))
                .file("change_percent")
                .ends(["change_low_percent", "change_high_percent"])
                .heading("change at that accuracy"),
        ];
        Sheet { name: "equal_accuracy", columns }
    }
}

fn told(choice: &Choice) -> String {
    let at = choice.threshold.map(|threshold| format!(" at λ {}", lambda(threshold))).unwrap_or_default();
    format!("{}{at}{}", choice.arm, if choice.arm == BASELINE { " (standard)" } else { "" })
}

fn name(axis: Axis) -> &'static str {
    match axis {
        Axis::StrongCalls => "strong calls",
        Axis::Fee => "fee",
    }
}

fn column(axis: Axis) -> &'static str {
    match axis {
        Axis::StrongCalls => "strong_call_rate",
        Axis::Fee => "fee_per_item_usd",
    }
}

fn unit(axis: Axis) -> &'static str {
    match axis {
        Axis::StrongCalls => "of the items",
        Axis::Fee => "USD an item",
    }
}

fn cost(axis: Axis, cost: f64) -> String {
    match axis {
        Axis::StrongCalls => percent(cost),
        Axis::Fee => format!("{cost:.8}"),
    }
}
