//! Whether a solution computes its answer as the retrieved example does: the same operations on operands of the same
//! source.

use num_rational::BigRational;

use super::flow::{Flow, NumberSource};
use crate::task::calculations::Expression;

/// Pairs of expressions that are compared at most, so that a text of equal numbers ends.
const MOST: usize = 20_000;

/// Whether both answers come from the same operations, where a given number stands for a given number, always the same
/// for the same, an earlier result for the result of the same operations, and a constant for the same constant.
/// `None` if the example's calculations do not give its answer.
pub(super) fn follows(own: &Flow, answer: &BigRational, example: &Flow, example_answer: &BigRational) -> Option<bool> {
    let there = example.end(example_answer)?;
    let Some(here) = own.end(answer) else { return Some(false) };
    let mut matching = Matching { own, example, pairs: Vec::new(), left: MOST };
    Some(matching.same(here, there, &mut |_| true))
}

struct Matching<'a> {
    own: &'a Flow,
    example: &'a Flow,
    /// Which number of the question stands for which of the example's.
    pairs: Vec<(usize, usize)>,
    left: usize,
}

/// An expression and the step in which it stands.
type At<'a> = (usize, &'a Expression);

impl<'a> Matching<'a> {
    /// Whether two expressions are the same in some way in which what is still to be compared, `rest`, is the same too.
    fn same(&mut self, here: At<'a>, there: At<'a>, rest: &mut dyn FnMut(&mut Self) -> bool) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        match (here.1, there.1) {
            (Expression::Negative(a), Expression::Negative(b)) => self.same((here.0, a), (there.0, b), rest),
            (Expression::Operation(one, a, b), Expression::Operation(other, c, d)) if one == other => {
                let (a, b, c, d) = ((here.0, &**a), (here.0, &**b), (there.0, &**c), (there.0, &**d));
                self.both((a, c), (b, d), rest) || (one.commutes() && self.both((a, d), (b, c), rest))
            }
            (Expression::Number(a), Expression::Number(b)) => self.leaves((here.0, a), (there.0, b), rest),
            // One side writes in two steps what the other writes in one.
            (Expression::Number(a), _) => {
                earlier(self.own, here.0, a).into_iter().any(|here| self.same(here, there, rest))
            }
            (_, Expression::Number(b)) => {
                earlier(self.example, there.0, b).into_iter().any(|there| self.same(here, there, rest))
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
        here: (usize, &'a BigRational),
        there: (usize, &'a BigRational),
        rest: &mut dyn FnMut(&mut Self) -> bool,
    ) -> bool {
        let (own, example) = (self.own, self.example);
        for a in own.sources(here.0, here.1) {
            for b in example.sources(there.0, there.1) {
                let same = match (&a, &b) {
                    (NumberSource::Constant, NumberSource::Constant) => here.1 == there.1 && rest(self),
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
        if let Some((_, held)) = self.pairs.iter().find(|(held, _)| *held == one) {
            return *held == other && rest(self);
        }
        if self.pairs.iter().any(|(_, held)| *held == other) {
            return false;
        }
        self.pairs.push((one, other));
        let same = rest(self);
        self.pairs.pop();
        same
    }
}

/// The earlier expressions that a number may be the result of.
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
