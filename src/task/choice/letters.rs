//! Letters of options in answers. A letter counts if it stands by itself: not the article "A", not a part of a word or of
//! an option's text. Two letters without a choice between them are no answer.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::options::{begins, mentioned, named};
use super::{Said, index};
use crate::task::place::MOST;

/// What announces an option.
static ANNOUNCED: LazyLock<Regex> = LazyLock::new(|| {
    let noun = r"(?:answers?|options?|choices?|verdict|letter|solution)";
    let verb = r"(?-u:\b)(?:is|was|be|equals|are)(?-u:\b)";
    Regex::new(&format!(
        r#"(?im)(?-u:\b){noun}(?-u:\b)(?:[^.\n<>]{{0,60}}?(?:{verb}|[:：=])|>|\s?[-–—]\s)[:：]?|^[#*_ \t]*(?:(?:the|final|correct|best) )*answers?[*_ \t]*$"#
    ))
    .expect("the pattern is valid")
});
/// What concludes with a letter: before it, or behind it.
static BEHIND: LazyLock<Regex> = LazyLock::new(|| {
    let mark = r"[*_(\[`\x22'$\\]*";
    Regex::new(&format!(
        r"(?:(?i:so|thus|therefore|hence|then|it is|it's|it must be|must be|choose|chose|pick|select|go with|going with|say|is|option|choice|letter|answer with|conclude|->|→|⇒))[:,]?\s+(?:(?i:it is|it's|it must be|option|choice|letter|clearly|definitely|the))?\s*{mark}([A-Z])(?:[*_)\]`\x22'$]|\b)"
    ))
    .expect("the pattern is valid")
});
static JUDGED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[\s(\[*_`])([A-Z])[)\]*_`.:]*\s+(?:is|seems|looks|must be|would be|fits|matches|appears)\b(?:\s+(?:clearly|definitely|thus|therefore|the|to be|most|likely|my|our|indeed|obviously))*\s*(correct|right|true|best|answer|choice|option|it|\.|,|$|incorrect|wrong|false|not)?")
        .expect("the pattern is valid")
});
static IN_PARENTHESES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\(([A-Z])\)|\[\[?([A-Z])\]\]?").expect("the pattern is valid"));

