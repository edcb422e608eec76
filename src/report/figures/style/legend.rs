//! Legends of patches, for bars whose parts are too small for a label.

use super::area::Area;
use super::canvas::{Canvas, Side};
use super::ink::Ink;
use super::{MARGIN, Role, WIDTH};

/// Side of a patch in pixels.
const PATCH: f64 = 11.0;

/// Distance of an entry from the next one in pixels.
const GAP: f64 = 18.0;

/// Distance of a text from its patch in pixels.
const NEAR: f64 = 6.0;

/// A legend: colours and texts, laid out in lines from the left.
#[derive(Debug, Clone)]
pub(crate) struct Legend {
    /// Entries with the distance from the left and the line.
    entries: Vec<(Ink, String, f64, usize)>,
}

impl Legend {
    /// Lays out the entries over the width of a figure.
    pub(crate) fn new(entries: impl IntoIterator<Item = (Ink, String)>) -> Self {
        let width = WIDTH - 2.0 * MARGIN;
        let (mut x, mut line) = (0.0, 0);
        let place = |(ink, text): (Ink, String)| {
            let wide = PATCH + NEAR + Role::Label.width(&text);
            if x > 0.0 && x + wide > width {
                (x, line) = (0.0, line + 1);
            }
            let at = x;
            x += wide + GAP;
            (ink, text, at, line)
        };
        Self { entries: entries.into_iter().map(place).collect() }
    }

    /// Height in pixels with the space under it.
    pub(crate) fn height(&self) -> f64 {
        let lines = self.entries.last().map_or(0, |(.., line)| line + 1);
        (0..lines).map(|_| Role::Label.line() + 2.0).sum::<f64>() + NEAR
    }

    /// Draws the legend at the top of an area and returns the rest of the area.
    pub(crate) fn draw(&self, canvas: &mut Canvas, area: Area) -> Area {
        for (ink, text, x, line) in &self.entries {
            let y = area.top + (0..*line).map(|_| Role::Label.line() + 2.0).sum::<f64>() + Role::Label.line() / 2.0;
            let left = area.left + x;
            let patch = Area { left, top: y - PATCH / 2.0, right: left + PATCH, bottom: y + PATCH / 2.0 };
            canvas.rectangle(patch, *ink);
            canvas.text(text, (left + PATCH + NEAR, y), Role::Label, Side::Right);
        }
        Area { top: area.top + self.height(), ..area }
    }
}
