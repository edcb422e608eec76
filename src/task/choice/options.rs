//! Texts of options in answers, compared without regard to case, markup and kinds of spaces.

use super::{Mention, letter};

/// Most bytes of a last line that is searched for an option's text.
const LAST_LINE: usize = 400;

/// True if two options are equal, so that either letter is correct.
#[must_use]
pub fn equal(one: &str, other: &str) -> bool {
    one == other || folded(one) == folded(other)
}

/// True if a text does not contradict itself: if the line that names the chosen letter names an option's text too, the
/// text is that letter's.
#[must_use]
pub fn agrees(text: &str, options: &[String], chosen: usize) -> bool {
    let marked = [format!("({})", letter(chosen)), format!(" {}", letter(chosen))];
    let mut lines = text.lines().filter(|line| marked.iter().any(|mark| line.contains(mark)));
    let Some(line) = lines.next_back().map(str::to_lowercase) else { return true };
    let named = |option: &String| line.contains(&option.trim().to_lowercase());
    named(&options[chosen]) || !options.iter().any(named)
}

/// Normalises a text: lower case, single spaces, no markup around it, letters with accents as one character.
pub(super) fn folded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{300}'..='\u{36f}' => {
                if let Some(whole) = plain.chars().next_back().and_then(|base| composed(base, c)) {
                    plain.pop();
                    plain.push(whole);
                } else {
                    plain.push(c);
                }
            }
            c if c.is_whitespace() => {
                if !plain.ends_with(' ') {
                    plain.push(' ');
                }
            }
            '’' | '‘' => plain.push('\''),
            '−' | '‑' | '‐' => plain.push('-'),
            '*' | '`' | '$' | '\u{200b}' | '\u{feff}' => {}
            c => plain.extend(c.to_lowercase()),
        }
    }
    let plain = plain.replace("\\text{", "").replace("\\mathrm{", "");
    let edge =
        |c: char| c.is_whitespace() || matches!(c, '.' | '"' | '“' | '”' | '_' | '{' | '}' | ',' | ';' | ':' | '!');
    plain.trim_matches(edge).to_owned()
}

/// Combines a letter and an accent of Latin scripts into one character.
fn composed(base: char, mark: char) -> Option<char> {
    const MARKS: [(char, &str, &str); 7] = [
        ('\u{300}', "aeiouAEIOU", "àèìòùÀÈÌÒÙ"),
        ('\u{301}', "aeiouyncszAEIOUYNCSZ", "áéíóúýńćśźÁÉÍÓÚÝŃĆŚŹ"),
        ('\u{302}', "aeiouAEIOU", "âêîôûÂÊÎÔÛ"),
        ('\u{303}', "anoANO", "ãñõÃÑÕ"),
        ('\u{308}', "aeiouyAEIOU", "äëïöüÿÄËÏÖÜ"),
        ('\u{327}', "csCS", "çşÇŞ"),
        ('\u{30c}', "cszreCSZRE", "čšžřěČŠŽŘĚ"),
    ];
    let (_, bases, wholes) = MARKS.iter().find(|(of, ..)| *of == mark)?;
    bases.chars().position(|of| of == base).and_then(|at| wholes.chars().nth(at))
}

/// Returns the option that a text equals.
pub(super) fn named(text: &str, options: &[String]) -> Option<usize> {
    let plain = folded(text);
    (!plain.is_empty()).then(|| options.iter().position(|option| folded(option) == plain)).flatten()
}

/// Returns the longest option that a text begins with.
pub(super) fn begins(text: &str, options: &[String]) -> Option<usize> {
    let plain = folded(text);
    let mut best: Option<(usize, usize)> = None;
    for (index, option) in options.iter().enumerate() {
        let option = folded(option);
        let ends = plain.strip_prefix(option.as_str()).is_some_and(|rest| {
            let mut chars = rest.chars();
            // `24.5` does not begin with 24.
            match chars.next() {
                Some('.' | ',' | '-' | '/' | '\'' | ':') => chars.next().is_none_or(|c| !c.is_alphanumeric()),
                Some(c) => !c.is_alphanumeric(),
                None => true,
            }
        });
        if ends && !option.is_empty() && best.is_none_or(|(_, length)| option.len() > length) {
            best = Some((index, option.len()));
        }
    }
    best.map(|(index, _)| index)
}

/// True if a clause joins two options, none of which is a part of another option: `Venus and Mars`.
pub(super) fn names_several(clause: &str, options: &[String]) -> bool {
    let plain = folded(clause);
    if options.iter().any(|option| folded(option) == plain) {
        return false;
    }
    [" and ", " or ", " & ", " / "].iter().any(|joiner| {
        plain.split_once(joiner).is_some_and(|(one, other)| {
            let (one, other) = (named(one, options), named(other, options));
            one.is_some() && other.is_some() && one != other
        })
    })
}

/// Returns the one option that a clause names as whole words. `None` if the clause names none or several.
pub(super) fn mentioned(text: &str, options: &[String]) -> Option<usize> {
    let plain = folded(text);
    let holds = |option: &String| {
        let option = folded(option);
        option.chars().count() > 1
            && plain.match_indices(option.as_str()).any(|(at, _)| {
                let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
                let end = at + option.len();
                let decimal =
                    plain[end..].starts_with(['.', ',']) && plain[end + 1..].starts_with(|c: char| c.is_ascii_digit());
                apart(plain[..at].chars().next_back())
                    && apart(plain[end..].chars().next())
                    && !decimal
                    && !plain[..at].ends_with(['.', '-'])
            })
    };
    let mut found: Option<usize> = None;
    for index in (0..options.len()).filter(|index| holds(&options[*index])) {
        match found {
            None => found = Some(index),
            Some(held) => {
                let (one, other) = (folded(&options[held]), folded(&options[index]));
                // Of `red` and `dark red`, the longer option is meant.
                if other.contains(&one) && one != other {
                    found = Some(index);
                } else if !one.contains(&other) {
                    return None;
                }
            }
        }
    }
    found
}

/// Returns the option that equals a whole text, or its last line.
pub(super) fn named_last(text: &str, options: &[String]) -> Mention {
    let whole = text.trim();
    let start = text.len() - text.trim_start().len();
    if whole.len() < 1000
        && let Some(index) = named(whole, options)
    {
        return Mention::One(index, start..start + whole.len());
    }
    let end = text.trim_end().len();
    let line = text[..end].rfind('\n').map_or(0, |at| at + 1);
    let last = &text[line..end];
    let denies = ["not", "unlike", "wrong", "incorrect", "boxed", "?", "n't", "n’t", "whereas"]
        .iter()
        .any(|word| last.contains(word));
    // Numbers occur in a last line for many reasons.
    let one =
        || mentioned(last, options).filter(|index| options[*index].chars().filter(|c| c.is_alphabetic()).count() > 2);
    match named(last, options).or_else(|| if denies || last.len() > LAST_LINE { None } else { one() }) {
        Some(index) => Mention::One(index, line..end),
        None => Mention::Nothing,
    }
}
