//! A confidence, which lies in [0, 1] because nothing else can be made.

/// How far rounding carries a probability above 1.
const ROUNDING: f64 = 1e-9;

/// How sure an answer is, in [0, 1]; larger = surer.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Confidence(f64);

/// The deferral rule: whether an answer is not sure enough to stand at the threshold λ. An answer without a confidence never is.
#[must_use]
pub fn defers(confidence: Option<Confidence>, threshold: f64) -> bool {
    confidence.is_none_or(|confidence| confidence.value() < threshold)
}

/// A number that is no confidence.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a confidence lies from 0 to 1, and this one is {0}")]
pub struct OutOfRange(pub f64);

impl Confidence {
    /// No confidence at all.
    pub const NONE: Self = Self(0.0);

    /// The number as a confidence.
    ///
    /// # Errors
    /// [`OutOfRange`] if it is not a number, below 0, or above 1 by more than rounding.
    pub fn new(value: f64) -> Result<Self, OutOfRange> {
        if (0.0..=1.0 + ROUNDING).contains(&value) { Ok(Self(value.min(1.0))) } else { Err(OutOfRange(value)) }
    }

    /// The confidence nearest to a number; 0 for what is not a number.
    #[must_use]
    pub fn nearest(value: f64) -> Self {
        if value.is_nan() { Self::NONE } else { Self(value.clamp(0.0, 1.0)) }
    }

    /// The number, in [0, 1].
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_from_its_threshold_on() {
        let at = |value| defers(Some(Confidence::nearest(value)), 0.5);
        assert_eq!([at(0.499), at(0.5), at(1.0)], [true, false, false]);
        assert!(defers(None, 0.0) && defers(Some(Confidence::nearest(1.0)), f64::INFINITY));
    }

    #[test]
    fn nothing_outside_the_range_is_a_confidence() {
        for value in [-1e-12, 1.1, 2.46, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Confidence::new(value).is_err(), "{value}");
            assert!((0.0..=1.0).contains(&Confidence::nearest(value).value()), "{value}");
        }
        for value in [0.0, 0.3, 1.0] {
            assert_eq!(Confidence::new(value).map(|held| held.value().to_bits()), Ok(value.to_bits()));
        }
        assert_eq!(Confidence::new(1.0 + 1e-12).map(Confidence::value), Ok(1.0));
    }
}
