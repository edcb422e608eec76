//! The calculations of an example on the numbers of another question.

use num_rational::BigRational;

use super::flow::{Flow, NumberSource};
use super::given::{Given, Unit};
use crate::task::calculations::Expression;

/// Numbers of a question at most that are matched with an example's: the search doubles with each.
const MOST: usize = 12;
/// Earlier results that may stand in each other.
const DEPTH: usize = 60;

/// Ways at most in which equal numbers of the example's question are told apart.
const WAYS: usize = 16;

/// The answers that the example's calculations give on the question's numbers: one, or several if the example's question gives
/// one number twice. Empty if the example's calculations do not give its own answer, use a number from nowhere, or need more
/// numbers than the question has.
pub(super) fn replays(question: &[Given], example: &Flow, example_answer: &BigRational) -> Vec<BigRational> {
    let Some(end) = example.end(example_answer) else { return Vec::new() };
    let mut answers = Vec::new();
    for way in 0..WAYS {
        let Some((answer, ways)) = one_way(question, example, end, way) else { break };
        if !answers.contains(&answer) {
            answers.push(answer);
        }
        if way + 1 >= ways {
            break;
        }
    }
    answers
}

/// The answer of one way to tell equal numbers apart, and how many ways there are.
fn one_way(question: &[Given], example: &Flow, end: (usize, &Expression), way: usize) -> Option<(BigRational, usize)> {
    let mut needed = Vec::new();
    let mut choice = Choice { left: way, ways: 1 };
    value(example, end, DEPTH, &mut choice, &mut |index, form| {
        if !needed.contains(&index) {
            needed.push(index);
        }
        example.given[index].forms.get(form).cloned()
    })?;
    let ways = choice.ways;
    needed.sort_unstable();
    let partners = aligned(&needed, &example.given, question)?;
    let mut choice = Choice { left: way, ways: 1 };
    let answer = value(example, end, DEPTH, &mut choice, &mut |index, form| {
        let place = needed.iter().position(|held| *held == index)?;
        question[partners[place]].forms.get(form).cloned()
    })?;
    Some((answer, ways))
}

/// A way through the places at which a number has several sources in the question, as a number with mixed bases.
struct Choice {
    left: usize,
    ways: usize,
}

impl Choice {
    fn next(&mut self, of: usize) -> usize {
        let chosen = self.left % of;
        self.left /= of;
        self.ways = self.ways.saturating_mul(of);
        chosen
    }
}

/// The expression's value when given numbers are replaced.
fn value(
    flow: &Flow,
    (at, expression): (usize, &Expression),
    depth: usize,
    choice: &mut Choice,
    given: &mut impl FnMut(usize, usize) -> Option<BigRational>,
) -> Option<BigRational> {
    match expression {
        Expression::Negative(inner) => value(flow, (at, inner), depth, choice, given).map(|value| -value),
        Expression::Operation(operator, left, right) => {
            let left = value(flow, (at, left), depth, choice, given)?;
            operator.apply(&left, &value(flow, (at, right), depth, choice, given)?)
        }
        Expression::Number(number) => {
            let sources = flow.sources(at, number);
            match sources.first()? {
                NumberSource::Earlier(at, expression, opposite) => {
                    let value = value(flow, (*at, *expression), depth.checked_sub(1)?, choice, given)?;
                    Some(if *opposite { -value } else { value })
                }
                NumberSource::Constant => Some(number.clone()),
                NumberSource::Given(..) => {
                    let all: Vec<(usize, usize)> = sources
                        .iter()
                        .filter_map(|source| {
                            if let NumberSource::Given(index, form) = source { Some((*index, *form)) } else { None }
                        })
                        .collect();
                    // The number as it is before its other forms.
                    let plain = all.iter().filter(|(_, form)| *form == 0).count();
                    let of = if plain > 0 { plain } else { all.len() };
                    let mut ordered = all;
                    ordered.sort_by_key(|(index, form)| (*form, *index));
                    let (index, form) = ordered[choice.next(of)];
                    given(index, form)
                }
            }
        }
    }
}

/// For each needed number of the example the question's number that stands in its place: the assignment with the most
/// words in common, the order deciding among equals.
fn aligned(needed: &[usize], example: &[Given], question: &[Given]) -> Option<Vec<usize>> {
    if needed.len() > question.len() || question.len() > MOST {
        return None;
    }
    let places = 1_usize << question.len();
    // The best sum for the first numbers when a set of the question's is taken, and the last choice.
    let mut best: Vec<Vec<Option<(f64, usize)>>> = vec![vec![None; places]];
    best[0][0] = Some((0.0, 0));
    for (rank, index) in needed.iter().enumerate() {
        let mut next = vec![None; places];
        for (taken, held) in best[rank].iter().enumerate() {
            let Some((sum, _)) = held else { continue };
            for (partner, number) in question.iter().enumerate().filter(|(partner, _)| taken & (1 << partner) == 0) {
                let sum = sum + alike(&example[*index], number) - apart(*index, example, partner, question);
                let place: &mut Option<(f64, usize)> = &mut next[taken | (1 << partner)];
                if place.is_none_or(|(other, _)| sum > other) {
                    *place = Some((sum, partner));
                }
            }
        }
        best.push(next);
    }
    let last = best.last()?;
    let (mut taken, _) = last.iter().enumerate().filter_map(|(taken, held)| Some((taken, held.as_ref()?.0))).fold(
        None,
        |most: Option<(usize, f64)>, one| if most.is_none_or(|most| one.1 > most.1) { Some(one) } else { most },
    )?;
    let mut partners = vec![0; needed.len()];
    for rank in (0..needed.len()).rev() {
        let (_, partner) = best[rank + 1][taken]?;
        partners[rank] = partner;
        taken &= !(1 << partner);
    }
    Some(partners)
}

/// How far the ranks of two numbers are apart, little enough to decide only among equals.
fn apart(index: usize, example: &[Given], partner: usize, question: &[Given]) -> f64 {
    let share = |rank: usize, of: usize| {
        f64::from(u32::try_from(rank).unwrap_or(u32::MAX)) / f64::from(u32::try_from(of.max(1)).unwrap_or(u32::MAX))
    };
    0.5 * (share(index, example.len()) - share(partner, question.len())).abs()
}

/// How much two numbers have in common: what they count, and the words beside them.
fn alike(one: &Given, other: &Given) -> f64 {
    let unit = match (one.unit, other.unit) {
        (Unit::Other, Unit::Other) => 0.0,
        (a, b) if a == b => 4.0,
        _ => -4.0,
    };
    let next = if !one.after.is_empty() && one.after.first() == other.after.first() { 2.0 } else { 0.0 };
    let shared = |a: &[String], b: &[String]| a.iter().filter(|word| b.contains(word)).count();
    let count = shared(&one.before, &other.before) + shared(&one.after, &other.after);
    let written = if one.digits == other.digits { 1.0 } else { 0.0 };
    unit + next + written + f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * 0.5
}
