//! Suffixes of a number's digits: powers of ten, exponents, scales, and text that makes the digits no number.

use super::digit::digit;
use super::digits::run;
use super::value::{Digits, Parts};
use super::{after, blank, glues};

/// Units and scales of one or two letters that may directly follow the digits.
const SHORT: [&str; 62] = [
    "k", "K", "M", "B", "T", "g", "s", "h", "L", "l", "m", "t", "W", "V", "A", "J", "N", "C", "F", "d", "w", "y", "bn",
    "mn", "tn", "cr", "km", "cm", "mm", "kg", "mg", "lb", "oz", "ft", "in", "mi", "hr", "hrs", "st", "nd", "rd", "th",
    "am", "pm", "AM", "PM", "ml", "mL", "dl", "cl", "GB", "MB", "KB", "TB", "kW", "Hz", "yd", "yr", "wk", "pt", "qt",
    "ct",
];
/// Functions, which form a term with the number before them.
const FUNCTIONS: [&str; 8] = ["sin", "cos", "tan", "log", "exp", "sqrt", "cot", "sec"];

/// Returns the end of a token of letters, digits and joining characters.
pub(super) fn token_end(text: &str, start: usize) -> usize {
    let joins = |c: char| c.is_alphanumeric() && (digit(c).is_some() || glues(c));
    let mut at = start;
    let mut chars = text[start..].chars().peekable();
    while let Some(c) = chars.next() {
        let joined =
            matches!(c, '.' | ':' | '/' | '-' | ',') && chars.peek().is_some_and(|next| digit(*next).is_some());
        if !joins(c) && !joined {
            break;
        }
        at += c.len_utf8();
    }
    at.max(start)
}

/// Returns the end of a time, a ratio, a date or a telephone number that begins with these digits.
pub(super) fn chain(text: &str, whole: Digits) -> Option<usize> {
    let digits_at = |at: usize| after(text, at).is_some_and(|c| digit(c).is_some());
    let c = after(text, whole.end)?;
    let next = whole.end + c.len_utf8();
    match c {
        ':' if digits_at(next) => Some(token_end(text, next)),
        '-' | '‐' | '‑' | '–' if whole.is_whole() && digits_at(next) => {
            let (end, second) = run(text, next);
            let (_, first) = run(text, whole.start);
            let third = after(text, end).is_some_and(|c| matches!(c, '-' | '‐' | '‑' | '–'))
                && digits_at(end + after(text, end)?.len_utf8());
            (third || (first == 3 && second == 4)).then(|| token_end(text, next))
        }
        // (555) 123-4567 and 555 123 4567
        ')' | ' ' | '-' if run(text, whole.start).1 == 3 => {
            let middle = next + usize::from(c == ')' && after(text, next) == Some(' '));
            let (end, count) = run(text, middle);
            let parted = matches!(after(text, end), Some('-' | ' '));
            (count == 3 && parted && run(text, end + 1).1 == 4).then(|| token_end(text, end + 1))
        }
        _ => None,
    }
}

/// Reads an exponent in superscript characters, and its end.
fn superscript(text: &str, at: usize) -> Option<(i64, usize)> {
    let (mut value, mut end, mut negative, mut count) = (0_i64, at, false, 0);
    for c in text[at..].chars().take(5) {
        let digit = match c {
            '⁰' => 0,
            '¹' => 1,
            '²' => 2,
            '³' => 3,
            '⁴'..='⁹' => i64::from(u32::from(c) - u32::from('⁴')) + 4,
            '⁻' if count == 0 => {
                negative = true;
                end += c.len_utf8();
                continue;
            }
            _ => break,
        };
        (value, end, count) = (value * 10 + digit, end + c.len_utf8(), count + 1);
    }
    (count > 0).then_some((if negative { -value } else { value }, end))
}

/// Reads the exponent at a byte, and its end. `None` without an exponent.
///
/// # Errors
/// The byte after a term that is no number, as in `2^n`.
fn exponent(text: &str, at: usize) -> Result<Option<(i64, usize)>, usize> {
    if let Some(found) = superscript(text, at) {
        return Ok(Some(found));
    }
    let rest = &text[at..];
    let mark = if rest.starts_with('^') {
        1
    } else if rest.starts_with("**") && rest[2..].starts_with(|c: char| digit(c).is_some()) {
        2
    } else {
        return Ok(None);
    };
    let inner = &rest[mark..];
    if ["\\circ", "{\\circ}", "°", "\\prime"].iter().any(|degree| inner.starts_with(degree)) {
        return Ok(None);
    }
    let opened = usize::from(inner.starts_with(['{', '(']));
    let (start, negative) = match inner[opened..].chars().next() {
        Some(c @ ('-' | '−')) => (opened + c.len_utf8(), true),
        Some('+') => (opened + 1, false),
        _ => (opened, false),
    };
    let begin = at + mark + start;
    let (end, count) = run(text, begin);
    let closed = if opened == 0 { Some(0) } else { after(text, end).filter(|c| matches!(c, '}' | ')')).map(|_| 1) };
    let (Some(closed), 1..=4) = (closed, count) else { return Err(begin) };
    let value: i64 = text[begin..end].chars().filter_map(digit).fold(0, |sum, digit| sum * 10 + i64::from(digit));
    Ok(Some((if negative { -value } else { value }, end + closed)))
}

