//! The number or term in an answer's place: from the clause directly after the marker, not from a later clause or from
//! parentheses; for a calculation, its result.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::number::{self, FoundNumber, Kind, Scanner};

/// Most numbers of a place that are examined.
const MOST: usize = 64;
/// Most bytes before a label's number.
const LABEL: usize = 20;
/// Fewer letters than this may precede a number in words.
const SPOKEN_WITHIN: usize = 60;

/// Words that begin another clause.
const CLAUSES: [&str; 22] = [
    "because", "since", "where", "which", "when", "if", "as", "while", "so", "but", "given", "though", "although",
    "however", "with", "after", "from", "for", "plus", "leaving", "rather", "instead",
];
/// Words before a number that quantifies something else: a time, a share, a place.
const ASIDE: [&str; 20] = [
    "after", "in", "within", "for", "by", "at", "every", "each", "per", "until", "than", "on", "during", "over",
    "step", "day", "week", "from", "equation", "part",
];
/// Units of compound amounts: two numbers with such units are one amount, which is not converted.
const COMPOUND: [&str; 30] = [
    "hour", "hours", "hr", "hrs", "h", "minute", "minutes", "min", "mins", "second", "seconds", "day", "days", "week",
    "weeks", "month", "months", "year", "years", "foot", "feet", "ft", "inch", "inches", "pound", "pounds", "lb",
    "lbs", "dozen", "gallons",
];
/// Words that may occur between a marker and its number.
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

/// Content of an answer's place.
pub(super) enum Given {
    /// A number, and true if it is stated plainly: after nothing but words such as "about", or as the result of a
    /// calculation.
    Number(FoundNumber, bool),
    /// Several numbers without a choice among them, or a calculation without its result.
    Several,
    /// No number.
    Nothing,
}

/// Reads an answer's place.
pub(super) fn result(text: &str, place: Range<usize>) -> Given {
    let numbers: Vec<FoundNumber> = Scanner::new(text, place.clone(), Kind::Place).take(MOST).collect();
    if numbers.is_empty() {
        let Some(found) = number::spoken(text, place.clone()) else { return Given::Nothing };
        let lead = &text[place.start..found.range.start];
        let light = is_light(lead);
        let near = lead.chars().filter(|c| c.is_alphabetic()).count() < SPOKEN_WITHIN;
        return if light || near { Given::Number(found, light) } else { Given::Nothing };
    }
    let gap = |at: usize| {
        let start = if at == 0 { place.start } else { numbers[at - 1].range.end };
        let end = numbers.get(at).map_or(place.end, |found| found.range.start);
        &text[start.min(end)..end]
    };
    // `(3,4)` is not 3.4.
    let raw = &text[numbers[0].range.clone()];
    let enclosed = raw.starts_with('(')
        || text[..numbers[0].range.start].trim_end().ends_with('(')
            && text[numbers[0].range.end..].trim_start().starts_with(')');
    let parts = raw.trim_matches(['(', ')']).split_once(',');
    if numbers.len() == 1
        && enclosed
        && parts.is_some_and(|(_, behind)| behind.len() < 3 && behind.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Given::Several;
    }
    // `twelve, not 5`
    if !is_light(gap(0))
        && let Some(found) = number::spoken(text, place.start..numbers[0].range.start)
        && is_light(&text[place.start..found.range.start])
        && !text[found.range.end..].starts_with(" of")
    {
        return Given::Number(found, true);
    }
    let given = |at: usize, firm: bool| {
        // A division by 0 has no value.
        if numbers[at].value(text).is_some() { Given::Number(numbers[at].clone(), firm) } else { Given::Several }
    };
    let mut begin = 0;
    let mut aside = None;
    while begin < numbers.len() {
        let mut end = begin + 1;
        while end < numbers.len() && !separates_clauses(gap(end)) {
            end += 1;
        }
        match in_clause(numbers.len(), begin..end, &gap) {
            Clause::Gives(at, firm) => return given(at, firm && (begin == 0 || is_light(gap(begin)))),
            Clause::Several => return Given::Several,
            Clause::Aside(at) => aside = aside.or(Some(at)),
            Clause::Nothing => {}
        }
        begin = end;
    }
    aside.map_or(Given::Nothing, |at| given(at, false))
}

/// Content of a clause.
enum Clause {
    /// The index of one number, and true if it is stated plainly.
    Gives(usize, bool),
    /// Numbers without a choice among them.
    Several,
    /// A number of something else.
    Aside(usize),
    Nothing,
}

