//! Prefixes of a number: its sign, its currency, and the word "minus".

use std::ops::Range;

use super::digit::digit;
use super::value::Parts;
use super::{FoundNumber, Kind, after, before};

/// Currencies written in letters.
const CURRENCIES: [&str; 31] = [
    "US$",
    "AU$",
    "A$",
    "CA$",
    "C$",
    "NZ$",
    "HK$",
    "R$",
    "MX$",
    "NT$",
    "S$",
    "Rs.",
    "Rs",
    "rs.",
    "rs",
    "INR",
    "USD",
    "EUR",
    "GBP",
    "CHF",
    "JPY",
    "CNY",
    "AUD",
    "CAD",
    "SEK",
    "NOK",
    "DKK",
    "CN¥",
    "\\text{\\$}",
    "\\pounds",
    "\\euro",
];

/// True for a minus sign or a hyphen used as one.
pub(super) fn is_minus(c: char) -> bool {
    matches!(c, '-' | '−' | '–' | '‒' | '‐' | '‑' | '－' | '﹣' | '➖' | '⁻')
}

/// True for the sign of a currency.
pub(super) fn is_currency(c: char) -> bool {
    matches!(c, '$' | '€' | '£' | '¥' | '¢' | '＄' | '￡' | '￥' | '฿' | '₿' | '؋' | '﷼' | '₠'..='⃀')
}

/// Removes a currency at either end of a text.
pub(super) fn without_currency(text: &str) -> &str {
    let mut text = text.trim();
    for _ in 0..2 {
        text = text
            .trim_matches(|c: char| is_currency(c) || c.is_whitespace())
            .trim_start_matches("\\$")
            .trim_end_matches('\\');
        for name in CURRENCIES {
            text = text.strip_prefix(name).or_else(|| text.strip_suffix(name)).unwrap_or(text).trim();
        }
    }
    text
}

/// Returns the start of a currency that ends at a byte.
fn currency_before(text: &str, at: usize) -> Option<usize> {
    let head = &text[..at];
    let last = head.as_bytes().last()?;
    let lettered = last.is_ascii_alphabetic() || matches!(last, b'.' | b'$' | b'}') || *last >= 0x80;
    for name in CURRENCIES.iter().filter(|_| lettered) {
        if let Some(rest) = head.strip_suffix(*name)
            && rest.chars().next_back().is_none_or(|c| !c.is_alphanumeric())
        {
            return Some(rest.len());
        }
    }
    let c = head.chars().next_back().filter(|c| is_currency(*c))?;
    let start = at - c.len_utf8();
    Some(if head[..start].ends_with('\\') { start - 1 } else { start })
}

/// True if the letters directly before a number are a currency or a `LaTeX` command.
pub(super) fn is_prefix_word(text: &str, at: usize) -> bool {
    if currency_before(text, at).is_some() {
        return true;
    }
    let letters = text[..at].bytes().rev().take(20).take_while(u8::is_ascii_alphabetic).count();
    letters > 0 && text[..at - letters].ends_with('\\')
}

/// Adds the sign to a number. "3-5" is a range or a difference, and "- 5" after other words has a dash or a bullet:
/// neither is a negative number.
pub(super) fn signed(
    text: &str,
    begin: usize,
    floor: usize,
    range: Range<usize>,
    mut parts: Parts,
    kind: Kind,
) -> FoundNumber {
    let mut start = range.start;
    let mut currency = false;
    let mut signed = false;
    for _ in 0..3 {
        let head = &text[floor..start];
        let bare = head.trim_end_matches([' ', '\u{a0}', '\u{202f}', '\u{2009}']);
        let gap = head.len() - bare.len();
        let end = floor + bare.len();
        if gap > 2 {
            break;
        }
        if !currency && let Some(at) = currency_before(text, end).filter(|at| *at >= floor) {
            (start, currency) = (at, true);
        } else if !signed
            && let Some(c) = before(text, end).filter(|c| end > floor && (is_minus(*c) || matches!(c, '+' | '＋')))
        {
            let at = end - c.len_utf8();
            let glued = before(text, at).is_some_and(|c| c.is_alphanumeric() || matches!(c, ')' | '}' | '%' | ']'))
                && currency_before(text, at).is_none();
            let left = &text[begin..at];
            let opens =
                kind != Kind::Text && (left.chars().all(is_markup) || left.trim_end().ends_with(['=', '≈', '(']));
            // In `$x$-5` the dollars are no currency.
            if glued || (gap > 0 && !opens) {
                break;
            }
            parts.negative ^= is_minus(c);
            (start, signed) = (at, true);
        } else {
            break;
        }
    }
    if !signed && let Some(at) = minus_word(text, floor, start) {
        parts.negative ^= true;
        start = at;
    }
    let closes = |at: usize| {
        let rest = &text[at..];
        rest.strip_prefix(')').is_some_and(|rest| rest.chars().all(|c| is_markup(c) || c == '.'))
    };
    // Accounting: ($500) as the whole content of an answer's place.
    if kind == Kind::Place && currency && !signed && text[begin..start].ends_with('(') {
        let opening = text[begin..start].trim_end_matches('(').chars().all(is_markup);
        let end =
            range.end + text[range.end..].chars().take_while(|c| is_currency(*c)).map(char::len_utf8).sum::<usize>();
        if opening && closes(end) {
            parts.negative = true;
        }
    }
    FoundNumber { range: start..range.end, parts }
}

/// True for markup characters.
fn is_markup(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '*' | '_' | '$' | '(' | ')' | '[' | ']' | '{' | '}' | '\\' | ':' | '"' | '`' | '=' | '≈')
}

/// Returns the start of "minus" or "negative" before a number, if the word is no operator.
fn minus_word(text: &str, floor: usize, start: usize) -> Option<usize> {
    let head = text[floor..start].trim_end_matches([' ', '$', '\\', '(']);
    let word = ["minus", "negative", "Minus", "Negative"].into_iter().find(|word| head.ends_with(word))?;
    let at = floor + head.len() - word.len();
    let left = text[..at].trim_end();
    let apart = after(text, at + word.len()) == Some(' ') && before(text, at).is_none_or(|c| !c.is_alphanumeric());
    let operator = left.ends_with(|c: char| digit(c).is_some() || matches!(c, ')' | '%' | '}'));
    (apart && !operator).then_some(at)
}
