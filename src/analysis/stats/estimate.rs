//! A figure with its uncertainty, the form in which analysis passes figures to reports.

/// The two ends of a 95 % interval, in the unit of the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Half the distance between the ends, in the unit of the figure.
    #[must_use]
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// The interval in a unit that is smaller by `factor`.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { low: self.low * factor, high: self.high * factor }
    }
}

/// A figure with its interval and p-value. Accuracies, coverages and relative changes are shares: 0.02 is two points,
/// -0.2 a fifth less. Ratios are plain numbers. Only report writers scale figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure on the sample.
    pub value: f64,
    /// The 95 % interval. `None` if fewer than [`FEWEST`](super::FEWEST) units contribute, if the figure is undefined
    /// on too many resamples, or if it is equal on all.
    pub interval: Option<Interval>,
    /// The two-sided p-value of no difference, in [0, 1]. `None` if nothing is tested.
    pub p_value: Option<f64>,
}

impl Estimate {
    /// Creates a figure without a p-value.
    #[must_use]
    pub fn new(value: f64, interval: Option<Interval>) -> Self {
        Self { value, interval, p_value: None }
    }

    /// Both ends of the interval, or the figure twice if there is no interval.
    #[must_use]
    pub fn reach(self) -> [f64; 2] {
        self.interval.map_or([self.value; 2], |interval| [interval.low, interval.high])
    }

    /// Adds the p-value of a test of no difference.
    #[must_use]
    pub fn tested(self, p_value: f64) -> Self {
        Self { p_value: Some(p_value), ..self }
    }
}
