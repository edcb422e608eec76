//! Every arm by its cost and its accuracy, and which of them another one makes needless: `frontier`, and the summary's part on it.

use crate::analysis::metrics::frontier::{Place, frontier};
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::{lambda, sure_percent};

/// The table of all arms at all thresholds.
#[must_use]
pub fn sheet(comparison: &Comparison) -> Sheet {
    let places = frontier(comparison);
    let each = || places.iter();
    let end = |of: fn(&Place) -> Option<f64>| Column::share(places.iter().map(of));
    let mut columns = vec![
        Column::text(each().map(|place| place.slice.cell.dataset.to_string())).file("dataset"),
        Column::text(each().map(|place| place.slice.cell.arm.to_string())).file("arm").aside("arm"),
        Column::exact(each().map(|place| place.slice.cell.threshold)).file("threshold"),
        Column::exact(each().map(|place| place.slice.readable)).aside("λ"),
        Column::count(each().map(|place| place.slice.orders)).file("orders"),
        Column::count(each().map(|place| place.slice.n)).file("n"),
        Column::share(each().map(|place| place.accuracy)).file("accuracy"),
        end(|place| Some(place.interval?.low)).file("accuracy_low"),
        end(|place| Some(place.interval?.high)).file("accuracy_high"),
        Column::written(each().map(|place| sure_percent(place.accuracy, place.interval))).aside("accuracy"),
        Column::count(each().map(|place| place.strong_requests)).file("strong_calls_all").aside("all strong requests"),
        Column::number(5, each().map(|place| place.fee)).file("fee_usd").aside("fee USD"),
    ];
    columns.extend(dominated(comparison, &places, "calls", "by requests", |place| Some(place.dominated_by_requests)));
    columns.extend(dominated(comparison, &places, "fee", "by fee", |place| place.fee.map(|_| place.dominated_by_fee)));
    Sheet { name: "frontier", columns }
}

/// The arm that dominates each on one axis; `by` gives `None` if there is no such cost.
fn dominated<'c, 'a>(
    comparison: &Comparison,
    places: &[Place<'c, 'a>],
    key: &str,
    heading: &str,
    by: fn(&Place<'c, 'a>) -> Option<Option<&'c Slice<'a>>>,
) -> Vec<Column> {
    let each = || places.iter().map(by);
    let told = |found: Option<Option<&Slice>>| match found {
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
        Column::written(each().map(told)).aside(&format!("dominated {heading}")),
    ]
}

/// An arm, with its λ if it has several.
fn named(comparison: &Comparison, slice: &Slice) -> String {
    let several = comparison.of_arm(slice.cell.arm).count() > 1;
    let at = slice.readable.filter(|_| several).map(|threshold| format!(" at λ {}", lambda(threshold)));
    format!("{}{}", slice.cell.arm, at.unwrap_or_default())
}
