//! Scales of axes: the range of values, its ticks and their texts.

use plotters::coord::combinators::{IntoLogRange as _, LogCoord};
use plotters::coord::ranged1d::Ranged as _;
use plotters::coord::types::RangedCoordf64;

use super::canvas::PRECISION;

/// Unit in which the ticks of an axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A share, written in percent.
    Percent,
    /// A difference of shares or a relative change, written in hundredths with its sign.
    Signed,
    /// A plain number.
    Number,
    /// A factor, written with a multiplication sign.
    Times,
}

impl Unit {
    /// Factor of the written number, and the text after it.
    fn written(self) -> (f64, &'static str) {
        match self {
            Self::Percent => (100.0, " %"),
            Self::Signed => (100.0, ""),
            Self::Number => (1.0, ""),
            Self::Times => (1.0, "×"),
        }
    }
}

/// A range of values with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    unit: Unit,
    log: bool,
}

/// Share of the range that is left free at each end.
const PADDING: f64 = 0.05;

/// Factor by which a logarithmic scale exceeds its ends.
const LOG_PADDING: f64 = 1.12;

impl Scale {
    /// A scale with exactly these ends.
    pub(crate) fn between(low: f64, high: f64, unit: Unit) -> Self {
        if low < high { Self { low, high, unit, log: false } } else { Self::around([low], unit) }
    }

    /// A scale with some space around the finite ones of these values. If all are equal, the space is a tenth of the
    /// value, or 0.05 for shares.
    pub(crate) fn around(values: impl IntoIterator<Item = f64>, unit: Unit) -> Self {
        let (low, high) = ends(values);
        let least = if matches!(unit, Unit::Percent | Unit::Signed) { 0.05 } else { low.abs().max(high.abs()) * 0.1 };
        let least = if least > 0.0 { least } else { 1.0 };
        let space = if high > low { (high - low) * PADDING } else { least };
        Self { low: low - space, high: high + space, unit, log: false }
    }

    /// A scale of shares around these values that does not leave \[0, 1\].
    pub(crate) fn shares(values: impl IntoIterator<Item = f64>) -> Self {
        let scale = Self::around(values, Unit::Percent);
        // A mark at the very end must not be cut.
        Self { low: scale.low.max(-0.02), high: scale.high.min(1.02), ..scale }
    }

    /// A scale from 0 to a little above the largest of these values.
    pub(crate) fn from_zero(values: impl IntoIterator<Item = f64>, unit: Unit) -> Self {
        let (_, high) = ends(values);
        Self { low: 0.0, high: if high > 0.0 { high * (1.0 + PADDING) } else { 1.0 }, unit, log: false }
    }

    /// A logarithmic scale of factors with some space around two positive ends.
    pub(crate) fn ratios(low: f64, high: f64) -> Self {
        Self { low: low / LOG_PADDING, high: high * LOG_PADDING, unit: Unit::Times, log: true }
    }

    /// True if the scale covers the value.
    pub(crate) fn covers(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Lower and upper end.
    pub(crate) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Position of a value in pixels between the positions of both ends. Values outside are at the nearer end.
    pub(super) fn place(&self, value: f64, (from, to): (f64, f64)) -> f64 {
        let value = if value.is_nan() { self.low } else { value.clamp(self.low, self.high) };
        #[expect(clippy::cast_possible_truncation, reason = "positions are small")]
        let limit = ((from * PRECISION).round() as i32, (to * PRECISION).round() as i32);
        let placed = if self.log {
            LogCoord::from((self.low..self.high).log_scale()).map(&value, limit)
        } else {
            RangedCoordf64::from(self.low..self.high).map(&value, limit)
        };
        f64::from(placed) / PRECISION
    }

    /// At most `most` round values in the range, with their texts.
    pub(super) fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let values = if self.log { self.decades(most) } else { self.steps(most) };
        let (factor, suffix) = self.unit.written();
        let written: Vec<f64> = values.iter().map(|value| value * factor).collect();
        let step = written.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let tolerance = if step.is_finite() { step * 1e-6 } else { 1e-9 };
        let exact = |value: f64, decimals: i32| {
            let unit = 10_f64.powi(decimals);
            ((value * unit).round() / unit - value).abs() <= tolerance
        };
        let needed = |values: &[f64]| {
            (0..9_u8).find(|decimals| values.iter().all(|value| exact(*value, i32::from(*decimals)))).unwrap_or(9)
        };
        let common = needed(&written);
        let text = |value: f64| {
            let decimals = usize::from(if self.log { needed(&[value]) } else { common });
            let value = if value.abs() < tolerance { 0.0 } else { value };
            let signed = self.unit == Unit::Signed && value != 0.0;
            let number = if signed { format!("{value:+.decimals$}") } else { format!("{value:.decimals$}") };
            number.replace('-', "−") + suffix
        };
        values.into_iter().zip(written.into_iter().map(text)).collect()
    }

