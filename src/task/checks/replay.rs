//! The calculations of an example on the numbers of another question.

use num_rational::BigRational;

use super::flow::{Flow, Source};
use super::given::{Given, Unit};
use crate::task::calculations::Expression;

/// Numbers of a question at most that are matched with an example's: the search doubles with each.
const MOST: usize = 12;
/// Earlier results that may stand in each other.
const DEPTH: usize = 60;

/// The answer that the example's calculations give on the question's numbers. `None` if the example's calculations do not
/// give its own answer, use a number from nowhere, or need more numbers than the question has.
pub(super) fn replay(question: &[Given], example: &Flow, example_answer: &BigRational) -> Option<BigRational> {
    let (at, end) = example.end(example_answer)?;
    let mut needed = Vec::new();
    sources(example, at, end, DEPTH, &mut |source| {
        if let Source::Given(index, _) = source
            && !needed.contains(index)
        {
            needed.push(*index);
        }
    })?;
    needed.sort_unstable();
    let partners = aligned(&needed, &example.given, question)?;
    value(example, at, end, DEPTH, &|index, form| {
        let place = needed.iter().position(|held| *held == index)?;
        question[partners[place]].forms().get(form).cloned()
    })
}

/// The first source of every number that the expression comes from. `None` if one has none.
fn sources(
    flow: &Flow,
    at: usize,
    expression: &Expression,
    depth: usize,
    found: &mut impl FnMut(&Source),
) -> Option<()> {
    for number in super::flow::numbers(expression) {
        let source = flow.sources(at, number).into_iter().next()?;
        found(&source);
        if let Source::Earlier(at, expression) = source {
            sources(flow, at, expression, depth.checked_sub(1)?, found)?;
        }
    }
    Some(())
}

/// The expression's value when given numbers are replaced.
fn value(
    flow: &Flow,
    at: usize,
    expression: &Expression,
    depth: usize,
    given: &impl Fn(usize, usize) -> Option<BigRational>,
) -> Option<BigRational> {
    expression.value(&mut |number| match flow.sources(at, number).into_iter().next()? {
        Source::Given(index, form) => given(index, form),
        Source::Earlier(at, expression) => value(flow, at, expression, depth.checked_sub(1)?, given),
        Source::Constant => Some(number.clone()),
    })
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
    let next = if one.after.first().is_some() && one.after.first() == other.after.first() { 2.0 } else { 0.0 };
    let shared = |a: &[String], b: &[String]| a.iter().filter(|word| b.contains(word)).count();
    let count = shared(&one.before, &other.before) + shared(&one.after, &other.after);
    let written = if one.digits == other.digits { 1.0 } else { 0.0 };
    unit + next + written + f64::from(u32::try_from(count).unwrap_or(u32::MAX)) * 0.5
}
