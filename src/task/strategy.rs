//! What a strong level wrote for the weak one: found behind its mark, made harmless, and kept within its length.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// The line that parts a strong answer from the strategy behind it, as models are asked to write it.
pub const MARK: &str = "STRATEGY:";

/// English text has about this many bytes a token.
const BYTES_PER_TOKEN: usize = 4;

/// The mark as models write it: at the start of a line, in any case, with quotes, `#`, `*`, `>` or a number before it, a
/// qualifying word, and its colon or the line's end behind it; or behind a sentence in the same line, with a capital and a
/// colon.
static MARKED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?im)(?:^(?P<line>[ \t>"'“”#*_\-\[(]*(?:\d+[.)][ \t]*)?[*_#"' ]*(?:(?:the|a|my|general|reusable|key|overall)[ \t]+)?strategy[ \t]*[*_"'”\])]*[ \t]*(?::[ \t]*[*_"'”]*|[ \t]*$))|[.!?)\d][ \t]+(?P<behind>(?-i:STRATEGY|Strategy):[ \t]*))"#,
    )
    .expect("the pattern is valid")
});
/// Markup that chat templates give a meaning, whoever wrote it.
static CONTROL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)<[|｜]|</?(?:s|bos|eos|pad|unk|think|start_of_turn|end_of_turn|tool_call|tool_response)>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS)\]|<</?SYS>>",
    )
    .expect("the pattern is valid")
});
/// A tag as a model would still take it for one: in any case, with spaces, line breaks or attributes.
static TAG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"<\s*/?\s*([A-Za-z][A-Za-z_-]*)[^<>]*>").expect("the pattern is valid"));

/// Parts a strong answer from the strategy behind its mark, which is none where there is no mark or nothing behind it.
/// Of several marks the first one counts that has a text behind it. The answer's length tells where the mark begins.
#[must_use]
pub fn split(text: &str) -> (&str, Option<&str>) {
    let marks: Vec<Range<usize>> = MARKED
        .captures_iter(text)
        .filter_map(|found| found.name("line").or_else(|| found.name("behind")))
        .map(|mark| mark.range())
        .collect();
    let Some(first) = marks.first() else { return (text, None) };
    let ends = marks.iter().skip(1).map(|next| next.start).chain([text.len()]);
    // A further mark right behind this one is the real one.
    let real = marks.iter().zip(ends).find(|(mark, end)| !text[mark.end..*end].trim().is_empty());
    let strategy = real.map(|(mark, _)| text[mark.end..].trim().trim_end_matches(['*', '"', '”', '_']).trim_end());
    (&text[..first.start], strategy.filter(|strategy| !strategy.is_empty()))
}

/// A strategy that a model wrote by itself, in answer to the request for one: a mark before it is left out.
#[must_use]
pub fn alone(text: &str) -> Option<&str> {
    let bare = match split(text) {
        (before, Some(strategy)) if before.trim().is_empty() => strategy,
        _ => text.trim(),
    };
    (!bare.is_empty()).then_some(bare)
}

/// The names of the tags in a template.
#[must_use]
pub fn tags(template: &str) -> Vec<String> {
    let mut names: Vec<String> = TAG.captures_iter(template).map(|found| found[1].to_lowercase()).collect();
    names.sort();
    names.dedup();
    names
}

/// The text as it may stand in a prompt: markup of chat templates is broken by a space and the prompt's own `markers` get
/// another bracket, so that nothing in it can end the quotation or begin another turn.
#[must_use]
pub fn quoted(text: &str, markers: &[String]) -> String {
    // First, since what is left out may have kept two halves apart.
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

/// Zero bytes and other controls, marks of byte order and of writing direction, and spaces without width.
fn is_invisible(c: char) -> bool {
    let unseen = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    unseen || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// The text within `tokens` (of four bytes each), cut at the end of a line or else of a word; the bytes that were cut.
#[must_use]
pub fn within(text: &str, tokens: usize) -> (&str, usize) {
    let most = tokens.saturating_mul(BYTES_PER_TOKEN);
    if text.len() <= most {
        return (text, 0);
    }
    let head = &text[..text.floor_char_boundary(most)];
    let end = head.rfind('\n').or_else(|| head.rfind(' ')).unwrap_or(head.len());
    let kept = head[..end].trim_end();
    (kept, text.len() - kept.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_stands_behind_its_mark_however_it_is_written() {
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
    fn a_missing_or_empty_strategy_is_none_and_keeps_the_answer() {
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
    fn what_was_asked_for_alone_needs_no_mark() {
        assert_eq!(alone("Add them.\n"), Some("Add them."));
        assert_eq!(alone("**Strategy:** Add them."), Some("Add them."));
        assert_eq!(alone("First add.\nStrategy: then stop."), Some("First add.\nStrategy: then stop."));
        assert_eq!(alone(" \n"), None);
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_line_or_word() {
        assert_eq!(within("one two three", 100), ("one two three", 0));
        assert_eq!(within("one two\nthree four five six", 3), ("one two", 20));
        assert_eq!(within("aaaa bbbb cccc", 3), ("aaaa bbbb", 5));
        assert_eq!(within("ééééé", 2), ("éééé", 2));
    }
}
