//! Replay of an example's calculations on the numbers of another question.

use num_rational::BigRational;

use super::flow::{Flow, NumberSource};
use super::given::{Given, Unit};
use crate::task::calculations::Expression;

/// Most numbers of a question to match with an example's. The search doubles with each number.
const MOST: usize = 12;
/// Deepest nesting of earlier results.
const DEPTH: usize = 60;

/// Most ways to assign equal numbers of the example's question.
const WAYS: usize = 16;

/// Computes the answers that the example's calculations yield on the question's numbers: one, or several if the
/// example's question contains one number twice. Empty if the calculations do not yield the example's own answer, use
/// a number without a source, or need more numbers than the question has.
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

/// Computes the answer for one way to assign equal numbers, and the number of ways.
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
        let rank = needed.iter().position(|other| *other == index)?;
        question[partners[rank]].forms.get(form).cloned()
    })?;
    Some((answer, ways))
}

/// One combination of choices for the numbers that have several sources in the question, coded as a mixed-radix
/// number.
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

/// Evaluates the expression with given numbers replaced.
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
                    // Plain values take precedence over other forms.
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

/// Returns, for each needed number of the example, the index of the corresponding number of the question: the
/// assignment with the most words in common. Order decides ties.
fn aligned(needed: &[usize], example: &[Given], question: &[Given]) -> Option<Vec<usize>> {
    if needed.len() > question.len() || question.len() > MOST {
        return None;
    }
    let sets = 1_usize << question.len();
    // For each set of used numbers of the question: the best sum for the first needed numbers, and the last choice.
    let mut best: Vec<Vec<Option<(f64, usize)>>> = vec![vec![None; sets]];
    best[0][0] = Some((0.0, 0));
    for (rank, index) in needed.iter().enumerate() {
        let mut next = vec![None; sets];
        for (used, entry) in best[rank].iter().enumerate() {
            let Some((sum, _)) = entry else { continue };
            for (partner, number) in question.iter().enumerate().filter(|(partner, _)| used & (1 << partner) == 0) {
                let sum = sum + alike(&example[*index], number) - apart(*index, example, partner, question);
                let slot: &mut Option<(f64, usize)> = &mut next[used | (1 << partner)];
                if slot.is_none_or(|(other, _)| sum > other) {
                    *slot = Some((sum, partner));
                }
            }
        }
        best.push(next);
    }
    let last = best.last()?;
    let (mut used, _) = last.iter().enumerate().filter_map(|(used, best)| Some((used, best.as_ref()?.0))).fold(
        None,
        |most: Option<(usize, f64)>, one| if most.is_none_or(|most| one.1 > most.1) { Some(one) } else { most },
    )?;
    let mut partners = vec![0; needed.len()];
    for rank in (0..needed.len()).rev() {
        let (_, partner) = best[rank + 1][used]?;
        partners[rank] = partner;
        used &= !(1 << partner);
    }
    Some(partners)
}

/// Distance of the ranks of two numbers, small enough to decide only ties.
fn apart(index: usize, example: &[Given], partner: usize, question: &[Given]) -> f64 {
    let share = |rank: usize, of: usize| {
        f64::from(u32::try_from(rank).unwrap_or(u32::MAX)) / f64::from(u32::try_from(of.max(1)).unwrap_or(u32::MAX))
    };
    0.5 * (share(index, example.len()) - share(partner, question.len())).abs()
}

/// Similarity of two numbers: their units, and the words beside them.
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
