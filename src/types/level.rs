//! A level of a cascade, by its place.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of the first level in outputs.
const FIRST: &str = "weak";
/// The name of the top level in outputs.
const TOP: &str = "strong";
/// The names of the levels in between begin so; the index follows.
const BETWEEN: &str = "level-";

/// The zero-based place of a level: the first one answers every query, and each further one what the one before it defers, up
/// to the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(usize);

impl Level {
    /// The first level, which is weak: strategies are shown to it alone.
    pub const FIRST: Self = Self(0);
    /// The level above the first: the top of the smallest cascade.
    pub const SECOND: Self = Self(1);

    /// The level at this place.
    #[must_use]
    pub const fn at(index: usize) -> Self {
        Self(index)
    }

    /// The place, counted from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }

    /// Whether this is the first level.
    #[must_use]
    pub fn is_first(self) -> bool {
        self == Self::FIRST
    }

    /// The name in outputs, in a cascade with this `top`: `weak`, `strong`, and `level-1` and so on in between.
    #[must_use]
    pub fn name(self, top: Self) -> Cow<'static, str> {
        if self.is_first() {
            FIRST.into()
        } else if self == top {
            TOP.into()
        } else {
            format!("{BETWEEN}{}", self.0).into()
        }
    }

    /// The level of that name in a cascade with this `top`; `None` if no level can be called so.
    #[must_use]
    pub fn named(name: &str, top: Self) -> Option<Self> {
        match name {
            FIRST => Some(Self::FIRST),
            TOP => Some(top),
            _ => name.strip_prefix(BETWEEN)?.parse().ok().map(Self).filter(|level| *level < top),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_found_by_its_name() {
        for top in [Level::SECOND, Level::at(3)] {
            for level in (0..=top.index()).map(Level::at) {
                assert_eq!(Level::named(&level.name(top), top), Some(level));
            }
        }
        let names: Vec<_> = (0..3).map(|index| Level::at(index).name(Level::at(2))).collect();
        assert_eq!(names, ["weak", "level-1", "strong"]);
        assert_eq!([Level::named("level-2", Level::at(2)), Level::named("middle", Level::at(2))], [None, None]);
    }
}
