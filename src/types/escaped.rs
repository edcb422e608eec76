//! Escapes for texts from servers, models and data sets. All such texts pass through this module before they reach a
//! terminal or a document, so they contain no control characters and no marks that reorder text.

use std::borrow::Cow;
use std::fmt::Write;

/// Replaces control characters by escapes such as `\u{1b}`. Line ends and tabs remain.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_terminal_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            c if is_terminal_control(c) => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Escapes control characters, line ends and tabs, for names and ids within a sentence.
#[must_use]
pub fn escaped_in_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\t']) {
        Cow::Owned(escaped(text).replace('\n', "\\n").replace('\t', "\\t"))
    } else {
        escaped(text)
    }
}

/// True if a character can control a terminal or mislead a reader: C0 and C1 controls, line and paragraph separators,
/// marks of the writing direction, spaces without width, and the invisible characters of tags and interlinear annotations.
fn is_terminal_control(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{2028}'
        | '\u{2029}'
        | '\u{61c}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{feff}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        for (text, expected) in [
            ("\u{1b}[2J\u{1b}]0;t\u{7}", r"\u{1b}[2J\u{1b}]0;t\u{7}"),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("a\rb\r\nc", "a\\u{d}b\nc"),
            ("x\u{202e}y\u{2066}z\u{200f}", r"x\u{202e}y\u{2066}z\u{200f}"),
            ("\u{8}\u{7f}\0\u{200b}\u{2060}", r"\u{8}\u{7f}\u{0}\u{200b}\u{2060}"),
            ("one\n\ttwo: λ, é, 😀, 中 –", "one\n\ttwo: λ, é, 😀, 中 –"),
        ] {
            assert_eq!(escaped(text), expected);
        }
        assert_eq!(escaped_in_line("a\nb\t\u{1b}c"), r"a\nb\t\u{1b}c");
    }
}
