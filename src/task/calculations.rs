//! The calculations that a solution writes out, each `a op b = c`, computed again with exact fractions. A check that
//! needs no target and no call: what was seen of a pair of small models is in docs/METHODOLOGY.md.

use std::sync::LazyLock;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};
use regex::Regex;
use serde::{Deserialize, Serialize};

/// How many calculations a checked solution must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all = "kebab-case")]
pub enum AtLeast {
    /// So many.
    Count(usize),
    /// As many as it has lines before the answer.
    #[serde(with = "each_line")]
    EachLine,
}

/// `"each-line"` in configs.
mod each_line {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("each-line")
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "each-line" => Ok(()),
            other => Err(D::Error::custom(format!("must be a number or \"each-line\", not `{other}`"))),
        }
    }
}

impl AtLeast {
    /// How many that are of a text.
    #[must_use]
    pub fn of(self, text: &str) -> usize {
        match self {
            Self::Count(count) => count,
            Self::EachLine => {
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                lines.filter(|line| !line.trim_start().starts_with("####")).count()
            }
        }
    }
}

/// What a solution's calculations are worth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Calculations that are written out.
    pub written: usize,
    /// Of these, those whose result is another.
    pub wrong: usize,
    /// The result of the last one, as written.
    pub last: Option<BigRational>,
}

/// Computes every calculation of a text again.
#[must_use]
pub fn check(text: &str) -> Checked {
    let mut checked = Checked::default();
    // `cost = 3 * 12`, whose result may stand in the next line: `cost = 36`.
    let mut open: Option<(String, Side)> = None;
    for line in plain(text).lines().filter(|line| !line.trim().is_empty()) {
        let tokens = tokens(line);
        let sides: Vec<&[Token]> = tokens.split(|token| *token == Token::Equals).collect();
        let name = line.split('=').next().unwrap_or_default().trim().to_lowercase();
        let resumed = open.take().filter(|(of, _)| sides.len() > 1 && *of == name).map(|(_, left)| left);
        for (at, pair) in sides.windows(2).enumerate() {
            let left = ending(pair[0]).or_else(|| resumed.clone().filter(|_| at == 0));
            let (Some(left), Some(right)) = (left, beginning(pair[1])) else { continue };
            // A chain `a + b = c = d` says something twice only where a side holds an operator.
            if !left.computed && !right.computed {
                continue;
            }
            checked.written += 1;
            checked.wrong += usize::from(!agree(&left, &right));
            checked.last = Some(right.value);
        }
        if let [named, value] = sides[..]
            && ending(named).is_none()
        {
            open = beginning(value).filter(|side| side.computed).map(|side| (name, side));
        }
    }
    checked
}

/// Text with the signs of `LaTeX` and of typography as plain ones.
fn plain(text: &str) -> String {
    static FRACTION: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}").expect("the pattern is valid"));
    static TEXT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\(?:text|mathrm|mathbf|boxed)\s*\{([^{}]*)\}").expect("the pattern is valid"));
    static THOUSANDS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(\d)(?:,|\{,\}|\\,|\u{202f}|\u{2009})(\d{3})\b").expect("the pattern is valid"));
    static ANNOTATION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<<[^<>]*>>").expect("the pattern is valid"));
    // GSM8K's annotations say the calculation beside them a second time.
    let text = ANNOTATION.replace_all(text, "");
    // Words within a fraction, and a fraction within a box.
    let text = TEXT.replace_all(&text, " $1 ");
    let text = FRACTION.replace_all(&text, "(($1)/($2))");
    let mut text = TEXT.replace_all(&text, " $1 ").into_owned();
    for (from, to) in [
        ("\\times", "*"),
        ("\\cdot", "*"),
        ("\\div", "/"),
        ("\\%", "%"),
        ("\\$", ""),
        ("\\left", ""),
        ("\\right", ""),
        ("\\(", " "),
        ("\\)", " "),
        ("\\[", " "),
        ("\\]", " "),
        ("×", "*"),
        ("⋅", "*"),
        ("·", "*"),
        ("÷", "/"),
        ("−", "-"),
        ("–", "-"),
        ("**", ""),
        ("$", ""),
        ("€", ""),
        ("£", ""),
    ] {
        text = text.replace(from, to);
    }
    // Twice, since the groups of a long number share their digits.
    for _ in 0..2 {
        text = THOUSANDS.replace_all(&text, "$1$2").into_owned();
    }
    text.replace("\\,", " ")
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A number, and half a unit of its last decimal: what is written may be rounded.
    Number(BigRational, BigRational),
    Operator(char),
    Open,
    Close,
    Percent,
    Equals,
    Word,
    /// Whatever ends an expression.
    Other,
}

