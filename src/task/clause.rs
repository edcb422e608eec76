//! The number or term that an answer's place gives: the one in the clause right behind the marker, not one of a later
//! clause or in parentheses, and of a calculation its result.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::number::{self, Found, Kind, Scanner};

/// Numbers of a place that are looked at.
const MOST: usize = 64;

/// Words that begin another clause.
const CLAUSES: [&str; 22] = [
    "because", "since", "where", "which", "when", "if", "as", "while", "so", "but", "given", "though", "although",
    "however", "with", "after", "from", "for", "plus", "leaving", "rather", "instead",
];
/// Words before a number that says how much of something else there is: a time, a share, a place.
const ASIDE: [&str; 20] = [
    "after", "in", "within", "for", "by", "at", "every", "each", "per", "until", "than", "on", "during", "over",
    "step", "day", "week", "from", "equation", "part",
];
/// Words that may stand between a marker and its number.
const LIGHT: [&str; 50] = [
    "about",
    "approximately",
    "approx",
    "around",
    "roughly",
    "nearly",
    "almost",
    "exactly",
    "only",
    "just",
    "is",
    "are",
    "equals",
    "equal",
    "to",
    "a",
    "an",
    "total",
    "of",
    "the",
    "number",
    "final",
    "answer",
    "answers",
    "be",
    "therefore",
    "thus",
    "so",
    "that",
    "it",
    "now",
    "text",
    "mathrm",
    "mathbf",
    "textbf",
    "mbox",
    "boxed",
    "displaystyle",
    "bm",
    "boldsymbol",
    "underline",
    "left",
    "simply",
    "clearly",
    "then",
    "fbox",
    "and",
    "value",
    "result",
    "quad",
];

/// The number that an answer's place gives, and whether it stands there plainly: behind nothing but words such as "about",
/// or as the result of a calculation. `None` if there is none, or several without a choice.
pub(super) fn result(text: &str, place: Range<usize>) -> Option<(Found, bool)> {
    let numbers: Vec<Found> = Scanner::new(text, place.clone(), Kind::Place).take(MOST).collect();
    if numbers.is_empty() {
        let found = number::spoken(text, place.clone())?;
        let light = is_light(&text[place.start..found.range.start]);
        let begins_clause = text[place.start..found.range.start].chars().filter(|c| c.is_alphabetic()).count() < 60;
        return (light || begins_clause).then_some((found, light));
    }
    let gap = |at: usize| {
        let start = if at == 0 { place.start } else { numbers[at - 1].range.end };
        let end = numbers.get(at).map_or(place.end, |found| found.range.start);
        &text[start.min(end)..end]
    };
    let mut begin = 0;
    let mut aside = None;
    while begin < numbers.len() {
        let mut end = begin + 1;
        while end < numbers.len() && !parts_clauses(gap(end)) {
            end += 1;
        }
        match in_clause(text, &numbers, begin..end, &gap) {
            Clause::Gives(at, firm) => {
                numbers[at].value(text)?;
                return Some((numbers[at].clone(), firm && (begin == 0 || is_light(gap(begin)))));
            }
            Clause::Several => return None,
            Clause::Aside(at) => aside = aside.or(Some(at)),
            Clause::Nothing => {}
        }
        begin = end;
    }
    aside.and_then(|at| numbers[at].value(text).map(|_| (numbers[at].clone(), false)))
}

/// What a clause says.
enum Clause {
    /// One number, and whether plainly.
    Gives(usize, bool),
    /// Numbers without a choice among them.
    Several,
    /// A number of something else.
    Aside(usize),
    Nothing,
}

fn in_clause<'a>(text: &str, numbers: &[Found], clause: Range<usize>, gap: &dyn Fn(usize) -> &'a str) -> Clause {
    let equals =
        |at: usize| gap(at).contains(['=', '≈']) || gap(at).contains("\\approx") || gap(at).contains("\\Rightarrow");
    if let Some(at) = clause.clone().rev().find(|at| equals(*at)) {
        // A calculation behind the last sign has no result.
        let open = at + 1 < clause.end && is_operator(gap(at + 1));
        return if open { Clause::Several } else { Clause::Gives(at, true) };
    }
    let stands = |at: &usize| !is_denied(gap(*at));
    let kept: Vec<usize> = clause.clone().filter(stands).collect();
    let Some(&first) = kept.first() else { return Clause::Nothing };
    let opening = gap(clause.start);
    if first == clause.start && is_light(opening) || first > clause.start {
        let next = first + 1;
        if next < numbers.len() && joins(gap(next)) {
            return Clause::Several;
        }
        return Clause::Gives(first, true);
    }
    let main = kept.iter().rev().find(|at| !is_aside(gap(**at)));
    match main {
        Some(at) if is_operator(gap(*at)) && *at > clause.start => Clause::Several,
        Some(at) => Clause::Gives(*at, false),
        None => {
            let _ = text;
            Clause::Aside(*kept.last().unwrap_or(&first))
        }
    }
}

/// Whether a clause ends between two numbers.
fn parts_clauses(gap: &str) -> bool {
    if gap.contains(['\n', ';']) || [". ", "? ", "! ", ": "].iter().any(|mark| gap.contains(mark)) {
        return true;
    }
    if let Some(comma) = gap.find(", ") {
        // `3, 4` is a list.
        return !gap.trim_matches([',', ' ', '$']).is_empty() || comma == usize::MAX;
    }
    // A remark within a calculation: `77 (in all) - 42`.
    let open_words = outside(gap);
    if let Some(rest) = &open_words
        && (is_operator(rest) || rest.trim_start().starts_with('='))
    {
        return false;
    }
    if let Some(open) = gap.find('(') {
        let left = gap[..open].trim_end();
        // Within a calculation, and behind `\left`.
        return !left.ends_with(['+', '-', '*', '/', '×', '÷', '=', '·', '^', '\\'])
            && !left.ends_with("times")
            && !left.ends_with("cdot")
            && !left.is_empty()
            || (left.is_empty() && gap.starts_with(' ') && !gap[open + 1..].trim().is_empty());
    }
    let mut words = gap.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.any(|word| CLAUSES.iter().any(|clause| clause.eq_ignore_ascii_case(word)))
}

