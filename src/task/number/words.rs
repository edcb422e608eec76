//! Numbers in English words: `twelve`, `minus forty-two`, `two hundred and five`, `one and a half`, `three quarters`.

use std::ops::Range;

use super::FoundNumber;
use super::value::Parts;

/// Most words of a number.
const MOST: usize = 24;

/// Returns the value of a word below a hundred.
fn small(word: &str) -> Option<i64> {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let at = |words: &[&str]| words.iter().position(|known| known.eq_ignore_ascii_case(word));
    let value = at(&UNITS).or_else(|| at(&TENS).map(|tens| (tens + 2) * 10))?;
    i64::try_from(value).ok()
}

/// Returns the value of a word that multiplies.
fn multiplier(word: &str) -> Option<i64> {
    Some(match word.to_ascii_lowercase().as_str() {
        "hundred" => 100,
        "thousand" => 1000,
        "million" => 1_000_000,
        "billion" => 1_000_000_000,
        _ => return None,
    })
}

/// Returns the denominator that a word names.
fn denominator(word: &str) -> Option<i64> {
    let word = word.to_ascii_lowercase();
    Some(match word.strip_suffix('s').unwrap_or(&word) {
        "half" | "halve" => 2,
        "third" => 3,
        "quarter" | "fourth" => 4,
        "fifth" => 5,
        "sixth" => 6,
        "seventh" => 7,
        "eighth" => 8,
        "ninth" => 9,
        "tenth" => 10,
        "hundredth" => 100,
        _ => return None,
    })
}

/// A word with its byte range.
type Word<'a> = (&'a str, Range<usize>);

/// Returns the words that only a space or a hyphen separates.
fn words(text: &str, range: Range<usize>) -> impl Iterator<Item = Word<'_>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let bytes = text.as_bytes();
        while at < range.end && !bytes[at].is_ascii_alphabetic() {
            at += 1;
        }
        let start = at;
        while at < range.end && bytes[at].is_ascii_alphabetic() {
            at += 1;
        }
        (start < at).then(|| (&text[start..at], start..at))
    })
}

/// Reads the number at the start of some words: numerator, denominator, and the number of words.
fn value(text: &str, words: &[Word]) -> Option<(i64, i64, usize)> {
    let joined = |at: usize| {
        at == 0
            || words
                .get(at)
                .is_some_and(|word| matches!(&text[words[at - 1].1.end..word.1.start], " " | "-" | "‑" | ", "))
    };
    let word = |at: usize| words.get(at).filter(|_| joined(at)).map(|word| word.0);
    let (mut total, mut current, mut length, mut tens_open) = (0_i64, None, 0, false);
    let article = word(0).is_some_and(|first| matches!(first, "a" | "A"));
    if article {
        if let Some(bottom) = word(1).and_then(denominator).filter(|bottom| *bottom == 2) {
            return Some((1, bottom, 2));
        }
        (current, length) = (Some(1), 1);
        word(1).and_then(multiplier)?;
    }
    while let Some(next) = word(length) {
        if let Some(digits) = small(next) {
            let fits = match current {
                None => true,
                Some(held) => (tens_open && digits < 10 && digits > 0) || held % 100 == 0 && held > 0,
            };
            if !fits {
                break;
            }
            tens_open = digits >= 20;
            current = Some(current.unwrap_or(0) + digits);
        } else if let Some(times) = multiplier(next).filter(|_| current.is_some()) {
            tens_open = false;
            if times == 100 {
                current = current.map(|held| held * 100);
            } else {
                total = total.checked_add(current?.checked_mul(times)?)?;
                current = Some(0);
                // `two thousand five`: what follows is added.
                if word(length + 1).is_none_or(|next| small(next).is_none() && next != "and") {
                    length += 1;
                    break;
                }
                current = None;
            }
        } else if next.eq_ignore_ascii_case("and") && length > 0 {
            let after_scale = multiplier(words[length - 1].0).is_some();
            let half = word(length + 1).is_some_and(|next| matches!(next, "a" | "one"));
            if half && let Some(bottom) = word(length + 2).and_then(denominator) {
                let whole = total + current.unwrap_or(0);
                return Some((whole * bottom + 1, bottom, length + 3));
            }
            if !after_scale || word(length + 1).and_then(small).is_none() {
                break;
            }
        } else {
            break;
        }
        length += 1;
    }
    let whole = total + current.unwrap_or(0);
    (length > usize::from(article)).then_some(())?;
    let plural = |next: &str| whole == 1 || next.ends_with('s');
    if let Some(bottom) = word(length).filter(|next| plural(next)).and_then(denominator) {
        return Some((whole, bottom, length + 1));
    }
    Some((whole, 1, length))
}

/// Returns the first number in words within a byte range.
pub(super) fn spoken(text: &str, range: Range<usize>) -> Option<FoundNumber> {
    let list: Vec<Word> = words(text, range).take(200).collect();
    (0..list.len()).find_map(|at| Some(found(&list, at, value(text, &list[at..list.len().min(at + MOST)])?)))
}

fn found(list: &[Word], at: usize, (top, bottom, length): (i64, i64, usize)) -> FoundNumber {
    let minus = at > 0 && matches!(list[at - 1].0.to_ascii_lowercase().as_str(), "minus" | "negative");
    let start = if minus { list[at - 1].1.start } else { list[at].1.start };
    let parts = Parts { negative: minus, small: Some((top, bottom)), ..Parts::default() };
    FoundNumber { range: start..list[at + length - 1].1.end, parts }
}

/// Returns the last number in words of a text's last line. A lone `one` counts only if there is no other text.
pub(super) fn last(text: &str) -> Option<FoundNumber> {
    let end = text.trim_end().len();
    let start = text[..end].rfind('\n').map_or(0, |at| at + 1);
    let found_words: Vec<Word> = words(text, start..end).take(400).collect();
    let (mut at, mut last) = (0, None);
    while at < found_words.len() {
        match value(text, &found_words[at..found_words.len().min(at + MOST)]) {
            Some(read) => {
                let alone = found_words.len() == read.2;
                let vague = read.2 == 1 && matches!(found_words[at].0.to_ascii_lowercase().as_str(), "one" | "zero");
                if alone || !vague {
                    last = Some(found(&found_words, at, read));
                }
                at += read.2;
            }
            None => at += 1,
        }
    }
    last
}
