//! Each gain of Inter-Cascade beside that of random strategies: a table for each threshold.

use std::fmt::Write;

use crate::analysis::metrics::control::{Gain, share};
use crate::analysis::metrics::{Changes, Comparison, Slice};
use crate::analysis::stats::Estimate;
use crate::report::columns::{Column, SHARE_OF_GAIN, Sheet};
use crate::report::format::{NONE, hundredths, marked, or_dash, points, relative, signed};
use crate::types::arm::Arm;

/// Returns the tables with an explanation. Empty if there is no table.
pub(super) fn section(comparison: &Comparison) -> String {
    let mut text = String::new();
    for sheet in sheets(comparison) {
        let _ = write!(
            text,
            "\n## What learning changes, and how much of it any strategy gives\n\n{}\nDifferences are paired item by \
             item, over all orders. Brackets contain 95 % bootstrap intervals over groups; there is none if fewer \
             than three groups differ. p comes from sign flips of the groups' sums and is unadjusted (the CSV and \
             parquet tables also have Holm's adjustment). Both are conditional on these orders of the stream: the \
             items of a learning arm depend on each other through the repository, and resampling items does not cover \
             this. The last column has the smallest and the largest change over the orders.\n",
            sheet.markdown()
        );
    }
    text
}

/// Returns the tables for a terminal, without columns that are blank.
pub(super) fn for_terminal(comparison: &Comparison) -> Vec<Sheet> {
    let mut sheets = sheets(comparison);
    for sheet in &mut sheets {
        sheet.columns.retain(|column| !column.is_blank());
    }
    sheets
}

/// A change in a row of the table of gains.
struct GainChange {
    change: Estimate,
    text: fn(Estimate) -> String,
    /// Smallest and largest change over the orders, as shares. `None` with one order, or if the change is not computed
    /// by order.
    orders: Option<(f64, f64)>,
}

impl GainChange {
    fn points(change: Estimate) -> Self {
        Self { change, text: points, orders: None }
    }

    fn relative(change: Estimate) -> Self {
        Self { change, text: relative, orders: None }
    }

    fn over(self, orders: impl IntoIterator<Item = f64>) -> Self {
        let mut ends: Option<(f64, f64)> = None;
        let mut count = 0;
        for value in orders {
            count += 1;
            ends = Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))));
        }
        Self { orders: ends.filter(|_| count > 1), ..self }
    }

    fn text(&self) -> String {
        (self.text)(self.change)
    }
}

/// A gain of the arm, and the control's change of the same figure.
struct Row {
    /// Name of the figure, marked if the weak level's answers include some of weak-only.
    name: String,
    own: GainChange,
    /// The control's change. `None` if the control did not run or has none.
    control: Option<GainChange>,
    /// The control's share of the gain, as text. Empty without a control.
    shared: String,
}

/// Returns a table for each threshold.
pub(super) fn sheets(comparison: &Comparison) -> Vec<Sheet> {
    let taught = comparison.of_arm(Arm::InterCascade);
    taught.filter_map(|(slice, changes)| Some(sheet(&rows(comparison, slice, changes?)))).collect()
}

