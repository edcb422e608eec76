//! Arms as values: what is deferred and what is learned. None has code of its own; all go through one `step`.

use serde::{Deserialize, Serialize};

/// When a query goes to the next level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferral {
    /// The weak level's answer always stands.
    Never,
    /// The weak level is not asked.
    Always,
    /// The weak level's confidence is below λ.
    BelowThreshold,
}

/// How the strategies to be shown are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selection {
    /// By cosine similarity of the query embeddings.
    Nearest,
    /// By a seeded hash, as a control: what does any strategy give, whatever it is about?
    Random,
}

/// The arms by the names that stand in configs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// The weak model alone.
    WeakOnly,
    /// The strong model alone.
    StrongOnly,
    /// The standard cascade.
    Cascade,
    /// The cascade that learns strategies and shows the most similar ones.
    InterCascade,
    /// The same with strategies picked at random.
    InterCascadeRandom,
}

impl Arm {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::WeakOnly, Self::StrongOnly, Self::Cascade, Self::InterCascade, Self::InterCascadeRandom];

    /// The name used in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WeakOnly => "weak-only",
            Self::StrongOnly => "strong-only",
            Self::Cascade => "cascade",
            Self::InterCascade => "inter-cascade",
            Self::InterCascadeRandom => "inter-cascade-random",
        }
    }

    /// The arm of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arm| arm.name() == name)
    }

    /// When the arm defers.
    #[must_use]
    pub fn deferral(self) -> Deferral {
        match self {
            Self::WeakOnly => Deferral::Never,
            Self::StrongOnly => Deferral::Always,
            Self::Cascade | Self::InterCascade | Self::InterCascadeRandom => Deferral::BelowThreshold,
        }
    }

    /// How the arm picks strategies; none where it does not learn.
    #[must_use]
    pub fn learning(self) -> Option<Selection> {
        match self {
            Self::WeakOnly | Self::StrongOnly | Self::Cascade => None,
            Self::InterCascade => Some(Selection::Nearest),
            Self::InterCascadeRandom => Some(Selection::Random),
        }
    }
}
