//! The summary's part on whether a weak level in front of the strong one pays at all.

use super::prices::{cheaper_from, of_shapes};
use crate::analysis::metrics::price_ratio::{Curve, Shape, curves};
use crate::analysis::metrics::{AgainstReference, Comparison, Reference, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::or_dash;

/// An arm, what it changes against the strong level alone, and its fee at each shape of prices.
type Row<'c> = (&'c Slice<'c>, AgainstReference, Vec<Curve>);

/// What each arm that is no level alone changes against the strong level. Of a run; a sweep's curves show it for every threshold.
pub(super) fn section(comparison: &Comparison) -> String {
    let Some((sheet, shapes)) = sheet_of(comparison) else { return String::new() };
    format!(
        "\n## Against the strong level alone\n\n{}\nWhether a weak level in front pays at all: paired with strong-only item by item, in \
         brackets 95 % intervals. Cheaper from: the price of the strong level's written token, in those of the weak level's, from \
         which on the arm is cheaper than asking the strong level alone; none: at no price. {}\n",
        sheet.markdown(),
        of_shapes(&shapes)
    )
}

/// The table, and the shapes of prices that it has. `None` of a sweep, or without strong-only or an arm beside it.
pub(super) fn sheet_of(comparison: &Comparison) -> Option<(Sheet, Vec<Shape>)> {
    let strong = comparison.reference(Reference::StrongOnly)?;
    let arms: Vec<&Slice> = comparison.slices.iter().filter(|slice| !slice.cell.arm.is_one_level()).collect();
    let swept = arms.iter().any(|slice| comparison.of_arm(slice.cell.arm).count() > 1);
    if swept || arms.is_empty() {
        return None;
    }
    let shapes = Shape::shown(comparison);
    let pairs: Vec<(&Slice, &Slice)> = arms.into_iter().map(|slice| (slice, strong)).collect();
    let found = pairs.iter().zip(curves(comparison, &pairs, &shapes, |own| vec![own]));
    let mut rows: Vec<Row> = Vec::new();
    for ((slice, _), curves) in found {
        let against = comparison.of_slice_against(slice, Reference::StrongOnly);
        rows.extend(against.map(|against| (*slice, against, curves)));
    }
    Some((sheet(&rows, &shapes), shapes))
}

fn sheet(rows: &[Row], shapes: &[Shape]) -> Sheet {
    let each = || rows.iter();
    let mut columns = vec![
        Column::text(each().map(|(slice, ..)| slice.cell.arm.to_string())).aside("arm"),
        Column::exact(each().map(|(slice, ..)| slice.readable)).aside("λ"),
        Column::points(each().map(|(_, against, _)| Some(against.accuracy))).aside("accuracy, change"),
        Column::relative(each().map(|(_, against, _)| against.strong_calls)).aside("strong calls, change"),
    ];
    for (place, shape) in shapes.iter().enumerate() {
        let at = if place == 0 { String::new() } else { format!(" at {}", shape.name()) };
        let curve = || rows.iter().map(|(.., curves)| curves.iter().find(|curve| curve.shape == *shape));
        // An arm that never asks the weak level has no price ratio, and one fee.
        let own = |row: &Row| row.1.fee.filter(|_| place == 0);
        let fees = rows.iter().zip(curve()).map(|(row, curve)| curve.map_or(own(row), |curve| curve.changes[0]));
        columns.extend([
            Column::relative(fees).aside(&format!("fee{at}, change")),
            Column::written(curve().map(|curve| or_dash(curve.map(cheaper_from)))).aside(&format!("cheaper from{at}")),
        ]);
    }
    Sheet { name: "against_strong", columns }
}
