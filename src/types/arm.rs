//! Arms as values: what is deferred and what is learned. None has code of its own; all go through one `step`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::check::Check;

/// When a query goes to the next level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferral {
    /// The weak level's answer always stands.
    Never,
    /// The weak level is not asked.
    Always,
    /// The weak level's confidence is below λ, or its answer fails a check.
    BelowThreshold,
    /// No example is near enough, and then the weak level is not asked; its answer fails a check, if the arm has checks. No
    /// confidence is read.
    WithoutExample {
        /// Whether the gate's checks apply.
        checked: bool,
    },
}

/// How the strategies to be shown are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Selection {
    /// By cosine similarity of the query embeddings.
    Nearest,
    /// By a seeded hash, as a control: what does any strategy give, whatever it is about?
    Random,
}

/// What is kept of a deferred item for later queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// What the strong level wrote when asked for a strategy.
    #[default]
    Strategy,
    /// The question and the strong level's solution as they are.
    WorkedCase,
    /// A worked case with the strategy behind it.
    Both,
    /// The question and the answer: plain retrieval.
    QuestionAnswer,
}

impl Content {
    /// Whether the strong level has to write a strategy for it.
    #[must_use]
    pub fn is_written(self) -> bool {
        matches!(self, Self::Strategy | Self::Both)
    }
}

/// How an arm uses what it has kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It stands before the weak level's query: the config's content, or this one.
    InContext(Option<Content>),
    /// It stands before the top level's query, in the config's content.
    InTopContext,
    /// The nearest answer is given again, if it is near enough, and no model is asked.
    AnswerCache,
    /// The nearest solution's calculations are done on the query's numbers, and if they give one answer, no model is asked.
    Replayed,
}

/// What an arm learns, and how it uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learning {
    /// How what is kept is ranked.
    pub selection: Selection,
    /// What becomes of the best.
    pub used: Use,
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
    /// The same with past questions and answers in the place of strategies.
    Retrieval,
    /// The cascade before which the nearest past answer is given again where it is near enough.
    SemanticCache,
    /// The cascade at a threshold of its own, so that learning arms are compared with the best cascade too.
    CascadeTuned,
    /// The cascade with one worked example, the same for every query: what does the form give without retrieval?
    FixedExample,
    /// A router without confidence: the weak model answers if an example is near enough, else the strong model does.
    SimilarityRouter,
    /// The same, but an answer that fails a check of the gate is deferred.
    SimilarityRouterChecked,
    /// No weak model: the nearest solution's calculations on the query's numbers, else the strong model.
    ExampleReplay,
    /// The strong model alone, with the most similar of its own earlier solutions before each query.
    StrongWithExamples,
}

impl Arm {
    /// All of them.
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

    /// The name used in configs and outputs.
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

    /// The arm of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arm| arm.name() == name)
    }

    /// Whether the arm is one level alone: an end of the range between the levels, and no way to combine them.
    #[must_use]
    pub fn is_one_level(self) -> bool {
        matches!(self, Self::WeakOnly | Self::StrongOnly)
    }

    /// When the arm defers.
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

    /// What the arm learns; `None` if it does not learn.
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

    /// Whether the weak level is shown what the arm retrieves.
    #[must_use]
    pub fn shows_examples(self) -> bool {
        matches!(self.learning(), Some(Learning { used: Use::InContext(_), .. }))
    }

    /// Whether this check of the config is one of the arm's gate. Those on examples need a retrieved one in the prompt.
    #[must_use]
    pub fn has_check(self, check: Check) -> bool {
        self.deferral() != Deferral::WithoutExample { checked: false }
            && (self.shows_examples() || !check.needs_example())
    }

    /// Whether the arm needs the strong level to write strategies, where the config's content is this one.
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
    fn an_arm_is_shown_written_and_found_by_one_name() {
        for arm in Arm::ALL {
            assert_eq!((arm.to_string(), Arm::named(arm.name())), (arm.name().to_owned(), Some(arm)));
            assert_eq!(serde_json::to_value(arm).expect("JSON"), arm.name());
        }
        assert_eq!(Arm::named("inter-cascad"), None);
    }
}
