//! Confidence in an answer. The type admits only values in [0, 1].

/// Largest rounding error by which a computed probability may exceed 1.
const ROUNDING: f64 = 1e-9;

/// Confidence in an answer, in [0, 1]. Larger means more likely correct.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Confidence(f64);

/// Deferral rule: true if the confidence is missing or below the threshold λ.
#[must_use]
pub fn defers(confidence: Option<Confidence>, threshold: f64) -> bool {
    confidence.is_none_or(|confidence| confidence.value() < threshold)
}

/// Error for a number outside [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a confidence must be from 0 to 1, not {0}")]
pub struct OutOfRange(pub f64);

impl Confidence {
    /// Lowest confidence, 0.
    pub const NONE: Self = Self(0.0);

    /// Converts a number to a confidence.
    ///
    /// # Errors
    /// [`OutOfRange`] if the value is NaN, below 0, or above 1 by more than a rounding error.
    pub fn new(value: f64) -> Result<Self, OutOfRange> {
        if (0.0..=1.0 + ROUNDING).contains(&value) { Ok(Self(value.min(1.0))) } else { Err(OutOfRange(value)) }
    }

    /// Confidence nearest to a number; 0 for NaN.
    #[must_use]
    pub fn nearest(value: f64) -> Self {
        if value.is_nan() { Self::NONE } else { Self(value.clamp(0.0, 1.0)) }
    }

    /// Value in [0, 1].
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_at_the_threshold_is_accepted() {
        let deferred = |value| defers(Some(Confidence::nearest(value)), 0.5);
        assert_eq!([deferred(0.499), deferred(0.5), deferred(1.0)], [true, false, false]);
        assert!(defers(None, 0.0) && defers(Some(Confidence::nearest(1.0)), f64::INFINITY));
    }

    #[test]
    fn values_outside_the_range_are_rejected() {
        for value in [-1e-12, 1.1, 2.46, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Confidence::new(value).is_err(), "{value}");
            assert!((0.0..=1.0).contains(&Confidence::nearest(value).value()), "{value}");
        }
        for value in [0.0, 0.3, 1.0] {
            assert_eq!(Confidence::new(value).map(|confidence| confidence.value().to_bits()), Ok(value.to_bits()));
        }
        assert_eq!(Confidence::new(1.0 + 1e-12).map(Confidence::value), Ok(1.0));
    }
}
