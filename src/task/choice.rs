//! Options in answers. Scored options need no text; in a text the rule takes the last "answer is (X)", else a
//! letter that opens the text, else the last "(X)", else a text that is one of the options.

use std::sync::LazyLock;

use regex::Regex;

/// The rule's versioned name, for the manifest.
pub const EXTRACTION: &str = "likelihood-else-answer-is-else-letter-else-option-text v1";

static ANSWER_IS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i:answer\s*(?:is|:)\s*:?)\s*[*_]*\(?([A-Z])\b").expect("the pattern is valid"));
static OPENING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[\s*_(]*([A-Z])(?:[).:,*_]|\s*$|\s*\n)").expect("the pattern is valid"));
static IN_PARENTHESES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\(([A-Z])\)").expect("the pattern is valid"));

/// The letter of an option, from A.
#[must_use]
pub fn letter(index: usize) -> char {
    char::from(b'A' + u8::try_from(index).unwrap_or(u8::MAX - b'A').min(25))
}

/// The option with the greatest log-probability, ties to the first; none where nothing was scored.
#[must_use]
pub fn likeliest(logprobs: &[f64]) -> Option<usize> {
    (0..logprobs.len()).rev().max_by(|a, b| logprobs[*a].total_cmp(&logprobs[*b]))
}

/// The option that a text answers with.
#[must_use]
pub fn extract(text: &str, options: &[String]) -> Option<usize> {
    let index = |letter: &str| {
        let index = usize::from(letter.bytes().next()? - b'A');
        (index < options.len()).then_some(index)
    };
    let last = |pattern: &Regex| pattern.captures_iter(text).filter_map(|found| index(found.get(1)?.as_str())).last();
    last(&ANSWER_IS).or_else(|| last(&OPENING)).or_else(|| last(&IN_PARENTHESES)).or_else(|| {
        let plain = text.trim().trim_end_matches('.').to_lowercase();
        options.iter().position(|option| option.trim().to_lowercase() == plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<char> {
        let options = ["Sputnik 1", "Luna 1", "Vostok 1", "Explorer 1"].map(String::from);
        extract(text, &options).map(letter)
    }

    #[test]
    fn reads_what_models_write() {
        let cases = [
            ("The answer is (B).", 'B'),
            ("The answer is B", 'B'),
            ("**Answer: C**", 'C'),
            ("Answer: (D) Explorer 1", 'D'),
            ("the answer is (A)? No, the answer is (C).", 'C'),
            ("B", 'B'),
            ("B) Luna 1", 'B'),
            ("(C)", 'C'),
            ("It must be (D), I think", 'D'),
            ("Vostok 1.", 'C'),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn words_are_not_letters() {
        assert_eq!(read("A rocket flew to the Moon"), None);
        assert_eq!(read("The answer is Apollo"), None);
        assert_eq!(read("The answer is (F)."), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn likeliest_takes_the_first_of_equals() {
        assert_eq!(likeliest(&[-3.0, -1.0, -1.0]), Some(1));
        assert_eq!(likeliest(&[]), None);
    }
}
