//! Label-free checks of an answer's work: pure functions of the question, the answer and the retrieved examples,
//! without a call. docs/METHODOLOGY.md defines the checks, and docs/EXPERIMENTS.md
//! reports their rates.

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

/// A worked example that was retrieved for another question.
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
    /// Fewest calculations that [`Check::Calculations`] needs.
    at_least: usize,
}

impl<'a> Work<'a> {
    /// Prepares the work of a `text` whose answer was read as `answer`. The check `calculations` needs `at_least`
    /// calculations. Hidden reasoning is left out.
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

    /// Runs a check. True if the work passes. `None` if the check does not apply: without an answer, without an
    /// example, or if no example's own calculations yield its answer.
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

    /// True if the work passes with any of the examples. `None` if the check applies to none.
    fn any(&self, passes: impl Fn(&Flow, &BigRational) -> Option<bool>) -> Option<bool> {
        let outcomes = self.examples.iter().filter_map(|(flow, answer)| passes(flow, answer));
        outcomes.reduce(|one, other| one || other)
    }
}

/// Computes the answers that an example's calculations yield on the numbers of another question: one, or several if
/// the example's question contains one number twice. Empty if the calculations do not yield the example's own answer,
/// or do not fit the question.
#[must_use]
pub fn replays(question: &str, example: &Example) -> Vec<BigRational> {
    let flow = Flow::new(example.question, &passage::visible(example.solution));
    let found = flow.zip(example.answer.and_then(exact));
    found.map_or_else(Vec::new, |(flow, answer)| replay::replays(&given::given(question), &flow, &answer))
}

/// True if the calculations of an example, applied to the numbers of a solved question, yield only answers that differ
/// from the solved question's.
#[must_use]
pub fn contradicts(example: &Example, solved: &Example) -> bool {
    let Some(answer) = solved.answer.and_then(exact) else { return false };
    let values = replays(solved.question, example);
    !values.is_empty() && !values.iter().any(|value| is_rounded(&answer, value))
}

/// True if an answer equals a value, or the value rounded to at most two decimals.
fn is_rounded(answer: &BigRational, value: &BigRational) -> bool {
    let rounded = |places: u32| {
        let scale = BigRational::from(num_traits::pow(BigInt::from(10), places as usize));
        (value * &scale).round() / scale
    };
    answer == value || (!value.is_integer() && (1..=2).any(|places| *answer == rounded(places)))
}

/// Parses an answer as an exact fraction.
fn exact(answer: &str) -> Option<BigRational> {
    answer.parse().ok()
}

#[cfg(test)]
mod tests;
