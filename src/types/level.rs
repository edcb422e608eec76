//! Level of a cascade, by its index.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Name of the first level in outputs.
const FIRST: &str = "weak";
/// Name of the top level in outputs.
const TOP: &str = "strong";
/// Prefix of the names of the levels in between; the index follows.
const BETWEEN: &str = "level-";

/// Zero-based index of a level. The first level answers every query. Each further level answers what the level below
/// defers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(usize);

impl Level {
    /// First level, the weak one.
    pub const FIRST: Self = Self(0);
    /// Level above the first: the top of a cascade of two levels.
    pub const SECOND: Self = Self(1);

    /// Level with this index.
    #[must_use]
    pub const fn at(index: usize) -> Self {
        Self(index)
    }

    /// Zero-based index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }

    /// True if this is the first level.
    #[must_use]
    pub fn is_first(self) -> bool {
        self == Self::FIRST
    }

    /// Name in outputs, in a cascade with this `top` level: `weak`, `strong`, and `level-1`, `level-2`, … in between.
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

    /// Level with this name in a cascade with this `top` level. `None` if no level can have the name.
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
    fn level_is_found_by_its_name() {
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