fn tokens(line: &str) -> Vec<Token> {
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<word>[A-Za-z][A-Za-z'’_-]*\.?)|(?P<sign>[+*/()=%-])|(?P<other>[^\s])",
        )
        .expect("the pattern is valid")
    });
    let mut tokens = Vec::new();
    for found in TOKEN.captures_iter(line) {
        let after_value =
            matches!(tokens.last(), Some(Token::Number(..) | Token::Close | Token::Percent | Token::Word));
        tokens.push(if let Some(number) = found.name("number") {
            number_of(number.as_str())
        } else if let Some(word) = found.name("word") {
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

/// An expression's value.
#[derive(Debug, Clone, PartialEq)]
struct Side {
    value: BigRational,
    /// How far a value may be off that is written as this one, since it was rounded.
    rounding: BigRational,
    /// Whether it holds an operator.
    computed: bool,
}

/// Whether both sides are the same number, one of them perhaps rounded as it is written.
fn agree(left: &Side, right: &Side) -> bool {
    let off = if left.value > right.value { &left.value - &right.value } else { &right.value - &left.value };
    let written = if right.computed { &left.rounding } else { &right.rounding };
    // Whole numbers are not rounded ones: 7 / 2 = 4 is wrong.
    off.is_zero() || (*written < BigRational::new(BigInt::one(), BigInt::from(2)) && off <= *written)
}

/// The longest end of these tokens that is an expression. A word right behind a number is its unit.
fn ending(tokens: &[Token]) -> Option<Side> {
    (0..tokens.len()).find_map(|start| Parser::whole(&tokens[start..]))
}

/// The longest beginning of these tokens that is an expression, units behind it left out.
fn beginning(tokens: &[Token]) -> Option<Side> {
    (1..=tokens.len()).rev().find_map(|end| Parser::whole(&tokens[..end]))
}

/// Sums of products, by descent.
struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    operators: usize,
}

impl<'a> Parser<'a> {
    fn whole(tokens: &'a [Token]) -> Option<Side> {
        let mut parser = Self { tokens, at: 0, operators: 0 };
        let (value, rounding) = parser.sum()?;
        (parser.at == tokens.len()).then_some(Side { value, rounding, computed: parser.operators > 0 })
    }

    fn operator(&mut self, of: &[char]) -> Option<char> {
        match self.tokens.get(self.at) {
            Some(Token::Operator(sign)) if of.contains(sign) => {
                self.at += 1;
                self.operators += 1;
                Some(*sign)
            }
            _ => None,
        }
    }

    fn sum(&mut self) -> Option<(BigRational, BigRational)> {
        let (mut value, rounding) = self.product()?;
        while let Some(sign) = self.operator(&['+', '-']) {
            let (other, _) = self.product()?;
            value = if sign == '+' { value + other } else { value - other };
        }
        Some((value, rounding))
    }

    fn product(&mut self) -> Option<(BigRational, BigRational)> {
        let (mut value, rounding) = self.factor()?;
        while let Some(sign) = self.operator(&['*', '/']) {
            let (other, _) = self.factor()?;
            if sign == '/' && other.is_zero() {
                return None;
            }
            value = if sign == '*' { value * other } else { value / other };
        }
        Some((value, rounding))
    }

    fn factor(&mut self) -> Option<(BigRational, BigRational)> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        let (mut value, mut rounding) = match token {
            Token::Number(value, rounding) => (value.clone(), rounding.clone()),
            Token::Operator('-') => {
                let (value, rounding) = self.factor()?;
                return Some((-value, rounding));
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
            (value, rounding) = (value / &hundred, rounding / hundred);
        }
        while let Some(unit) = self.unit() {
            self.at += unit;
        }
        Some((value, rounding))
    }

    /// How many tokens of a unit stand here: `3 boxes * 12 pens a box`, `90 km/h`, `4 (choices of hats)`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> (usize, usize) {
        let checked = check(text);
        (checked.written, checked.wrong)
    }

    #[test]
    fn right_calculations_are_right_however_they_are_written() {
        for text in [
            "pens in all: 3 * 12 = 36",
            "She has 3 boxes x 12 pens = 36 pens.",
            "3 × 12 = 36",
            "\\(3 \\times 12 = 36\\)",
            "\\[ \\frac{36}{3} = 12 \\]",
            "36 ÷ 3 = 12",
            "$1,200 + $34.50 = $1,234.50",
            "1200 - 34 = 1{,}166",
            "20% of 50 = 10",
            "50 * 20% = 10",
            "50 - (20 / 100) * 50 = 40 dollars",
            "10 / 3 = 3.33",
            "10/4 = 2.5",
            "5 − 2 = 3",
            "**12 + 5 = 17**",
            "48/2 = <<48/2=24>>24 clips",
            "5 times 4 = 20",
            "The total is 3 + 4 = 7.",
            "36 = 3 * 12",
            "8 apples + 3 apples = 11 apples in all",
            "\\[ 91 \\text{ cans} \\times 5 \\text{ liters/can} = 455 \\text{ liters} \\]",
            "\\[ \\frac{480 \\text{ meters}}{80 \\text{ meters/minute}} = 6 \\text{ minutes} \\]",
            "4 \\text{ (choices for blouses)} \\times 7 \\text{ (choices for trousers)} = 28 \\text{ (outfits)}",
            "\\text{Distance} = 15 \\, \\text{km/h} \\times 4 \\, \\text{h}\n\\text{Distance} = 60 \\, \\text{km}",
            "\\[ x = 35 + 10 \\]\n\n\\[ x = 45 \\]",
        ] {
            assert_eq!(counts(text), (1, 0), "{text}");
        }
    }

    #[test]
    fn wrong_calculations_are_found() {
        for text in [
            "3 * 12 = 35",
            "7 / 2 = 4",
            "10 / 3 = 3.4",
            "20% of 50 = 20",
            "$5 + $7 = $13",
            "2 + 3 * 4 = 20",
            "x = 3 * 4\nx = 13",
        ] {
            assert_eq!(counts(text), (1, 1), "{text}");
        }
    }

    #[test]
    fn chains_count_each_step_that_computes() {
        assert_eq!(counts("2 + 3 = 5 * 2 = 10"), (2, 1));
        assert_eq!(counts("total = 3 * 4 = 12"), (1, 0));
        assert_eq!(counts("x = 5\ny = 5 = 5"), (0, 0));
        assert_eq!(counts("a: 2 * 3 = 6\nb: 6 + 1 = 7\n#### 7"), (2, 0));
    }

    #[test]
    fn texts_without_calculations_have_none() {
        for text in [
            "There are 28 tables.",
            "#### 28",
            "",
            "n = 28",
            "3 * 12 is 36",
            "5/0 = 3",
            "pages 3-5",
            "= 4",
            "x = 3 * 4\ny = 13",
        ] {
            assert_eq!(counts(text), (0, 0), "{text}");
        }
    }

    #[test]
    fn the_last_result_is_told_as_written() {
        let last = |text: &str| check(text).last.map(|value| value.to_string());
        assert_eq!(last("3 * 12 = 36\n36 / 2 = 18\n#### 18").as_deref(), Some("18"));
        assert_eq!(last("3 * 12 = 35").as_deref(), Some("35"));
        assert_eq!(last("none"), None);
    }
}
