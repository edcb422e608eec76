//! Checks of an answer's work that need no target and no call: pure functions of the question, the answer and the
//! examples that were shown with it. Definitions and rates are in docs/METHODOLOGY.md.

mod flow;
mod follows;
mod given;
mod replay;

use std::borrow::Cow;

use num_bigint::BigInt;
use num_rational::BigRational;

use self::flow::Flow;
use super::calculations::{self, AtLeast};
use super::passage;
use crate::types::check::{Check, CheckOutcomes};

/// A solved question that was shown with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example<'a> {
    /// The question.
    pub question: &'a str,
    /// The solution's text.
    pub solution: &'a str,
    /// The solution's answer, in the form of [`Graded::answer`](crate::types::record::Graded::answer).
    pub answer: Option<&'a str>,
}

/// An answer whose work is checked.
pub struct Work<'a> {
    text: Cow<'a, str>,
    answer: Option<BigRational>,
    /// `None` if there are too many calculations to follow.
    flow: Option<Flow>,
    examples: Vec<(Flow, BigRational)>,
    /// The number of calculations that [`Check::Calculations`] needs.
    at_least: usize,
}

impl<'a> Work<'a> {
    /// The work of a `text` whose answer was read as `answer`, of which the check `calculations` needs `at_least` so many. Reasoning
    /// that a passage hides is left out.
    #[must_use]
    pub fn new(question: &str, text: &'a str, answer: Option<&str>, examples: &[Example], at_least: AtLeast) -> Self {
        let at_least = at_least.of(text);
        let text = passage::visible(text);
        let flow = Flow::new(question, &text);
        let of = |example: &Example| {
            let flow = Flow::new(example.question, &passage::visible(example.solution))?;
            Some((flow, example.answer.and_then(exact)?))
        };
        Self {
            answer: answer.and_then(exact),
            flow,
            examples: examples.iter().filter_map(of).collect(),
            text,
            at_least,
        }
    }

    /// What a check finds: whether the work passes it. `None` if the check has no meaning here: without an answer, without
    /// an example, or with none whose own calculations give its answer.
    #[must_use]
    pub fn passes(&self, check: Check) -> Option<bool> {
        let answer = self.answer.as_ref()?;
        match (check, &self.flow) {
            (Check::Calculations, _) => Some(calculations::check(&self.text).gives(&answer.to_string(), self.at_least)),
            (Check::Conclusions, _) => None,
            (_, None) => Some(false),
            (Check::AllNumbersUsed, Some(flow)) => Some(flow.uses_all()),
            (Check::GroundedNumbers, Some(flow)) => Some(flow.is_grounded()),
            (Check::FollowsExample, Some(flow)) => {
                self.any(|example, theirs| follows::follows(flow, answer, example, theirs))
            }
            (Check::ExampleReplay, Some(flow)) => self.any(|example, theirs| {
                let values = replay::replays(&flow.given, example, theirs);
                (!values.is_empty()).then(|| values.iter().any(|value| is_rounded(answer, value)))
            }),
        }
    }

    /// The outcome of every check.
    #[must_use]
    pub fn outcomes(&self) -> CheckOutcomes {
        let mut outcomes = CheckOutcomes::default();
        for check in Check::ALL {
            outcomes.set(check, self.passes(check));
        }
        outcomes
    }

    /// Whether the work passes with any of the examples; `None` if the check has no meaning with any.
    fn any(&self, passes: impl Fn(&Flow, &BigRational) -> Option<bool>) -> Option<bool> {
        let outcomes = self.examples.iter().filter_map(|(flow, answer)| passes(flow, answer));
        outcomes.reduce(|one, other| one || other)
    }
}

/// The answers that an example's calculations give on the numbers of another question: one, or several if the example's question gives
/// one number twice. Empty if they do not give the example's own answer, or do not fit the question.
#[must_use]
pub fn replays(question: &str, example: &Example) -> Vec<BigRational> {
    let flow = Flow::new(example.question, &passage::visible(example.solution));
    let found = flow.zip(example.answer.and_then(exact));
    found.map_or_else(Vec::new, |(flow, answer)| replay::replays(&given::given(question), &flow, &answer))
}

/// Whether the calculations of an example, on the numbers of a solved question, give answers of which none is the solved question's.
#[must_use]
pub fn contradicts(example: &Example, solved: &Example) -> bool {
    let Some(answer) = solved.answer.and_then(exact) else { return false };
    let values = replays(solved.question, example);
    !values.is_empty() && !values.iter().any(|value| is_rounded(&answer, value))
}

/// Whether an answer is a value, or the value rounded to at most two decimals.
fn is_rounded(answer: &BigRational, value: &BigRational) -> bool {
    let rounded = |places: u32| {
        let scale = BigRational::from(num_traits::pow(BigInt::from(10), places as usize));
        (value * &scale).round() / scale
    };
    answer == value || (!value.is_integer() && (1..=2).any(|places| *answer == rounded(places)))
}

/// The exact fraction that an answer is written as.
fn exact(answer: &str) -> Option<BigRational> {
    answer.parse().ok()
}

#[cfg(test)]
mod tests;
