//! Numeric answers, found by the rules of [`Extraction`], parsed by the grammar of `number` and compared as exact
//! fractions. The places that the rules search are the same for answers that are no numbers.

use std::ops::Range;
use std::sync::LazyLock;

use num_rational::BigRational;
use regex::Regex;

use super::clause::{self, Given};
use super::extraction::Extraction;
use super::number::{self, FoundNumber, Kind, Scanner};
use super::passage;
use super::place::{self, Place};

static STRICT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"#### (-?[0-9.,]+)").expect("the pattern is valid"));

static NOTHING: LazyLock<Regex> = LazyLock::new(|| {
    let words = "none|n/a|null|unknown|undetermined|indeterminate|unanswerable|impossible|insufficient|not (?:enough|possible|given|known)";
    let cannot = "(?:it )?(?:cannot|can't|can not|could not) be ";
    Regex::new(&format!(r"(?i)^(?:[\s:*_$(]|\\text\{{)*(?:(?:{words})\b|{cannot})")).expect("the pattern is valid")
});
static UNDETERMINED: LazyLock<Regex> = LazyLock::new(|| {
    let cannot = "(?:cannot|can't|can not|could not|impossible to|not possible to|unable to)";
    let known = "(?:determined?|calculated?|answer(?:ed)?|f(?:i|ou)nd|solved?|know[n]?)";
    let lacking = "(?:not enough|insufficient|no) (?:information|data|details)";
    Regex::new(&format!(r"(?i)\b(?:{cannot} (?:be )?{known}|{lacking})\b")).expect("the pattern is valid")
});

/// Content of a final marker.
struct Marked {
    rule: Extraction,
    /// Byte range of the marker's content.
    place: Range<usize>,
    /// The number in this range. `None` if the range contains something else.
    number: Option<FoundNumber>,
    /// 2 if the content is an unambiguous answer, 1 if a sentence contains a number, 0 if it has none.
    rank: u8,
}

impl Marked {
    fn new(rule: Extraction, place: Range<usize>, given: Given) -> Self {
        let (number, rank) = match given {
            Given::Number(found, firm) => (Some(found), 1 + u8::from(firm)),
            Given::Several => (None, 2),
            Given::Nothing => (None, u8::from(rule == Extraction::Boxed) * 2),
        };
        Self { rule, place, number, rank }
    }
}

/// Reads the number that a text answers with, by the first rule that finds one, with its byte range.
#[must_use]
pub fn extract(text: &str, rules: &[Extraction]) -> Option<(BigRational, Range<usize>)> {
    read(text, rules, false).map(|(_, value, range)| (value, range))
}

/// Reads the number that a text answers with, with its rule and byte range. Of a box, hash marks and "the answer is",
/// the last in the text is read in any order of the rules. The other rules follow in their order, if there is no such
/// marker. A text that was `cut` off is read only at such a marker.
#[must_use]
pub fn read(text: &str, rules: &[Extraction], cut: bool) -> Option<(Extraction, BigRational, Range<usize>)> {
    let mut marked_done = false;
    for rule in rules {
        let found = match rule {
            Extraction::Boxed | Extraction::HashMarks | Extraction::AnswerIs => {
                if marked_done {
                    continue;
                }
                marked_done = true;
                match by_marks(text, rules, cut) {
                    Some(Marked { rule, number: Some(found), .. }) => Some((rule, found)),
                    // A final marker without a number is an answer that is no number.
                    Some(_) => return None,
                    None => None,
                }
            }
            Extraction::Gsm8kStrict => {
                let found = STRICT.captures(text).and_then(|found| found.get(1));
                if let Some((value, range)) = found.and_then(|found| Some((strict(found.as_str())?, found.range()))) {
                    return Some((*rule, value, range));
                }
                None
            }
            Extraction::Bold if !cut => in_bold(text).map(|found| (*rule, found)),
            Extraction::Gsm8kFlexible if !cut && declining_line(text).is_none() => {
                last(text, 0).map(|found| (*rule, found))
            }
            _ => None,
        };
        if let Some((rule, found)) = found {
            let value = found.value(text)?;
            return Some((rule, value, found.range));
        }
    }
    None
}

/// Finds the last final marker of the rules' kinds, or its correction.
fn by_marks(text: &str, rules: &[Extraction], cut: bool) -> Option<Marked> {
    let mut marks: Vec<Marked> = Vec::new();
    if rules.contains(&Extraction::Boxed)
        && let Some(Place { range, .. }) = place::filled_boxes(text).find(|place| place.closed || !cut)
    {
        let joined = place::is_joined(text, range.start);
        let given = if joined { Given::Several } else { clause::result(text, range.clone()) };
        marks.push(Marked::new(Extraction::Boxed, range, given));
    }
    if rules.contains(&Extraction::HashMarks)
        && let Some((mark, range)) = place::behind_marks(text)
    {
        let empty = text[range.clone()].trim_matches(|c: char| c.is_whitespace() || c == '*' || c == '#').is_empty();
        if !empty {
            let given = clause::result(text, range.clone());
            marks.push(Marked::new(Extraction::HashMarks, range, given));
        } else if let Some(found) = last(&text[..mark], 0) {
            marks.push(Marked::new(Extraction::HashMarks, range, Given::Number(found, true)));
        }
    }
    if rules.contains(&Extraction::AnswerIs)
        && let Some(place) = place::structured(text).into_iter().next()
    {
        // An answer field is an answer, independent of other fields.
        let given = match clause::result(text, place.clone()) {
            Given::Nothing => Given::Several,
            given => given,
        };
        let mut mark = Marked::new(Extraction::AnswerIs, place, given);
        mark.rank = 2;
        marks.push(mark);
    } else if rules.contains(&Extraction::AnswerIs) {
        let read = |place: Range<usize>| match clause::result(text, place.clone()) {
            Given::Nothing => None,
            given => Some(Marked::new(Extraction::AnswerIs, place, given)),
        };
        marks.extend(place::behind_answers(text).into_iter().find_map(read));
    }
    let mark = marks.into_iter().max_by_key(|mark| (mark.rank, mark.place.start))?;
    let behind = match &mark.number {
        Some(found) if mark.rule != Extraction::Boxed => found.range.end.max(mark.place.start),
        _ => mark.place.end,
    };
    Some(match corrected(text, behind) {
        Some(found) => Marked { number: Some(found), ..mark },
        None => mark,
    })
}