fn rows(comparison: &Comparison, taught: &Slice, changes: &Changes) -> Vec<Row> {
    let base = |slice: &Slice| comparison.base(slice).map(|base| base.cell.threshold);
    let same = |(slice, _): &(&Slice, Option<&Changes>)| base(slice) == base(taught);
    let random = comparison.of_arm(Arm::InterCascadeRandom).find(same);
    let random = random.and_then(|(slice, changes)| Some((slice, changed(comparison, slice, changes?))));
    let (control, controls) = random.map_or((None, None), |(slice, changes)| (Some(slice), Some(changes)));
    let mut controls: Vec<Option<GainChange>> =
        controls.map_or_else(Vec::new, |changes| changes.into_iter().map(|(.., change)| change).collect());
    controls.resize_with(6, || None);
    let own = changed(comparison, taught, changes).into_iter().zip(controls);
    let row = |((gain, name, own), controls): ((Gain, &'static str, Option<GainChange>), Option<GainChange>)| {
        let slices = control.zip(comparison.base(taught)).filter(|_| controls.is_some());
        let shared = slices.map(|(control, base)| shared_gain(share(comparison, gain, taught, control, base)));
        let mark = gain == Gain::WeakAccuracy
            && [Some(taught), control].iter().flatten().any(|slice| slice.from_weak_only() > 0);
        Some(Row { name: marked(name, mark), own: own?, control: controls, shared: shared.unwrap_or_default() })
    };
    own.filter_map(row).collect()
}

fn sheet(rows: &[Row]) -> Sheet {
    let each = || rows.iter();
    let orders = |row: &Row| or_dash(row.own.orders.map(|(low, high)| format!("{} to {}", signed(low), signed(high))));
    let columns = vec![
        Column::text(each().map(|row| row.name.clone())).heading("change against cascade"),
        Column::preformatted(each().map(|row| row.own.text())).heading("inter-cascade"),
        Column::p_value(each().map(|row| row.own.change.p_value)).heading("p"),
        Column::preformatted(each().map(|row| row.control.as_ref().map_or("not run".to_owned(), GainChange::text)))
            .heading("random strategies"),
        Column::preformatted(each().map(|row| row.shared.clone())).heading(SHARE_OF_GAIN),
        Column::preformatted(each().map(orders)).heading("orders"),
    ];
    Sheet { name: "gains", columns }
}

/// The changes of a learning arm, figure by figure.
fn changed(comparison: &Comparison, slice: &Slice, changes: &Changes) -> [(Gain, &'static str, Option<GainChange>); 6] {
    let by_order = changes.strong_calls_by_order.iter().copied().flatten();
    [
        (Gain::WeakAccuracy, "weak accuracy", changes.weak_accuracy.map(GainChange::points)),
        (
            Gain::Accuracy,
            "accuracy",
            Some(GainChange::points(changes.accuracy).over(changes.accuracy_by_order.iter().copied())),
        ),
        (Gain::Coverage, "coverage", Some(GainChange::points(changes.coverage))),
        (
            Gain::StrongCalls,
            "strong calls",
            changes.strong_calls.map(|change| GainChange::relative(change).over(by_order)),
        ),
        (Gain::StrongRequests, "strong calls incl. distillation", changes.strong_calls_all.map(GainChange::relative)),
        (Gain::Fee, "fee", comparison.fee_change(slice).map(GainChange::relative)),
    ]
}

/// The control's share of a gain, in percent of it. `none` if the control has no gain, a dash if the arm has none.
fn shared_gain(share: Option<Estimate>) -> String {
    let Some(Estimate { value, interval, .. }) = share else { return NONE.to_owned() };
    let ends = interval.map(|ends| format!(" [{:+.0}, {:+.0}]", hundredths(ends.low), hundredths(ends.high)));
    match (value > 0.0, ends) {
        (true, ends) => format!("{:.0}{} %", hundredths(value), ends.unwrap_or_default()),
        (false, Some(ends)) => format!("none{ends} %"),
        (false, None) => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stats::Interval;

    #[test]
    fn the_controls_share_has_its_interval() {
        let text = |value, interval: Option<(f64, f64)>| {
            let interval = interval.map(|(low, high)| Interval { low, high });
            shared_gain(Some(Estimate::new(value, interval)))
        };
        assert_eq!(text(0.25, None), "25 %");
        assert_eq!(text(0.09, Some((-0.17, 0.3))), "9 [-17, +30] %");
        assert_eq!(text(-0.1, Some((-0.3, 0.12))), "none [-30, +12] %");
        assert_eq!(text(0.0, None), "none");
        assert_eq!(shared_gain(None), "–");
    }
}
