//! Digits in groups with decimals, of any script: Western and Indian groups, and the separators between them.

use super::digit::digit;
use super::value::Digits;
use super::{MOST_DIGITS, after};

/// Returns the end of a run of digits, and the number of digits.
pub(super) fn run(text: &str, start: usize) -> (usize, usize) {
    let (mut at, mut count) = (start, 0);
    while let Some(c) = after(text, at).filter(|c| digit(*c).is_some()) {
        at += c.len_utf8();
        count += 1;
    }
    (at, count)
}

/// Separators between groups of digits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    Comma,
    Space,
    /// An apostrophe, a non-breaking space, or a `LaTeX` space.
    Narrow,
    Underscore,
}

/// Returns the separator at a byte before a digit, and its length.
fn separator(text: &str, at: usize) -> Option<(Separator, usize)> {
    let rest = &text[at..];
    let (kind, length) = match rest.chars().next()? {
        ',' => (
            Separator::Comma,
            if rest.starts_with(",\\! ") {
                4
            } else if rest.starts_with(",\\!") {
                3
            } else {
                1
            },
        ),
        '{' if rest.starts_with("{,}") => (Separator::Comma, 3),
        '٬' | '，' => (Separator::Comma, after(text, at)?.len_utf8()),
        ' ' => (Separator::Space, 1),
        c @ ('\'' | '’' | '\u{a0}' | '\u{2007}' | '\u{2008}' | '\u{2009}' | '\u{202f}' | '\u{200a}') => {
            (Separator::Narrow, c.len_utf8())
        }
        '\\' if rest.starts_with("\\,")
            || rest.starts_with("\\!")
            || rest.starts_with("\\ ")
            || rest.starts_with("\\;") =>
        {
            (Separator::Narrow, 2)
        }
        '_' => (Separator::Underscore, 1),
        _ => return None,
    };
    digit(after(text, at + length)?).map(|_| (kind, length))
}

/// Returns the decimal point at a byte before a digit, and its length.
fn point(text: &str, at: usize) -> Option<usize> {
    let c = after(text, at).filter(|c| matches!(c, '.' | '٫' | '．'))?;
    digit(after(text, at + c.len_utf8())?).map(|_| c.len_utf8())
}

/// Reads the digits from a byte on. A comma before decimals is accepted if `decimal_comma`.
///
/// # Errors
/// The end of a text that is no single number: a version, a list without spaces.
pub(super) fn read(text: &str, start: usize, decimal_comma: bool) -> Result<Digits, usize> {
    let (mut end, first) = run(text, start);
    let mut total = first;
    let zero = after(text, start).and_then(digit) == Some(0);
    let mut grouped = None;
    if first > 0
        && let Some((kind, _)) = separator(text, end)
    {
        let groups = groups(text, end, kind);
        let western = first <= 3 && groups.lengths_are_three && !(zero && kind == Separator::Comma);
        let indian = kind == Separator::Comma && first <= 2 && groups.lengths_are_indian;
        match kind {
            _ if western || indian => {
                (end, total, grouped) = (groups.end, total + groups.digits, Some(kind));
            }
            Separator::Comma if groups.count == 1 && decimal_comma && point(text, groups.end).is_none() => {
                return checked(Digits { start, end: groups.end, point: end }, total + groups.digits);
            }
            // A list, or a base.
            Separator::Comma | Separator::Underscore => return Err(groups.end),
            Separator::Space | Separator::Narrow => {}
        }
    }
    let whole = end;
    let mut dots = 0;
    let mut of_three = first <= 3 && !zero;
    while let Some(length) = point(text, end) {
        let (next, count) = run(text, end + length);
        (end, total, dots, of_three) = (next, total + count, dots + 1, of_three && count == 3);
    }
    let comma = |end: usize| {
        let (_, length) = separator(text, end).filter(|(kind, _)| *kind == Separator::Comma)?;
        let (next, count) = run(text, end + length);
        let single = separator(text, next).is_none_or(|(kind, _)| kind != Separator::Comma);
        (single && point(text, next).is_none()).then_some((next, count))
    };
    let points_group = grouped.is_none() && of_three && dots > 0;
    match dots {
        0 => {}
        // 1.234,5 and 1.234.567
        _ if points_group && (dots > 1 || comma(end).is_some()) => {
            if let Some((next, count)) = comma(end).filter(|_| decimal_comma) {
                return checked(Digits { start, end: next, point: end }, total + count);
            }
            return checked(Digits { start, end, point: end }, total);
        }
        1 => {
            // Decimals in groups of three.
            while let Some((Separator::Narrow | Separator::Underscore, length)) = separator(text, end) {
                let (next, count) = run(text, end + length);
                if count != 3 {
                    break;
                }
                (end, total) = (next, total + count);
            }
            return checked(Digits { start, end, point: whole }, total);
        }
        _ => return Err(end),
    }
    // 12 500,50
    if matches!(grouped, Some(Separator::Space | Separator::Narrow))
        && let Some((next, count)) = comma(end)
    {
        return checked(Digits { start, end: next, point: end }, total + count);
    }
    checked(Digits { start, end, point: end }, total)
}

fn checked(digits: Digits, count: usize) -> Result<Digits, usize> {
    if count > MOST_DIGITS { Err(digits.end) } else { Ok(digits) }
}

/// Groups of digits after the first group.
struct Groups {
    end: usize,
    count: usize,
    digits: usize,
    lengths_are_three: bool,
    lengths_are_indian: bool,
}

fn groups(text: &str, start: usize, kind: Separator) -> Groups {
    let mut groups = Groups { end: start, count: 0, digits: 0, lengths_are_three: true, lengths_are_indian: true };
    let mut before_last_are_two = true;
    while let Some((_, length)) = separator(text, groups.end).filter(|(next, _)| *next == kind) {
        let (end, digits) = run(text, groups.end + length);
        groups.lengths_are_three &= digits == 3;
        groups.lengths_are_indian = before_last_are_two && digits == 3;
        before_last_are_two &= digits == 2;
        (groups.end, groups.count, groups.digits) = (end, groups.count + 1, groups.digits + digits);
        // Spaces separate words too: a group continues only if it is complete.
        if kind == Separator::Space && digits != 3 {
            break;
        }
    }
    groups
}
