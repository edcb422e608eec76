//! Places of answers in a text: in a box, after hash marks, after "the answer is", in bold.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Most bytes of an answer's place.
const LONGEST: usize = 2000;
/// Most places of one kind to examine, from the last one on.
pub(super) const MOST: usize = 8;

static ANSWER_IS: LazyLock<Regex> = LazyLock::new(|| {
    let verb = r"(?-u:\b)(?:is|was|be|equals?|becomes)(?-u:\b)";
    let one = format!(r"(?:(?-u:\b)|_)answer(?-u:\b)(?:[^.\n<>?]{{0,40}}?(?:{verb}|:|：|=)|>|\s?[-–]\s)");
    let several = r"(?-u:\b)answers(?-u:\b)[*_ ]{0,4}(?:are(?-u:\b)|:|：|=)";
    let behind = format!("{one}|{several}");
    let heading = r"[#*_ \t]*(?:(?:the|final|correct) )*answers?[*_ \t]*$";
    Regex::new(&format!(r"(?im)(?:{behind}|^{heading})[:*_ \t]*")).expect("the pattern is valid")
});
static BOLD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\*\*([^*\n]+)\*\*").expect("the pattern is valid"));
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    let words = "step|part|case|day|week|month|year|method|option|question|problem|phase|stage|section|note|round|example|scenario|approach|item|task|exercise|solution|hour|lesson|chapter|page";
    Regex::new(&format!(r"(?i)^\W*(?:(?:{words})s?\s*#?(?:\d+|[a-z])\b|\(?\d+[.)](?:\s|$)|[a-z][.)]\s)"))
        .expect("the pattern is valid")
});

/// Words that continue after an amount without replacing it by another.
const BEHIND_AMOUNT: [&str; 24] = [
    "for",
    "per",
    "each",
    "every",
    "from",
    "with",
    "after",
    "and",
    "because",
    "since",
    "when",
    "than",
    "more",
    "less",
    "left",
    "total",
    "instead",
    "out",
    "over",
    "during",
    "within",
    "until",
    "plus",
    "altogether",
];

/// A part of a text that may contain an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Byte range of the content.
    pub(super) range: Range<usize>,
    /// True if the end of the place was written. A box may be cut off.
    pub(super) closed: bool,
}

/// Finds the boxes of a text by their beginnings, with balanced braces.
pub(super) fn boxes(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    if !text.contains("ox") {
        return places;
    }
    let bytes = text.as_bytes();
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if matches!(bytes.get(at + 1), Some(b'{' | b'}' | b'\\')) => at += 1,
            b'{' => {
                open.push(is_box(&bytes[..at]).then_some(places.len()));
                if open.last() != Some(&None) {
                    places.push(Place { range: at + 1..text.len(), closed: false });
                }
            }
            b'}' => {
                if let Some(Some(number)) = open.pop() {
                    let place: &mut Place = &mut places[number];
                    (place.range.end, place.closed) = (at, true);
                }
            }
            _ => {}
        }
        at += 1;
    }
    places
}

/// True if a text ends in the name of a box. `\b` is a backspace if an escape was removed.
fn is_box(head: &[u8]) -> bool {
    let head = head.trim_ascii_end();
    [&b"boxed"[..], b"\x08oxed", b"\\fbox", b"\\framebox"].iter().any(|name| head.ends_with(name))
}

/// Returns the last non-empty boxes, last to first.
pub(super) fn filled_boxes(text: &str) -> impl Iterator<Item = Place> + '_ {
    boxes(text)
        .into_iter()
        .rev()
        .filter(|place| !text[place.range.clone()].trim_matches(is_frame).is_empty())
        .take(MOST)
}

/// Returns the values of answer fields in JSON or XML, last to first: the content of `"answer": …` or
/// `<answer>…</answer>`, possibly empty.
pub(super) fn structured(text: &str) -> Vec<Range<usize>> {
    static KEY: LazyLock<Regex> = LazyLock::new(|| {
        let name = "(?:final_|correct_|the_)?answer";
        Regex::new(&format!(
            r#"(?is)"{name}"\s*:\s*(?:"((?:[^"\\]|\\.){{0,2000}})"|([^",\}}\]\n]{{0,200}}))|<{name}>(.{{0,2000}}?)</{name}>"#
        ))
        .expect("the pattern is valid")
    });
    if !text.contains("nswer") {
        return Vec::new();
    }
    let all = KEY.captures_iter(text).filter_map(|found| (1..=3).find_map(|group| found.get(group)));
    let mut ranges: Vec<Range<usize>> = all.map(|value| value.range()).collect();
    ranges.reverse();
    ranges
}

/// True if a text ends before it is complete: in an operator, or in an open box, bracket or quotation.
pub(super) fn is_open_ended(text: &str) -> bool {
    let text = text.trim_end().trim_end_matches(['$', '\\']).trim_end();
    // Not `**`, which is bold.
    text.ends_with(['=', '+', '×', '÷', '{', '(', '[']) || [":\"", "\":", " *"].iter().any(|end| text.ends_with(end))
}

