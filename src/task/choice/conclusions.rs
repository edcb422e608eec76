//! Letters that a text concludes with: in its last line, in a verdict such as "B is correct", as the letter that opens
//! it, or as the last letter in brackets.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::letters::{LEAD, bracketed, denies, is_markup, lettered, lone};
use super::options::{begins, named};
use super::{Mention, index};

/// Phrases that conclude with a letter before or after them.
static BEHIND: LazyLock<Regex> = LazyLock::new(|| {
    let mark = r"[*_(\[`\x22'$\\]*";
    Regex::new(&format!(
        r"(?:(?i:so|thus|therefore|hence|then|it is|it's|it must be|must be|choose|chose|pick|select|think|believe|means?|meant|go with|going with|say|is|option|choice|letter|answer with|conclude|->|→|⇒))[:,]?\s+(?:(?i:it is|it's|it must be|option|choice|letter|clearly|definitely|the))?\s*{mark}([A-Z])(?:[*_)\]`\x22'$]|\b)"
    ))
    .expect("the pattern is valid")
});

static JUDGED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[\s(\[*_`])([A-Z])[)\]*_`.:]*\s+(?:is|seems|looks|must be|would be|fits|matches|appears)\b(?:\s+(?:clearly|definitely|thus|therefore|the|to be|most|likely|my|our|indeed|obviously))*\s*(correct|right|true|best|answer|choice|option|it|\.|,|$|incorrect|wrong|false|not)?")
        .expect("the pattern is valid")
});

static JOINED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[)\]*_`]*\s*(?:and|or|/|&)\s*[(\[*_`]*[A-Z](?:[)\]*_`.,;:]|$)").expect("the pattern is valid")
});

static TICKED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^\s*(?:[-*+]\s*)?(?:\[[xX✓✔]\]\s*[*_(]*([A-Z])\b|[*_(]*([A-Z])[.):][^\n]*[✓✔✅☑][^\n]*$)")
        .expect("the pattern is valid")
});

/// Reads the one option of a list that a tick marks. `Several` if several are marked.
fn ticked(text: &str, options: &[String]) -> Mention {
    if !text.contains(['✓', '✔', '✅', '☑', '[']) {
        return Mention::Nothing;
    }
    let mut ticks = TICKED.captures_iter(text).filter_map(|found| {
        let letter = found.get(1).or_else(|| found.get(2))?;
        Some((index(letter.as_str().chars().next()?).filter(|place| *place < options.len())?, letter.range()))
    });
    match (ticks.next(), ticks.next()) {
        (Some((place, range)), None) => Mention::One(place, range),
        (Some(_), Some(_)) => Mention::Several,
        (None, _) => Mention::Nothing,
    }
}

/// Reads the conclusion of the last line or of the text's opening.
pub(super) fn concluded(text: &str, options: &[String]) -> Mention {
    let ticked = ticked(text, options);
    if ticked != Mention::Nothing {
        return ticked;
    }
    let mention = concluded_in(text, 0..text.len(), options);
    if mention != Mention::Nothing {
        return mention;
    }
    // The letter that opens the text, if the text is no list of the options.
    let start = text.len() - text.trim_start().len();
    let line_end = text[start..].find('\n').map_or(text.len(), |end| start + end);
    let Some(letter) = lone(text, start, line_end).filter(|letter| letter.index < options.len()) else {
        return Mention::Nothing;
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
        Some(mention)
            if !lists
                && !other_text
                && (letter.capital || tail.is_empty() || begins(tail, options) == Some(letter.index)) =>
        {
            mention
        }
        _ => Mention::Nothing,
    }
}

/// Reads the conclusion of the last line in a byte range.
pub(super) fn concluded_in(text: &str, range: Range<usize>, options: &[String]) -> Mention {
    let end = range.start + text[range.clone()].trim_end_matches(|c: char| c.is_whitespace() || c == '`').len();
    let mut start = text[range.start..end].rfind('\n').map_or(range.start, |at| range.start + at + 1);
    while end - start > 3000 {
        start += 1000;
        while !text.is_char_boundary(start) {
            start += 1;
        }
    }
    let line = &text[start..end];
    let bare = line.trim_matches(|c: char| is_markup(c) || matches!(c, ')' | ']' | '}' | '.' | '．' | ','));
    // An option's own text may begin like a lettered one: `C. difficile`.
    if let Some(index) = named(line, options).filter(|index| options[*index].trim().chars().count() > 2) {
        return Mention::One(index, start..end);
    }
    if let Some(letter) = lone(text, start, end).filter(|letter| letter.index < options.len()) {
        let whole = bare.len() <= 2
            || bare.len() - 1 <= LEAD.iter().map(|lead| lead.len()).max().unwrap_or(0)
                && bare.split_whitespace().count() <= 2;
        if whole
            && text[letter.range.end..end]
                .chars()
                .all(|c| is_markup(c) || matches!(c, ')' | ']' | '}' | '.' | '．' | '!'))
        {
            return Mention::One(letter.index, letter.range);
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
            return Mention::One(letter.index, letter.range);
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
                found.push((place, letter.range()));
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
                return Mention::Several;
            }
            found.push((place, letter.range()));
        }
    }
    let shifted = |range: &Range<usize>| start + range.start..start + range.end;
    match found.as_slice() {
        [] => Mention::Nothing,
        [.., (last, range)] => {
            if found.iter().all(|(place, _)| place == last) {
                Mention::One(*last, shifted(range))
            } else {
                Mention::Several
            }
        }
    }
}

/// Reads the letter in brackets of the last line that has one. Several different letters are no answer.
pub(super) fn in_parentheses(text: &str, options: usize) -> Mention {
    let mut last: Option<(usize, Range<usize>)> = None;
    let mut several = false;
    for (index, range) in bracketed(text, options) {
        if denies(&text[text[..range.start].char_indices().rev().take(30).last().map_or(0, |(at, _)| at)..range.start])
        {
            continue;
        }
        let new_line = last.as_ref().is_none_or(|(_, held)| text[held.end..range.start].contains('\n'));
        if new_line {
            several = false;
        } else if last.as_ref().is_some_and(|(held, _)| *held != index) {
            several = true;
        }
        last = Some((index, range));
    }
    match last {
        // A list of the options names each in a separate line.
        Some((index, range)) => {
            let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
            let opens = text[start..range.start].chars().all(is_markup);
            let listed = opens
                && bracketed(&text[..start], options).any(|(other, at)| {
                    let begin = text[..at.start].rfind('\n').map_or(0, |at| at + 1);
                    other != index && text[begin..at.start].chars().all(is_markup)
                });
            if listed {
                Mention::Nothing
            } else if several {
                Mention::Several
            } else {
                Mention::One(index, range)
            }
        }
        None => Mention::Nothing,
    }
}
