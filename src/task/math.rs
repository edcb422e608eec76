//! Numbers in answers, found by the rules of [`Extraction`] and compared as exact fractions: thousands separators,
//! signs, currencies, fractions and the signs of `LaTeX` and of typography are read, units are left out. Where a rule
//! looks is the same for answers that are no numbers.

use std::ops::Range;
use std::sync::LazyLock;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use regex::Regex;

use super::extraction::Extraction;

/// One number: a sign and a currency in either order, digits in groups, decimals, and a fraction's denominator.
const NUMBER: &str = r"(?:[-−–]\s?)?(?:\\?[$€£¥]\s?)?(?:[-−–])?(?:\\[dt]?frac\{-?\d+\}\{\d+\}|(?:\d+(?:(?:,|\{,\}|\\,|[\u{a0}\u{2009}\u{202f}])\d{3})*(?:\.\d+)?|\.\d+)(?:/\d+)?)";

static ANY: LazyLock<Regex> = LazyLock::new(|| Regex::new(NUMBER).expect("the pattern is valid"));
static STRICT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"#### (-?[0-9.,]+)").expect("the pattern is valid"));
static ANSWER_IS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\banswer\b[^.\n]{0,40}?(?:\bis\b|:|=)").expect("the pattern is valid"));
static BOLD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\*\*([^*\n]+)\*\*").expect("the pattern is valid"));

static NOTHING: LazyLock<Regex> = LazyLock::new(|| {
    let words = "none|n/a|null|unknown|undetermined|indeterminate|unanswerable|impossible|insufficient|not (?:enough|possible|given|known)";
    let cannot = "(?:it )?(?:cannot|can't|can not|could not) be ";
    Regex::new(&format!(r"(?i)^(?:[\s:*_$(]|\\text\{{)*(?:(?:{words})\b|{cannot})")).expect("the pattern is valid")
});
static UNTOLD: LazyLock<Regex> = LazyLock::new(|| {
    let cannot = "(?:cannot|can't|can not|could not|impossible to|not possible to|unable to)";
    let known = "(?:determined?|calculated?|answer(?:ed)?|f(?:i|ou)nd|solved?|know[n]?)";
    let lacking = "(?:not enough|insufficient|no) (?:information|data|details)";
    Regex::new(&format!(r"(?i)\b(?:{cannot} (?:be )?{known}|{lacking})\b")).expect("the pattern is valid")
});

/// The number that a text answers with, by the first rule that finds one, and where it stands.
#[must_use]
pub fn extract(text: &str, rules: &[Extraction]) -> Option<(BigRational, Range<usize>)> {
    rules.iter().find_map(|rule| by(*rule, text))
}

/// The number that one rule finds, and where it stands.
#[must_use]
pub fn by(rule: Extraction, text: &str) -> Option<(BigRational, Range<usize>)> {
    match rule {
        Extraction::Gsm8kStrict => {
            let found = STRICT.captures(text)?.get(1)?;
            Some((parse(found.as_str())?, found.range()))
        }
        Extraction::HashMarks => {
            let mark = text.rfind("####")?;
            result_in(text, behind_marks(text)?).or_else(|| last_in(text, 0..mark))
        }
        Extraction::Boxed => last_in(text, boxed(text)?),
        Extraction::AnswerIs => result_in(text, behind_answer(text)?),
        Extraction::Bold => BOLD.captures_iter(text).filter_map(|found| last_in(text, found.get(1)?.range())).last(),
        Extraction::Gsm8kFlexible => last_in(text, 0..text.len()),
        _ => None,
    }
}

/// The bytes in which an answer stands that may be anything, by the first rule that names such a place.
#[must_use]
pub fn expression(text: &str, rules: &[Extraction]) -> Option<Range<usize>> {
    let place = |rule: &Extraction| match rule {
        Extraction::HashMarks => behind_marks(text),
        Extraction::Boxed => boxed(text),
        Extraction::AnswerIs => behind_answer(text),
        Extraction::Bold => Some(BOLD.captures_iter(text).last()?.get(1)?.range()),
        _ => None,
    };
    rules.iter().filter_map(place).find(|place| !text[place.clone()].trim().is_empty())
}

