//! Numbers in answers. The rule: the number behind the last `####` where there is one (as in GSM8K), else the last
//! number of the text (lm-eval's flexible extraction); compared as exact fractions.

use std::sync::LazyLock;

use num_bigint::BigInt;
use num_rational::BigRational;
use regex::Regex;

/// The rule's versioned name, for the manifest.
pub const EXTRACTION: &str = "hash-marks-else-last-number v1";

static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"-?\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+)").expect("the pattern is valid"));

/// The number that a text answers with.
#[must_use]
pub fn extract(text: &str) -> Option<BigRational> {
    let text = text.replace('\u{2212}', "-");
    let marked = text.rsplit_once("####").and_then(|(_, after)| NUMBER.find(after));
    let found = marked.or_else(|| NUMBER.find_iter(&text).last())?;
    // "3-5" is a range or a difference, not a negative number.
    let start = found.start();
    let digits = found.as_str();
    let glued = digits.starts_with('-') && marked.is_none() && text[..start].ends_with(|c: char| c.is_ascii_digit());
    parse(if glued { &digits[1..] } else { digits })
}

/// Reads one number: sign, currency, thousands commas, decimals.
#[must_use]
pub fn parse(text: &str) -> Option<BigRational> {
    let cleaned: String =
        text.trim().replace('\u{2212}', "-").chars().filter(|c| !matches!(c, '$' | ',' | ' ')).collect();
    let cleaned = cleaned.trim_end_matches('.');
    let (whole, decimals) = cleaned.split_once('.').unwrap_or((cleaned, ""));
    if !decimals.chars().all(|c| c.is_ascii_digit()) || !cleaned.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let numerator: BigInt = format!("{whole}{decimals}").parse().ok()?;
    let denominator = num_traits::pow(BigInt::from(10), decimals.len());
    Some(BigRational::new(numerator, denominator))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<String> {
        extract(text).map(|n| n.to_string())
    }

    #[test]
    fn reads_what_models_write() {
        let cases = [
            ("48 + 24 = <<48+24=72>>72 clips.\n#### 72", "72"),
            ("#### 1,234", "1234"),
            ("#### $1,234.50", "2469/2"),
            ("The answer is 18.", "18"),
            ("She pays $5, so she keeps $7.00", "7"),
            ("first 3, then 4", "4"),
            ("it falls to -12 degrees", "-12"),
            ("it falls to \u{2212}12 degrees", "-12"),
            ("between 3-5", "5"),
            ("#### -5", "-5"),
            ("#### 10 and later 11", "10"),
            ("half of it, .5", "1/2"),
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
    }

    #[test]
    fn a_mark_without_a_number_falls_back_to_the_last_number() {
        assert_eq!(number("It is 7\n####").as_deref(), Some("7"));
    }

    #[test]
    fn equal_numbers_written_differently_are_equal() {
        assert_eq!(parse("18"), parse("18.00"));
        assert_eq!(parse("1,000"), parse("$1000."));
        assert_ne!(parse("18"), parse("18.01"));
        assert_eq!(parse("x"), None);
        assert_eq!(parse("1.2.3"), None);
    }
}
