//! Cost and accuracy of every arm, and the arms that another arm dominates: the table `frontier`, and the summary's
//! section on it.

use crate::analysis::metrics::frontier::{Place, frontier};
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::{lambda, sure_percent};

/// Returns the table of all arms at all thresholds.
#[must_use]
pub fn sheet(comparison: &Comparison) -> Sheet {
    let points = frontier(comparison);
    let each = || points.iter();
    let end = |of: fn(&Place) -> Option<f64>| Column::share(points.iter().map(of));
    let mut columns = vec![
        Column::text(each().map(|point| point.slice.cell.dataset.to_string())).file("dataset"),
        Column::text(each().map(|point| point.slice.cell.arm.to_string())).file("arm").in_documents("arm"),
        Column::exact(each().map(|point| point.slice.cell.threshold)).file("threshold"),
        Column::exact(each().map(|point| point.slice.readable)).in_documents("λ"),
        Column::count(each().map(|point| point.slice.orders)).file("orders"),
        Column::count(each().map(|point| point.slice.n)).file("n"),
        Column::share(each().map(|point| point.accuracy)).file("accuracy"),
        end(|point| Some(point.interval?.low)).file("accuracy_low"),
        end(|point| Some(point.interval?.high)).file("accuracy_high"),
        Column::preformatted(each().map(|point| sure_percent(point.accuracy, point.interval))).in_documents("accuracy"),
        Column::count(each().map(|point| point.strong_requests))
            .file("strong_calls_all")
            .in_documents("strong calls incl. distillation"),
        Column::number(5, each().map(|point| point.fee)).file("fee_usd").in_documents("fee, USD"),
    ];
    columns.extend(dominated(comparison, &points, "calls", "by requests", |point| Some(point.dominated_by_requests)));
    columns.extend(dominated(comparison, &points, "fee", "by fee", |point| point.fee.map(|_| point.dominated_by_fee)));
    Sheet { name: "frontier", columns }
}

/// The columns with the arm that dominates each arm on one axis. `by` returns `None` if the arm has no cost on that
/// axis.
fn dominated<'c, 'a>(
    comparison: &Comparison,
    points: &[Place<'c, 'a>],
    key: &str,
    heading: &str,
    by: fn(&Place<'c, 'a>) -> Option<Option<&'c Slice<'a>>>,
) -> Vec<Column> {
    let each = || points.iter().map(by);
    let dominating = |found: Option<Option<&Slice>>| match found {
        None => "no price".to_owned(),
        Some(None) => "no".to_owned(),
        Some(Some(slice)) => named(comparison, slice),
    };
    vec![
        Column::flag(each().map(|found| found.map(|by| by.is_none()))).file(format!("on_frontier_by_{key}")),
        Column::text(each().map(|found| found.flatten().map(|slice| slice.cell.arm.to_string())))
            .file(format!("dominated_by_{key}")),
        Column::exact(each().map(|found| found.flatten().and_then(|slice| slice.cell.threshold)))
            .file(format!("dominated_by_{key}_threshold")),
        Column::preformatted(each().map(dominating)).in_documents(&format!("dominated {heading}")),
    ]
}

/// Formats an arm, with its λ if the arm has several.
fn named(comparison: &Comparison, slice: &Slice) -> String {
    let several = comparison.of_arm(slice.cell.arm).count() > 1;
    let at = slice.readable.filter(|_| several).map(|threshold| format!(" at λ {}", lambda(threshold)));
    format!("{}{}", slice.cell.arm, at.unwrap_or_default())
}
