//! The report of a sweep: curves, summary figures of them, budgets, and savings at equal accuracy.

mod budgets;
mod plot;
mod points;

use std::fmt::Write;

use anyhow::Result;

pub use self::budgets::Wanted;
use super::columns::{Column, Sheet, page};
use super::format::{or_dash, percent, relative};
use super::grid::{Caption, INTERVAL_NOTE};
use super::table::Table;
use crate::analysis::curves::{Axis, Point};
use crate::analysis::metrics::Comparison;
use crate::analysis::metrics::swept::{Choice, RESAMPLES, Routing, Saving, Swept};
use crate::types::arm::Arm;

/// Maximum number of points of the oracle's path.
const ORACLE_POINTS: usize = 101;

/// The figures of a sweep on both axes of cost. Fees are an axis only if every model has a price.
pub struct Sweep<'c, 'a> {
    comparison: &'c Comparison<'a>,
    dataset: String,
    axes: Vec<OnAxis<'c, 'a>>,
}

/// The figures on one axis of cost.
struct OnAxis<'c, 'a> {
    axis: Axis,
    swept: Swept<'c, 'a>,
    routing: Vec<Routing>,
    savings: Vec<Saving>,
}

/// Axis, arm, λ, point, and AutoMix's lift (IBC) at the point.
type CurveRow = (Axis, String, Option<f64>, Point, Option<f64>);

impl<'c, 'a> Sweep<'c, 'a> {
    /// Computes the figures of a comparison.
    #[must_use]
    pub fn new(comparison: &'c Comparison<'a>) -> Self {
        let axis = |axis| {
            let swept = Swept::new(comparison, axis)?;
            let (routing, savings) = (swept.routing(), swept.savings());
            Some(OnAxis { axis, swept, routing, savings })
        };
        Self {
            comparison,
            dataset: comparison.slices.first().map(|slice| slice.cell.dataset.to_string()).unwrap_or_default(),
            axes: [Axis::StrongCalls, Axis::Fee].into_iter().filter_map(axis).collect(),
        }
    }

    /// Returns the tables of the sweep.
    ///
    /// # Errors
    /// If polars refuses a table.
    pub fn tables(&self) -> Result<Vec<Table>> {
        [self.curves(), self.routing(), self.budgets(), self.equal_accuracy()].iter().map(Sheet::table).collect()
    }

    /// Formats the sweep for a terminal: a plot, the figures of the curves, and a few values of λ for each arm.
    #[must_use]
    pub fn terminal(&self, width: u16) -> String {
        let (routing, points) = (self.routing(), points::sheet(self, self.comparison));
        let tables = page(&[("", &routing), ("", &points)], width);
        format!(
            "{}\n\n{tables}\nThe table has at most eight values of λ for each arm, those on the frontier first; all are in \
             accuracy.csv, frontier.csv and equal_accuracy.csv. The last column compares the arm, at the point of its \
             curve with the cascade's accuracy, with the cascade at the λ of the row; strong-only: the strong level \
             alone is the cheapest way to that accuracy.",
            plot::plot(self, width)
        )
    }

    /// Returns the tables as LaTeX, with a float for each.
    #[must_use]
    pub fn latex(&self, name: &str) -> Vec<String> {
        let caption = |label: &str, text: &str| Caption::new(name, label, text);
        vec![
            self.routing().latex(&caption("routing", "Cost of accuracy, over all thresholds.")),
            self.equal_accuracy()
                .latex(&caption("equal-accuracy", &format!("Saving at the cascade's accuracy. {INTERVAL_NOTE}"))),
            self.budgets_once().latex(&caption("budgets", "Recommended arm and λ for a budget or an accuracy.")),
        ]
    }

