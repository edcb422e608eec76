//! Scanner for the numbers of a text, from left to right. A token that is no number is skipped as a whole.

use std::ops::Range;

use super::digit::digit;
use super::digits::{self, run};
use super::value::{Digits, Parts};
use super::{FoundNumber, Kind, after, before, blank, glues, signs, suffix};

/// Most bytes between the parts of a fraction.
const FRACTION: usize = 400;

/// Iterator over the numbers of a part of a text, in order.
#[derive(Debug, Clone)]
pub(in crate::task) struct Scanner<'a> {
    text: &'a str,
    begin: usize,
    at: usize,
    end: usize,
    kind: Kind,
    /// End of the previous number. No sign is searched before it.
    floor: usize,
}

impl<'a> Scanner<'a> {
    /// Creates a scanner for the numbers in a byte range.
    pub(in crate::task) fn new(text: &'a str, range: Range<usize>, kind: Kind) -> Self {
        Self { text: &text[..range.end], begin: range.start, at: range.start, end: range.end, kind, floor: range.start }
    }
}

impl Iterator for Scanner<'_> {
    type Item = FoundNumber;

    fn next(&mut self) -> Option<FoundNumber> {
        let bytes = self.text.as_bytes();
        while self.at < self.end {
            let byte = bytes[self.at];
            let read = if byte.is_ascii_digit() {
                self.number()
            } else if byte == b'\\' {
                self.command()
            } else if byte.is_ascii() {
                Err(self.at + 1)
            } else {
                match after(self.text, self.at) {
                    Some(c) if digit(c).is_some() => self.number(),
                    Some(c) if vulgar(c).is_some() => self.vulgar(),
                    Some(c @ '√') => Err(run(self.text, self.at + c.len_utf8()).0),
                    Some(c) => Err(self.at + c.len_utf8()),
                    None => Err(self.end),
                }
            };
            match read {
                Ok((start, parts, end)) => {
                    let found = signs::signed(self.text, self.begin, self.floor, start..end, parts, self.kind);
                    self.at = end;
                    self.floor = end;
                    return Some(found);
                }
                Err(next) => self.at = next.max(self.at + 1),
            }
        }
        None
    }
}

/// Start, parts and end of a number, or else the position at which to continue.
type Read = Result<(usize, Parts, usize), usize>;

