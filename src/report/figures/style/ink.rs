//! Colours in light and dark, and the marks of the arms. The hues follow Okabe and Ito, darkened until they stand out
//! from white. Arms differ in shape as well as in colour.

use plotters::style::RGBColor;

use crate::types::arm::Arm;

/// A colour by its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Background.
    Paper,
    /// Titles and names.
    Text,
    /// Axis titles, numbers and notes.
    Muted,
    /// Grid lines.
    Grid,
    /// Axes and leader lines.
    Axis,
    /// The line of no change, and limits such as α.
    Limit,
    /// The oracle router.
    Oracle,
    /// The random router.
    Random,
    /// The frontier of arms that no other dominates.
    Frontier,
    /// A series that is not an arm, by its zero-based index; the colours repeat after eight.
    Series(usize),
    /// An arm, by its zero-based index in [`Arm::ALL`].
    Arm(usize),
}

/// Colours of roles in light and dark, in the order of [`Ink::ROLES`].
const ROLES: [[u32; 2]; 9] = [
    [0xFF_FFFF, 0x15_191E],
    [0x1B_1F24, 0xE9_ECEF],
    [0x57_5E66, 0xA8_B0B9],
    [0xEA_ECEE, 0x2A_3037],
    [0x9A_A1A9, 0x6B_737C],
    [0xB0_2A37, 0xFF_8A80],
    [0x8A_6D00, 0xE3_C14B],
    [0x7C_848C, 0x8D_959E],
    [0xF3_DC96, 0x5C_4B1B],
];

/// Colours of series in light and dark.
const SERIES: [[u32; 2]; 8] = [
    [0x00_72B1, 0x4B_A3E4],
    [0xC6_8401, 0xF0_B42A],
    [0x00_8C67, 0x2C_C296],
    [0xD5_5E01, 0xF0_7B40],
    [0xB1_4F8F, 0xE0_9CC5],
    [0x2E_93D2, 0x9A_D5F8],
    [0x7A_5231, 0xC6_9C6E],
    [0x44_4A51, 0xC8_CCD1],
];

/// Colours and marks of the arms, in the order of [`Arm::ALL`].
const ARMS: [([u32; 2], Marker); Arm::ALL.len()] = [
    ([0x6E_757D, 0x9F_A7AF], Marker::Down),
    ([0x6F_757D, 0xA0_A7AF], Marker::Up),
    ([0x22_272D, 0xF0_F2F4], Marker::Square),
    ([0x00_72B2, 0x4B_A3E3], Marker::Circle),
    ([0x2E_93D1, 0x9A_D5F7], Marker::OpenCircle),
    ([0x00_8C66, 0x2C_C295], Marker::Diamond),
    ([0xC6_8400, 0xF0_B429], Marker::OpenDown),
    ([0x23_272D, 0xF1_F2F4], Marker::OpenSquare),
    ([0x7A_5230, 0xC6_9C6D], Marker::Plus),
    ([0xB1_4F8E, 0xE0_9CC4], Marker::OpenDiamond),
    ([0xD5_5E00, 0xF0_7B3F], Marker::Cross),
    ([0x00_7C8A, 0x4F_C9D6], Marker::OpenUp),
    ([0x9B_2226, 0xF2_8B82], Marker::Star),
];

/// Shape of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Filled circle.
    Circle,
    /// Ring.
    OpenCircle,
    /// Filled square.
    Square,
    /// Outline of a square.
    OpenSquare,
    /// Filled diamond.
    Diamond,
    /// Outline of a diamond.
    OpenDiamond,
    /// Filled triangle that points up.
    Up,
    /// Outline of a triangle that points up.
    OpenUp,
    /// Filled triangle that points down.
    Down,
    /// Outline of a triangle that points down.
    OpenDown,
    /// Upright cross.
    Plus,
    /// Diagonal cross.
    Cross,
    /// Star with five points.
    Star,
}

