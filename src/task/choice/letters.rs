//! Letters of options in answers. A letter counts if it is written by itself: not the article "A", not a part of a
//! word or of an option's text. Two letters without a choice between them are no answer.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::options::{begins, mentioned, named, names_several};
use super::{Mention, index};
use crate::task::place::{self, MOST};

/// Phrases that announce an option.
static ANNOUNCED: LazyLock<Regex> = LazyLock::new(|| {
    let noun = r"(?:answers?|options?|choices?|verdict|letter|solution)";
    let verb = r"(?-u:\b)(?:is|was|be|equals|are)(?-u:\b)";
    Regex::new(&format!(
        r"(?im)(?-u:\b){noun}(?-u:\b)(?:[^.\n<>]{{0,60}}?(?:{verb}|[:：=])|>|\s?[-–—]\s)[:：]?|^[#*_ \t]*(?:(?:the|final|correct|best) )*answers?[*_ \t]*$|(?-u:\b)ans\s?[.:]\s?|(?:答案|答え|正解)(?:是|为|は)?[:：]?|(?:antwort|lösung|réponse|respuesta|risposta|resposta|ответ)(?: (?:ist|est|es|è|é))?\s?[:：]?"
    ))
    .expect("the pattern is valid")
});
static IN_PARENTHESES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\(([A-Z])\)|\[\[?([A-Z])\]\]?").expect("the pattern is valid"));

/// Words that may precede the letter.
pub(super) const LEAD: [&str; 34] = [
    "option",
    "choice",
    "letter",
    "answer",
    "clearly",
    "definitely",
    "therefore",
    "thus",
    "likely",
    "most",
    "probably",
    "simply",
    "indeed",
    "the",
    "correct",
    "is",
    "just",
    "obviously",
    "text",
    "mathrm",
    "mathbf",
    "textbf",
    "mathsf",
    "boxed",
    "statement",
    "best",
    "right",
    "then",
    "so",
    "be",
    "bf",
    "rm",
    "and",
    "must",
];

/// Returns the places after "answer is", "option:", "verdict" and similar, last to first.
pub(super) fn behind_answers(text: &str) -> Vec<Range<usize>> {
    let fields = place::structured(text);
    if !fields.is_empty() {
        return fields;
    }
    let found: Vec<usize> = ANNOUNCED.find_iter(text).map(|found| found.end()).collect();
    let line = |start: usize| {
        let end = text[start..].find('\n').map_or(text.len(), |end| start + end);
        if text[start..end].trim_matches(is_markup).is_empty() {
            let next = end + text[end..].len() - text[end..].trim_start().len();
            return next..text[next..].find('\n').map_or(text.len(), |end| next + end);
        }
        start..end
    };
    let limited = |range: Range<usize>| {
        let mut end = range.end.min(range.start + 2000);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        range.start..end
    };
    found.into_iter().rev().take(MOST).map(line).map(limited).collect()
}

/// True for markup characters.
pub(super) fn is_markup(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '*' | '_'
                | '$'
                | '('
                | '['
                | '{'
                | '"'
                | '\''
                | '`'
                | '“'
                | '‘'
                | ':'
                | '：'
                | '\\'
                | '<'
                | '>'
                | '#'
                | '-'
                | '='
                | '~'
        )
}

/// A letter by itself, after markup.
pub(super) struct Lone {
    pub(super) index: usize,
    pub(super) range: Range<usize>,
    /// True if brackets, quotes or markup set off the letter.
    pub(super) set_off: bool,
    /// True if the letter is a capital.
    pub(super) capital: bool,
}

