//! Uncertainty of figures. Items of one group are variants of one problem and are correlated, so resampling and sign
//! flips act on groups. An item without siblings is a separate group. Intervals are at 95 %, p-values two-sided.

pub mod bootstrap;
pub mod clustered;
pub mod difference;
pub mod draws;
pub mod estimate;
pub mod holm;
pub mod independent;
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

/// Fewest groups that must contribute to a figure for an interval. A resample cannot exceed what the sample contains,
/// so one or two groups would give an interval that ends at their own figure.
pub const FEWEST: usize = 3;