impl Scanner<'_> {
    /// Reads a number whose first digit is at this position.
    fn number(&self) -> Read {
        let (text, first) = (self.text, self.at);
        let end_of_run = || suffix::token_end(text, first);
        let mut start = first;
        match before(text, first) {
            Some('^' | '_') => return Err(run(text, first).0),
            Some('{' | '-' | '−') if is_exponent(text, first) => return Err(run(text, first).0),
            Some('.') => {
                let point = first - 1;
                let apart = before(text, point).is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | ')' | '%'));
                start = if apart && point >= self.begin { point } else { first };
            }
            Some(c) if glues(c) && !signs::is_prefix_word(text, first) => return Err(end_of_run()),
            Some(':') if digit_before(text, first - 1) => return Err(end_of_run()),
            _ => {}
        }
        let decimal_comma = self.kind == Kind::Place;
        let whole = if start < first {
            let (end, count) = run(text, first);
            if count > super::MOST_DIGITS {
                return Err(end);
            }
            Digits { start, end, point: start }
        } else {
            digits::read(text, start, decimal_comma)?
        };
        let mut parts = Parts { whole: Some(whole), ..Parts::default() };
        let mut end = whole.end;
        if let Some(chain) = suffix::chain(text, whole) {
            return Err(chain);
        }
        if let Some((repeating, next)) =
            repeating(text, end).filter(|_| !whole.is_whole() || text[end..].starts_with('.'))
        {
            (parts.repeating, end) = (Some(repeating), next);
        } else if let Some(next) = self.fraction_behind(&mut parts, whole)? {
            end = next;
        }
        end = suffix::powers(text, &mut parts, end)?;
        suffix::ends(text, end)?;
        Ok((start, parts, end))
    }

    /// Reads a fraction or the rest of a mixed number after an integer.
    fn fraction_behind(&self, parts: &mut Parts, whole: Digits) -> Result<Option<usize>, usize> {
        let (text, end) = (self.text, whole.end);
        let spaces = blank(text, end);
        let rest = &text[end + spaces..];
        if let Some((top, bottom)) = rest.chars().next().and_then(vulgar).filter(|_| whole.is_whole() && spaces <= 3) {
            parts.small = Some((top, bottom));
            return Ok(Some(end + spaces + rest.chars().next().map_or(0, char::len_utf8)));
        }
        if whole.is_whole() && is_fraction_command(rest) {
            return match fraction(text, end + spaces) {
                Ok((over, negative, next)) if !negative && proper(text, over) => {
                    parts.over = Some(over);
                    Ok(Some(next))
                }
                // A product.
                _ => Err(end),
            };
        }
        // 2 1/2, 2 and 1/2
        let apart = if rest.starts_with("and ") { spaces + 4 } else { spaces };
        if whole.is_whole() && spaces > 0 && digit_at(text, end + apart) {
            let (top, _) = run(text, end + apart);
            if let Some((bottom, next)) = slashed(text, top, false) {
                let over = (Digits { start: end + apart, end: top, point: top }, bottom);
                if proper(text, over) && !slash_at(text, next) {
                    parts.over = Some(over);
                    return Ok(Some(next));
                }
            }
        }
        if let Some((bottom, next)) = slashed(text, end, true) {
            if slashed(text, next, true).is_some() {
                return Err(suffix::token_end(text, next));
            }
            parts.over = Some((parts.whole.take().unwrap_or(whole), bottom));
            return Ok(Some(next));
        }
        Ok(None)
    }

    /// Reads a `LaTeX` command: a fraction of numbers is read; the content of a root or another fraction is skipped.
    fn command(&self) -> Read {
        let rest = &self.text[self.at..];
        if is_fraction_command(rest) {
            let ((top, bottom), negative, end) = fraction(self.text, self.at)?;
            let mut parts = Parts { over: Some((top, bottom)), negative, ..Parts::default() };
            let end = suffix::powers(self.text, &mut parts, end)?;
            suffix::ends(self.text, end)?;
            // In `x\frac{1}{2}` the fraction is a factor.
            if before(self.text, self.at).is_some_and(|c| glues(c) || c == '}')
                && !signs::is_prefix_word(self.text, self.at)
            {
                return Err(end);
            }
            return Ok((self.at, parts, end));
        }
        let letters = rest[1..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if rest[1..].starts_with("sqrt") {
            let mut at = self.at + 1 + letters;
            if text_at(self.text, at, '[') {
                at += self.text[at..].bytes().take(20).position(|byte| byte == b']').map_or(0, |end| end + 1);
            }
            return Err(argument(self.text, at).map_or(at, |(_, end)| end));
        }
        Err(self.at + 1 + letters.max(self.text[self.at + 1..].chars().next().map_or(0, char::len_utf8)))
    }

    /// Reads a fraction of one character.
    fn vulgar(&self) -> Read {
        let c = after(self.text, self.at).unwrap_or_default();
        let end = self.at + c.len_utf8();
        if before(self.text, self.at).is_some_and(glues) {
            return Err(end);
        }
        suffix::ends(self.text, end)?;
        Ok((self.at, Parts { small: vulgar(c), ..Parts::default() }, end))
    }
}

fn text_at(text: &str, at: usize, c: char) -> bool {
    after(text, at) == Some(c)
}

fn digit_at(text: &str, at: usize) -> bool {
    after(text, at).is_some_and(|c| digit(c).is_some())
}

fn digit_before(text: &str, at: usize) -> bool {
    before(text, at).is_some_and(|c| digit(c).is_some())
}

fn slash_at(text: &str, at: usize) -> bool {
    matches!(after(text, at), Some('/' | '⁄' | '∕'))
}

/// True if the digits at a byte are an exponent or an index in braces or after a sign, as in `x^{-2}`.
fn is_exponent(text: &str, at: usize) -> bool {
    let opened = text[..at].trim_end_matches(['-', '−']);
    let opened = opened.strip_suffix('{').unwrap_or(opened);
    opened.len() < at && opened.ends_with(['^', '_'])
}

/// True if a text begins with a `LaTeX` fraction.
fn is_fraction_command(rest: &str) -> bool {
    ["\\frac", "\\dfrac", "\\tfrac", "\\cfrac"].iter().any(|command| rest.starts_with(command))
}

