//! The parts of `summary.md` that say what is paid, and whether it pays: by model, against the strong level alone, and as prices move.

use super::format::{points, relative, threshold};
use super::grid;
use super::summary::learners;
use crate::analysis::metrics::fees::FeeRow;
use crate::analysis::metrics::price_ratio::{Curve, Shape, curves, ratios};
use crate::analysis::metrics::{Changes, Comparison, Slice};
use crate::types::arm::Arm;
use crate::types::price::Fee;
use crate::types::record::Purpose;

/// Tokens and fees by model and purpose.
pub(super) fn money(comparison: &Comparison) -> String {
    let header = ["arm", "λ", "model", "purpose", "calls", "input", "output", "fee USD"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in &comparison.slices {
        for FeeRow { model, purpose, calls, usage, fee } in comparison.fees(slice) {
            let Some(purpose) = purpose.map(Purpose::name) else { continue };
            rows.push(vec![
                slice.cell.arm.to_string(),
                threshold(slice),
                model.clone(),
                purpose.to_owned(),
                calls.to_string(),
                usage.input.to_string(),
                usage.output.to_string(),
                fee.map(Fee::usd).map_or("–".to_owned(), |fee| format!("{fee:.6}")),
            ]);
        }
    }
    format!("\n## Where the money goes\n\n{}", grid::markdown(&rows))
}

/// What each gated arm changes against the strong level asked alone: whether a weak level in front of it pays. Of a run;
/// a sweep's curves show it for every threshold.
pub(super) fn against_strong(comparison: &Comparison) -> String {
    let Some((strong, _)) = comparison.of_arm(Arm::StrongOnly).next() else { return String::new() };
    let gated: Vec<&Slice> = comparison.slices.iter().filter(|slice| slice.cell.threshold.is_some()).collect();
    let swept = gated.iter().any(|slice| comparison.of_arm(slice.cell.arm).count() > 1);
    if swept || gated.is_empty() {
        return String::new();
    }
    let header = ["arm", "λ", "accuracy, change", "strong calls, change", "fee, change", "cheaper from"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let shapes = Shape::shown(comparison);
    for shape in &shapes[1..] {
        rows[0].extend([format!("fee at {}, change", shape.name()), format!("cheaper from at {}", shape.name())]);
    }
    let pairs: Vec<(&Slice, &Slice)> = gated.into_iter().map(|slice| (slice, strong)).collect();
    for ((slice, _), curves) in pairs.iter().zip(curves(comparison, &pairs, &shapes, |own| vec![own])) {
        let Some(changes) = Changes::between(slice, strong, comparison.seed) else { continue };
        let dash = || "–".to_owned();
        let mut row = vec![
            slice.cell.arm.to_string(),
            threshold(slice),
            points(changes.accuracy),
            changes.strong_calls.map_or_else(dash, relative),
        ];
        for shape in &shapes {
            let curve = curves.iter().find(|curve| curve.shape == *shape);
            row.push(curve.and_then(|curve| curve.changes[0]).map_or_else(dash, relative));
            row.push(curve.map_or_else(dash, cheaper_from));
        }
        rows.push(row);
    }
    format!(
        "\n## Against the strong level alone\n\n{}\nWhether a weak level in front pays at all: paired with strong-only item by item, in \
         brackets 95 % intervals. Cheaper from: the price of the strong level's written token, in those of the weak level's, from \
         which on the arm is cheaper than asking the strong level alone; none: at no price. {}\n",
        grid::markdown(&rows),
        of_shapes(&shapes)
    )
}

/// The price ratio from which on an arm is cheaper, and its interval.
fn cheaper_from(curve: &Curve) -> String {
    let told = |ratio: f64| match ratio {
        ratio if ratio.is_infinite() => "none".to_owned(),
        ratio if ratio < 1.0 => format!("{ratio:.2}"),
        ratio => format!("{ratio:.1}"),
    };
    let value = told(curve.pays_from.unwrap_or(f64::INFINITY));
    match curve.interval {
        Some(interval) if interval.low.is_finite() => {
            format!("{value} [{}, {}]", told(interval.low), told(interval.high))
        }
        _ => value,
    }
}

/// What the shapes of prices mean.
fn of_shapes(shapes: &[Shape]) -> String {
    let own = match shapes[0] {
        Shape::Config => "Prices are first those of the config, then".to_owned(),
        shape @ Shape::Written(_) => {
            format!("The config's prices of a read and a written token are as {}; beside them", shape.name())
        }
    };
    let others: Vec<String> = shapes[1..].iter().map(|shape| shape.name()).collect();
    format!(
        "{own} {}, with the written token's price as it is and no token cheaper for being read from a cache: learning adds tokens that \
         are read.",
        others.join(" and ")
    )
}

/// What each learning arm changes of its cascade's fee, over the price ratio at each shape of prices: a row each, and the ratio from
/// which on it is cheaper.
pub(super) fn price_ratio(comparison: &Comparison) -> String {
    let arms: Vec<_> = learners(comparison).filter_map(|slice| Some((slice, comparison.base(slice)?))).collect();
    let shapes = Shape::shown(comparison);
    let told = arms.iter().zip(curves(comparison, &arms, &shapes, ratios));
    let found: Vec<(&Slice, Vec<Curve>)> =
        told.filter(|(_, curves)| !curves.is_empty()).map(|((slice, _), curves)| (*slice, curves)).collect();
    let Some(own) = found.first().map(|(_, curves)| curves[0].own) else { return String::new() };
    let row = |first: [String; 2], of: &dyn Fn(&Slice, &[Curve]) -> String| -> Vec<String> {
        first.into_iter().chain(found.iter().map(|(slice, curves)| of(slice, curves))).collect()
    };
    let name =
        |slice: &Slice, _: &[Curve]| match found.iter().filter(|(other, _)| other.cell.arm == slice.cell.arm).count() {
            1 => slice.cell.arm.to_string(),
            _ => format!("{}, λ = {}", slice.cell.arm, threshold(slice)),
        };
    let mut rows = vec![row(["price, read : written", "strong to weak"].map(str::to_owned), &name)];
    for (shape, place) in shapes.iter().zip(0..) {
        for (at, times) in ratios(own).into_iter().enumerate() {
            let change = |_: &Slice, curves: &[Curve]| {
                curves.get(place).and_then(|curve| curve.changes[at]).map_or("–".to_owned(), relative)
            };
            rows.push(row([shape.name(), format!("{times:.1}")], &change));
        }
        let from = |_: &Slice, curves: &[Curve]| curves.get(place).map_or("–".to_owned(), cheaper_from);
        rows.push(row([shape.name(), "cheaper from".to_owned()], &from));
    }
    format!(
        "\n## The fee as prices move\n\n{}\nThe change of the fee against the cascade's, with all of the strong level's prices \
         scaled alike, so that its written token costs so many times the weak level's; tokens stay as they are. In brackets 95 % \
         intervals; none: at no price. {}\n",
        grid::markdown(&rows),
        of_shapes(&shapes)
    )
}
