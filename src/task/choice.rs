//! Options in answers. Scored options need no text; in a text they are found by the rules of [`Extraction`].

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::extraction::Extraction;
use super::math::boxed;

/// What a letter may be wrapped in.
const OPENED: &str = r"(?:[*_$(\[{]|\\[(\[]|\\(?:boxed|text|mathbf)\{)*";

static ANSWER_IS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(r"(?i:answer\s*(?:is|:)\s*:?)\s*{OPENED}([A-Z])\b")).expect("the pattern is valid")
});
static BOXED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!(r"^\s*{OPENED}([A-Z])(?:[^\w\s]|\s*$)")).expect("the pattern is valid"));
static OPENING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[\s*_(]*([A-Z])(?:[).:,*_]|\s*$|\s*\n)").expect("the pattern is valid"));
static IN_PARENTHESES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\(([A-Z])\)").expect("the pattern is valid"));

/// The letter of an option, from A.
#[must_use]
pub fn letter(index: usize) -> char {
    char::from(b'A' + u8::try_from(index).unwrap_or(u8::MAX - b'A').min(25))
}

/// The option that a letter names.
#[must_use]
pub fn index(letter: char) -> Option<usize> {
    letter.is_ascii_uppercase().then(|| usize::from(letter as u8 - b'A'))
}

/// Whether a text does not contradict itself: where the line that names the chosen letter names an option's text too, it
/// is that letter's.
#[must_use]
pub fn agrees(text: &str, options: &[String], chosen: usize) -> bool {
    let marked = [format!("({})", letter(chosen)), format!(" {}", letter(chosen))];
    let mut lines = text.lines().filter(|line| marked.iter().any(|mark| line.contains(mark)));
    let Some(line) = lines.next_back().map(str::to_lowercase) else { return true };
    let named = |option: &String| line.contains(&option.trim().to_lowercase());
    named(&options[chosen]) || !options.iter().any(named)
}

/// The option with the greatest log-probability, ties to the first; none where nothing was scored.
#[must_use]
pub fn likeliest(logprobs: &[f64]) -> Option<usize> {
    (0..logprobs.len()).rev().max_by(|a, b| logprobs[*a].total_cmp(&logprobs[*b]))
}

/// The options' log-probabilities over the lengths of their texts in characters, as lm-eval's `acc_norm` compares them.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no option is that long")]
pub fn per_character(logprobs: &[f64], options: &[String]) -> Vec<f64> {
    logprobs.iter().zip(options).map(|(logprob, text)| logprob / text.chars().count().max(1) as f64).collect()
}

/// The option that a text answers with, by the first rule that finds one, and where it stands.
#[must_use]
pub fn extract(text: &str, options: &[String], rules: &[Extraction]) -> Option<(usize, Range<usize>)> {
    let index = |letter: &str| {
        let index = usize::from(letter.bytes().next()? - b'A');
        (index < options.len()).then_some(index)
    };
    let last = |pattern: &Regex| {
        let letters = pattern.captures_iter(text).filter_map(|found| found.get(1));
        letters.filter_map(|letter| Some((index(letter.as_str())?, letter.range()))).last()
    };
    let option = |place: Range<usize>| {
        let plain = text[place.clone()].trim().trim_end_matches('.').to_lowercase();
        Some((options.iter().position(|option| option.trim().to_lowercase() == plain)?, place))
    };
    let opening = |place: Range<usize>| {
        let found = BOXED.captures(&text[place.clone()])?.get(1)?;
        Some((index(found.as_str())?, place.start + found.start()..place.start + found.end()))
    };
    rules.iter().find_map(|rule| match rule {
        Extraction::AnswerIs => last(&ANSWER_IS),
        Extraction::Boxed => boxed(text).and_then(|place| opening(place.clone()).or_else(|| option(place))),
        Extraction::Letter => last(&OPENING),
        Extraction::LetterInParentheses => last(&IN_PARENTHESES),
        Extraction::OptionText => option(0..text.len()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<char> {
        let options = ["Sputnik 1", "Luna 1", "Vostok 1", "Explorer 1"].map(String::from);
        let (index, _) = extract(text, &options, Extraction::usual(crate::task::Task::Choice))?;
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
    fn likeliest_takes_the_first_of_equals() {
        assert_eq!(likeliest(&[-3.0, -1.0, -1.0]), Some(1));
        assert_eq!(likeliest(&[]), None);
    }
}
