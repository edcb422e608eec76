//! Figures as people read them: the one place where shares become percent and points.

use crate::analysis::metrics::Slice;
use crate::analysis::stats::{Estimate, Interval};

/// The text for a figure that does not exist.
pub(super) const NONE: &str = "–";

/// The mark of a figure that has weak-only's answers among the weak level's.
pub(super) const MARK: &str = " †";

/// A text with the mark, if `is` says so.
pub(super) fn marked(text: impl Into<String>, is: bool) -> String {
    text.into() + if is { MARK } else { "" }
}

/// A figure's text, or a dash if there is none.
pub(super) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| NONE.to_owned())
}

/// A share in hundredths, as points and percent are written.
pub(super) fn hundredths(share: f64) -> f64 {
    share * 100.0
}

/// A share in percent, without its sign.
pub(super) fn bare_percent(share: f64) -> String {
    format!("{:.1}", hundredths(share))
}

/// A share in percent, with its interval.
pub(super) fn sure_percent(share: f64, interval: Option<Interval>) -> String {
    let ends = interval.map(|ends| format!(" [{}, {}]", bare_percent(ends.low), bare_percent(ends.high)));
    percent(share) + &ends.unwrap_or_default()
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", bare_percent(share))
}

/// A change of shares in hundredths with its sign, without a unit.
pub(super) fn signed(share: f64) -> String {
    format!("{:+.1}", hundredths(share))
}

/// An interval of shares in hundredths, behind its figure.
pub(super) fn brackets(interval: Interval) -> String {
    format!(" [{}, {}]", signed(interval.low), signed(interval.high))
}

/// A change of shares with its interval, without a unit.
pub(super) fn change(estimate: Estimate) -> String {
    format!("{}{}", signed(estimate.value), estimate.interval.map(brackets).unwrap_or_default())
}

/// A change of shares with its interval, in percentage points.
pub(super) fn points(estimate: Estimate) -> String {
    format!("{} pp", change(estimate))
}

/// A relative change with its interval, in percent.
pub(super) fn relative(estimate: Estimate) -> String {
    format!("{} %", change(estimate))
}

/// A difference of shares with half the width of its interval, in percentage points.
pub(super) fn plus_minus(estimate: Estimate) -> String {
    let half = estimate.interval.map(|interval| format!(" ± {}", bare_percent(interval.half_width())));
    format!("{}{} pp", signed(estimate.value), half.unwrap_or_default())
}

/// A plain number with its interval, to so many decimals.
pub(super) fn number(value: f64, interval: Option<Interval>, decimals: usize) -> String {
    let ends = interval.map(|ends| format!(" [{:.decimals$}, {:.decimals$}]", ends.low, ends.high));
    format!("{value:.decimals$}{}", ends.unwrap_or_default())
}

/// A p-value.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// An arm's λ, or a dash if it has none.
pub(super) fn threshold(slice: &Slice) -> String {
    or_dash(slice.cell.threshold.map(lambda))
}

/// A λ in full, since two confidences near 1 differ in late digits.
pub(super) fn lambda(threshold: f64) -> String {
    if threshold.is_infinite() { "∞".to_owned() } else { threshold.to_string() }
}

/// The least and the greatest of some similarities.
pub(super) fn range((least, greatest): (f64, f64)) -> String {
    format!("{least:.2} to {greatest:.2}")
}

/// A fee of a run in USD.
pub(super) fn usd(fee: f64) -> String {
    format!("{fee:.5}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_scaled_once_with_their_intervals() {
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
    fn what_has_no_figure_is_a_dash() {
        assert_eq!((or_dash(None), or_dash(Some(percent(0.25)))), ("–".to_owned(), "25.0 %".to_owned()));
        assert_eq!((lambda(f64::INFINITY), lambda(0.999_999_9)), ("∞".to_owned(), "0.9999999".to_owned()));
        assert_eq!((p_value(0.0004), p_value(0.05)), ("< 0.001".to_owned(), "0.050".to_owned()));
    }
}