/// The bytes in which a text says that there is no answer: in an answer's place, or in its last line where it has none.
#[must_use]
pub fn states_none(text: &str) -> Option<Range<usize>> {
    let marked = behind_marks(text).or_else(|| boxed(text)).or_else(|| behind_answer(text));
    if let Some(place) = marked.filter(|place| !text[place.clone()].trim().is_empty()) {
        return NOTHING.is_match(&text[place.clone()]).then_some(place);
    }
    let last = text.trim_end();
    let start = last.rfind('\n').map_or(0, |end| end + 1);
    UNTOLD.is_match(&last[start..]).then_some(start..last.len())
}

/// The rest of the line behind the last `####`.
fn behind_marks(text: &str) -> Option<Range<usize>> {
    let mark = text.rfind("####")?;
    let line = text[mark..].lines().next().unwrap_or_default().len();
    Some(mark + "####".len()..mark + line)
}

/// The rest of the line behind the last "answer is".
fn behind_answer(text: &str) -> Option<Range<usize>> {
    let after = ANSWER_IS.find_iter(text).last()?.end();
    let line = text[after..].split_inclusive('\n').next().unwrap_or_default().len();
    Some(after..after + line)
}

/// What is inside the last `\boxed{…}`, braces within it closed.
pub(super) fn boxed(text: &str) -> Option<Range<usize>> {
    let start = text.rfind("\\boxed{")? + "\\boxed{".len();
    let mut depth = 1;
    for (place, character) in text[start..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(start..start + place);
        }
    }
    Some(start..text.len())
}

/// The first number in an answer's place; of a calculation there its result.
fn result_in(text: &str, range: Range<usize>) -> Option<(BigRational, Range<usize>)> {
    let result = text[range.clone()].rfind('=').and_then(|sign| first_in(text, range.start + sign..range.end));
    result.or_else(|| first_in(text, range))
}

fn first_in(text: &str, range: Range<usize>) -> Option<(BigRational, Range<usize>)> {
    ANY.find_iter(&text[range.clone()]).find_map(|found| read(text, range.start, &found))
}

fn last_in(text: &str, range: Range<usize>) -> Option<(BigRational, Range<usize>)> {
    // Only the last ones are looked at more closely: reading a number costs more than finding it.
    let found: Vec<regex::Match> = ANY.find_iter(&text[range.clone()]).collect();
    found.iter().rev().find_map(|found| read(text, range.start, found))
}

/// A number where it was found. "3-5" is a range or a difference, "- 5" behind other words a dash or a bullet: neither is
/// a negative number.
fn read(text: &str, offset: usize, found: &regex::Match) -> Option<(BigRational, Range<usize>)> {
    let (mut start, end) = (offset + found.start(), offset + found.end());
    let glued = text[..start].ends_with(|c: char| c.is_alphanumeric() || c == ')');
    let sign = |c: char| matches!(c, '-' | '−' | '–');
    let apart = text[start..end].trim_start_matches(sign).starts_with(char::is_whitespace);
    let opens_place = offset > 0 && text[offset..start].trim().is_empty();
    if glued || (apart && !opens_place) {
        start +=
            text[start..end].len() - text[start..end].trim_start_matches(|c: char| sign(c) || c.is_whitespace()).len();
    }
    Some((parse(&text[start..end])?, start..end))
}

/// The number that a text is, with nothing beside it: `3,4` is a list, and none.
#[must_use]
pub fn whole(text: &str) -> Option<BigRational> {
    let text = text.trim().trim_end_matches('.');
    let found = ANY.find(text)?;
    if found.range() == (0..text.len()) { parse(text) } else { None }
}

/// Reads one number: sign, currency, digits in groups, decimals, a fraction.
#[must_use]
pub fn parse(text: &str) -> Option<BigRational> {
    // Nearly all of them are plain and small.
    if let Ok(number) = text.trim().parse::<i64>() {
        return Some(BigRational::from_integer(number.into()));
    }
    let cleaned = cleaned(text);
    if let Some(inner) = cleaned.find("frac{").map(|place| &cleaned[place + 5..]) {
        let (top, bottom) = inner.strip_suffix('}')?.split_once("}{")?;
        let negative = cleaned.starts_with('-');
        let value = fraction(top, bottom)?;
        return Some(if negative { -value } else { value });
    }
    match cleaned.split_once('/') {
        Some((top, bottom)) => fraction(top, bottom),
        None => decimal(&cleaned),
    }
}