/// A text without its first parenthesis. `None` if it has none that closes.
fn outside(gap: &str) -> Option<String> {
    let (open, close) = (gap.find('(')?, gap.find(')')?);
    (open < close).then(|| format!("{}{}", &gap[..open], &gap[close + 1..]))
}

/// Whether nothing but markup and words such as "about" stands in a text.
fn is_light(gap: &str) -> bool {
    let mut words = gap.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.all(|word| LIGHT.iter().any(|light| light.eq_ignore_ascii_case(word)))
}

/// What is between two numbers, without `LaTeX` around it.
fn bare(gap: &str) -> String {
    let mut bare = gap.replace("\\text", "").replace("\\mathrm", "").replace("\\quad", " ");
    bare.retain(|c| !matches!(c, '{' | '}' | '$' | '*' | '\\' | '(' | ')') || c == '*');
    bare.trim().to_lowercase()
}

/// Whether two numbers are joined so that neither is the answer: `3 or 4`, `3, 4`, `3 - 5`.
fn joins(gap: &str) -> bool {
    is_operator(gap)
        || matches!(bare(gap).as_str(), "" | "or" | "and" | "to" | "," | "&" | "~" | ", and" | ", or" | ";" | "–" | "—")
}

/// Whether an operator stands between two numbers.
fn is_operator(gap: &str) -> bool {
    matches!(
        bare(gap).as_str(),
        "+" | "-"
            | "−"
            | "–"
            | "*"
            | "×"
            | "times"
            | "cdot"
            | "/"
            | "÷"
            | "div"
            | "·"
            | "⋅"
            | "x"
            | "^"
            | "plus"
            | "minus"
    )
}

/// The last word of a text, in lower case.
fn last_word(text: &str) -> String {
    let text = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    let start = text
        .rfind(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    text[start..].to_lowercase()
}

/// Whether the number behind a text is said not to be it.
fn is_denied(gap: &str) -> bool {
    let word = last_word(gap);
    matches!(word.as_str(), "not" | "never") || word.ends_with("n't") || word.ends_with("n’t")
}

/// Whether the number behind a text is stated as a result: behind `=`, "is", "be", "has" and the like.
pub(super) fn is_stated(gap: &str) -> bool {
    const VERBS: [&str; 20] = [
        "is", "be", "are", "was", "equals", "equal", "get", "gets", "has", "have", "makes", "make", "total", "answer",
        "to", "of", "only", "exactly", "actually", "boxed",
    ];
    let end =
        gap.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '$' | '(' | '{' | '"' | '\\' | '_'));
    end.ends_with(['=', ':', '#']) || VERBS.contains(&last_word(end).as_str())
}

/// Whether the number behind a text is one of a time, a share or a step.
fn is_aside(gap: &str) -> bool {
    ASIDE.contains(&last_word(gap).as_str())
}

/// Whether a number is a label at a line's start, as in `2. Add them`.
pub(super) fn is_list_label(text: &str, range: &Range<usize>) -> bool {
    let behind = &text[range.end..];
    let mut chars = behind.chars();
    if !matches!(chars.next(), Some('.' | ')'))
        || chars.next() != Some(' ')
        || chars.next().is_none_or(char::is_whitespace)
    {
        return false;
    }
    let line = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    range.start - line <= 16
        && text[line..range.start].chars().all(|c| c.is_whitespace() || matches!(c, '*' | '#' | '-' | '('))
}

static SENTENCE_END: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[.!?](?:\s+[A-Z]|\s*$)|,?\s+(?:because|since|where|as)\s").expect("the pattern is valid")
});
static FORMULA: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?s)\$\$([^$]+)\$\$|\$([^$\n]+)\$|\\\((.{1,400}?)\\\)|\\\[(.{1,400}?)\\\]")
        .expect("the pattern is valid")
});

/// The term that an answer's place begins with: the formula there, else up to the sentence's end.
pub(super) fn term(text: &str, place: Range<usize>) -> Range<usize> {
    let inner = &text[place.clone()];
    let lead = inner.len() - inner.trim_start_matches([' ', ':', '*', '_', '\t', '"']).len();
    let rest = &inner[lead..];
    let formula = FORMULA.captures(rest).and_then(|found| (1..=4).find_map(|group| found.get(group)));
    if let Some(found) = formula
        && rest[..found.start()].trim_end_matches(['$', '\\', '(', '[']).split_whitespace().count() <= 8
        && !rest[..found.start()].trim_end_matches(['$', '\\', '(', '[']).contains(['=', '^', '{'])
    {
        return place.start + lead + found.start()..place.start + lead + found.end();
    }
    let end = SENTENCE_END.find(rest).map_or(rest.len(), |found| found.start());
    place.start + lead..place.start + lead + rest[..end].trim_end_matches(['*', ' ', '"']).len()
}

/// The last formula of a text.
pub(super) fn last_formula(text: &str) -> Option<Range<usize>> {
    let found = FORMULA.captures_iter(text).last()?;
    (1..=4).find_map(|group| found.get(group)).map(|formula| formula.range())
}
