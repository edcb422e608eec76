//! Answers to questions with options. Scored options need no text. In a text, the rules of [`Extraction`] find a
//! letter by itself, or an option's own text.

mod conclusions;
mod letters;
mod options;

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::extraction::Extraction;
use super::passage;
use super::place;
pub use options::{agrees, equal};

/// Most options of a question, one letter each. A run is refused with more.
pub const MOST_OPTIONS: usize = 26;

/// Returns the letter of an option, from A.
#[must_use]
pub fn letter(index: usize) -> char {
    char::from(b'A' + u8::try_from(index).unwrap_or(u8::MAX - b'A').min(25))
}

/// Returns the index of the option that a letter names.
#[must_use]
pub fn index(letter: char) -> Option<usize> {
    letter.is_ascii_uppercase().then(|| usize::from(letter as u8 - b'A'))
}

/// Returns the option with the greatest log-probability, ties to the first. `None` without scores.
#[must_use]
pub fn likeliest(logprobs: &[f64]) -> Option<usize> {
    (0..logprobs.len()).rev().max_by(|a, b| logprobs[*a].total_cmp(&logprobs[*b]))
}

/// Divides the options' log-probabilities by the lengths of their texts in characters, as lm-eval's `acc_norm` does.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no option is that long")]
pub fn per_character(logprobs: &[f64], options: &[String]) -> Vec<f64> {
    logprobs.iter().zip(options).map(|(logprob, text)| logprob / text.chars().count().max(1) as f64).collect()
}

/// Reads the letter after the last "answer is" or "answer:", as the strict rule requires, and its byte range.
#[must_use]
pub fn strictly(text: &str, options: usize) -> Option<(usize, Range<usize>)> {
    static ANSWER_IS: LazyLock<Regex> = LazyLock::new(|| {
        let opened = r"(?:[*_$(\[{]|\\[(\[]|\\(?:boxed|text|mathbf)\{)*";
        Regex::new(&format!(r"(?i:answer\s*(?:is|:)\s*:?)\s*{opened}([A-Z])\b")).expect("the pattern is valid")
    });
    let letters = ANSWER_IS.captures_iter(text).filter_map(|found| found.get(1));
    let named = letters.filter_map(|found| Some((index(found.as_str().chars().next()?)?, found.range())));
    named.filter(|(index, _)| *index < options).last()
}

/// Options that a part of a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mention {
    /// One option, named by the letter or text in this byte range.
    One(usize, Range<usize>),
    /// Several options without a choice among them.
    Several,
    Nothing,
}

/// Reads the option that a text answers with, by the first rule that finds one, with its byte range. A text that was
/// `cut` off is read only in a box or after "the answer is".
#[must_use]
pub fn extract(
    text: &str,
    options: &[String],
    rules: &[Extraction],
    cut: bool,
) -> Option<(Extraction, usize, Range<usize>)> {
    let mut marked_done = false;
    for rule in rules {
        let mention = match rule {
            Extraction::AnswerIs | Extraction::Boxed => {
                if marked_done {
                    continue;
                }
                marked_done = true;
                match by_marks(text, options, rules, cut) {
                    Some((rule, Mention::One(index, range))) => return Some((rule, index, range)),
                    Some((_, Mention::Several)) => return None,
                    _ => Mention::Nothing,
                }
            }
            Extraction::Letter if !cut => conclusions::concluded(text, options),
            Extraction::LetterInParentheses if !cut => conclusions::in_parentheses(text, options.len()),
            Extraction::OptionText if !cut => options::named_last(text, options),
            _ => Mention::Nothing,
        };
        match mention {
            Mention::One(index, range) => return Some((*rule, index, range)),
            Mention::Several => return None,
            Mention::Nothing => {}
        }
    }
    None
}

/// Reads the last box or "the answer is" that names an option, or its correction.
fn by_marks(text: &str, options: &[String], rules: &[Extraction], cut: bool) -> Option<(Extraction, Mention)> {
    let mut marks: Vec<(Extraction, Range<usize>, Mention)> = Vec::new();
    if rules.contains(&Extraction::Boxed) {
        let boxes = place::filled_boxes(text).filter(|place| place.closed || !cut);
        let read =
            boxes.map(|place| (Extraction::Boxed, place.range.clone(), letters::mention(text, place.range, options)));
        marks.extend(read.into_iter().find(|(_, _, mention)| *mention != Mention::Nothing));
    }
    if rules.contains(&Extraction::AnswerIs) {
        let places = letters::behind_answers(text).into_iter();
        let read = places.map(|place| (Extraction::AnswerIs, place.clone(), letters::mention(text, place, options)));
        marks.extend(read.into_iter().find(|(_, _, mention)| *mention != Mention::Nothing));
    }
    let (rule, place, mention) = marks.into_iter().max_by_key(|(_, place, _)| place.start)?;
    // `It could be A or B, but I would go with B.`
    if mention == Mention::Several && rule == Extraction::AnswerIs {
        let chosen = conclusions::concluded_in(text, place.clone(), options);
        if matches!(chosen, Mention::One(..)) {
            return Some((rule, chosen));
        }
    }
    let behind = match &mention {
        Mention::One(_, range) => range.end,
        _ => place.end,
    };
    if let Some(at) = passage::correction(&text[behind..]) {
        let corrected = conclusions::concluded_in(text, behind + at..text.len(), options);
        if corrected != Mention::Nothing {
            return Some((rule, corrected));
        }
    }
    Some((rule, mention))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<char> {
        let options = ["Sputnik 1", "Luna 1", "Vostok 1", "Explorer 1"].map(String::from);
        let (_, index, _) = extract(text, &options, Extraction::usual(crate::task::Task::Choice), false)?;
        Some(letter(index))
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
            (r"the first was \boxed{1957}. The correct choice is \(\boxed{B}\).", 'B'),
            (r"Therefore it prints \[\boxed{\text{(D) Explorer 1}}\]", 'D'),
            (r"So \boxed{Luna 1}", 'B'),
            (r"\boxed{A}, no: the answer is (C).", 'C'),
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
        assert_eq!(read(r"\boxed{A rocket}"), None);
        assert_eq!(read(r"Sputnik 1 flew \boxed{96} minutes"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_letter_and_the_text_beside_it_must_agree() {
        let options = ["Sputnik 1", "Luna 1"].map(String::from);
        assert!(
            agrees("Luna 1 was first.\nThe answer is (A).", &options, 0),
            "another line says nothing of the letter"
        );
        assert!(agrees("The answer is (A) Sputnik 1.", &options, 0));
        assert!(!agrees("The answer is (A) Luna 1.", &options, 0));
        assert!(agrees("nothing", &options, 1));
        assert_eq!((index('C'), index('c')), (Some(2), None));
    }

    #[test]
    fn a_long_option_is_not_at_a_disadvantage_per_character() {
        let options = ["Luna".to_owned(), "Пилотируемый".to_owned()];
        let logprobs = [-4.0, -6.0];
        assert_eq!(likeliest(&logprobs), Some(0));
        assert_eq!(per_character(&logprobs, &options), [-1.0, -0.5]);
        assert_eq!(likeliest(&per_character(&logprobs, &options)), Some(1));
        assert_eq!(likeliest(&per_character(&[], &options)), None);
    }

    #[test]
    fn likeliest_returns_the_first_of_equals() {
        assert_eq!(likeliest(&[-3.0, -1.0, -1.0]), Some(1));
        assert_eq!(likeliest(&[]), None);
    }
}
