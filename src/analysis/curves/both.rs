//! Both levels' answers to the same item: all that a router can choose from.

use super::Axis;

/// Both levels' answers to one item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BothAnswers {
    /// True if the weak level is correct.
    pub weak_right: bool,
    /// True if the strong level is correct.
    pub strong_right: bool,
    /// The weak call's fee.
    pub weak_fee: f64,
    /// The strong call's fee, in the same unit.
    pub strong_fee: f64,
}

impl BothAnswers {
    /// Cost of calling only the weak level, and of calling only the strong level.
    pub(super) fn costs(&self, axis: Axis) -> [f64; 2] {
        match axis {
            Axis::StrongCalls => [0.0, 1.0],
            Axis::Fee => [self.weak_fee, self.strong_fee],
        }
    }
}
