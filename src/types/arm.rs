//! Arms as values: how an arm defers and how it learns. No arm has separate code; all run through one `step`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;

/// Condition under which a query is deferred to the next level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferral {
    /// Never: the weak level's answer is always accepted.
    Never,
    /// Always: the weak level is not called.
    Always,
    /// If the weak level's confidence is below λ or its answer fails a check.
    BelowThreshold,
    /// If no example is near enough (the weak level is then not called), or if the answer fails a check, if the arm has
    /// checks. No confidence is computed.
    WithoutExample {
        /// True if the checks of the deferral gate apply.
        checked: bool,
    },
}

/// Ranking of the strategies for retrieval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selection {
    /// By cosine similarity of the query embeddings.
    Nearest,
    /// By a seeded hash: a control for the effect of a strategy regardless of its content.
    Random,
}

/// Content that is stored from a deferred item for later queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Strategy that the strong level wrote on request.
    #[default]
    Strategy,
    /// Question and the strong level's solution, unchanged: a worked example.
    WorkedExample,
    /// Worked example followed by the strategy.
    Both,
    /// Question and answer: plain retrieval.
    QuestionAnswer,
}

impl Content {
    /// True if the strong level must write a strategy.
    #[must_use]
    pub fn is_written(self) -> bool {
        matches!(self, Self::Strategy | Self::Both)
    }
}

/// Use of the stored content in an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// In the weak level's prompt, before the query. The given content replaces the config's content.
    InContext(Option<Content>),
    /// In the top level's prompt, before the query, with the config's content.
    InTopContext,
    /// The answer of the nearest stored item is reused if it is near enough. No model is called.
    AnswerCache,
    /// The calculations of the nearest solution are repeated on the query's numbers. If the result is unique, no model
    /// is called.
    Replayed,
}

/// How an arm learns: ranking and use of the stored content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learning {
    /// Ranking of the stored content.
    pub selection: Selection,
    /// Use of the best-ranked content.
    pub used: Use,
}

/// Arms, with their names in configs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Weak model alone.
    WeakOnly,
    /// Strong model alone.
    StrongOnly,
    /// Standard cascade.
    Cascade,
    /// Cascade that stores strategies and retrieves the most similar ones.
    InterCascade,
    /// Inter-Cascade with randomly retrieved strategies.
    InterCascadeRandom,
    /// Inter-Cascade with past questions and answers instead of strategies.
    Retrieval,
    /// Cascade behind a semantic cache, which reuses the nearest past answer if it is near enough.
    SemanticCache,
    /// Cascade with a separate threshold, for a comparison of learning arms with the best cascade.
    CascadeTuned,
    /// Cascade with one fixed worked example for every query: a control for the prompt format without retrieval.
    FixedExample,
    /// Router without confidence: the weak model answers if an example is near enough, otherwise the strong model.
    SimilarityRouter,
    /// Similarity router that also defers an answer that fails a check of the gate.
    SimilarityRouterChecked,
    /// No weak model: the calculations of the nearest solution on the query's numbers, otherwise the strong model.
    ExampleReplay,
    /// Strong model alone, with its most similar earlier solutions in the prompt.
    StrongWithExamples,
}

impl Arm {
    /// All arms, in the order of reports.
    pub const ALL: [Self; 13] = [
        Self::WeakOnly,
        Self::StrongOnly,
        Self::Cascade,
        Self::InterCascade,
        Self::InterCascadeRandom,
        Self::Retrieval,
        Self::SemanticCache,
        Self::CascadeTuned,
        Self::FixedExample,
        Self::SimilarityRouter,
        Self::SimilarityRouterChecked,
        Self::ExampleReplay,
        Self::StrongWithExamples,
    ];

    /// Name in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WeakOnly => "weak-only",
            Self::StrongOnly => "strong-only",
            Self::Cascade => "cascade",
            Self::InterCascade => "inter-cascade",
            Self::InterCascadeRandom => "inter-cascade-random",
            Self::Retrieval => "retrieval",
            Self::SemanticCache => "semantic-cache",
            Self::CascadeTuned => "cascade-tuned",
            Self::FixedExample => "fixed-example",
            Self::SimilarityRouter => "similarity-router",
            Self::SimilarityRouterChecked => "similarity-router-checked",
            Self::ExampleReplay => "example-replay",
            Self::StrongWithExamples => "strong-with-examples",
        }
    }

    /// Arm with this name. `None` if no arm has it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arm| arm.name() == name)
    }

    /// True if the arm uses one level alone and so marks an end of the range between the levels.
    #[must_use]
    pub fn is_one_level(self) -> bool {
        matches!(self, Self::WeakOnly | Self::StrongOnly)
    }

    /// Deferral condition of the arm.
    #[must_use]
    pub fn deferral(self) -> Deferral {
        match self {
            Self::WeakOnly => Deferral::Never,
            Self::StrongOnly | Self::ExampleReplay | Self::StrongWithExamples => Deferral::Always,
            Self::Cascade
            | Self::InterCascade
            | Self::InterCascadeRandom
            | Self::Retrieval
            | Self::SemanticCache
            | Self::CascadeTuned
            | Self::FixedExample => Deferral::BelowThreshold,
            Self::SimilarityRouter => Deferral::WithoutExample { checked: false },
            Self::SimilarityRouterChecked => Deferral::WithoutExample { checked: true },
        }
    }

    /// Ranking and use of stored content. `None` if the arm does not learn.
    #[must_use]
    pub fn learning(self) -> Option<Learning> {
        let learning = |selection, used| Some(Learning { selection, used });
        match self {
            Self::WeakOnly | Self::StrongOnly | Self::Cascade | Self::CascadeTuned | Self::FixedExample => None,
            Self::InterCascade | Self::SimilarityRouter | Self::SimilarityRouterChecked => {
                learning(Selection::Nearest, Use::InContext(None))
            }
            Self::InterCascadeRandom => learning(Selection::Random, Use::InContext(None)),
            Self::Retrieval => learning(Selection::Nearest, Use::InContext(Some(Content::QuestionAnswer))),
            Self::SemanticCache => learning(Selection::Nearest, Use::AnswerCache),
            Self::ExampleReplay => learning(Selection::Nearest, Use::Replayed),
            Self::StrongWithExamples => learning(Selection::Nearest, Use::InTopContext),
        }
    }

    /// True if the weak level's prompt shows the retrieved strategies.
    #[must_use]
    pub fn shows_examples(self) -> bool {
        matches!(self.learning(), Some(Learning { used: Use::InContext(_), .. }))
    }

    /// True if this check of the config belongs to the arm's gate. A check that needs an example requires an arm that
    /// retrieves examples into the weak level's prompt.
    #[must_use]
    pub fn has_check(self, check: Check) -> bool {
        self.deferral() != Deferral::WithoutExample { checked: false }
            && (self.shows_examples() || !check.needs_example())
    }

    /// True if the strong level must write strategies for the arm, given the config's `content`.
    #[must_use]
    pub fn needs_strategies(self, content: Content) -> bool {
        match self.learning().map(|learning| learning.used) {
            Some(Use::InContext(own)) => own.unwrap_or(content).is_written(),
            Some(Use::InTopContext) => content.is_written(),
            Some(Use::AnswerCache | Use::Replayed) | None => false,
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_serde_and_lookup_share_one_name() {
        for arm in Arm::ALL {
            assert_eq!((arm.to_string(), Arm::named(arm.name())), (arm.name().to_owned(), Some(arm)));
            assert_eq!(serde_json::to_value(arm).expect("JSON"), arm.name());
        }
        assert_eq!(Arm::named("inter-cascad"), None);
    }
}
