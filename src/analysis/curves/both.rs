//! What both levels make of the same item: all that a router can choose from.

use super::Axis;

/// Both levels' answers to one item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BothAnswers {
    /// Whether the weak level is right.
    pub weak_right: bool,
    /// Whether the strong level is right.
    pub strong_right: bool,
    /// The weak call's fee.
    pub weak_fee: f64,
    /// The strong call's fee, in the same unit.
    pub strong_fee: f64,
}

impl BothAnswers {
    /// What asking only the weak level costs, and only the strong one.
    pub(super) fn costs(&self, axis: Axis) -> [f64; 2] {
        match axis {
            Axis::StrongCalls => [0.0, 1.0],
            Axis::Fee => [self.weak_fee, self.strong_fee],
        }
    }
}
