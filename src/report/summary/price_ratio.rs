//! The summary's part on the fee as prices move: over the price ratio of the levels, at each shape of prices.

use super::prices::{cheaper_from, of_shapes};
use crate::analysis::metrics::price_ratio::{Curve, Shape, curves, ratios};
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::{lambda, or_dash, relative};

/// What a row shows of an arm's curve.
#[derive(Clone, Copy)]
enum Shows {
    /// The change of the fee at a price ratio, by its place among the ratios.
    At(usize, f64),
    /// The price ratio from which on the arm is cheaper.
    From,
}

/// What each learning arm changes of its cascade's fee: a row for each shape of prices and ratio, and the ratio from which on it is
/// cheaper; empty without prices.
pub(super) fn section(comparison: &Comparison) -> String {
    let arms: Vec<_> = comparison.learners().filter_map(|slice| Some((slice, comparison.base(slice)?))).collect();
    let shapes = Shape::shown(comparison);
    let each = arms.iter().zip(curves(comparison, &arms, &shapes, ratios));
    let found: Vec<(&Slice, Vec<Curve>)> =
        each.filter(|(_, curves)| !curves.is_empty()).map(|((slice, _), curves)| (*slice, curves)).collect();
    let Some(own) = found.first().map(|(_, curves)| curves[0].own) else { return String::new() };
    let at = || ratios(own).into_iter().enumerate().map(|(place, times)| Shows::At(place, times));
    let of_shape = |(place, shape): (usize, &Shape)| {
        at().chain([Shows::From]).map(|shows| (place, *shape, shows)).collect::<Vec<_>>()
    };
    let rows: Vec<(usize, Shape, Shows)> = shapes.iter().enumerate().flat_map(of_shape).collect();
    format!(
        "\n## The fee as prices move\n\n{}\nThe change of the fee against the cascade's, with all of the strong level's prices \
         scaled alike, so that its written token costs so many times the weak level's; tokens stay as they are. In brackets 95 % \
         intervals; none: at no price. {}\n",
        sheet(&rows, &found).markdown(),
        of_shapes(&shapes)
    )
}

/// A column for each arm.
fn sheet(rows: &[(usize, Shape, Shows)], found: &[(&Slice, Vec<Curve>)]) -> Sheet {
    let ratio = |shows: Shows| match shows {
        Shows::At(_, times) => format!("{times:.1}"),
        Shows::From => "cheaper from".to_owned(),
    };
    let mut columns = vec![
        Column::text(rows.iter().map(|(_, shape, _)| shape.name())).aside("price, read : written"),
        Column::text(rows.iter().map(|(.., shows)| ratio(*shows))).aside("strong to weak"),
    ];
    for (slice, curves) in found {
        let cell = |(place, _, shows): &(usize, Shape, Shows)| {
            let curve = curves.get(*place)?;
            match *shows {
                Shows::At(at, _) => curve.changes[at].map(relative),
                Shows::From => Some(cheaper_from(curve)),
            }
        };
        let heading = match found.iter().filter(|(other, _)| other.cell.arm == slice.cell.arm).count() {
            1 => slice.cell.arm.to_string(),
            _ => format!("{}, λ = {}", slice.cell.arm, or_dash(slice.readable.map(lambda))),
        };
        columns.push(Column::written(rows.iter().map(|row| or_dash(cell(row)))).aside(&heading));
    }
    Sheet { name: "price_ratio", columns }
}
