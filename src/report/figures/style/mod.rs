//! The look of all figures: colours, fonts, sizes, marks and the placement of labels. Figures state data and texts only.

mod area;
mod canvas;
mod frame;
mod ink;
mod labels;
mod legend;
mod scale;

pub(crate) use self::area::Area;
pub(crate) use self::canvas::{Canvas, Side};
pub(crate) use self::frame::{Frame, Rows};
pub(crate) use self::ink::{Ink, Marker, arm_ink, arm_marker};
pub(crate) use self::labels::{EndLabel, Label, at_ends, near};
pub(crate) use self::legend::Legend;
pub(crate) use self::scale::{Scale, Unit};

/// Width of every figure in pixels.
pub(crate) const WIDTH: f64 = 760.0;

/// Height of a plot of the usual form, axes included, in pixels.
pub(crate) const PLOT_HEIGHT: f64 = 440.0;

/// Distance between two panels in pixels.
pub(crate) const PANEL_GAP: f64 = 28.0;

/// Distance of all contents from the border in pixels.
const MARGIN: f64 = 16.0;

/// Radius of a mark of a single point in pixels.
pub(crate) const MARK: f64 = 5.0;

/// Radius of a mark of one point of many in pixels.
pub(crate) const SMALL_MARK: f64 = 3.0;

/// Height of a bar of a row in pixels.
const BAR: f64 = 18.0;

/// Height of a row with a name in pixels.
const ROW: f64 = 30.0;

/// Height of one of many rows with a name in pixels.
const DENSE_ROW: f64 = 17.0;

/// Width of a line in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stroke {
    /// Grid lines, axes, leader lines.
    Hair,
    /// Intervals and references.
    Thin,
    /// Curves.
    Thick,
    /// The frontier, under all else.
    Broad,
}

impl Stroke {
    fn width(self) -> f64 {
        match self {
            Self::Hair => 0.8,
            Self::Thin => 1.3,
            Self::Thick => 2.0,
            Self::Broad => 7.0,
        }
    }
}

/// Role of a text, which sets its size and colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The figure's title.
    Title,
    /// A name beside a mark, a row or a panel.
    Label,
    /// A number at an axis.
    Tick,
    /// The title of an axis.
    Axis,
    /// A sentence under the figure.
    Note,
}

impl Role {
    /// Font size in pixels.
    pub(crate) fn size(self) -> f64 {
        match self {
            Self::Title => 15.0,
            Self::Label => 12.5,
            Self::Tick | Self::Note => 11.5,
            Self::Axis => 12.0,
        }
    }

    /// Distance of two lines in pixels.
    pub(crate) fn line(self) -> f64 {
        (self.size() * 1.35).ceil()
    }

    fn is_bold(self) -> bool {
        self == Self::Title
    }

    fn ink(self) -> Ink {
        match self {
            Self::Title | Self::Label => Ink::Text,
            Self::Tick | Self::Axis | Self::Note => Ink::Muted,
        }
    }

    /// Width of a text in pixels, at least as wide as common sans-serif fonts draw it.
    pub(crate) fn width(self, text: &str) -> f64 {
        text_width(text, self.size(), self.is_bold())
    }

    /// Breaks a text into lines of at most `width` pixels, at spaces.
    pub(crate) fn wrap(self, text: &str, width: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.width(&format!("{line} {word}")) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }
}

/// Widths of the characters from space to `~` in thousandths of the font size: those of the font `DejaVu Sans`, which
/// is wider than the other usual sans-serif fonts.
const ADVANCES: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
    748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
    337, 636, 838,
];

/// Width of every other character in thousandths of the font size.
const OTHER_ADVANCE: u16 = 840;

/// Factor by which a bold text is wider.
const BOLD: f64 = 1.14;

/// Width of a text in pixels at a font size in pixels.
pub(crate) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    let advance = |letter: char| {
        let index = (letter as usize).wrapping_sub(32);
        f64::from(ADVANCES.get(index).copied().unwrap_or(OTHER_ADVANCE))
    };
    text.chars().map(advance).sum::<f64>() / 1000.0 * size * if bold { BOLD } else { 1.0 }
}
