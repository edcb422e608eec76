//! Readable part of an output: without reasoning blocks, and only up to a new question.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::types::marks;

/// Most new questions to examine. An output with more of them is read as a whole.
const MOST_CUTS: usize = 8;

/// Text that is struck out.
static STRUCK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"~~[^~\n]{1,400}~~").expect("the pattern is valid"));

/// Openings of sentences in which a model corrects itself.
static CORRECTION: LazyLock<Regex> = LazyLock::new(|| {
    let slip = "wait|actually|correction|sorry|oops|hold on|hmm|scratch that|i meant?|on second thoughts?|my mistake|i made an? (?:mistake|error)|no,";
    let wrong = "(?:that|my (?:answer|result|calculation))(?:'s| is| was|’s) (?:wrong|incorrect|not right|not correct|a mistake)";
    let again = "let me (?:correct|fix|redo|recalculate|recompute|re-?check|double[- ]check)";
    Regex::new(&format!(
        r"(?im)(?:^|[.!?;)\-–—]\s+|[-–—,]\s*)[*_\s]*(?:but |oh,? )?(?:{slip}|{wrong}|{again})(?-u:\b)?"
    ))
    .expect("the pattern is valid")
});

/// Replaces reasoning ([`marks`]) and struck-out text by blanks, byte for byte, so that byte positions stay valid.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let struck = text.contains("~~");
    if !struck && !text.contains(['<', '[', '◁']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = vec![b' '; text.len()];
    for range in marks::visible(text) {
        bytes[range.clone()].copy_from_slice(&text.as_bytes()[range]);
    }
    if struck {
        STRUCK.find_iter(text).for_each(|found| bytes[found.range()].fill(b' '));
    }
    Cow::Owned(String::from_utf8(bytes).unwrap_or_default())
}

/// Returns the positions at which an output may continue with a new question or another speaker, in order.
#[must_use]
pub fn cuts(text: &str) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut start = 0;
    let tagged = text.bytes().any(|byte| matches!(byte, b'<' | b'['));
    let marked = text.contains("####");
    if numbers_its_parts(text) {
        return cuts;
    }
    for line in text.split_inclusive('\n') {
        if let Some(at) = cut_in(line, tagged, marked) {
            cuts.push(start + at);
            if cuts.len() > MOST_CUTS {
                return Vec::new();
            }
        }
        start += line.len();
    }
    cuts
}

/// True if a text begins with its own numbered question, as in `Question 1: …`: the next ones are parts of its
/// solution.
fn numbers_its_parts(text: &str) -> bool {
    let first = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '#' | '_'));
    let Some(rest) = ["Question", "Problem"].iter().find_map(|label| first.strip_prefix(label)) else { return false };
    let number = rest.trim_start_matches([' ', '#']);
    let behind = number.trim_start_matches(|c: char| c.is_ascii_digit());
    behind.len() < number.len() && behind.trim_start_matches(['*', '_']).starts_with([':', '.', ')'])
}

/// Returns the position at which a line begins a new question.
fn cut_in(line: &str, tagged: bool, marked: bool) -> Option<usize> {
    const LABELS: [&str; 11] = [
        "question",
        "problem",
        "q",
        "exercise",
        "human",
        "user",
        "query",
        "new question",
        "new problem",
        "next question",
        "next problem",
    ];
    const HEADINGS: [&str; 8] = ["instruction", "question", "problem", "input", "user", "human", "task", "exercise"];
    const TURNS: [&str; 11] = [
        "<|im_end|>",
        "<|im_start|>",
        "<|eot_id|>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|end|>",
        "<|user|>",
        "<end_of_turn>",
        "<start_of_turn>",
        "[INST]",
        "</s>",
    ];
    if tagged
        && let Some(open) = line.find(['<', '['])
        && let Some(at) = TURNS.iter().filter_map(|turn| line[open..].find(turn)).min()
    {
        return Some(open + at);
    }
    let bare = line.trim_start_matches([' ', '\t', '>', '*', '#', '_', '-']);
    let heading = line.trim_start().starts_with('#');
    let opening = bare.as_bytes().first()?.to_ascii_lowercase();
    if matches!(opening, b'q' | b'p' | b'e' | b'h' | b'u' | b'n' | b'i' | b't') {
        let word = |label: &str| {
            bare.get(..label.len()).filter(|head| head.eq_ignore_ascii_case(label)).map(|_| &bare[label.len()..])
        };
        let labelled = |rest: &str| {
            let rest = rest
                .trim_start_matches(|c: char| c == ' ' || c == '#' || c.is_ascii_digit())
                .trim_start_matches(['*', '_']);
            rest.starts_with([':', '：']) || (rest.starts_with(['.', ')']) && !rest[1..].trim().is_empty())
        };
        let headed = |rest: &str| !rest.starts_with(|c: char| c.is_alphabetic());
        let begins = LABELS.iter().filter_map(|label| word(label)).any(labelled)
            || heading && HEADINGS.iter().filter_map(|label| word(label)).any(headed);
        if begins {
            return Some(0);
        }
    }
    // After an answer in its own line: `#### 18 Question: …`
    if !marked {
        return None;
    }
    ["Question:", "Problem:", " Q:"]
        .iter()
        .filter_map(|label| line.find(label))
        .find(|at| *at > 0 && line[..*at].contains("####"))
}

/// Returns the position at which a text begins to correct its preceding part.
#[must_use]
pub fn correction(text: &str) -> Option<usize> {
    if text.trim().is_empty() {
        return None;
    }
    CORRECTION.find(text).map(|found| found.start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_blank_and_keeps_its_length() {
        for (text, left) in [
            ("<think>It is 9.</think>\nThe answer is 7.", "The answer is 7."),
            ("<Thinking mode=\"deep\">9</Thinking>7", "7"),
            ("so 9.</think>7", "7"),
            ("7 <think>or 9", "7"),
            ("<think>é <think>9</think> 8</think> 7", "7"),
            ("◁think▷9◁/think▷7", "7"),
            ("<|begin_of_thought|>9<|end_of_thought|>7", "7"),
            ("[THINK]9[/THINK]7", "7"),
            ("<reflection>9</reflection>7<reasoning>8</reasoning>", "7"),
            ("<|channel|>analysis<|message|>9<|end|><|channel|>final<|message|>7", "7"),
            ("a < b and c > d, 7", "a < b and c > d, 7"),
            ("~~9~~ 7", "7"),
        ] {
            let read = visible(text);
            assert_eq!((read.len(), read.trim()), (text.len(), left), "{text}");
        }
    }

    #[test]
    fn a_new_question_begins_at_its_label() {
        for (text, at) in [
            ("18\nQuestion: A robe", Some(3)),
            ("18\n**Problem 2:** A robe", Some(3)),
            ("18\n### Instruction:\nA robe", Some(3)),
            ("18\nQ: A robe", Some(3)),
            ("18<|im_end|>", Some(2)),
            ("#### 18 Question: A robe", Some(8)),
            ("Question 1: 8\nQuestion 2: 24", None),
            ("The problem: none", None),
            ("Quite: 4", None),
            ("Problems are hard", None),
        ] {
            assert_eq!(cuts(text).first().copied(), at, "{text}");
        }
    }
}