/// Reads exponents, powers of ten and scales after a number, and returns the end.
///
/// # Errors
/// The byte at which to continue, if the following text makes one token or term with the digits.
pub(super) fn powers(text: &str, parts: &mut Parts, end: usize) -> Result<usize, usize> {
    let mut end = end;
    // 1.2e5
    let rest = &text[end..];
    if rest.starts_with(['e', 'E']) {
        let signed =
            usize::from(rest[1..].starts_with(['+', '-', '−'])) * rest[1..].chars().next().map_or(0, char::len_utf8);
        let (next, count) = run(text, end + 1 + signed);
        if (1..=4).contains(&count) && after(text, next).is_none_or(|c| !glues(c)) {
            let value: i64 =
                text[end + 1 + signed..next].chars().filter_map(digit).fold(0, |sum, d| sum * 10 + i64::from(d));
            parts.tens += if signed > 0 && !rest[1..].starts_with('+') { -value } else { value };
            end = next;
        }
    }
    // Scale words do not combine with an exponent: 2½ and 3/4 have none.
    if let Some((value, next)) = exponent(text, end)? {
        if parts.whole.is_none() || parts.over.is_some() || parts.small.is_some() {
            return Err(next);
        }
        (parts.power, end) = (Some(value), next);
    }
    if let Some((value, next)) = times_ten(text, end) {
        (parts.tens, end) = (parts.tens + value, next);
    }
    Ok(scaled(text, parts, end))
}

/// Reads the exponent of `× 10^5` at a byte, and its end.
fn times_ten(text: &str, at: usize) -> Option<(i64, usize)> {
    let sign = at + blank(text, at);
    let rest = &text[sign..];
    let times =
        ["\\times", "\\cdot", "×", "·", "⋅", "∙", "*", "x", "X"].into_iter().find(|times| rest.starts_with(times))?;
    let ten = sign + times.len();
    let ten = ten + blank(text, ten);
    text[ten..].starts_with("10").then_some(())?;
    exponent(text, ten + 2).ok()?
}

/// Reads scales after a number: `5k`, `2 million`, `3\text{ billion}`.
fn scaled(text: &str, parts: &mut Parts, end: usize) -> usize {
    let mut end = end;
    for (name, tens) in [("bn", 9), ("mn", 6), ("tn", 12), ("k", 3), ("K", 3), ("M", 6), ("B", 9), ("T", 12)] {
        if text[end..].starts_with(name) && after(text, end + name.len()).is_none_or(|c| !c.is_alphanumeric()) {
            parts.tens += tens;
            return end + name.len();
        }
    }
    for _ in 0..3 {
        let mut at = end + blank(text, end);
        let opened = ["\\text{", "\\mathrm{", "\\textrm{", "\\mbox{"]
            .into_iter()
            .find(|command| text[at..].starts_with(command));
        if let Some(command) = opened {
            at += command.len();
            at += blank(text, at);
        }
        if !matches!(text.as_bytes().get(at).map(u8::to_ascii_lowercase), Some(b'h' | b't' | b'm' | b'b' | b'l' | b'c'))
        {
            break;
        }
        let word = text[at..].bytes().take(12).take_while(u8::is_ascii_alphabetic).count();
        let tens = match text[at..at + word].to_ascii_lowercase().trim_end_matches('s') {
            "hundred" => 2,
            "thousand" => 3,
            "million" | "mil" | "mln" => 6,
            "billion" => 9,
            "trillion" => 12,
            "lakh" | "lac" => 5,
            "crore" => 7,
            _ => break,
        };
        parts.tens += tens;
        end = at + word;
        if opened.is_some() && after(text, end) == Some('}') {
            end += 1;
        }
    }
    end
}

/// Succeeds if a number may end at a byte.
///
/// # Errors
/// The byte at which to continue, if the following text makes one token or term with the digits.
pub(super) fn ends(text: &str, end: usize) -> Result<(), usize> {
    let spaced = end + blank(text, end);
    let rest = &text[spaced..];
    if ["\\sqrt", "\\pi", "\\frac", "\\dfrac", "\\tfrac", "\\binom"].iter().any(|term| rest.starts_with(term))
        || rest.starts_with(['√', 'π'])
    {
        return Err(end);
    }
    let Some(c) = after(text, end) else { return Ok(()) };
    // A factorial; in running text an exclamation mark.
    if text[end..].starts_with("!}") || text[end..].starts_with("!$") {
        return Err(end);
    }
    if c == '_' {
        let index = end + 1 + usize::from(text[end + 1..].starts_with('{'));
        return if after(text, index).is_some_and(|c| digit(c).is_some()) { Err(run(text, index).0) } else { Ok(()) };
    }
    if c == '(' && text[end + 1..].starts_with(|c: char| digit(c).is_some()) {
        return Err(end);
    }
    if !glues(c) {
        return Ok(());
    }
    let letters: usize = text[end..].chars().take(12).take_while(|c| glues(*c)).map(char::len_utf8).sum();
    let word = &text[end..end + letters];
    let behind = after(text, end + letters);
    // `12cm2` has an exponent; `5x3` is a product.
    if behind.is_some_and(|c| digit(c).is_some()) && !matches!(word, "m" | "cm" | "km" | "mm" | "ft" | "in") {
        return Err(token_end(text, end));
    }
    if behind.is_some_and(|c| digit(c).is_some()) {
        // The exponent is skipped with the next digits, which follow letters.
        return Ok(());
    }
    let reads = if word.chars().count() > 2 { !FUNCTIONS.contains(&word) } else { SHORT.contains(&word) };
    if reads { Ok(()) } else { Err(end + letters) }
}
