//! What the summary's two parts on price ratios share: the ratio from which on an arm is cheaper, and what the shapes mean.

use crate::analysis::metrics::price_ratio::{Curve, Shape};

/// The price ratio from which on an arm is cheaper, and its interval.
pub(super) fn cheaper_from(curve: &Curve) -> String {
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
pub(super) fn of_shapes(shapes: &[Shape]) -> String {
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