/// Reads the `LaTeX` fraction at a byte: numerator and denominator, true if one of them is negative, and the end.
///
/// # Errors
/// The end of the command, if its arguments are no plain numbers.
fn fraction(text: &str, at: usize) -> Result<((Digits, Digits), bool, usize), usize> {
    let name = at + text[at..].find("frac").unwrap_or_default() + "frac".len();
    let (top, next) = argument(text, name).ok_or(name)?;
    let (bottom, end) = argument(text, next).ok_or(next)?;
    let plain = |part: Range<usize>| {
        let inner = &text[part.clone()];
        let bare = signs::without_currency(inner).trim();
        let (negative, bare) = match bare.chars().next() {
            Some(c) if signs::is_minus(c) => (true, bare[c.len_utf8()..].trim_start()),
            _ => (false, bare),
        };
        let start = part.start + (bare.as_ptr() as usize - inner.as_ptr() as usize);
        let digits = digits::read(&text[..start + bare.len()], start, false).ok()?;
        (digits.end == start + bare.len() && digits.end > digits.start).then_some((digits, negative))
    };
    match (plain(top), plain(bottom)) {
        (Some((top, minus)), Some((bottom, other))) => Ok(((top, bottom), minus != other, end)),
        _ => Err(end),
    }
}

/// Returns the argument of a command at a byte, in braces or as one digit or character, and its end.
fn argument(text: &str, at: usize) -> Option<(Range<usize>, usize)> {
    let start = at + text[at..].bytes().take(8).take_while(|byte| *byte == b' ').count();
    let c = after(text, start)?;
    if c != '{' {
        let end = start + c.len_utf8();
        return (c.is_alphanumeric()).then_some((start..end, end));
    }
    let mut depth = 0;
    for (offset, byte) in text.as_bytes()[start..].iter().take(FRACTION).enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((start + 1..start + offset, start + offset + 1));
        }
    }
    None
}

/// Returns the denominator after a slash at a byte, and its end.
fn slashed(text: &str, at: usize, spaced: bool) -> Option<(Digits, usize)> {
    let most = usize::from(spaced);
    let space = text[at..].bytes().take(most).take_while(|byte| *byte == b' ').count();
    let slash = at + space;
    slash_at(text, slash).then_some(())?;
    let behind = slash + after(text, slash)?.len_utf8();
    let space_behind = text[behind..].bytes().take(most).take_while(|byte| *byte == b' ').count();
    (space == space_behind && digit_at(text, behind + space_behind)).then_some(())?;
    let digits = digits::read(text, behind + space_behind, false).ok()?;
    Some((digits, digits.end))
}

/// True if a fraction is below 1, as in a mixed number.
fn proper(text: &str, (top, bottom): (Digits, Digits)) -> bool {
    top.is_whole() && bottom.is_whole() && top.value(text) < bottom.value(text)
}

/// Reads repeating digits: `0.\overline{3}`.
fn repeating(text: &str, at: usize) -> Option<(Digits, usize)> {
    let rest = text[at..].strip_prefix('.').unwrap_or(&text[at..]);
    let command = ["\\overline", "\\bar", "\\dot"].into_iter().find(|command| rest.starts_with(command))?;
    let (part, end) = argument(text, text.len() - rest.len() + command.len())?;
    let digits = Digits { start: part.start, end: part.end, point: part.end };
    let (last, count) = run(text, part.start);
    (last == part.end && (1..=18).contains(&count)).then_some((digits, end))
}

/// Returns the value of a fraction of one character.
pub(super) fn vulgar(c: char) -> Option<(i64, i64)> {
    Some(match c {
        '½' => (1, 2),
        '⅓' => (1, 3),
        '⅔' => (2, 3),
        '¼' => (1, 4),
        '¾' => (3, 4),
        '⅕' => (1, 5),
        '⅖' => (2, 5),
        '⅗' => (3, 5),
        '⅘' => (4, 5),
        '⅙' => (1, 6),
        '⅚' => (5, 6),
        '⅐' => (1, 7),
        '⅛' => (1, 8),
        '⅜' => (3, 8),
        '⅝' => (5, 8),
        '⅞' => (7, 8),
        '⅑' => (1, 9),
        '⅒' => (1, 10),
        '↉' => (0, 3),
        _ => return None,
    })
}
