//! Strategies written by a strong level: found after their mark, sanitised, and limited in length.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Line that separates a strong answer from the strategy after it, as prompts request it.
pub const MARK: &str = "STRATEGY:";

/// Approximate bytes per token of English text.
const BYTES_PER_TOKEN: usize = 4;

/// The mark as models write it: at the start of a line, in any case, with quotes, `#`, `*`, `>` or a number before it,
/// a qualifying word, and a colon or the line's end after it; or after a sentence in the same line, with a capital and
/// a colon.
static MARKED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?im)(?:^(?P<line>[ \t>"'“”#*_\-\[(]*(?:\d+[.)][ \t]*)?[*_#"' ]*(?:(?:the|a|my|general|reusable|key|overall)[ \t]+)?strategy[ \t]*[*_"'”\])]*[ \t]*(?::[ \t]*[*_"'”]*|[ \t]*$))|[.!?)\d][ \t]+(?P<behind>(?-i:STRATEGY|Strategy):[ \t]*))"#,
    )
    .expect("the pattern is valid")
});
/// Markup with a meaning in chat templates.
static CONTROL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)<[|｜]|</?(?:s|bos|eos|pad|unk|think|start_of_turn|end_of_turn|tool_call|tool_response)>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS)\]|<</?SYS>>",
    )
    .expect("the pattern is valid")
});
/// A tag that a model would recognise: in any case, with spaces, line breaks or attributes.
static TAG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"<\s*/?\s*([A-Za-z][A-Za-z_-]*)[^<>]*>").expect("the pattern is valid"));

/// Splits a text into the strong answer and the strategy after its mark. The strategy is `None` without a mark, or
/// without text after the mark. Of several marks, the first with text after it counts. The answer ends where the first
/// mark begins.
#[must_use]
pub fn split(text: &str) -> (&str, Option<&str>) {
    let marks: Vec<Range<usize>> = MARKED
        .captures_iter(text)
        .filter_map(|found| found.name("line").or_else(|| found.name("behind")))
        .map(|mark| mark.range())
        .collect();
    let Some(first) = marks.first() else { return (text, None) };
    let ends = marks.iter().skip(1).map(|next| next.start).chain([text.len()]);
    // If another mark follows immediately, that one is the real mark.
    let real = marks.iter().zip(ends).find(|(mark, end)| !text[mark.end..*end].trim().is_empty());
    let strategy = real.map(|(mark, _)| text[mark.end..].trim().trim_end_matches(['*', '"', '”', '_']).trim_end());
    (&text[..first.start], strategy.filter(|strategy| !strategy.is_empty()))
}

/// Reads a strategy that a model wrote in reply to a request for a strategy alone. A mark before the strategy is
/// removed. `None` for an empty text.
#[must_use]
pub fn alone(text: &str) -> Option<&str> {
    let bare = match split(text) {
        (before, Some(strategy)) if before.trim().is_empty() => strategy,
        _ => text.trim(),
    };
    (!bare.is_empty()).then_some(bare)
}

/// Returns the names of the tags in a template, sorted.
#[must_use]
pub fn tags(template: &str) -> Vec<String> {
    let mut names: Vec<String> = TAG.captures_iter(template).map(|found| found[1].to_lowercase()).collect();
    names.sort();
    names.dedup();
    names
}

/// Sanitises a text for a prompt: breaks chat-template markup by a space and replaces the bracket of the prompt's own
/// `markers`, so that the text can neither end its quotation nor begin another turn.
#[must_use]
pub fn quoted(text: &str, markers: &[String]) -> String {
    // First, since removed characters may have separated two halves of a marker.
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let broken = CONTROL.replace_all(&visible, |found: &regex::Captures| {
        let mut chars = found[0].chars();
        let first = chars.next().map(String::from).unwrap_or_default();
        format!("{first} {}", chars.as_str())
    });
    let broken = TAG.replace_all(&broken, |found: &regex::Captures| {
        let is_marker = markers.contains(&found[1].to_lowercase());
        if is_marker { found[0].replacen('<', "‹", 1) } else { found[0].to_owned() }
    });
    broken.into_owned()
}

