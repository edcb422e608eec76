//! The summary's section on the fee at other prices: over the price ratio of the levels, for each price shape.

use super::prices::{cheaper_from, describe_shapes};
use crate::analysis::metrics::price_ratio::{Curve, Shape, ratios};
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::{lambda, or_dash, relative};

/// The part of an arm's curve in a row.
#[derive(Clone, Copy)]
enum RowKind {
    /// The change of the fee at a price ratio: index of the ratio, and the ratio itself.
    At(usize, f64),
    /// The lowest price ratio at which the arm is cheaper.
    From,
}

/// Returns the section: the change of each learning arm's fee against its cascade's, with a row for each price shape
/// and ratio, and the lowest ratio at which the arm is cheaper. Empty without prices.
pub(super) fn section(comparison: &Comparison) -> String {
    let shapes = Shape::reported(comparison);
    let found: Vec<(&Slice, &[Curve])> = comparison.price_curves().collect();
    let Some(own) = found.first().map(|(_, curves)| curves[0].own) else { return String::new() };
    let at = || ratios(own).into_iter().enumerate().map(|(index, times)| RowKind::At(index, times));
    let of_shape = |(index, shape): (usize, &Shape)| {
        at().chain([RowKind::From]).map(|kind| (index, *shape, kind)).collect::<Vec<_>>()
    };
    let rows: Vec<(usize, Shape, RowKind)> = shapes.iter().enumerate().flat_map(of_shape).collect();
    format!(
        "\n## The fee as prices move\n\n{}\nChange of the fee against the cascade's. All prices of the strong level \
         are scaled by one factor to reach the given ratio between the prices of a strong and a weak output token; \
         token counts stay the same. Brackets contain 95 % intervals; none: at no price ratio. {}\n",
        sheet(&rows, &found).markdown(),
        describe_shapes(&shapes)
    )
}

/// Returns the table, with a column for each arm.
fn sheet(rows: &[(usize, Shape, RowKind)], found: &[(&Slice, &[Curve])]) -> Sheet {
    let ratio = |kind: RowKind| match kind {
        RowKind::At(_, times) => format!("{times:.1}"),
        RowKind::From => "break-even price ratio".to_owned(),
    };
    let mut columns = vec![
        Column::text(rows.iter().map(|(_, shape, _)| shape.name())).in_documents("price, read : written"),
        Column::text(rows.iter().map(|(.., kind)| ratio(*kind))).in_documents("strong to weak"),
    ];
    for (slice, curves) in found {
        let cell = |(index, _, kind): &(usize, Shape, RowKind)| {
            let curve = curves.get(*index)?;
            match *kind {
                RowKind::At(at, _) => curve.changes[at].map(relative),
                RowKind::From => Some(cheaper_from(curve)),
            }
        };
        let heading = match found.iter().filter(|(other, _)| other.cell.arm == slice.cell.arm).count() {
            1 => slice.cell.arm.to_string(),
            _ => format!("{}, λ = {}", slice.cell.arm, or_dash(slice.readable.map(lambda))),
        };
        columns.push(Column::preformatted(rows.iter().map(|row| or_dash(cell(row)))).in_documents(&heading));
    }
    Sheet { name: "price_ratio", columns }
}