/// True if the box whose content begins at this byte is joined to a box before it: `\\boxed{25} and \\boxed{20}`.
pub(super) fn is_joined(text: &str, start: usize) -> bool {
    let Some(before) = boxes(text).into_iter().rfind(|place| place.closed && place.range.end < start) else {
        return false;
    };
    let gap = text[before.range.end + 1..start].trim_end_matches(is_frame);
    let gap = ["boxed", "fbox"].iter().find_map(|name| gap.strip_suffix(name)).unwrap_or(gap);
    matches!(gap.trim_matches(|c: char| is_frame(c) || matches!(c, '(' | ')' | '[' | ']')), "and" | "or" | "&" | ",")
}

/// True for characters that may surround an empty place.
fn is_frame(c: char) -> bool {
    c.is_whitespace() || matches!(c, '{' | '}' | '$' | '\\' | '*' | '_' | '?')
}

/// Returns the last `####` that is no heading, and the rest of its line.
pub(super) fn behind_marks(text: &str) -> Option<(usize, Range<usize>)> {
    let marks = text.rmatch_indices("####").take(MOST).map(|(mark, _)| (mark, line_from(text, mark + "####".len())));
    marks.into_iter().find(|(_, range)| !is_heading(text, range))
}

/// True if the line after hash marks is a heading: a label such as `1. Find …` or `Step 2: …`, or words and a colon,
/// with more text below.
fn is_heading(text: &str, range: &Range<usize>) -> bool {
    let line = text[range.clone()].trim().trim_matches('*');
    if line.is_empty() || text[range.end..].trim().is_empty() {
        return false;
    }
    let words = line.contains(|c: char| c.is_alphabetic());
    words && (line.ends_with([':', '：']) || (!line.ends_with('.') && LABEL.is_match(line)))
}

/// Returns the rest of the line after each "answer is", or the next line if the rest is empty, last to first.
pub(super) fn behind_answers(text: &str) -> Vec<Range<usize>> {
    if !text.contains("nswer") && !text.contains("NSWER") {
        return Vec::new();
    }
    let found: Vec<usize> = ANSWER_IS.find_iter(text).map(|found| found.end()).collect();
    let filled = |start: usize| {
        let line = line_from(text, start);
        if !text[line.clone()].trim_matches(is_frame).is_empty() {
            return line;
        }
        let next = line.end + text[line.end..].len() - text[line.end..].trim_start().len();
        line_from(text, next)
    };
    found.into_iter().rev().take(MOST).map(filled).collect()
}

/// Returns the range from a byte to its line's end, within the greatest length of a place.
fn line_from(text: &str, start: usize) -> Range<usize> {
    let line = text[start..].find('\n').map_or(text.len(), |end| start + end);
    let line = line - usize::from(text[start..line].ends_with('\r'));
    let mut end = line.min(start + LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    start..end
}

/// Returns the last bold texts that may be an answer (no headings, no labels), last to first.
pub(super) fn bold(text: &str) -> Vec<Range<usize>> {
    if !text.contains("**") {
        return Vec::new();
    }
    let all: Vec<Range<usize>> = BOLD.captures_iter(text).filter_map(|found| Some(found.get(1)?.range())).collect();
    all.into_iter().rev().filter(|range| !is_label(text, range)).take(MOST).collect()
}

/// True if a bold text is a heading, or the label of the text after it.
fn is_label(text: &str, range: &Range<usize>) -> bool {
    let inner = text[range.clone()].trim();
    let behind = &text[range.end + 2..];
    if inner.ends_with([':', '：']) || behind.trim_start_matches(' ').starts_with([':', '：']) || LABEL.is_match(inner)
    {
        return true;
    }
    let opens_line = text[..range.start - 2]
        .rsplit('\n')
        .next()
        .is_none_or(|head| head.trim_matches([' ', '#', '-', '\t', '>']).is_empty());
    // `**5 pens** cost $15`: the sentence continues with another number, and not with `of 12` or `for 3 days`.
    let goes_on = behind.split(['\n', '(']).next().unwrap_or_default();
    let next = goes_on.split_whitespace().next().unwrap_or_default();
    let verb = next.len() > 2 && next.chars().all(char::is_alphabetic) && !BEHIND_AMOUNT.contains(&next);
    if verb && inner.contains(char::is_alphabetic) && goes_on.contains(|c: char| c.is_ascii_digit()) {
        return true;
    }
    let ends_line = behind.split('\n').next().is_none_or(|tail| tail.trim().is_empty());
    let begins_with_value = inner.starts_with(|c: char| c.is_numeric() || !c.is_alphanumeric());
    opens_line && ends_line && !behind.trim().is_empty() && !begins_with_value && !inner.contains('=')
}