/// The text with plain signs and digits, without spaces, currencies and separators.
fn cleaned(text: &str) -> String {
    let text = text.replace("{,}", "").replace("\\,", "");
    let plain = |c: char| match c {
        '−' | '–' => Some('-'),
        // Full-width and Arabic-Indic digits.
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
        '٠'..='٩' => char::from_digit(u32::from(c) - u32::from('٠'), 10),
        '\\' | '$' | '€' | '£' | '¥' | ',' => None,
        c if c.is_whitespace() => None,
        c => Some(c),
    };
    text.chars().filter_map(plain).collect::<String>().trim_end_matches('.').to_owned()
}

fn fraction(top: &str, bottom: &str) -> Option<BigRational> {
    let bottom = decimal(bottom)?;
    (!bottom.is_zero()).then_some(())?;
    Some(decimal(top)? / bottom)
}

fn decimal(text: &str) -> Option<BigRational> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if !decimals.chars().all(|c| c.is_ascii_digit()) || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if decimals.is_empty() {
        return Some(BigRational::from_integer(whole.parse().ok()?));
    }
    let numerator: BigInt = format!("{whole}{decimals}").parse().ok()?;
    let denominator = num_traits::pow(BigInt::from(10), decimals.len());
    Some(BigRational::new(numerator, denominator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Task;

    fn number(text: &str) -> Option<String> {
        let (value, range) = extract(text, Extraction::usual(Task::Math))?;
        assert_eq!(parse(&text[range]), Some(value.clone()), "{text}");
        Some(value.to_string())
    }

    #[test]
    fn reads_what_models_write() {
        let cases = [
            ("48 + 24 = <<48+24=72>>72 clips.\n#### 72", "72"),
            ("#### 1,234", "1234"),
            ("#### $1,234.50", "2469/2"),
            ("#### The farm has 1,234 hens.", "1234"),
            ("#### 18 dollars and 20 cents", "18"),
            ("48 + 24 = 72\n####", "72"),
            ("48 + 24 = 72\n#### ", "72"),
            ("The answer is 18.", "18"),
            ("The final answer is: **18** clips, not 20.", "18"),
            ("Answer: 18\nCheck: 9 * 2", "18"),
            ("The answer to the question is $18$.", "18"),
            ("So \\(x = 4\\) and \\boxed{12{,}500} in all", "12500"),
            ("\\boxed{\\frac{3}{4}}", "3/4"),
            ("\\boxed{\\text{20 apples}}", "20"),
            ("She needs **24** eggs. That is 2 trays.", "24"),
            ("She pays $5, so she keeps $7.00", "7"),
            ("first 3, then 4", "4"),
            ("it falls to -12 degrees", "-12"),
            ("it falls to \u{2212}12 degrees", "-12"),
            ("it costs -$5", "-5"),
            ("it costs $-5", "-5"),
            ("between 3-5", "5"),
            ("#### -5", "-5"),
            ("#### 10 and later 11", "10"),
            ("half of it, .5", "1/2"),
            ("a share of 3/4", "3/4"),
            ("that is 50%", "50"),
            ("１２ Äpfel", "12"),
            ("1\u{202f}250 km", "1250"),
            ("#### 5\n#### 7", "7"),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_text_without_a_number_has_no_answer() {
        assert_eq!(number("I do not know."), None);
        assert_eq!(number(""), None);
        assert_eq!(number("####"), None);
        assert_eq!(number("a share of 3/0"), None);
    }

    #[test]
    fn each_rule_reads_its_own_form() {
        let text = "The answer is 3. So **4**, or \\boxed{5}.\n#### 1,006 eggs\nThat is 7.";
        let by = |rule| extract(text, &[rule]).map(|(value, _)| value.to_string());
        for (rule, expected) in [
            (Extraction::Gsm8kStrict, Some("1006")),
            (Extraction::HashMarks, Some("1006")),
            (Extraction::Boxed, Some("5")),
            (Extraction::AnswerIs, Some("3")),
            (Extraction::Bold, Some("4")),
            (Extraction::Gsm8kFlexible, Some("7")),
            (Extraction::Letter, None),
        ] {
            assert_eq!(by(rule).as_deref(), expected, "{}", rule.name());
        }
        assert_eq!(extract("#### about 18", &[Extraction::Gsm8kStrict]), None);
    }

    #[test]
    fn equal_numbers_written_differently_are_equal() {
        assert_eq!(parse("18"), parse("18.00"));
        assert_eq!(parse("1,000"), parse("$1000."));
        assert_eq!(parse("3/4"), parse("0.75"));
        assert_ne!(parse("18"), parse("18.01"));
        assert_eq!(parse("x"), None);
        assert_eq!(parse("1.2.3"), None);
    }
}
