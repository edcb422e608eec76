//! The summary's section on the comparison with the strong level alone.

use super::prices::{cheaper_from, describe_shapes};
use crate::analysis::metrics::price_ratio::{Curve, Shape, curves};
use crate::analysis::metrics::{AgainstReference, Comparison, Reference, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::or_dash;

/// An arm, its changes against the strong level alone, and its fee for each price shape.
type Row<'c> = (&'c Slice<'c>, AgainstReference, Vec<Curve>);

/// Returns the section: the changes of each arm with several levels against the strong level alone. Empty for a sweep,
/// whose curves contain strong-only.
pub(super) fn section(comparison: &Comparison) -> String {
    let Some((sheet, shapes)) = sheet_of(comparison) else { return String::new() };
    format!(
        "\n## Against the strong level alone\n\n{}\nThis table shows whether a weak level in front of the strong one \
         pays at all. Changes are against strong-only, paired item by item, with 95 % intervals in brackets. Cheaper \
         from: the lowest price ratio of a strong to a weak output token at which the arm is cheaper than the strong \
         level alone; none: at no ratio. {}\n",
        sheet.markdown(),
        describe_shapes(&shapes)
    )
}

/// Returns the table and its price shapes. `None` for a sweep, and for a run without strong-only or without another
/// arm.
pub(super) fn sheet_of(comparison: &Comparison) -> Option<(Sheet, Vec<Shape>)> {
    let strong = comparison.reference(Reference::StrongOnly)?;
    let arms: Vec<&Slice> = comparison.slices.iter().filter(|slice| !slice.cell.arm.is_one_level()).collect();
    let swept = arms.iter().any(|slice| comparison.of_arm(slice.cell.arm).count() > 1);
    if swept || arms.is_empty() {
        return None;
    }
    let shapes = Shape::reported(comparison);
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
        Column::text(each().map(|(slice, ..)| slice.cell.arm.to_string())).in_documents("arm"),
        Column::exact(each().map(|(slice, ..)| slice.readable)).in_documents("λ"),
        Column::points(each().map(|(_, against, _)| Some(against.accuracy))).in_documents("accuracy, change"),
        Column::relative(each().map(|(_, against, _)| against.strong_calls)).in_documents("strong calls, change"),
    ];
    for (index, shape) in shapes.iter().enumerate() {
        let at = if index == 0 { String::new() } else { format!(" at {}", shape.name()) };
        let curve = || rows.iter().map(|(.., curves)| curves.iter().find(|curve| curve.shape == *shape));
        // An arm that never asks the weak level has no price ratio and only one fee.
        let own = |row: &Row| row.1.fee.filter(|_| index == 0);
        let fees = rows.iter().zip(curve()).map(|(row, curve)| curve.map_or(own(row), |curve| curve.changes[0]));
        columns.extend([
            Column::relative(fees).in_documents(&format!("fee{at}, change")),
            Column::preformatted(curve().map(|curve| or_dash(curve.map(cheaper_from))))
                .in_documents(&format!("break-even price ratio{at}")),
        ]);
    }
    Sheet { name: "against_strong", columns }
}