impl Ink {
    /// The roles that have one colour each.
    const ROLES: [Self; 9] = [
        Self::Paper,
        Self::Text,
        Self::Muted,
        Self::Grid,
        Self::Axis,
        Self::Limit,
        Self::Oracle,
        Self::Random,
        Self::Frontier,
    ];

    /// Colours in light and dark.
    fn pair(self) -> [u32; 2] {
        match self {
            Self::Series(index) => SERIES[index % SERIES.len()],
            Self::Arm(index) => ARMS[index % ARMS.len()].0,
            role => Self::ROLES.iter().zip(ROLES).find(|(other, _)| **other == role).map_or(ROLES[1], |(_, pair)| pair),
        }
    }

    /// Colour in light, which the drawing contains.
    pub(super) fn light(self) -> RGBColor {
        let [_, red, green, blue] = self.pair()[0].to_be_bytes();
        RGBColor(red, green, blue)
    }

    /// The light colour as the drawing writes it.
    pub(crate) fn hex(self) -> String {
        format!("#{:06X}", self.pair()[0])
    }

    /// Rules of a style sheet that replace the light colours if the reader prefers dark.
    pub(super) fn dark_rules() -> String {
        let series = (0..SERIES.len()).map(Self::Series).chain((0..ARMS.len()).map(Self::Arm));
        let rule = |ink: Self| {
            let (light, dark) = (ink.hex(), ink.pair()[1]);
            format!("[fill=\"{light}\"]{{fill:#{dark:06X}}}[stroke=\"{light}\"]{{stroke:#{dark:06X}}}")
        };
        Self::ROLES.into_iter().chain(series).map(rule).collect()
    }

    /// The dark colour of the background, for the outline of texts.
    pub(super) fn dark_paper() -> String {
        format!("#{:06X}", ROLES[0][1])
    }
}

/// Colour of an arm.
pub(crate) fn arm_ink(arm: Arm) -> Ink {
    Ink::Arm(index(arm))
}

/// Mark of an arm.
pub(crate) fn arm_marker(arm: Arm) -> Marker {
    ARMS[index(arm)].1
}

fn index(arm: Arm) -> usize {
    Arm::ALL.iter().position(|other| *other == arm).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_colours_and_no_two_marks_are_equal() {
        let colours = ROLES.into_iter().chain(SERIES).chain(ARMS.map(|(pair, _)| pair));
        let (light, dark): (BTreeSet<u32>, BTreeSet<u32>) = colours.clone().map(|[light, dark]| (light, dark)).unzip();
        let n = colours.count();
        assert_eq!((light.len(), dark.len()), (n, n), "a rule for dark must find exactly one light colour");
        let markers: BTreeSet<String> = ARMS.iter().map(|(_, marker)| format!("{marker:?}")).collect();
        assert_eq!(markers.len(), ARMS.len());
    }

    #[test]
    fn series_and_arms_stand_out_from_the_background() {
        // Contrast ratio of WCAG 2.2; marks need 3, texts 4.5.
        let luminance = |colour: u32| {
            let [_, red, green, blue] = colour.to_be_bytes().map(|part| {
                let part = f64::from(part) / 255.0;
                if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let contrast = |one: u32, other: u32| {
            let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
            one.max(other) / one.min(other)
        };
        let inks = [Ink::Limit, Ink::Oracle, Ink::Random].map(Ink::pair);
        for colours in inks.into_iter().chain(SERIES).chain(ARMS.map(|(pair, _)| pair)) {
            for (colour, paper) in colours.into_iter().zip(Ink::Paper.pair()) {
                assert!(contrast(colour, paper) >= 3.0, "#{colour:06X}: {}", contrast(colour, paper));
            }
        }
        for role in [Ink::Text, Ink::Muted] {
            for (colour, paper) in role.pair().into_iter().zip(Ink::Paper.pair()) {
                assert!(contrast(colour, paper) >= 4.5, "#{colour:06X}");
            }
        }
    }
}
