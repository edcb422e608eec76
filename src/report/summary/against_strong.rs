//! The summary's part on whether a weak level in front of the strong one pays at all.

use super::prices::{cheaper_from, of_shapes};
use crate::analysis::metrics::price_ratio::{Curve, Shape, curves};
use crate::analysis::metrics::{Changes, Comparison, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::or_dash;
use crate::types::arm::Arm;

/// A gated arm, what it changes against the strong level alone, and its fee at each shape of prices.
type Row<'c> = (&'c Slice<'c>, Changes, Vec<Curve>);

/// What each gated arm changes against the strong level asked alone. Of a run; a sweep's curves show it for every threshold.
pub(super) fn section(comparison: &Comparison) -> String {
    let Some((strong, _)) = comparison.of_arm(Arm::StrongOnly).next() else { return String::new() };
    let gated: Vec<&Slice> = comparison.slices.iter().filter(|slice| slice.cell.threshold.is_some()).collect();
    let swept = gated.iter().any(|slice| comparison.of_arm(slice.cell.arm).count() > 1);
    if swept || gated.is_empty() {
        return String::new();
    }
    let shapes = Shape::shown(comparison);
    let pairs: Vec<(&Slice, &Slice)> = gated.into_iter().map(|slice| (slice, strong)).collect();
    let found = pairs.iter().zip(curves(comparison, &pairs, &shapes, |own| vec![own]));
    let mut rows: Vec<Row> = Vec::new();
    for ((slice, _), curves) in found {
        rows.extend(Changes::between(slice, strong, comparison.seed).map(|changes| (*slice, changes, curves)));
    }
    let sheet = sheet(&rows, &shapes);
    format!(
        "\n## Against the strong level alone\n\n{}\nWhether a weak level in front pays at all: paired with strong-only item by item, in \
         brackets 95 % intervals. Cheaper from: the price of the strong level's written token, in those of the weak level's, from \
         which on the arm is cheaper than asking the strong level alone; none: at no price. {}\n",
        sheet.markdown(),
        of_shapes(&shapes)
    )
}

fn sheet(rows: &[Row], shapes: &[Shape]) -> Sheet {
    let each = || rows.iter();
    let mut columns = vec![
        Column::text(each().map(|(slice, ..)| slice.cell.arm.to_string())).aside("arm"),
        Column::exact(each().map(|(slice, ..)| slice.cell.threshold)).aside("λ"),
        Column::points(each().map(|(_, changes, _)| Some(changes.accuracy))).aside("accuracy, change"),
        Column::relative(each().map(|(_, changes, _)| changes.strong_calls)).aside("strong calls, change"),
    ];
    for (place, shape) in shapes.iter().enumerate() {
        let at = if place == 0 { String::new() } else { format!(" at {}", shape.name()) };
        let curve = || rows.iter().map(|(.., curves)| curves.iter().find(|curve| curve.shape == *shape));
        columns.extend([
            Column::relative(curve().map(|curve| curve?.changes[0])).aside(&format!("fee{at}, change")),
            Column::written(curve().map(|curve| or_dash(curve.map(cheaper_from)))).aside(&format!("cheaper from{at}")),
        ]);
    }
    Sheet { name: "against_strong", columns }
}
