//! The flow of data through the calculations of a solution: which number of each is given by the question, which is an
//! earlier result, and which is neither.

use num_bigint::BigInt;
use num_rational::BigRational;

use super::given::{Given, given};
use crate::task::calculations::{Calculation, Expression, Operator, written};

/// Calculations of a solution at most: the search for sources takes the square of their number.
const MOST: usize = 300;

/// Numbers that may stand in any calculation.
const FREE: [i64; 5] = [1, 2, 10, 100, 1000];

/// Numbers that a unit brings: the unit's words, and what they allow.
const OF_UNITS: [(&[&str], &[i64]); 7] = [
    (&["second", "minute", "hour"], &[60, 3600]),
    (&["hour", "day"], &[24]),
    (&["day", "week"], &[7]),
    (&["week", "month", "year"], &[4, 12, 52, 365]),
    (&["day", "month"], &[30]),
    (&["dozen", "inch", "inche", "feet", "foot"], &[12]),
    (&["yard", "feet", "foot"], &[3]),
];

/// Where a number of a calculation may come from. A number may have several sources: two that are equal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NumberSource<'a> {
    /// A number of the question, by its index, and by which of its forms.
    Given(usize, usize),
    /// An earlier expression: of which step, itself, and whether its sign is changed.
    Earlier(usize, &'a Expression, bool),
    /// A constant.
    Constant,
}

/// The calculations of a solution, with the question that they answer.
pub(super) struct Flow {
    pub(super) given: Vec<Given>,
    pub(super) steps: Vec<Calculation>,
    constants: Vec<BigRational>,
}

impl Flow {
    /// The flow of a solution to a question. A calculation that is written a second time counts once. `None` if there are more
    /// than 300.
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

    /// The expression that gives the answer: that of the last step with this result.
    pub(super) fn end(&self, answer: &BigRational) -> Option<(usize, &Expression)> {
        let at = self.steps.iter().rposition(|step| step.result == *answer)?;
        Some((at, &self.steps[at].expression))
    }

    /// Where a number of step `at` may come from: results of earlier steps first, the latest first.
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

    /// Whether every number that the question gives in digits stands in some step in one of its forms.
    pub(super) fn uses_all(&self) -> bool {
        let used: Vec<&BigRational> = self.steps.iter().flat_map(|step| numbers(&step.expression)).collect();
        let is_used = |given: &Given| given.forms.iter().any(|form| used.contains(&form));
        self.given.iter().filter(|given| given.digits).all(is_used)
    }

    /// Whether every number of every step has a source.
    pub(super) fn is_grounded(&self) -> bool {
        let grounded = |(at, step): (usize, &Calculation)| {
            numbers(&step.expression).into_iter().all(|number| !self.sources(at, number).is_empty())
        };
        self.steps.iter().enumerate().all(grounded)
    }
}

/// An expression in which `3 / 4` is one number if the question gives three quarters.
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

/// The proper parts of an expression that compute something.
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

/// The numbers of an expression, from left to right.
pub(super) fn numbers(expression: &Expression) -> Vec<&BigRational> {
    match expression {
        Expression::Number(number) => vec![number],
        Expression::Negative(inner) => numbers(inner),
        Expression::Operation(_, left, right) => [numbers(left), numbers(right)].concat(),
    }
}

/// The constants that a question and its solution may use.
fn constants(text: &str) -> Vec<BigRational> {
    let text = text.to_lowercase();
    let words: std::collections::HashSet<&str> =
        text.split(|c: char| !c.is_alphabetic()).map(|word| word.strip_suffix('s').unwrap_or(word)).collect();
    let of_units = OF_UNITS.iter().filter(|(names, _)| names.iter().any(|name| words.contains(name)));
    let values = FREE.iter().chain(of_units.flat_map(|(_, values)| values.iter()));
    values.map(|value| BigRational::from(BigInt::from(*value))).collect()
}