/// Reads the letter at the start of a text, if it is written by itself.
pub(super) fn lone(text: &str, start: usize, end: usize) -> Option<Lone> {
    let part = &text[start..end];
    let mut at = part.len() - part.trim_start_matches(is_markup).len();
    // Words such as "option", and commands.
    for _ in 0..6 {
        let word: usize = part[at..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if word < 2 || !LEAD.iter().any(|lead| lead.eq_ignore_ascii_case(&part[at..at + word])) {
            break;
        }
        at += word;
        at += part[at..].len() - part[at..].trim_start_matches(|c: char| is_markup(c) || matches!(c, ',' | '}')).len();
    }
    let letter = part[at..].chars().next()?;
    // A full-width letter counts too.
    let c = match letter {
        'Ａ'..='Ｚ' => char::from_u32(u32::from(letter) - u32::from('Ａ') + u32::from('A'))?,
        _ => letter,
    };
    let place = index(c.to_ascii_uppercase()).filter(|_| c.is_ascii_alphabetic())?;
    let behind = &part[at + letter.len_utf8()..];
    // The initial of a word: `**A**ll`.
    let initial = behind.trim_start_matches(['*', '_']);
    if initial.len() < behind.len() && initial.starts_with(|c: char| c.is_lowercase()) {
        return None;
    }
    if behind.starts_with(|c: char| {
        c.is_alphanumeric()
            || matches!(c, '\'' | '’' | '_') && behind[c.len_utf8()..].starts_with(char::is_alphanumeric)
    }) {
        return None;
    }
    let before = part[..at].trim_end_matches([' ', '\t']);
    let set_off =
        before.len() == at && before.ends_with(['(', '[', '{', '"', '\'', '`', '*', '$', '“', '‘', '<', '>', '_']);
    Some(Lone {
        index: place,
        range: start + at..start + at + letter.len_utf8(),
        set_off,
        capital: c.is_ascii_uppercase(),
    })
}

/// Returns the end of the clause at the start of a place.
fn clause_end(part: &str) -> usize {
    let mut ends = part.len();
    for mark in [
        ". ",
        "? ",
        "! ",
        "; ",
        "\n",
        ", since",
        ", because",
        " because ",
        " since ",
        ", as ",
        ", which",
        " (since",
        " – ",
        " — ",
    ] {
        ends = part.find(mark).map_or(ends, |at| ends.min(at));
    }
    ends
}

/// Reads the option in a place: by its own text, by a letter, or as the one option that the clause names.
pub(super) fn mention(text: &str, place: Range<usize>, options: &[String]) -> Mention {
    let part = &text[place.clone()];
    let trimmed_end = place.start + part.trim_end().len();
    let single = |range: &Range<usize>| {
        part.trim_matches(|c: char| is_markup(c) || matches!(c, ')' | ']' | '}' | '.' | '．')).len() == range.len()
    };
    let letter = lone(text, place.start, place.end);
    if let Some(letter) = letter.as_ref().filter(|letter| single(&letter.range) && letter.index < options.len()) {
        return Mention::One(letter.index, letter.range.clone());
    }
    let unwrapped = part.trim_matches(|c: char| is_markup(c) || matches!(c, '}' | '”' | '’'));
    let unwrapped = unwrapped.strip_prefix("text{").unwrap_or(unwrapped);
    if let Some(index) = named(unwrapped, options) {
        return Mention::One(index, place.start..trimmed_end);
    }
    let clause = &part[..clause_end(part)];
    let light = clause.trim_matches(|c: char| is_markup(c) || matches!(c, '}' | '”' | '’'));
    if let Some(index) = named(light, options) {
        return Mention::One(index, place.start..place.start + clause.len());
    }
    if let Some(letter) = letter {
        let rest = &text[letter.range.end..place.end];
        if let Some(mention) = lettered(text, &letter, rest, options) {
            return mention;
        }
    }
    // `not A but B`
    let lower = clause.to_lowercase();
    let denied = lower.trim_start_matches(is_markup).starts_with("not ");
    if denied && let Some(but) = lower.find(" but ").filter(|_| lower.len() == clause.len()) {
        return mention(text, place.start + but + 5..place.end, options);
    }
    if !denied {
        if names_several(light, options) {
            return Mention::Several;
        }
        if let Some(index) = begins(light, options) {
            return Mention::One(index, place.start..place.start + clause.len());
        }
        // A letter in brackets within the clause.
        let marked: Vec<(usize, Range<usize>)> = bracketed(clause, options.len())
            .map(|(index, range)| (index, place.start + range.start..place.start + range.end))
            .filter(|(_, range)| !denies(&text[place.start..range.start]))
            .collect();
        match marked.as_slice() {
            [] => {}
            [(index, range)] => return Mention::One(*index, range.clone()),
            [(first, range), rest @ ..] => {
                return if rest.iter().all(|(index, _)| index == first) {
                    Mention::One(*first, range.clone())
                } else {
                    Mention::Several
                };
            }
        }
        if let Some(index) = mentioned(clause, options) {
            return Mention::One(index, place.start..place.start + clause.len());
        }
    }
    Mention::Nothing
}

/// Reads the option named by a letter at the start of a place, depending on the text after it. `None` if the letter is
/// a word.
pub(super) fn lettered(text: &str, letter: &Lone, rest: &str, options: &[String]) -> Option<Mention> {
    let tail = rest.trim_start_matches([')', ']', '}', '"', '\'', '`', '*', '_', '$', '”', '’', '<', '>']);
    let closed = tail.len() < rest.len() && letter.set_off;
    let spaced = tail.trim_start();
    let one = || (letter.index < options.len()).then(|| Mention::One(letter.index, letter.range.clone()));
    // `A and C`, `A, C`, `A/B`
    let joiner =
        ["and/or", "and", "or", ",", "/", "&", "+", "as well as"].into_iter().find(|joiner| spaced.starts_with(joiner));
    if let Some(joiner) = joiner {
        let start = letter.range.end + rest.len() - spaced.len() + joiner.len();
        let end = text.len().min(letter.range.end + rest.len());
        let other =
            lone(text, start, end).filter(|other| other.capital == letter.capital && other.index < options.len());
        let apart = joiner.len() == 1 || spaced[joiner.len()..].starts_with(|c: char| !c.is_alphanumeric());
        let article = other.as_ref().is_some_and(|other| {
            let behind = &text[other.range.end..end];
            other.index == 0
                && !other.set_off
                && behind.starts_with(' ')
                && behind.trim_start().starts_with(|c: char| c.is_lowercase())
                && joiner.len() == 1
        });
        if apart && !article && other.is_some_and(|other| other.index != letter.index) {
            return Some(Mention::Several);
        }
    }
    if closed || tail.is_empty() {
        return one();
    }
    let first = tail.chars().next()?;
    if matches!(first, '.' | '．' | ')' | ':' | ',' | ';' | '!' | '?' | ']' | '}' | '\\' | '：') {
        return one();
    }
    if spaced.starts_with(['-', '–', '—', '(', '=', '>']) && tail.starts_with([' ', '(']) {
        return one();
    }
    // `B Luna 1`, and `C-14`, which is no letter.
    if begins(spaced, &options[letter.index.min(options.len())..][..usize::from(letter.index < options.len())])
        .is_some()
    {
        return one();
    }
    let follow = spaced.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    let verbs = ["because", "since", "as", "is", "which", "where", "fits", "with", "for"];
    (tail.starts_with(' ') && letter.capital && !matches!(letter.index, 0 | 8) && verbs.contains(&follow))
        .then(one)
        .flatten()
}

/// True if a text ends in a denial.
pub(super) fn denies(head: &str) -> bool {
    let head = head.trim_end_matches(|c: char| is_markup(c)).to_lowercase();
    [" not", "n't", "n’t", " unlike", "rather than", "instead of", "not option", " than"]
        .iter()
        .any(|word| head.ends_with(word))
        || head == "not"
}

/// Returns the letters in brackets of a text.
pub(super) fn bracketed(text: &str, options: usize) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
    IN_PARENTHESES.captures_iter(text).filter_map(move |found| {
        let letter = found.get(1).or_else(|| found.get(2))?;
        let place = index(letter.as_str().chars().next()?)?;
        (place < options).then(|| (place, letter.range()))
    })
}
