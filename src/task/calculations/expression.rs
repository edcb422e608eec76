//! Expressions of numbers and the four operations, as trees whose values are exact.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};

use super::tokens::Token;

/// The four operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a * b`
    Multiply,
    /// `a / b`
    Divide,
}

impl Operator {
    /// True if the order of the operands does not matter.
    #[must_use]
    pub fn commutes(self) -> bool {
        matches!(self, Self::Add | Self::Multiply)
    }

    /// Applies the operation. `None` for a division by zero.
    #[must_use]
    pub fn apply(self, left: &BigRational, right: &BigRational) -> Option<BigRational> {
        Some(match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide if right.is_zero() => return None,
            Self::Divide => left / right,
        })
    }
}

/// An arithmetic expression, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A number. `20%` is 1/5.
    Number(BigRational),
    /// The negative of an expression.
    Negative(Box<Self>),
    /// An operation on two expressions.
    Operation(Operator, Box<Self>, Box<Self>),
}

impl Expression {
    /// Evaluates the expression with its numbers replaced by `of`. `None` if `of` returns `None` for a number, or for
    /// a division by zero.
    pub fn value(&self, of: &mut impl FnMut(&BigRational) -> Option<BigRational>) -> Option<BigRational> {
        match self {
            Self::Number(number) => of(number),
            Self::Negative(inner) => inner.value(of).map(|value| -value),
            Self::Operation(operator, left, right) => operator.apply(&left.value(of)?, &right.value(of)?),
        }
    }
}

/// A side of an equals sign.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Side {
    pub(super) value: BigRational,
    /// Tolerance for values that may have been rounded as this side is written.
    pub(super) rounding: BigRational,
    pub(super) expression: Expression,
    /// True if the side contains an operator between two numbers.
    pub(super) computed: bool,
    /// True if the side is one number in percent.
    pub(super) percent: bool,
}

/// True if both sides are the same number, one of them possibly rounded as written.
pub(super) fn agree(left: &Side, right: &Side) -> bool {
    let off = if left.value > right.value { &left.value - &right.value } else { &right.value - &left.value };
    let written = if right.computed { &left.rounding } else { &right.rounding };
    // Integers do not count as rounded: 7 / 2 = 4 is wrong.
    off.is_zero() || (*written < BigRational::new(BigInt::one(), BigInt::from(2)) && off <= *written)
}

/// Parses the longest suffix of these tokens that is an expression. A word directly after a number is its unit.
pub(super) fn ending(tokens: &[Token]) -> Option<Side> {
    (0..tokens.len()).find_map(|start| Parser::whole(&tokens[start..]))
}

/// Parses the longest prefix of these tokens that is an expression, without units after it.
pub(super) fn beginning(tokens: &[Token]) -> Option<Side> {
    (1..=tokens.len()).rev().find_map(|end| Parser::whole(&tokens[..end]))
}

/// Recursive-descent parser of sums of products.
struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    operators: usize,
}

/// A value, its tolerance, and its expression.
type Part = (BigRational, BigRational, Expression);

impl<'a> Parser<'a> {
    fn whole(tokens: &'a [Token]) -> Option<Side> {
        let mut parser = Self { tokens, at: 0, operators: 0 };
        let (value, rounding, expression) = parser.sum()?;
        let computed = parser.operators > 0;
        let percent = !computed && matches!(tokens, [.., Token::Number(..), Token::Percent]);
        (parser.at == tokens.len()).then_some(Side { value, rounding, expression, computed, percent })
    }

    fn operator(&mut self, of: [(char, Operator); 2]) -> Option<Operator> {
        let Some(Token::Operator(sign)) = self.tokens.get(self.at) else { return None };
        let (_, operator) = of.into_iter().find(|(known, _)| known == sign)?;
        self.at += 1;
        self.operators += 1;
        Some(operator)
    }

    fn sum(&mut self) -> Option<Part> {
        self.series(Self::product, [('+', Operator::Add), ('-', Operator::Subtract)])
    }

    fn product(&mut self) -> Option<Part> {
        self.series(Self::factor, [('*', Operator::Multiply), ('/', Operator::Divide)])
    }

    fn series(&mut self, part: fn(&mut Self) -> Option<Part>, of: [(char, Operator); 2]) -> Option<Part> {
        let (mut value, rounding, mut expression) = part(self)?;
        while let Some(operator) = self.operator(of) {
            let (other, _, right) = part(self)?;
            value = operator.apply(&value, &other)?;
            expression = Expression::Operation(operator, Box::new(expression), Box::new(right));
        }
        Some((value, rounding, expression))
    }

    fn factor(&mut self) -> Option<Part> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        let (mut value, mut rounding, mut expression) = match token {
            Token::Number(value, rounding) => (value.clone(), rounding.clone(), Expression::Number(value.clone())),
            Token::Operator('-') => {
                let (value, rounding, inner) = self.factor()?;
                return Some((-value, rounding, Expression::Negative(Box::new(inner))));
            }
            Token::Open => {
                let inner = self.sum()?;
                if self.tokens.get(self.at) != Some(&Token::Close) {
                    return None;
                }
                self.at += 1;
                inner
            }
            _ => return None,
        };
        if self.tokens.get(self.at) == Some(&Token::Percent) {
            self.at += 1;
            let hundred = BigRational::from(BigInt::from(100));
            (value, rounding) = (value / &hundred, rounding / &hundred);
            expression = match expression {
                Expression::Number(_) => Expression::Number(value.clone()),
                computed => {
                    Expression::Operation(Operator::Divide, Box::new(computed), Box::new(Expression::Number(hundred)))
                }
            };
        }
        while let Some(unit) = self.unit() {
            self.at += unit;
        }
        Some((value, rounding, expression))
    }

    /// Returns the number of tokens of a unit at this position: `3 boxes * 12 pens a box`, `90 km/h`, `4 (choices of
    /// hats)`.
    fn unit(&self) -> Option<usize> {
        match &self.tokens[self.at..] {
            [Token::Word, ..] => Some(1),
            [Token::Operator('/'), Token::Word, ..] => Some(2),
            [Token::Open, words @ ..] => {
                let words_in = words.iter().take_while(|token| **token == Token::Word).count();
                (words_in > 0 && words.get(words_in) == Some(&Token::Close)).then_some(words_in + 2)
            }
            _ => None,
        }
    }
}
