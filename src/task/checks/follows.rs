//! Check that a solution computes its answer as the retrieved example does: with the same operations on operands of
//! the same sources.

use num_rational::BigRational;

use super::flow::{Flow, NumberSource};
use crate::task::calculations::Expression;

/// Most pairs of expressions to compare, so that texts with many equal numbers terminate.
const MOST: usize = 20_000;

/// True if both answers come from the same operations: given numbers correspond one to one, an earlier result
/// corresponds to the result of the same operations, and a constant to an equal constant. `None` if the example's
/// calculations do not yield its answer.
pub(super) fn follows(own: &Flow, answer: &BigRational, example: &Flow, example_answer: &BigRational) -> Option<bool> {
    let example_at = example.end(example_answer)?;
    let Some(own_at) = own.end(answer) else { return Some(false) };
    let mut matching = Matching { own, example, pairs: Vec::new(), left: MOST };
    Some(matching.same(own_at, example_at, &mut |_| true))
}

struct Matching<'a> {
    own: &'a Flow,
    example: &'a Flow,
    /// Index pairs of corresponding numbers: of the question, and of the example's question.
    pairs: Vec<(usize, usize)>,
    left: usize,
}

/// An expression with the index of its step.
type At<'a> = (usize, &'a Expression);

impl<'a> Matching<'a> {
    /// True if two expressions correspond in some way for which the remaining comparison `rest` succeeds too.
    fn same(&mut self, own_at: At<'a>, example_at: At<'a>, rest: &mut dyn FnMut(&mut Self) -> bool) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        match (own_at.1, example_at.1) {
            (Expression::Negative(a), Expression::Negative(b)) => self.same((own_at.0, a), (example_at.0, b), rest),
            (Expression::Operation(one, a, b), Expression::Operation(other, c, d)) if one == other => {
                let (a, b, c, d) = ((own_at.0, &**a), (own_at.0, &**b), (example_at.0, &**c), (example_at.0, &**d));
                self.both((a, c), (b, d), rest) || (one.commutes() && self.both((a, d), (b, c), rest))
            }
            (Expression::Number(a), Expression::Number(b)) => self.leaves((own_at.0, a), (example_at.0, b), rest),
            // One side writes in two steps what the other writes in one.
            (Expression::Number(a), _) => {
                earlier(self.own, own_at.0, a).into_iter().any(|own_at| self.same(own_at, example_at, rest))
            }
            (_, Expression::Number(b)) => {
                earlier(self.example, example_at.0, b).into_iter().any(|example_at| self.same(own_at, example_at, rest))
            }
            _ => false,
        }
    }

    fn both(
        &mut self,
        one: (At<'a>, At<'a>),
        other: (At<'a>, At<'a>),
        rest: &mut dyn FnMut(&mut Self) -> bool,
    ) -> bool {
        self.same(one.0, one.1, &mut |matching: &mut Self| matching.same(other.0, other.1, rest))
    }

    fn leaves(
        &mut self,
        own_at: (usize, &'a BigRational),
        example_at: (usize, &'a BigRational),
        rest: &mut dyn FnMut(&mut Self) -> bool,
    ) -> bool {
        let (own, example) = (self.own, self.example);
        for a in own.sources(own_at.0, own_at.1) {
            for b in example.sources(example_at.0, example_at.1) {
                let same = match (&a, &b) {
                    (NumberSource::Constant, NumberSource::Constant) => own_at.1 == example_at.1 && rest(self),
                    (NumberSource::Given(one, form), NumberSource::Given(other, as_form)) => {
                        form == as_form && self.paired(*one, *other, rest)
                    }
                    (NumberSource::Earlier(at, one, opposite), NumberSource::Earlier(by, other, other_opposite)) => {
                        opposite == other_opposite && self.same((*at, one), (*by, other), rest)
                    }
                    _ => false,
                };
                if same {
                    return true;
                }
            }
        }
        false
    }

    fn paired(&mut self, one: usize, other: usize, rest: &mut dyn FnMut(&mut Self) -> bool) -> bool {
        if let Some((_, partner)) = self.pairs.iter().find(|(index, _)| *index == one) {
            return *partner == other && rest(self);
        }
        if self.pairs.iter().any(|(_, partner)| *partner == other) {
            return false;
        }
        self.pairs.push((one, other));
        let same = rest(self);
        self.pairs.pop();
        same
    }
}

/// Returns the earlier expressions whose result a number may be.
fn earlier<'a>(flow: &'a Flow, at: usize, number: &BigRational) -> Vec<At<'a>> {
    let sources = flow.sources(at, number);
    sources
        .into_iter()
        .filter_map(|source| match source {
            NumberSource::Earlier(at, expression, false) => Some((at, expression)),
            _ => None,
        })
        .collect()
}
