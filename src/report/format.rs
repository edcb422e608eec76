//! Formats of figures for people. This is the only place that converts shares to percent and points.

use crate::analysis::metrics::Slice;
use crate::analysis::stats::{Estimate, Interval};

/// Text of a missing figure.
pub(super) const NONE: &str = "–";

/// Mark of a figure of the weak level that includes answers of weak-only.
pub(super) const MARK: &str = " †";

/// Appends the mark to a text if `is` is true.
pub(super) fn marked(text: impl Into<String>, is: bool) -> String {
    text.into() + if is { MARK } else { "" }
}

/// Returns a figure's text, or a dash if it is missing.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| NONE.to_owned())
}

/// Converts a share to hundredths: points or percent.
pub(super) fn hundredths(share: f64) -> f64 {
    share * 100.0
}

/// Formats a share in percent, without the percent sign.
pub(super) fn bare_percent(share: f64) -> String {
    format!("{:.1}", hundredths(share))
}

/// Formats a share in percent with its interval.
pub(super) fn sure_percent(share: f64, interval: Option<Interval>) -> String {
    let ends = interval.map(|ends| format!(" [{}, {}]", bare_percent(ends.low), bare_percent(ends.high)));
    percent(share) + &ends.unwrap_or_default()
}

/// Formats a share in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", bare_percent(share))
}

/// Formats a change of shares in hundredths, with its sign and without a unit.
pub(super) fn signed(share: f64) -> String {
    format!("{:+.1}", hundredths(share))
}

/// Formats an interval of shares in hundredths, to be appended to its figure.
pub(super) fn brackets(interval: Interval) -> String {
    format!(" [{}, {}]", signed(interval.low), signed(interval.high))
}

/// Formats a change of shares with its interval, without a unit.
pub(super) fn change(estimate: Estimate) -> String {
    format!("{}{}", signed(estimate.value), estimate.interval.map(brackets).unwrap_or_default())
}

/// Formats a change of shares with its interval, in percentage points.
pub(super) fn points(estimate: Estimate) -> String {
    format!("{} pp", change(estimate))
}

/// Formats a relative change with its interval, in percent.
pub(super) fn relative(estimate: Estimate) -> String {
    format!("{} %", change(estimate))
}

/// Formats a difference of shares with half the width of its interval, in percentage points.
pub(super) fn plus_minus(estimate: Estimate) -> String {
    let half = estimate.interval.map(|interval| format!(" ± {}", bare_percent(interval.half_width())));
    format!("{}{} pp", signed(estimate.value), half.unwrap_or_default())
}

/// Formats a plain number with its interval, to `decimals` decimals.
pub(super) fn number(value: f64, interval: Option<Interval>, decimals: usize) -> String {
    let ends = interval.map(|ends| format!(" [{:.decimals$}, {:.decimals$}]", ends.low, ends.high));
    format!("{value:.decimals$}{}", ends.unwrap_or_default())
}

/// Formats a p-value.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// Formats an arm's λ, or a dash if the arm has none.
pub(super) fn threshold(slice: &Slice) -> String {
    or_dash(slice.cell.threshold.map(lambda))
}

/// Formats λ in full precision, since two confidences near 1 can differ only in late digits.
pub(super) fn lambda(threshold: f64) -> String {
    if threshold.is_infinite() { "∞".to_owned() } else { threshold.to_string() }
}

/// Formats the smallest and the largest of some similarities.
pub(super) fn range((least, greatest): (f64, f64)) -> String {
    format!("{least:.2} to {greatest:.2}")
}

/// Formats a fee of a run in USD.
pub(super) fn usd(fee: f64) -> String {
    format!("{fee:.5}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_their_intervals_are_scaled_once() {
        let sure = Estimate::new(-0.0814, Some(Interval { low: -0.12, high: 0.015 }));
        assert_eq!(points(sure), "-8.1 [-12.0, +1.5] pp");
        assert_eq!(relative(Estimate::new(0.5, None)), "+50.0 %");
        assert_eq!(plus_minus(sure), "-8.1 ± 6.8 pp");
        assert_eq!(plus_minus(Estimate::new(0.0, None)), "+0.0 pp");
        assert_eq!(number(0.5, Some(Interval { low: 0.25, high: 1.0 }), 2), "0.50 [0.25, 1.00]");
        assert_eq!(sure_percent(0.5, Some(Interval { low: 0.25, high: 1.0 })), "50.0 % [25.0, 100.0]");
        assert_eq!(
            (sure_percent(0.5, None), marked("a", true), marked("a", false)),
            ("50.0 %".into(), "a †".into(), "a".into())
        );
    }

    #[test]
    fn missing_figures_are_dashes() {
        assert_eq!((or_dash(None), or_dash(Some(percent(0.25)))), ("–".to_owned(), "25.0 %".to_owned()));
        assert_eq!((lambda(f64::INFINITY), lambda(0.999_999_9)), ("∞".to_owned(), "0.9999999".to_owned()));
        assert_eq!((p_value(0.0004), p_value(0.05)), ("< 0.001".to_owned(), "0.050".to_owned()));
    }
}
