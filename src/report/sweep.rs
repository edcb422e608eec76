//! A sweep for people and for tables: curves, what they are worth, budgets, and savings at equal accuracy.

use std::fmt::Write;

use anyhow::Result;

use super::format::{lambda, relative};
use super::grid;
use super::tables::{Table, float, int, text};
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
        Ok(vec![self.curves()?, self.routing()?, self.budgets()?, self.equal_accuracy()?])
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
                        "within {budget} USD an item: {}, accuracy {:.1} % for {} {unit}",
                        told(&choice),
                        point.accuracy * 100.0,
                        cost(*axis, point.cost)
                    ),
                    None => format!("within {budget} USD an item: nothing that was swept is so cheap"),
                });
            }
            if let Some(accuracy) = accuracy {
                lines.push(match cheapest_reaching(swept.choices().iter().cloned(), accuracy) {
                    Some((choice, point)) => format!(
                        "for an accuracy of {:.1} %: {}, at {} {unit}",
                        accuracy * 100.0,
                        told(&choice),
                        cost(*axis, point.cost)
                    ),
                    None => format!("for an accuracy of {:.1} %: nothing that was swept reaches it", accuracy * 100.0),
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
        let tables = [self.worth(), self.saved()].into_iter().filter(|rows| rows.len() > 1);
        tables.map(|rows| grid::table(&rows, 2, width)).collect::<Vec<_>>().join("\n")
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
             the two levels alone, whose calls it makes; arms that learn were run at every λ. No interval here covers that \
             the best of many λ was picked on the same items.\n",
            grid::markdown(&self.worth())
        );
        let saved = self.saved();
        if saved.len() > 1 {
            let _ = write!(
                text,
                "\n## What is saved at the cascade's accuracy\n\n{}\nAlong the curves through each arm's thresholds and both corners, so \
                 that between neighbours one of them is chosen at random for each item: cost where both are as accurate as \
                 the cascade at the λ named. For an arm that learns that is an interpolation: no run had those deferrals. In \
                 brackets 95 % bootstrap intervals over groups ({RESAMPLES} resamples), conditional on the orders. – : the \
                 arm's curve never reaches that accuracy, or starts above it.\n",
                grid::markdown(&saved)
            );
        }
        let _ = write!(text, "\n## For a budget, for an accuracy\n\n{}", grid::markdown(&self.ladder()));
        text
    }

    fn worth(&self) -> Vec<Vec<String>> {
        let header = ["cost", "arm", "thresholds", "area", "APGR", "CPT(50)", "CPT(80)", "of the oracle's area"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        let figure = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
        for OnAxis { axis, routing, .. } in &self.axes {
            for routing in routing {
                rows.push(vec![
                    name(*axis).to_owned(),
                    routing.arm.to_string(),
                    routing.points.len().to_string(),
                    figure(routing.area),
                    figure(routing.apgr),
                    figure(routing.cpt[0]),
                    figure(routing.cpt[1]),
                    figure(routing.oracle_normalised),
                ]);
            }
        }
        rows
    }

    fn saved(&self) -> Vec<Vec<String>> {
        let header = ["cost", "arm", "cascade's λ", "accuracy", "change at that accuracy"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for OnAxis { axis, savings, .. } in &self.axes {
            for saving in savings {
                let change = saving.change.map_or("–".to_owned(), relative);
                rows.push(vec![
                    name(*axis).to_owned(),
                    saving.arm.to_string(),
                    lambda(saving.threshold),
                    format!("{:.1} %", saving.accuracy * 100.0),
                    change,
                ]);
            }
        }
        rows
    }

    fn ladder(&self) -> Vec<Vec<String>> {
        let header = ["asked", "of", "arm", "λ", "accuracy", "cost of an item"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for Advice { axis, asked, value, found } in self.advice() {
            let wanted = if asked == "accuracy" { format!("{:.1} %", value * 100.0) } else { cost(axis, value) };
            let (arm, threshold, accuracy, price) = found.map_or_else(
                || ("none".to_owned(), String::new(), String::new(), String::new()),
                |(choice, point)| {
                    let threshold = choice.threshold.map(lambda).unwrap_or_default();
                    (
                        choice.arm.to_string(),
                        threshold,
                        format!("{:.1} %", point.accuracy * 100.0),
                        cost(axis, point.cost),
                    )
                },
            );
            rows.push(vec![format!("{asked}, {}", name(axis)), wanted, arm, threshold, accuracy, price]);
        }
        rows
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

    fn curves(&self) -> Result<Table> {
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
            text("dataset", each().map(|_| self.dataset.clone())),
            text("arm", each().map(|row| row.1.clone())),
            text("axis", each().map(|row| column(row.0).to_owned())),
            float("threshold", each().map(|row| row.2)),
            float("cost", each().map(|row| row.3.cost)),
            float("accuracy", each().map(|row| row.3.accuracy)),
            float("ibc_lift", each().map(|row| row.4)),
        ];
        Table::new("curves", columns)
    }

    fn routing(&self) -> Result<Table> {
        let rows: Vec<_> = self.axes.iter().flat_map(|on| on.routing.iter().map(|row| (on.axis, row))).collect();
        let each = || rows.iter();
        let columns = vec![
            text("dataset", each().map(|_| self.dataset.clone())),
            text("arm", each().map(|(_, row)| row.arm.to_string())),
            text("axis", each().map(|(axis, _)| column(*axis).to_owned())),
            int("thresholds", each().map(|(_, row)| row.points.len())),
            float("area", each().map(|(_, row)| row.area)),
            float("apgr", each().map(|(_, row)| row.apgr)),
            float("cpt_50", each().map(|(_, row)| row.cpt[0])),
            float("cpt_80", each().map(|(_, row)| row.cpt[1])),
            float("oracle_normalised_area", each().map(|(_, row)| row.oracle_normalised)),
        ];
        Table::new("routing", columns)
    }

    fn budgets(&self) -> Result<Table> {
        let rows = self.advice();
        let each = || rows.iter();
        let found = || each().map(|row| row.found.as_ref());
        let columns = vec![
            text("dataset", each().map(|_| self.dataset.clone())),
            text("axis", each().map(|row| column(row.axis).to_owned())),
            text("asked", each().map(|row| row.asked.to_owned())),
            float("value", each().map(|row| row.value)),
            text("arm", found().map(|found| found.map(|(choice, _)| choice.arm.to_string()))),
            float("threshold", found().map(|found| found.and_then(|(choice, _)| choice.threshold))),
            float("accuracy", found().map(|found| found.map(|(_, point)| point.accuracy))),
            float("cost", found().map(|found| found.map(|(_, point)| point.cost))),
        ];
        Table::new("budgets", columns)
    }

    fn equal_accuracy(&self) -> Result<Table> {
        let rows: Vec<(Axis, &Saving)> =
            self.axes.iter().flat_map(|on| on.savings.iter().map(|saving| (on.axis, saving))).collect();
        let each = || rows.iter();
        let ends = || each().map(|(_, saving)| saving.change.and_then(|change| change.interval));
        let columns = vec![
            text("dataset", each().map(|_| self.dataset.clone())),
            text("arm", each().map(|(_, saving)| saving.arm.to_string())),
            text("axis", each().map(|(axis, _)| column(*axis).to_owned())),
            float("cascade_threshold", each().map(|(_, saving)| saving.threshold)),
            float("accuracy", each().map(|(_, saving)| saving.accuracy)),
            float("change_percent", each().map(|(_, saving)| saving.change.map(|change| change.value * 100.0))),
            float("change_low_percent", ends().map(|ends| ends.map(|ends| ends.low * 100.0))),
            float("change_high_percent", ends().map(|ends| ends.map(|ends| ends.high * 100.0))),
        ];
        Table::new("equal_accuracy", columns)
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
        Axis::StrongCalls => format!("{:.1} %", cost * 100.0),
        Axis::Fee => format!("{cost:.8}"),
    }
}