    fn steps(&self, most: usize) -> Vec<f64> {
        let (factor, _) = self.unit.written();
        let (low, high) = (self.low * factor, self.high * factor);
        let most = most.max(2);
        let power = 10_f64.powf(((high - low) / 10_f64.powi(2)).log10().floor());
        let sizes = (0..6).flat_map(|more| [1.0, 2.0, 5.0].map(|digit| digit * power * 10_f64.powi(more)));
        let of = |size: f64| -> Vec<f64> {
            let first = (low / size - 1e-9).ceil();
            let steps = std::iter::successors(Some(first), |step| Some(step + 1.0));
            steps.map(|step| step * size).take_while(|value| *value <= high + size * 1e-9).take(most + 1).collect()
        };
        let points = sizes.map(of).find(|points| points.len() <= most).unwrap_or_default();
        points.into_iter().map(|point| point / factor).filter(|value| !self.is_impossible(*value)).collect()
    }

    /// True for a percentage that no share has, in the space at an end.
    fn is_impossible(&self, value: f64) -> bool {
        self.unit == Unit::Percent && !(-1e-9..=1.0 + 1e-9).contains(&value)
    }

    /// Values 1, 2 and 5 times powers of ten, or fewer of them.
    fn decades(&self, most: usize) -> Vec<f64> {
        let of = |digits: &[f64]| -> Vec<f64> {
            let powers = (-12..13).map(|power| 10_f64.powi(power));
            let all = powers.flat_map(|power| digits.iter().map(move |digit| digit * power).collect::<Vec<_>>());
            all.filter(|value| (self.low * (1.0 - 1e-9)..=self.high * (1.0 + 1e-9)).contains(value)).collect()
        };
        let kinds = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]];
        let found = kinds.into_iter().map(of).find(|values| values.len() <= most);
        found.filter(|values| values.len() > 1).unwrap_or_else(|| vec![self.low, self.high])
    }
}

/// Least and greatest finite value, or 0 and 1 without one.
fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let (low, high) =
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale, most: usize) -> Vec<String> {
        scale.ticks(most).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_have_the_decimals_that_they_need() {
        assert_eq!(texts(Scale::between(0.0, 1.0, Unit::Percent), 6), ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]);
        assert_eq!(texts(Scale::between(-0.2, 0.2, Unit::Signed), 5), ["−20", "−10", "0", "+10", "+20"]);
        assert_eq!(
            texts(Scale::between(0.0, 0.0004, Unit::Number), 5),
            ["0.0000", "0.0001", "0.0002", "0.0003", "0.0004"]
        );
        assert_eq!(texts(Scale::ratios(0.5, 20.0), 9), ["0.5×", "1×", "2×", "5×", "10×", "20×"]);
    }

    #[test]
    fn equal_values_and_no_values_have_a_range() {
        for values in [vec![], vec![0.5], vec![0.5, 0.5], vec![f64::INFINITY, 0.5], vec![0.0]] {
            for scale in [Scale::around(values.clone(), Unit::Number), Scale::shares(values.clone())] {
                assert!(scale.low < scale.high && scale.ticks(6).len() > 1, "{values:?}: {scale:?}");
            }
        }
    }

    #[test]
    fn shares_have_no_tick_beyond_all_or_none() {
        assert_eq!(texts(Scale::shares([0.0, 1.0]), 6).first().map(String::as_str), Some("0 %"));
        assert_eq!(texts(Scale::shares([0.0, 1.0]), 6).last().map(String::as_str), Some("100 %"));
    }
}