fn in_clause<'a>(numbers: usize, clause: Range<usize>, gap: &dyn Fn(usize) -> &'a str) -> Clause {
    let equals =
        |at: usize| gap(at).contains(['=', '≈']) || gap(at).contains("\\approx") || gap(at).contains("\\Rightarrow");
    // `between 10 and 12`
    if last_word(gap(clause.start)) == "between" && clause.len() > 1 {
        return Clause::Several;
    }
    if let Some(at) = clause.clone().rev().find(|at| equals(*at)) {
        // A calculation after the last equals sign has no result.
        let tail = gap(at).rsplit(['=', '≈']).next().unwrap_or_default();
        let open = (at + 1 < clause.end && is_operator(gap(at + 1)))
            || continues_with_variable(gap(at + 1))
            || is_end_of_term(tail);
        return if open { Clause::Several } else { Clause::Gives(at, true) };
    }
    let accepted = |at: &usize| !is_denied(gap(*at));
    let stated: Vec<usize> = clause.clone().filter(accepted).collect();
    let Some(&first) = stated.first() else { return Clause::Nothing };
    let opening = gap(clause.start);
    if first == clause.start && is_light(opening) || first > clause.start {
        let next = first + 1;
        if (next < numbers && joins(gap(next))) || continues_with_variable(gap(next)) {
            return Clause::Several;
        }
        return Clause::Gives(first, true);
    }
    let main = stated.iter().rev().find(|at| !is_aside(gap(**at)));
    match main {
        Some(at)
            if (is_operator(gap(*at)) && *at > clause.start)
                || is_end_of_term(gap(*at))
                || continues_with_variable(gap(at + 1)) =>
        {
            Clause::Several
        }
        Some(at) => Clause::Gives(*at, false),
        None => Clause::Aside(*stated.last().unwrap_or(&first)),
    }
}

/// True if a clause ends between two numbers.
fn separates_clauses(gap: &str) -> bool {
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
        // Within a calculation, and after `\left`.
        return !left.ends_with(['+', '-', '*', '/', '×', '÷', '=', '·', '^', '\\'])
            && !left.ends_with("times")
            && !left.ends_with("cdot")
            && !left.is_empty()
            || (left.is_empty() && gap.starts_with(' '));
    }
    let mut words = gap.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.any(|word| CLAUSES.iter().any(|clause| clause.eq_ignore_ascii_case(word)))
}

/// Removes the first parenthesis of a text. `None` without a closed parenthesis.
fn outside(gap: &str) -> Option<String> {
    let (open, close) = (gap.find('(')?, gap.find(')')?);
    (open < close).then(|| format!("{}{}", &gap[..open], &gap[close + 1..]))
}

/// True if a text contains nothing but markup and words such as "about".
fn is_light(gap: &str) -> bool {
    let mut words = gap.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.all(|word| LIGHT.iter().any(|light| light.eq_ignore_ascii_case(word)))
}

/// Returns the text between two numbers without `LaTeX` markup.
fn bare(gap: &str) -> String {
    let mut bare = gap.replace("\\text", "").replace("\\mathrm", "").replace("\\quad", " ");
    bare.retain(|c| !matches!(c, '{' | '}' | '$' | '*' | '\\' | '(' | ')') || c == '*');
    bare.trim().to_lowercase()
}

/// True if two numbers are joined so that neither is the answer: `3 or 4`, `3, 4`, `3 - 5`.
fn joins(gap: &str) -> bool {
    is_operator(gap)
        || is_compound(gap)
        // `56 (8 rows of 7)`
        || bare(gap).is_empty() && !gap.contains('(')
        || matches!(bare(gap).as_str(), "or" | "and" | "to" | "," | "&" | "~" | ", and" | ", or" | ";" | "–" | "—")
}

/// True if the unit of a compound amount is between two numbers: `2 hours 30 minutes`.
fn is_compound(gap: &str) -> bool {
    let bare = bare(gap);
    COMPOUND.contains(&bare.trim_end_matches(" and"))
}

/// True if an operator is between two numbers.
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