    /// Returns the sweep's sections of the summary, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let _ = write!(
            text,
            "\n## What accuracy costs\n\n{}\nThe range of costs is from weak-only to strong-only. Area: mean accuracy \
             over that range. APGR and CPT are defined as in RouteLLM. Of the oracle's area, 0 is the random router \
             (in expectation) and 1 the router that knows which level is correct; that router is an oracle, since it \
             uses the targets. The cascade at each λ is computed from the answers of the two levels alone; other arms \
             with a gate were run at each λ. No interval here covers picking the best of many values of λ on the same \
             items.\n",
            self.routing().markdown()
        );
        let saved = self.equal_accuracy();
        if !saved.is_empty() {
            let _ = write!(
                text,
                "\n## What is saved at the cascade's accuracy\n\n{}\nCosts are compared at equal accuracy: that of \
                 the cascade at the given λ. Each arm's curve connects its thresholds, weak-only and strong-only; \
                 between two neighbours, one of them is chosen at random for each item. For a learning arm this is an \
                 interpolation: no run had these deferrals. Brackets contain 95 % bootstrap intervals over groups \
                 ({RESAMPLES} resamples), conditional on the orders. A dash: the arm's curve never reaches that \
                 accuracy, or starts above it.{}\n",
                saved.markdown(),
                if self.any_at_strong_only() {
                    " If the strong level alone is the cheapest way to that accuracy, both curves end there and no \
                     arm saves anything."
                } else {
                    ""
                }
            );
        }
        let _ = write!(
            text,
            "\n## For a budget, for an accuracy\n\n{}\nA mixture of two neighbouring thresholds of an arm, or of a \
             threshold and a single level, draws one of the two at random for each query: with \"95 % cascade at λ \
             0.5, 5 % weak-only\", 95 of 100 queries go through the cascade at that λ. Accuracy and cost of a mixture \
             are expected values; for a learning arm no run had these deferrals. Budgets and accuracies with the same \
             recommendation are listed once here; budgets.csv has all.\n",
            self.budgets_once().markdown()
        );
        text
    }

    /// True if the strong level alone is anywhere the cheapest way to the cascade's accuracy.
    fn any_at_strong_only(&self) -> bool {
        self.axes.iter().flat_map(|on| &on.savings).any(|saving| saving.at_strong_only)
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
            let sampled = path.iter().enumerate().filter(|(index, _)| index % step == 0 || *index == last);
            rows.extend(sampled.map(|(_, point)| (*axis, "oracle-router".to_owned(), None, *point, None)));
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

    fn equal_accuracy(&self) -> Sheet {
        let rows: Vec<(Axis, &Saving)> =
            self.axes.iter().flat_map(|on| on.savings.iter().map(|saving| (on.axis, saving))).collect();
        let each = || rows.iter();
        let columns = vec![
            Column::text(each().map(|_| self.dataset.clone())).file("dataset"),
            Column::text(each().map(|(axis, _)| name(*axis).to_owned())).heading("cost"),
            Column::text(each().map(|(_, saving)| saving.arm.to_string())).file("arm").heading("arm"),
            Column::text(each().map(|(axis, _)| column(*axis).to_owned())).file("axis"),
            Column::exact(each().map(|(_, saving)| saving.threshold)).file("cascade_threshold"),
            Column::exact(each().map(|(_, saving)| self.comparison.readable(saving.threshold))).heading("cascade's λ"),
            Column::share(each().map(|(_, saving)| saving.accuracy)).file("accuracy").heading("accuracy"),
            Column::relative(each().map(|(_, saving)| saving.change))
                .file("change_percent")
                .ends(["change_low_percent", "change_high_percent"]),
            Column::flag(each().map(|(_, saving)| Some(saving.at_strong_only))).file("at_strong_only"),
            Column::preformatted(each().map(|(_, saving)| change(saving))).heading("change at that accuracy"),
        ];
        Sheet { name: "equal_accuracy", columns }
    }
}

/// Formats a saving: a change, or that the strong level alone is the cheapest.
fn change(saving: &Saving) -> String {
    if saving.at_strong_only {
        return "none: the strong level alone is the cheapest".to_owned();
    }
    or_dash(saving.change.map(relative))
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

fn cost(axis: Axis, cost: f64) -> String {
    match axis {
        Axis::StrongCalls => percent(cost),
        Axis::Fee => format!("{cost:.8}"),
    }
}