/// Reads the number in the last bold text that is no heading.
fn in_bold(text: &str) -> Option<FoundNumber> {
    let number = |place: Range<usize>| match clause::result(text, place.clone()) {
        Given::Number(found, _) => Some((place, found)),
        _ => None,
    };
    let (place, found) = place::bold(text).into_iter().find_map(number)?;
    Some(corrected(text, place.end).unwrap_or(found))
}

/// Reads the last result in a correction after a byte. `None` without a correction.
fn corrected(text: &str, behind: usize) -> Option<FoundNumber> {
    let start = behind + passage::correction(&text[behind..])?;
    let mut end = start;
    let mut last = None;
    for found in Scanner::new(text, start..text.len(), Kind::Text) {
        if clause::is_stated(&text[end..found.range.start]) {
            last = Some(found.clone());
        }
        end = found.range.end;
    }
    last
}

/// Reads the last number from a byte on that is no list label; in words, if there are no digits.
fn last(text: &str, from: usize) -> Option<FoundNumber> {
    let mut last = None;
    let mut digits = false;
    for found in Scanner::new(text, from..text.len(), Kind::Text) {
        digits = true;
        if !clause::is_list_label(text, &found.range) && !clause::is_day_of_month(text, &found.range) {
            last = Some(found);
        }
    }
    if let Some(found) = last {
        if found.value(text).is_some() {
            return Some(found);
        }
        // A division by 0, or a power out of bounds: use the number before.
        let all: Vec<FoundNumber> = Scanner::new(text, from..text.len(), Kind::Text).collect();
        return all.into_iter().rev().find(|found| found.value(text).is_some());
    }
    if digits || from > 0 || text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number::last_spoken(text)
}

/// Returns the byte range of an answer of any form: in the last final marker, or else the last formula of the text.
#[must_use]
pub fn expression(text: &str, rules: &[Extraction], cut: bool) -> Option<(Extraction, Range<usize>)> {
    let mut places: Vec<(Extraction, Range<usize>)> = Vec::new();
    for rule in rules {
        let place = match rule {
            Extraction::HashMarks => place::behind_marks(text).map(|(_, range)| range),
            Extraction::Boxed => place::filled_boxes(text).find(|place| place.closed || !cut).map(|place| place.range),
            Extraction::AnswerIs => {
                place::behind_answers(text).into_iter().find(|range| !text[range.clone()].trim().is_empty())
            }
            _ => None,
        };
        places.extend(place.filter(|range| !text[range.clone()].trim().is_empty()).map(|range| (*rule, range)));
    }
    // A box within "the answer is \boxed{…}" begins later than the words.
    if let Some((rule, range)) = places.into_iter().max_by_key(|(_, range)| range.start) {
        let range = if rule == Extraction::Boxed { range } else { clause::term(text, range) };
        return Some((rule, range));
    }
    if cut {
        return None;
    }
    rules.iter().find_map(|rule| match rule {
        Extraction::Bold => Some((*rule, place::bold(text).into_iter().next()?)),
        Extraction::Gsm8kFlexible => Some((*rule, clause::last_formula(text)?)),
        _ => None,
    })
}

/// Returns the byte range of a statement that there is no answer: in an answer's place, or in the last line if there
/// is no such place.
#[must_use]
pub fn states_none(text: &str, cut: bool) -> Option<Range<usize>> {
    let marked = place::behind_marks(text).map(|(_, range)| range);
    let marked = marked.or_else(|| place::filled_boxes(text).next().map(|place| place.range));
    let marked = marked.or_else(|| place::behind_answers(text).into_iter().next());
    if let Some(place) = marked.filter(|place| !text[place.clone()].trim().is_empty()) {
        return NOTHING.is_match(&text[place.clone()]).then_some(place);
    }
    if cut {
        return None;
    }
    declining_line(text)
}

/// Returns the last line of a text if it states that no answer can be given.
fn declining_line(text: &str) -> Option<Range<usize>> {
    let last = text.trim_end();
    let start = last.rfind('\n').map_or(0, |end| end + 1);
    UNDETERMINED.is_match(&last[start..]).then_some(start..last.len())
}

/// Parses the number as GSM8K's authors do: without commas, and without the full stop that ends a sentence.
fn strict(text: &str) -> Option<BigRational> {
    number::whole(text.replace(',', "").trim_end_matches('.'), Kind::Term)
}

/// Parses a text that is one number with nothing beside it. `None` for `3,4`, which is a list.
#[must_use]
pub fn whole(text: &str) -> Option<BigRational> {
    number::whole(text, Kind::Term)
}

/// Parses a gold answer, which must be one number. A comma before one or two digits is a decimal comma.
#[must_use]
pub fn gold(text: &str) -> Option<BigRational> {
    number::whole(text, Kind::Place)
}

/// Parses one number by itself, in digits or in words.
#[must_use]
pub fn parse(text: &str) -> Option<BigRational> {
    number::whole(text, Kind::Place).or_else(|| number::whole_in_words(text))
}