/// Words that may stand before the letter.
const LEAD: [&str; 34] = [
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

/// The places behind "answer is", "option:", "verdict" and the like, last to first.
pub(super) fn behind_answers(text: &str) -> Vec<Range<usize>> {
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

/// Whether a character is only there for the looks.
fn is_markup(c: char) -> bool {
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

/// A letter by itself from a byte on, behind markup.
struct Lone {
    index: usize,
    range: Range<usize>,
    /// Whether brackets, quotes or markup set it off.
    set_off: bool,
    /// Whether it is a capital.
    capital: bool,
}

/// The letter that a text begins with, if it stands by itself.
fn lone(text: &str, start: usize, end: usize) -> Option<Lone> {
    let part = &text[start..end];
    let mut at = part.len() - part.trim_start_matches(is_markup).len();
    // Words such as "option", and commands.
    for _ in 0..6 {
        let word: usize = part[at..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if word < 2 || !LEAD.iter().any(|lead| lead.eq_ignore_ascii_case(&part[at..at + word])) {
            break;
        }
        at += word;
        at += part[at..].len() - part[at..].trim_start_matches(|c: char| is_markup(c) || c == ',').len();
    }
    let c = part[at..].chars().next()?;
    let place = index(c.to_ascii_uppercase()).filter(|_| c.is_ascii_alphabetic())?;
    let behind = &part[at + 1..];
    if behind.starts_with(|c: char| {
        c.is_alphanumeric()
            || matches!(c, '\'' | '’' | '_') && behind[c.len_utf8()..].starts_with(char::is_alphanumeric)
    }) {
        return None;
    }
    let before = part[..at].trim_end_matches([' ', '\t']);
    let set_off =
        before.len() == at && before.ends_with(['(', '[', '{', '"', '\'', '`', '*', '$', '“', '‘', '<', '>', '_']);
    Some(Lone { index: place, range: start + at..start + at + 1, set_off, capital: c.is_ascii_uppercase() })
}

/// Where the clause ends that begins a place.
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

/// What a place says: the option's own text, a letter, or the one option that its clause names.
pub(super) fn said(text: &str, place: Range<usize>, options: &[String]) -> Said {
    let part = &text[place.clone()];
    let trimmed_end = place.start + part.trim_end().len();
    let single = |range: &Range<usize>| {
        part.trim_matches(|c: char| is_markup(c) || matches!(c, ')' | ']' | '}' | '.')).len() == range.len()
    };
    let letter = lone(text, place.start, place.end);
    if let Some(letter) = letter.as_ref().filter(|letter| single(&letter.range) && letter.index < options.len()) {
        return Said::One(letter.index, letter.range.clone());
    }
    let unwrapped = part.trim_matches(|c: char| is_markup(c) || matches!(c, '}' | '”' | '’'));
    let unwrapped = unwrapped.strip_prefix("text{").unwrap_or(unwrapped);
    if let Some(index) = named(unwrapped, options) {
        return Said::One(index, place.start..trimmed_end);
    }
    let clause = &part[..clause_end(part)];
    let light = clause.trim_matches(|c: char| is_markup(c) || matches!(c, '}' | '”' | '’'));
    if let Some(index) = named(light, options) {
        return Said::One(index, place.start..place.start + clause.len());
    }
    if let Some(letter) = letter {
        let rest = &text[letter.range.end..place.end];
        if let Some(said) = lettered(text, &letter, rest, options) {
            return said;
        }
    }
    // `not A but B`
    let lower = clause.to_lowercase();
    let denied = lower.trim_start_matches(is_markup).starts_with("not ");
    if denied && let Some(but) = lower.find(" but ").filter(|_| lower.len() == clause.len()) {
        return said(text, place.start + but + 5..place.end, options);
    }
    if !denied {
        if let Some(index) = begins(light, options) {
            return Said::One(index, place.start..place.start + clause.len());
        }
        // A letter in brackets within the clause.
        let marked: Vec<(usize, Range<usize>)> = bracketed(clause, options.len())
            .map(|(index, range)| (index, place.start + range.start..place.start + range.end))
            .filter(|(_, range)| !denies(&text[place.start..range.start]))
            .collect();
        match marked.as_slice() {
            [] => {}
            [(index, range)] => return Said::One(*index, range.clone()),
            [(first, range), rest @ ..] => {
                return if rest.iter().all(|(index, _)| index == first) {
                    Said::One(*first, range.clone())
                } else {
                    Said::Several
                };
            }
        }
        if let Some(index) = mentioned(clause, options) {
            return Said::One(index, place.start..place.start + clause.len());
        }
    }
    Said::Nothing
}

/// What a letter that begins a place says, by what stands behind it. `None` if it is a word.
fn lettered(text: &str, letter: &Lone, rest: &str, options: &[String]) -> Option<Said> {
    let tail = rest.trim_start_matches([')', ']', '}', '"', '\'', '`', '*', '_', '$', '”', '’', '<', '>']);
    let closed = tail.len() < rest.len() && letter.set_off;
    let spaced = tail.trim_start();
    let one = || (letter.index < options.len()).then(|| Said::One(letter.index, letter.range.clone()));
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
        if apart && let Some(other) = other.filter(|other| other.index != letter.index && !article) {
            let _ = other;
            return Some(Said::Several);
        }
    }
    if closed || tail.is_empty() {
        return one();
    }
    let first = tail.chars().next()?;
    if matches!(first, '.' | ')' | ':' | ',' | ';' | '!' | '?' | ']' | '}' | '\\' | '：') {
        return one();
    }
    if spaced.starts_with(['-', '–', '—', '(', '=', '>']) && tail.starts_with([' ', '(']) {
        return one();
    }
    // `B Luna 1`, and `C-14`, which is none.
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

/// Whether a text ends in a denial.
fn denies(head: &str) -> bool {
    let head = head.trim_end_matches(|c: char| is_markup(c)).to_lowercase();
    [" not", "n't", "n’t", " unlike", "rather than", "instead of", "not option", " than"]
        .iter()
        .any(|word| head.ends_with(word))
        || head == "not"
}

/// The letters in brackets of a text.
fn bracketed(text: &str, options: usize) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
    IN_PARENTHESES.captures_iter(text).filter_map(move |found| {
        let letter = found.get(1).or_else(|| found.get(2))?;
        let place = index(letter.as_str().chars().next()?)?;
        (place < options).then(|| (place, letter.range()))
    })
}

/// What the last line or the text's opening concludes with.
pub(super) fn concluded(text: &str, options: &[String]) -> Said {
    let said = concluded_in(text, 0..text.len(), options);
    if said != Said::Nothing {
        return said;
    }
    // The letter that opens the text, if the text is no list of the options.
    let start = text.len() - text.trim_start().len();
    let line_end = text[start..].find('\n').map_or(text.len(), |end| start + end);
    let Some(letter) = lone(text, start, line_end).filter(|letter| letter.index < options.len()) else {
        return Said::Nothing;
    };
    let lists = text[line_end..].lines().take(200).any(|line| {
        let other = lone(line, 0, line.len());
        other.is_some_and(|other| {
            other.index != letter.index
                && other.index < options.len()
                && line[other.range.end..].starts_with([')', '.', ':'])
        })
    });
    let rest = &text[letter.range.end..line_end];
    let tail = rest.trim_start_matches([')', ']', '}', '*', '_', '.', ':', '"', '`', ',', ' ', '-', '–', '$', '\\']);
    let other_text = begins(tail, options)
        .is_some_and(|named| named != letter.index && !super::equal(&options[named], &options[letter.index]));
    match lettered(text, &letter, rest, options) {
        Some(said)
            if !lists
                && !other_text
                && (letter.capital || tail.is_empty() || begins(tail, options) == Some(letter.index)) =>
        {
            said
        }
        _ => Said::Nothing,
    }
}

/// What the last line of some bytes concludes with.
pub(super) fn concluded_in(text: &str, range: Range<usize>, options: &[String]) -> Said {
    let end = range.start + text[range.clone()].trim_end_matches(|c: char| c.is_whitespace() || c == '`').len();
    let mut start = text[range.start..end].rfind('\n').map_or(range.start, |at| range.start + at + 1);
    while end - start > 3000 {
        start += 1000;
        while !text.is_char_boundary(start) {
            start += 1;
        }
    }
    let line = &text[start..end];
    let bare = line.trim_matches(|c: char| is_markup(c) || matches!(c, ')' | ']' | '}' | '.' | ','));
    if let Some(letter) = lone(text, start, end).filter(|letter| letter.index < options.len()) {
        let whole = bare.len() <= 2
            || bare.len() - 1 <= LEAD.iter().map(|lead| lead.len()).max().unwrap_or(0)
                && bare.split_whitespace().count() <= 2;
        if whole
            && text[letter.range.end..end].chars().all(|c| is_markup(c) || matches!(c, ')' | ']' | '}' | '.' | '!'))
        {
            return Said::One(letter.index, letter.range);
        }
        // `B. Luna 1` as the last line, with nothing of the kind before it.
        let tail =
            text[letter.range.end..end].trim_start_matches([')', ']', '.', ':', '*', '_', ' ', '-', '–', '`', '"']);
        let lists = text[range.start..start].lines().rev().take(60).any(|line| {
            lone(line, 0, line.len()).is_some_and(|other| {
                other.index != letter.index && line[other.range.end..].starts_with([')', '.', ':'])
            })
        });
        if !lists && named(tail, options) == Some(letter.index) {
            return Said::One(letter.index, letter.range);
        }
    }
    let mut found: Vec<(usize, Range<usize>)> = Vec::new();
    let mut judged_wrong: Vec<usize> = Vec::new();
    for judged in JUDGED.captures_iter(line) {
        let Some(letter) = judged.get(1) else { continue };
        let verdict = judged.get(2).map_or("", |verdict| verdict.as_str());
        let whole = judged.get(0).map_or("", |whole| whole.as_str());
        let Some(place) =
            index(letter.as_str().chars().next().unwrap_or_default()).filter(|place| *place < options.len())
        else {
            continue;
        };
        match verdict {
            "incorrect" | "wrong" | "false" | "not" => judged_wrong.push(place),
            "correct" | "right" | "true" | "best" | "answer" | "choice" | "option" => {
                found.push((place, letter.range()))
            }
            _ if whole.contains("fits") || whole.contains("matches") => found.push((place, letter.range())),
            _ => {}
        }
    }
    if found.is_empty() {
        for announced in BEHIND.captures_iter(line) {
            let Some(letter) = announced.get(1) else { continue };
            let Some(place) =
                index(letter.as_str().chars().next().unwrap_or_default()).filter(|place| *place < options.len())
            else {
                continue;
            };
            let behind = &line[letter.end()..];
            // An article, "I", `B cells` and `C-14`.
            let word = behind.starts_with(' ')
                && behind.trim_start().starts_with(char::is_alphanumeric)
                && begins(behind.trim_start(), &options[place..=place]).is_none();
            let glued = behind.starts_with(['-', '\'', '’']) || behind.starts_with(char::is_alphanumeric);
            let opened = line[..letter.start()].ends_with(['(', '[', '*', '`', '"']);
            if (word && !opened) || glued || judged_wrong.contains(&place) || denies(&line[..letter.start()]) {
                continue;
            }
            let joined = JOINED.is_match(behind);
            if joined {
                return Said::Several;
            }
            found.push((place, letter.range()));
        }
    }
    let shifted = |range: &Range<usize>| start + range.start..start + range.end;
    match found.as_slice() {
        [] => Said::Nothing,
        [.., (last, range)] => {
            if found.iter().all(|(place, _)| place == last) {
                Said::One(*last, shifted(range))
            } else {
                Said::Several
            }
        }
    }
}

static JOINED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[)\]*_`]*\s*(?:and|or|/|&)\s*[(\[*_`]*[A-Z](?:[)\]*_`.,;:]|$)").expect("the pattern is valid")
});

/// The letter in brackets of the last line that has one. Several different ones there are no answer.
pub(super) fn in_parentheses(text: &str, options: usize) -> Said {
    let mut last: Option<(usize, Range<usize>)> = None;
    let mut line = 0;
    let mut several = false;
    for (index, range) in bracketed(text, options) {
        if denies(&text[text[..range.start].char_indices().rev().take(30).last().map_or(0, |(at, _)| at)..range.start])
        {
            continue;
        }
        let new_line = last.as_ref().is_none_or(|(_, held)| text[held.end..range.start].contains('\n'));
        if new_line {
            (several, line) = (false, line + 1);
        } else if last.as_ref().is_some_and(|(held, _)| *held != index) {
            several = true;
        }
        last = Some((index, range));
    }
    let _ = line;
    match last {
        // A list of the options names each in a line of its own.
        Some((index, range)) => {
            let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
            let opens = text[start..range.start].chars().all(is_markup);
            let listed = opens
                && bracketed(&text[..start], options).any(|(other, at)| {
                    let begin = text[..at.start].rfind('\n').map_or(0, |at| at + 1);
                    other != index && text[begin..at.start].chars().all(is_markup)
                });
            if listed {
                Said::Nothing
            } else if several {
                Said::Several
            } else {
                Said::One(index, range)
            }
        }
        None => Said::Nothing,
    }
}
