//! Numbers of a question: in digits, in words, and as words that multiply or divide.

use std::ops::Range;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

use crate::task::number::{self, Kind, Scanner};

/// Number of words on either side of a number that indicate what it counts.
const NEIGHBOURS: usize = 3;

/// A number of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// Value of the number; 20 for `20 %`.
    pub(super) value: BigRational,
    /// True if the number is written in digits. A solution need not use a number in words: `the two sisters` is no
    /// quantity.
    pub(super) digits: bool,
    /// Values by which a calculation may use the number, the plain value first: see [`forms`].
    pub(super) forms: Vec<BigRational>,
    /// Unit of the number, as far as its own text states it.
    pub(super) unit: Unit,
    /// Words before the number, the nearest first, in lower case and without a plural's s.
    pub(super) before: Vec<String>,
    /// Words after the number, in the same form.
    pub(super) after: Vec<String>,
}

/// Unit of a number, as far as its own text states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Hundredths: a percent sign or the word.
    Percent,
    /// Money: a currency precedes the number.
    Money,
    /// Cents, which are also hundredths of the currency.
    Cents,
    /// Anything else.
    Other,
}

/// Returns the values by which a calculation may use a number, the plain value first. For a percentage also the share,
/// its complement and its increase; for a fraction also its inverse and its complement; for cents also the hundredth;
/// for a count from 2 on also the count less one, for the others beside one.
fn forms(value: &BigRational, unit: Unit) -> Vec<BigRational> {
    let one = BigRational::one();
    let hundred = BigRational::from(BigInt::from(100));
    let share = value / &hundred;
    let mut forms = vec![value.clone()];
    match unit {
        Unit::Percent => {
            forms.extend([share.clone(), &one - &share, &one + &share]);
            forms.extend([&hundred - value, &hundred + value]);
        }
        Unit::Cents => forms.push(share),
        Unit::Money | Unit::Other if value.is_positive() && *value < one => {
            forms.extend([&one - value, value.recip()]);
        }
        Unit::Other if value.is_integer() && *value > one => forms.push(value - &one),
        Unit::Money | Unit::Other => {}
    }
    forms
}

/// Returns the numbers of a question, in the order of the text.
pub(super) fn given(question: &str) -> Vec<Given> {
    let mut found: Vec<(Range<usize>, BigRational, bool)> = Scanner::new(question, 0..question.len(), Kind::Text)
        .filter_map(|number| Some((number.range.clone(), number.value(question)?, true)))
        .collect();
    let digits: Vec<Range<usize>> = found.iter().map(|(range, ..)| range.clone()).collect();
    let free = |range: &Range<usize>| digits.iter().all(|other| range.end <= other.start || other.end <= range.start);
    found.extend(
        in_words(question).into_iter().filter(|(range, _)| free(range)).map(|(range, value)| (range, value, false)),
    );
    found.sort_by_key(|(range, ..)| range.start);
    found
        .into_iter()
        .filter(|(_, value, _)| !value.is_zero())
        .map(|(range, value, digits)| number_at(question, range, value, digits))
        .collect()
}

fn number_at(question: &str, range: Range<usize>, value: BigRational, digits: bool) -> Given {
    let behind = question[range.end..].trim_start();
    let after: Vec<String> = words(behind).take(NEIGHBOURS).collect();
    let mut before: Vec<String> = words(&question[..range.start]).collect();
    before.reverse();
    before.truncate(NEIGHBOURS);
    let own = &question[range];
    let unit = if behind.starts_with(['%', '％'])
        || own.ends_with('%')
        || after.first().is_some_and(|word| word.starts_with("percent"))
    {
        Unit::Percent
    } else if after.first().is_some_and(|word| word == "cent") {
        Unit::Cents
    } else if own.starts_with(['$', '€', '£']) || after.first().is_some_and(|word| word == "dollar") {
        Unit::Money
    } else {
        Unit::Other
    };
    Given { forms: forms(&value, unit), value, digits, unit, before, after }
}

/// Words that do not indicate what a number counts.
const FUNCTION_WORDS: [&str; 34] = [
    "a", "an", "the", "of", "and", "or", "in", "is", "are", "was", "were", "be", "for", "to", "with", "has", "have",
    "had", "that", "it", "its", "at", "on", "by", "from", "as", "this", "there", "he", "she", "they", "his", "her",
    "then",
];

/// Returns the words of a text that indicate what numbers count, in lower case and without a plural's s.
fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    let parts = parts.filter(|word| !FUNCTION_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)));
    parts.map(|word| {
        let word = word.to_lowercase();
        match word.strip_suffix('s') {
            Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
            _ => word,
        }
    })
}

/// Returns the numbers in words, and the words that multiply or divide. A lone `one` is no number of a question.
fn in_words(question: &str) -> Vec<(Range<usize>, BigRational)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(number) = number::spoken(question, at..question.len()) {
        at = number.range.end.max(at + 1);
        if let Some(value) = number.value(question).filter(|value| !value.is_one()) {
            found.push((number.range, value));
        }
        if at >= question.len() || !question.is_char_boundary(at) {
            break;
        }
    }
    let mut start = 0;
    for part in question.split_inclusive(|c: char| !c.is_alphabetic()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphabetic());
        let range = start..start + word.len();
        start += part.len();
        let free = found.iter().all(|(other, _)| range.end <= other.start || other.end <= range.start);
        if let Some((above, below)) = factor(&word.to_lowercase()).filter(|_| free) {
            found.push((range, BigRational::new(above.into(), below.into())));
        }
    }
    found
}

/// Returns the factor that a word denotes, as numerator and denominator.
fn factor(word: &str) -> Option<(i64, i64)> {
    Some(match word {
        "twice" | "double" | "doubles" | "doubled" | "pair" | "pairs" | "couple" | "couples" | "both" => (2, 1),
        "thrice" | "triple" | "triples" | "tripled" => (3, 1),
        "quadruple" | "quadruples" | "quadrupled" => (4, 1),
        "dozen" | "dozens" => (12, 1),
        "half" | "halves" | "halved" => (1, 2),
        "third" | "thirds" => (1, 3),
        "quarter" | "quarters" | "fourth" | "fourths" => (1, 4),
        "fifth" | "fifths" => (1, 5),
        _ => return None,
    })
}
