//! How sure a figure is. Items of one group are variants of one problem and vary together, so what is resampled, or
//! whose sign is flipped, is the group; an item without siblings is a group of its own. Intervals are at 95 %,
//! p-values two-sided.

pub mod bootstrap;
pub mod clustered;
pub mod difference;
pub mod draws;
pub mod holm;
pub mod power;
pub mod proportion;
pub mod sign_flip;
pub mod units;

pub use clustered::{Estimate, clustered_mean};
pub use difference::Difference;
pub use draws::Draws;
pub use units::Units;

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The fewest groups that must contribute to a figure for it to have an interval. A resample cannot pass a side that the sample
/// has not seen, so that one or two groups give an interval that ends at their own figure.
pub const FEWEST: usize = 3;

/// The two ends of a 95 % interval, in the unit of the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// A figure with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampled {
    /// The figure on the sample itself.
    pub value: f64,
    /// Its interval. None if fewer than [`FEWEST`] units contribute, or if the figure is undefined on too many resamples or the
    /// same on all.
    pub interval: Option<Interval>,
}
