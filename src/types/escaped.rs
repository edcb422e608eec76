//! The one way in which a text of a server, a model or a data set may reach a terminal or a document: without characters
//! that a terminal obeys or that change the order of what is read.

use std::borrow::Cow;
use std::fmt::Write;

/// A text with its control characters as escapes such as `\u{1b}`; line ends and tabs stay.
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

/// The same on one line: line ends and tabs are escapes too. For names and ids within a sentence.
#[must_use]
pub fn escaped_in_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\t']) {
        Cow::Owned(escaped(text).replace('\n', "\\n").replace('\t', "\\t"))
    } else {
        escaped(text)
    }
}

/// Whether a terminal may act on a character, or a reader be misled by it: C0 and C1 controls, line and paragraph
/// separators, marks of the writing direction, and the invisible characters of tags and interlinear notes.
fn is_terminal_control(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{2028}'
        | '\u{2029}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{feff}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (text, expected) in [
            ("\u{1b}[2J\u{1b}]0;t\u{7}", r"\u{1b}[2J\u{1b}]0;t\u{7}"),
            ("\u{9b}2J", r"\u{9b}2J"),
            ("a\rb\r\nc", "a\\u{d}b\nc"),
            ("x\u{202e}y\u{2066}z\u{200f}", r"x\u{202e}y\u{2066}z\u{200f}"),
            ("\u{8}\u{7f}\0", r"\u{8}\u{7f}\u{0}"),
            ("one\n\ttwo: λ, é, 😀, 中 –", "one\n\ttwo: λ, é, 😀, 中 –"),
        ] {
            assert_eq!(escaped(text), expected);
        }
        assert_eq!(escaped_in_line("a\nb\t\u{1b}c"), r"a\nb\t\u{1b}c");
    }
}