/// True if a term continues after its number with something that is no number: `5 + 2x`, `5 - x`.
fn continues_with_variable(gap: &str) -> bool {
    let rest = gap.trim_start_matches([' ', '$', '}']);
    let Some(c) = rest.chars().next().filter(|c| matches!(c, '+' | '-' | '−' | '×' | '÷' | '/' | '*')) else {
        return false;
    };
    let behind = rest[c.len_utf8()..].trim_start();
    let letters = behind.chars().take_while(|c| c.is_alphabetic()).count();
    let variable = letters == 1 && !behind.starts_with(['a', 'A', 'I']);
    match c {
        // `60 / hour`, and bold.
        '/' => behind.starts_with(|c: char| c.is_ascii_digit()),
        '*' if rest.starts_with("**") => false,
        _ => {
            variable
                || behind.starts_with(|c: char| c.is_ascii_digit() || c == '\\')
                    && !behind.starts_with("\\)")
                    && !behind.starts_with("\\]")
        }
    }
}

/// True if a text ends in an operator after something that is no number: `2x + `.
fn is_end_of_term(tail: &str) -> bool {
    let head = tail.trim_end_matches([' ', '$', '\\', '{', '(']);
    let Some(left) =
        ["+", "-", "−", "×", "÷", "*", "/", "^", "times", "cdot"].iter().find_map(|sign| head.strip_suffix(*sign))
    else {
        return false;
    };
    let left = left.trim_end_matches([' ', '\\']);
    let term = left.rsplit(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
    let short = term.chars().filter(|c| c.is_alphabetic()).count() <= 1;
    !term.is_empty() && (term.ends_with([')', '}', '^']) || (short && term.ends_with(char::is_alphanumeric)))
}

/// Returns the last word of a text, in lower case.
fn last_word(text: &str) -> String {
    let text = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    let start = text
        .rfind(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    text[start..].to_lowercase()
}

/// True if a text denies the number after it.
fn is_denied(gap: &str) -> bool {
    let word = last_word(gap);
    matches!(word.as_str(), "not" | "never") || word.ends_with("n't") || word.ends_with("n’t")
}

/// True if a text states the number after it as a result: after `=`, "is", "be", "has" and similar.
pub(super) fn is_stated(gap: &str) -> bool {
    const VERBS: [&str; 22] = [
        "is", "be", "are", "was", "meant", "mean", "equals", "equal", "get", "gets", "has", "have", "makes", "make",
        "total", "answer", "to", "of", "only", "exactly", "actually", "boxed",
    ];
    let end =
        gap.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '$' | '(' | '{' | '"' | '\\' | '_'));
    end.ends_with(['=', ':', '#']) || VERBS.contains(&last_word(end).as_str())
}

/// True if the number after a text is a time, a share or a step.
fn is_aside(gap: &str) -> bool {
    ASIDE.contains(&last_word(gap).as_str())
}

/// True if a number is a label at a line's start, as in `2. Add them` or `**Step 2**`.
pub(super) fn is_list_label(text: &str, range: &Range<usize>) -> bool {
    let mut from = range.start.saturating_sub(LABEL);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let line = text[from..range.start].rfind('\n').map(|at| from + at + 1).or((from == 0).then_some(0));
    let Some(line) = line else { return false };
    let head =
        text[line..range.start].trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '#' | '-' | '(' | '>'));
    let mut behind = text[range.end..].chars();
    let listed = matches!(behind.next(), Some('.' | ')'))
        && behind.next() == Some(' ')
        && behind.next().is_some_and(|c| !c.is_whitespace());
    head.is_empty() && listed || ["Step", "Part", "Case", "Question", "Problem"].contains(&head)
}

/// True if a number is the day of a month: `May 5`.
pub(super) fn is_day_of_month(text: &str, range: &Range<usize>) -> bool {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let head = text[..range.start].trim_end_matches(' ');
    range.start - head.len() == 1 && MONTHS.iter().any(|month| head.ends_with(month))
}

static SENTENCE_END: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[.!?](?:\s+[A-Z]|\s*$)|,?\s+(?:because|since|where|as)\s").expect("the pattern is valid")
});
static FORMULA: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?s)\$\$([^$]+)\$\$|\$([^$\n]+)\$|\\\((.{1,400}?)\\\)|\\\[(.{1,400}?)\\\]")
        .expect("the pattern is valid")
});

/// Returns the term at the start of an answer's place: the formula in it, or else the text up to the sentence's end.
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

/// Returns the last formula of a text.
pub(super) fn last_formula(text: &str) -> Option<Range<usize>> {
    let found = FORMULA.captures_iter(text).last()?;
    (1..=4).find_map(|group| found.get(group)).map(|formula| formula.range())
}
