//! Tokens of a line that may contain calculations.

use std::sync::LazyLock;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;
use regex::Regex;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A number, and half a unit of its last decimal, since it may be rounded.
    Number(BigRational, BigRational),
    Operator(char),
    Open,
    Close,
    Percent,
    Equals,
    Word,
    /// Anything that ends an expression.
    Other,
}

/// Letters that are common units directly after a number, `5m`. Any other single letter is an unknown, `4d`.
const UNITS: &str = "mglhskMGLHSK";

/// Splits a line into tokens. If `algebra` is set, a number directly before a letter is no number, unless the letter
/// is a common unit.
pub(super) fn tokens(line: &str, algebra: bool) -> Vec<Token> {
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<word>[A-Za-z][A-Za-z'’_-]*\.?)|(?P<sign>[+*/()=%-])|(?P<other>[^\s])",
        )
        .expect("the pattern is valid")
    });
    let mut tokens = Vec::new();
    let mut ended = usize::MAX;
    for found in TOKEN.captures_iter(line) {
        let after_value =
            matches!(tokens.last(), Some(Token::Number(..) | Token::Close | Token::Percent | Token::Word));
        let after_number = std::mem::replace(&mut ended, usize::MAX);
        tokens.push(if let Some(number) = found.name("number") {
            ended = number.end();
            number_of(number.as_str())
        } else if let Some(word) = found.name("word") {
            if algebra && word.start() == after_number && word.len() == 1 && !UNITS.contains(word.as_str()) {
                tokens.pop();
                tokens.push(Token::Other);
                continue;
            }
            match word.as_str() {
                "x" | "X" | "times" if after_value => Token::Operator('*'),
                // `20% of 50`
                "of" if tokens.last() == Some(&Token::Percent) => Token::Operator('*'),
                "plus" if after_value => Token::Operator('+'),
                "minus" if after_value => Token::Operator('-'),
                _ => Token::Word,
            }
        } else {
            match &found[0] {
                "(" => Token::Open,
                ")" => Token::Close,
                "=" => Token::Equals,
                "%" => Token::Percent,
                sign @ ("+" | "-" | "*" | "/") => Token::Operator(sign.chars().next().unwrap_or('+')),
                _ => Token::Other,
            }
        });
    }
    tokens
}

fn number_of(text: &str) -> Token {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let numerator: BigInt = format!("{whole}{decimals}").parse().unwrap_or_default();
    let denominator = num_traits::pow(BigInt::from(10), decimals.len());
    let half = BigRational::new(BigInt::one(), denominator.clone() * 2);
    Token::Number(BigRational::new(numerator, denominator), half)
}
