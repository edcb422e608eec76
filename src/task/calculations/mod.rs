//! Calculations that a solution writes out, each `a op b = c`, recomputed with exact fractions. This label-free check
//! needs no call. docs/EXPERIMENTS.md reports its rates for a pair of small models.

mod expression;
mod plain;
mod tokens;

use std::ops::Range;

use num_rational::BigRational;
use serde::{Deserialize, Serialize};

pub use self::expression::{Expression, Operator};
use self::expression::{Side, agree, beginning, ending};
use self::plain::plain;
use self::tokens::{Token, tokens};

/// Fewest calculations that a checked solution must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    rename_all = "kebab-case",
    expecting = "must be a number of calculations from 0 on, or \"each-line\""
)]
pub enum AtLeast {
    /// A fixed number.
    Count(usize),
    /// The number of lines before the answer.
    #[serde(with = "each_line")]
    EachLine,
}

impl schemars::JsonSchema for AtLeast {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AtLeast".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Smallest number of calculations from 0 on, or \"each-line\": as many as there are lines before the answer.",
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "each-line" }]
        })
    }
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

impl Default for AtLeast {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl AtLeast {
    /// True for one calculation, the default, which configs leave out.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the number of calculations required of a text.
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

/// Result of checking a solution's calculations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Number of calculations that are written out.
    pub written: usize,
    /// Number of wrong calculations.
    pub wrong: usize,
    /// Result of the last calculation, as written.
    pub last: Option<BigRational>,
}

impl Checked {
    /// True if the calculations support an answer in the form of
    /// [`Graded::answer`](crate::types::record::Graded::answer): none is wrong, there are at least `at_least`, and the
    /// last result, if any, is the answer.
    #[must_use]
    pub fn gives(&self, answer: &str, at_least: usize) -> bool {
        self.wrong == 0 && self.written >= at_least && self.last.as_ref().is_none_or(|last| last.to_string() == answer)
    }
}

/// A calculation in a text, as in `3 * 12 = 36`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calculation {
    /// The side that computes, or the left side if both do.
    pub expression: Expression,
    /// Value of the other side, as written.
    pub result: BigRational,
    /// True if the written result is the expression's value, or that value rounded to the decimals written.
    pub right: bool,
}

/// Recomputes every calculation of a text.
#[must_use]
pub fn check(text: &str) -> Checked {
    let mut checked = Checked::default();
    each(text, false, |left, right| {
        checked.written += 1;
        checked.wrong += usize::from(!agree(&left, &right));
        checked.last = Some(right.value);
    });
    checked
}

/// Returns the byte range of each line that writes out a calculation, without the space around it, and whether all
/// calculations of the line are right. Lines are read one by one, so a calculation that continues on the next line has
/// no range.
#[must_use]
pub fn lines(text: &str) -> Vec<(Range<usize>, bool)> {
    let mut start = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let checked = if line.contains('=') { check(line) } else { Checked::default() };
        if checked.written > 0 {
            let begin = start + line.len() - line.trim_start().len();
            found.push((begin..begin + line.trim().len(), checked.wrong == 0));
        }
        start += line.len();
    }
    found
}

/// Returns the calculations of a text in order, as a reader would understand them: `≈` is a sign of equality, and
/// `12 / 48 * 100 = 25%` may mean 25. `4d` is no number. A number before the sign that is not the result is part of a
/// name, as in `drips in 8 hours = 8 * 60`.
#[must_use]
pub fn written(text: &str) -> Vec<Calculation> {
    let mut found = Vec::new();
    let text = text.replace("\\approx", "=").replace('≈', "=");
    each(&text, true, |left, right| {
        if !left.computed {
            if agree(&left, &right) {
                found.push(Calculation { expression: right.expression, result: left.value, right: true });
            }
            return;
        }
        let hundredfold = |side: &Side| {
            let hundred = BigRational::from_integer(100.into());
            Side { value: &side.value * &hundred, rounding: &side.rounding * &hundred, ..side.clone() }
        };
        let in_percent = Some(&right).filter(|right| right.percent).map(hundredfold);
        let right = in_percent.filter(|percent| agree(&left, percent)).unwrap_or(right);
        let is_right = agree(&left, &right);
        found.push(Calculation { expression: left.expression, result: right.value, right: is_right });
    });
    found
}

/// Calls `found` with both sides of every calculation of a text. If `algebra` is set, `4d` is no number.
fn each(text: &str, algebra: bool, mut found: impl FnMut(Side, Side)) {
    // `cost = 3 * 12`, whose result may be in the next line: `cost = 36`.
    let mut open: Option<(String, Side)> = None;
    for line in plain(text).lines().filter(|line| !line.trim().is_empty()) {
        let tokens = tokens(line, algebra);
        let sides: Vec<&[Token]> = tokens.split(|token| *token == Token::Equals).collect();
        let name = line.split('=').next().unwrap_or_default().trim().to_lowercase();
        let resumed = open.take().filter(|(of, _)| sides.len() > 1 && *of == name).map(|(_, left)| left);
        for (at, pair) in sides.windows(2).enumerate() {
            let left = ending(pair[0]).or_else(|| resumed.clone().filter(|_| at == 0));
            let (Some(left), Some(right)) = (left, beginning(pair[1])) else { continue };
            // A chain `a + b = c = d` has a second calculation only if a further side contains an operator.
            if left.computed || right.computed {
                found(left, right);
            }
        }
        if let [named, value] = sides[..]
            && ending(named).is_none()
        {
            open = beginning(value).filter(|side| side.computed).map(|side| (name, side));
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
    fn correct_calculations_pass_in_any_notation() {
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
    fn wrong_calculations_are_detected() {
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
    fn lines_with_calculations_are_located() {
        let text = "Pens:\n  3 × 12 = 36 pens\r\nSo 36 + 1 = 38.\nx = 4\n";
        let found: Vec<(&str, bool)> = lines(text).into_iter().map(|(range, right)| (&text[range], right)).collect();
        assert_eq!(found, [("3 × 12 = 36 pens", true), ("So 36 + 1 = 38.", false)]);
        assert!(lines("").is_empty());
    }

    #[test]
    fn the_last_result_is_returned_as_written() {
        let last = |text: &str| check(text).last.map(|value| value.to_string());
        assert_eq!(last("3 * 12 = 36\n36 / 2 = 18\n#### 18").as_deref(), Some("18"));
        assert_eq!(last("3 * 12 = 35").as_deref(), Some("35"));
        assert_eq!(last("none"), None);
    }
}
