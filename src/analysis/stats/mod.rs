//! How sure a figure is. Items of one group are variants of one problem and vary together, so what is resampled, or
//! whose sign is flipped, is the group; an item without siblings is a group of its own. Intervals are at 95 %,
//! p-values two-sided.

pub mod bootstrap;
pub mod clustered;
pub mod difference;
pub mod draws;
pub mod estimate;
pub mod holm;
pub mod power;
pub mod proportion;
mod resamples;
pub mod sign_flip;
pub mod units;

pub use clustered::clustered_mean;
pub use draws::Draws;
pub use estimate::{Estimate, Interval};
pub use units::Units;

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The fewest groups that must contribute to a figure for it to have an interval. A resample cannot pass a side that the sample
/// has not seen, so that one or two groups give an interval that ends at their own figure.
pub const FEWEST: usize = 3;
