//! Numbers as people and models write them, in one grammar for gold answers and outputs. A number is read as a whole
//! or not at all: no part of a date, a time, a version, `B12` or `2x` is a number. Values are exact fractions.

mod digit;
mod digits;
mod scan;
mod signs;
mod suffix;
mod value;
mod words;

use std::ops::Range;

use num_rational::BigRational;

pub(super) use self::scan::Scanner;
use self::value::Parts;

/// Most digits of a number. A longer one is not read, so that reading stays linear in the text's length.
const MOST_DIGITS: usize = 1000;

/// A number found in a text.
#[derive(Debug, Clone)]
pub(super) struct FoundNumber {
    /// Byte range of the number with its sign and currency.
    pub(super) range: Range<usize>,
    parts: Parts,
}

impl FoundNumber {
    /// Computes the value. `None` if a denominator is 0 or the value has too many digits.
    pub(super) fn value(&self, text: &str) -> Option<BigRational> {
        self.parts.value(text)
    }
}

/// Kind of the scanned text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Running text, in which `130,00` is no number, since it may be cut off.
    Text,
    /// An answer's place: a sign at its start may be apart from its number, `($500)` as a whole is negative, and a
    /// comma is a decimal comma unless three digits follow.
    Place,
    /// A `LaTeX` term, in which `3,4` is a list and no decimal comma.
    Term,
}

/// Parses a text that is one number, with nothing beside it but a currency, a percent sign and a full stop.
pub(super) fn whole(text: &str, kind: Kind) -> Option<BigRational> {
    let trimmed = text.trim();
    // Nearly all numbers are plain and small.
    if trimmed.len() < 18 && trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
        return trimmed.parse::<i64>().ok().map(|number| BigRational::from_integer(number.into()));
    }
    let found = Scanner::new(text, 0..text.len(), kind).next()?;
    let beside = |part: &str, closing: bool| {
        let part = part.replace("\\$", "").replace("\\%", "").replace("\\(", "").replace("\\)", "");
        let part = part.replace("\\,", "").replace("\\!", "");
        let rest = part.trim_matches(|c: char| c.is_whitespace() || c == '$');
        let rest = if closing { signs::without_currency(rest).trim_end_matches('.') } else { rest };
        rest.trim_matches(|c: char| c.is_whitespace() || c == '%' || c == '％').to_owned()
    };
    let before = beside(&text[..found.range.start], false);
    let after = beside(&text[found.range.end..], true);
    let bracketed = before == "(" && after == ")";
    ((before.is_empty() && after.is_empty()) || bracketed).then(|| found.value(text)).flatten()
}

/// Parses a text that is one number in words.
pub(super) fn whole_in_words(text: &str) -> Option<BigRational> {
    let text = text.trim().trim_end_matches('.');
    words::spoken(text, 0..text.len()).filter(|found| found.range == (0..text.len()))?.value(text)
}

/// Returns the first number in words of an answer's place, `twelve` or `two hundred and five`.
pub(super) fn spoken(text: &str, range: Range<usize>) -> Option<FoundNumber> {
    words::spoken(text, range)
}

/// Returns the last number in words of a text. A lone `one` counts only if there is no other text.
pub(super) fn last_spoken(text: &str) -> Option<FoundNumber> {
    words::last(text)
}

/// Returns the character that ends directly before a byte.
fn before(text: &str, at: usize) -> Option<char> {
    text[..at].chars().next_back()
}

/// Returns the character that begins at a byte.
fn after(text: &str, at: usize) -> Option<char> {
    text[at..].chars().next()
}

/// Returns the number of bytes of spaces at a byte, `LaTeX` spaces included; limited to a few.
fn blank(text: &str, at: usize) -> usize {
    let mut length = 0;
    for _ in 0..3 {
        let rest = &text[at + length..];
        length += match rest.chars().next() {
            Some(c @ (' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '~')) => c.len_utf8(),
            Some('\\') if ["\\,", "\\ ", "\\;", "\\!", "\\:"].iter().any(|space| rest.starts_with(space)) => 2,
            _ => break,
        };
    }
    length
}

/// True if a letter beside digits forms one token with them, as in `B12`. False for scripts without spaces.
fn glues(c: char) -> bool {
    c.is_alphabetic() && (c.is_ascii() || matches!(u32::from(c), 0xC0..=0x52F | 0x1E00..=0x1FFF))
}