/// True for zero bytes and other controls, byte-order and writing-direction marks, and zero-width spaces.
fn is_invisible(c: char) -> bool {
    let unseen = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    unseen || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Truncates a text to `tokens` (of four bytes each), at the end of a line or else of a word. Also returns the number
/// of removed bytes.
#[must_use]
pub fn within(text: &str, tokens: usize) -> (&str, usize) {
    let most = tokens.saturating_mul(BYTES_PER_TOKEN);
    if text.len() <= most {
        return (text, 0);
    }
    let head = &text[..text.floor_char_boundary(most)];
    let end = head.rfind('\n').or_else(|| head.rfind(' ')).unwrap_or(head.len());
    let truncated = head[..end].trim_end();
    (truncated, text.len() - truncated.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_follows_its_mark_in_any_form() {
        for marked in [
            "#### 4\nSTRATEGY:\nAdd them.",
            "#### 4\nSTRATEGY: Add them.",
            "#### 4\nStrategy:\nAdd them.",
            "#### 4\n**Strategy:** Add them.",
            "#### 4\n**STRATEGY**:\nAdd them.",
            "#### 4\n### Strategy\nAdd them.",
            "#### 4\n\n## Strategy:\n\nAdd them.\n",
            "#### 4\n2. Strategy: Add them.",
            "#### 4\n\"Strategy\": Add them.",
            "#### 4\n> strategy: Add them.",
            "#### 4\nThe strategy: Add them.",
            "#### 4\nGeneral strategy:\nAdd them.",
            "#### 4\nSTRATEGY:\nSTRATEGY:\nAdd them.",
            "#### 4\n- **Strategy**: Add them.",
            "#### 4 STRATEGY: Add them.",
        ] {
            let (answer, strategy) = split(marked);
            assert_eq!((answer.trim_end(), strategy), ("#### 4", Some("Add them.")), "{marked:?}");
        }
    }

    #[test]
    fn a_missing_or_empty_strategy_preserves_the_answer() {
        assert_eq!(split("#### 4"), ("#### 4", None));
        assert_eq!(split("#### 4\nSTRATEGY:\n  "), ("#### 4\n", None));
        assert_eq!(split("The strategy is to add. #### 4"), ("The strategy is to add. #### 4", None));
        assert_eq!(split("It is 4. The Strategy was to add"), ("It is 4. The Strategy was to add", None));
        assert_eq!(split("My plan or strategy: guess"), ("My plan or strategy: guess", None));
        assert_eq!(split("A good strategy of adding\n#### 4"), ("A good strategy of adding\n#### 4", None));
    }

    #[test]
    fn a_later_mark_belongs_to_the_strategy() {
        let (answer, strategy) = split("#### 4\nSTRATEGY: Add.\nStrategy: check.");
        assert_eq!((answer, strategy), ("#### 4\n", Some("Add.\nStrategy: check.")));
    }

    #[test]
    fn a_strategy_requested_alone_needs_no_mark() {
        assert_eq!(alone("Add them.\n"), Some("Add them."));
        assert_eq!(alone("**Strategy:** Add them."), Some("Add them."));
        assert_eq!(alone("First add.\nStrategy: then stop."), Some("First add.\nStrategy: then stop."));
        assert_eq!(alone(" \n"), None);
    }

    #[test]
    fn long_texts_are_truncated_at_a_line_or_word() {
        assert_eq!(within("one two three", 100), ("one two three", 0));
        assert_eq!(within("one two\nthree four five six", 3), ("one two", 20));
        assert_eq!(within("aaaa bbbb cccc", 3), ("aaaa bbbb", 5));
        assert_eq!(within("ééééé", 2), ("éééé", 2));
    }
}
