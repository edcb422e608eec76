//! Areas of a drawing.

use super::{MARK, Role};

/// Distance of a label's text from its mark in pixels.
pub(super) const LABEL_GAP: f64 = 6.0;

/// Room for leader lines between a plot and a column of labels in pixels.
const LEADER: f64 = 12.0;

/// A position in pixels from the upper left corner.
pub(crate) type At = (f64, f64);

/// A rectangle in pixels from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    /// Left side.
    pub(crate) left: f64,
    /// Upper side.
    pub(crate) top: f64,
    /// Right side.
    pub(crate) right: f64,
    /// Lower side.
    pub(crate) bottom: f64,
}

impl Area {
    /// The square around a point.
    pub(super) fn at((x, y): At, radius: f64) -> Self {
        Self { left: x - radius, top: y - radius, right: x + radius, bottom: y + radius }
    }

    /// The smallest rectangle around points. `None` without points.
    pub(super) fn around(points: &[At]) -> Option<Self> {
        let mut points = points.iter().map(|point| Self::at(*point, 0.0));
        let first = points.next()?;
        Some(points.fold(first, |one, other| Self {
            left: one.left.min(other.left),
            top: one.top.min(other.top),
            right: one.right.max(other.right),
            bottom: one.bottom.max(other.bottom),
        }))
    }

    /// Splits the area into `count` equal panels side by side.
    pub(crate) fn columns(self, count: u8, gap: f64) -> Vec<Self> {
        let width = (self.right - self.left - gap * f64::from(count.max(1) - 1)) / f64::from(count.max(1));
        let column = |index: u8| {
            let left = self.left + f64::from(index) * (width + gap);
            Self { left, right: left + width, ..self }
        };
        (0..count).map(column).collect()
    }

    /// Splits off the lowest `height` pixels below a gap: the upper part, then the lower part.
    pub(crate) fn split(self, height: f64, gap: f64) -> [Self; 2] {
        [Self { bottom: self.bottom - height - gap, ..self }, Self { top: self.bottom - height, ..self }]
    }

    /// Splits off a column at the right that is wide enough for these labels with marks and leader lines: the rest,
    /// then the column.
    pub(crate) fn beside_labels(self, labels: &[String]) -> (Self, Self) {
        let widest = labels.iter().map(|label| Role::Label.width(label)).fold(0.0, f64::max);
        let left = self.right - widest - 2.0 * MARK - LABEL_GAP;
        (Self { right: left - LEADER, ..self }, Self { left, ..self })
    }

    /// True if two areas have a common point.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// True if the other area is wholly inside.
    pub(super) fn contains(&self, other: &Self) -> bool {
        self.left <= other.left && self.top <= other.top && self.right >= other.right && self.bottom >= other.bottom
    }

    /// The area with a margin of `by` pixels around it.
    pub(super) fn grown(self, by: f64) -> Self {
        Self { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }
}
