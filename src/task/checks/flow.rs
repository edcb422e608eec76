//! Data flow through the calculations of a solution: the source of each number is the question, an earlier result or a
//! constant.

use num_bigint::BigInt;
use num_rational::BigRational;

use super::given::{Given, given};
use crate::task::calculations::{Calculation, Expression, Operator, written};

/// Most calculations of a solution. The search for sources is quadratic in their number.
const MOST: usize = 300;

/// Constants that any calculation may use.
const FREE: [i64; 5] = [1, 2, 10, 100, 1000];

/// Constants that units allow: the units' words, and the constants.
const OF_UNITS: [(&[&str], &[i64]); 7] = [
    (&["second", "minute", "hour"], &[60, 3600]),
    (&["hour", "day"], &[24]),
    (&["day", "week"], &[7]),
    (&["week", "month", "year"], &[4, 12, 52, 365]),
    (&["day", "month"], &[30]),
    (&["dozen", "inch", "inche", "feet", "foot"], &[12]),
    (&["yard", "feet", "foot"], &[3]),
];

/// Source of a number in a calculation. A number may have several sources, if these are equal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NumberSource<'a> {
    /// A number of the question: its index, and the index of its form.
    Given(usize, usize),
    /// An earlier expression: the index of its step, the expression, and true if its sign is changed.
    Earlier(usize, &'a Expression, bool),
    /// A constant.
    Constant,
}

/// Calculations of a solution, with the numbers of its question.
pub(super) struct Flow {
    pub(super) given: Vec<Given>,
    pub(super) steps: Vec<Calculation>,
    constants: Vec<BigRational>,
}

impl Flow {
    /// Extracts the flow of a solution to a question. A repeated calculation counts once. `None` if there are more
    /// than 300 calculations.
    pub(super) fn new(question: &str, solution: &str) -> Option<Self> {
        let mut steps: Vec<Calculation> = Vec::new();
        let given = given(question);
        for step in written(solution) {
            let step = Calculation { expression: fractions(step.expression, &given), ..step };
            if !steps.contains(&step) {
                steps.push(step);
            }
            if steps.len() > MOST {
                return None;
            }
        }
        let constants = constants(&format!("{question}\n{solution}"));
        Some(Self { given, steps, constants })
    }

    /// Returns the expression that yields the answer, in the last step with this result.
    pub(super) fn end(&self, answer: &BigRational) -> Option<(usize, &Expression)> {
        let at = self.steps.iter().rposition(|step| step.result == *answer)?;
        Some((at, &self.steps[at].expression))
    }

    /// Returns the possible sources of a number in step `at`: results of earlier steps first, the latest first.
    pub(super) fn sources(&self, at: usize, number: &BigRational) -> Vec<NumberSource<'_>> {
        let mut sources = Vec::new();
        let opposite = -number;
        for (earlier, step) in self.steps[..at].iter().enumerate().rev() {
            if step.result == *number {
                sources.push(NumberSource::Earlier(earlier, &step.expression, false));
            }
            for part in parts(&step.expression) {
                if part.value(&mut |number| Some(number.clone())).as_ref() == Some(number) {
                    sources.push(NumberSource::Earlier(earlier, part, false));
                }
            }
            if step.result == opposite {
                sources.push(NumberSource::Earlier(earlier, &step.expression, true));
            }
        }
        for (index, given) in self.given.iter().enumerate() {
            if let Some(form) = given.forms.iter().position(|form| form == number) {
                sources.push(NumberSource::Given(index, form));
            }
        }
        if self.constants.contains(number) {
            sources.push(NumberSource::Constant);
        }
        sources
    }

    /// True if every number that the question writes in digits occurs in some step in one of its forms.
    pub(super) fn uses_all(&self) -> bool {
        let used: Vec<&BigRational> = self.steps.iter().flat_map(|step| numbers(&step.expression)).collect();
        let is_used = |given: &Given| given.forms.iter().any(|form| used.contains(&form));
        self.given.iter().filter(|given| given.digits).all(is_used)
    }

    /// True if every number of every step has a source.
    pub(super) fn is_grounded(&self) -> bool {
        let grounded = |(at, step): (usize, &Calculation)| {
            numbers(&step.expression).into_iter().all(|number| !self.sources(at, number).is_empty())
        };
        self.steps.iter().enumerate().all(grounded)
    }
}

/// Rewrites an expression so that `3 / 4` is one number if the question contains three quarters.
fn fractions(expression: Expression, given: &[Given]) -> Expression {
    match expression {
        Expression::Operation(Operator::Divide, left, right) => {
            if let (Expression::Number(above), Expression::Number(below)) = (&*left, &*right)
                && let Some(value) = Operator::Divide.apply(above, below)
                && given.iter().any(|given| !given.value.is_integer() && given.forms.contains(&value))
            {
                return Expression::Number(value);
            }
            Expression::Operation(Operator::Divide, boxed(*left, given), boxed(*right, given))
        }
        Expression::Operation(operator, left, right) => {
            Expression::Operation(operator, boxed(*left, given), boxed(*right, given))
        }
        Expression::Negative(inner) => Expression::Negative(boxed(*inner, given)),
        number @ Expression::Number(_) => number,
    }
}

fn boxed(expression: Expression, given: &[Given]) -> Box<Expression> {
    Box::new(fractions(expression, given))
}

/// Returns the proper subexpressions that compute something.
fn parts(expression: &Expression) -> Vec<&Expression> {
    let mut found = Vec::new();
    let mut open = vec![expression];
    while let Some(next) = open.pop() {
        match next {
            Expression::Number(_) => {}
            Expression::Negative(inner) => open.push(inner),
            Expression::Operation(_, left, right) => {
                found.extend([&**left, &**right].into_iter().filter(|part| matches!(part, Expression::Operation(..))));
                open.extend([&**left, &**right]);
            }
        }
    }
    found
}

/// Returns the numbers of an expression, from left to right.
pub(super) fn numbers(expression: &Expression) -> Vec<&BigRational> {
    match expression {
        Expression::Number(number) => vec![number],
        Expression::Negative(inner) => numbers(inner),
        Expression::Operation(_, left, right) => [numbers(left), numbers(right)].concat(),
    }
}

/// Returns the constants that a question and its solution may use.
fn constants(text: &str) -> Vec<BigRational> {
    let text = text.to_lowercase();
    let words: std::collections::HashSet<&str> =
        text.split(|c: char| !c.is_alphabetic()).map(|word| word.strip_suffix('s').unwrap_or(word)).collect();
    let of_units = OF_UNITS.iter().filter(|(names, _)| names.iter().any(|name| words.contains(name)));
    let values = FREE.iter().chain(of_units.flat_map(|(_, values)| values.iter()));
    values.map(|value| BigRational::from(BigInt::from(*value))).collect()
}
