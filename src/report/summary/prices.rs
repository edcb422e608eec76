//! Texts that the summary's two sections on price ratios share: the lowest ratio at which an arm is cheaper, and the
//! explanation of price shapes.

use crate::analysis::metrics::price_ratio::{Curve, Shape};

/// Formats the lowest price ratio at which an arm is cheaper, with its interval.
pub(in crate::report) fn cheaper_from(curve: &Curve) -> String {
    let formatted = |ratio: f64| match ratio {
        ratio if ratio.is_infinite() => "none".to_owned(),
        ratio if ratio < 1.0 => format!("{ratio:.2}"),
        ratio => format!("{ratio:.1}"),
    };
    let value = formatted(curve.pays_from.unwrap_or(f64::INFINITY));
    match curve.interval {
        Some(interval) if interval.low.is_finite() => {
            format!("{value} [{}, {}]", formatted(interval.low), formatted(interval.high))
        }
        _ => value,
    }
}

/// Explains the price shapes.
pub(super) fn describe_shapes(shapes: &[Shape]) -> String {
    let own = match shapes[0] {
        Shape::Config => "The prices of an input and an output token are first those of the config, then".to_owned(),
        shape @ Shape::Written(_) => {
            format!(
                "In the config the prices of an input and an output token are as {}. The table also \
                     has",
                shape.name()
            )
        }
    };
    let others: Vec<String> = shapes[1..].iter().map(|shape| shape.name()).collect();
    format!(
        "{own} {}, with an unchanged price of the output token and no discount for cached input tokens. The shape \
         matters because learning adds input tokens.",
        others.join(" and ")
    )
}
