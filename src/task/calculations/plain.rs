//! Conversion of `LaTeX` and typographic signs to plain text.

use std::sync::LazyLock;

use regex::Regex;

/// Conversion of `LaTeX` and typographic signs to plain text.
pub(super) fn plain(text: &str) -> String {
    static FRACTION: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}").expect("the pattern is valid"));
    static TEXT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\(?:text|mathrm|mathbf|boxed)\s*\{([^{}]*)\}").expect("the pattern is valid"));
    static THOUSANDS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(\d)(?:,|\{,\}|\\,|\u{202f}|\u{2009})(\d{3})\b").expect("the pattern is valid"));
    static ANNOTATION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<<[^<>]*>>").expect("the pattern is valid"));
    // GSM8K's annotations repeat the calculation beside them.
    let text = ANNOTATION.replace_all(text, "");
    // Words within a fraction, and a fraction within a box.
    let text = TEXT.replace_all(&text, " $1 ");
    let text = FRACTION.replace_all(&text, "(($1)/($2))");
    let mut text = TEXT.replace_all(&text, " $1 ").into_owned();
    for (from, to) in [
        ("\\times", "*"),
        ("\\cdot", "*"),
        ("\\div", "/"),
        ("\\%", "%"),
        ("\\$", ""),
        ("\\left", ""),
        ("\\right", ""),
        ("\\(", " "),
        ("\\)", " "),
        ("\\[", " "),
        ("\\]", " "),
        ("×", "*"),
        ("⋅", "*"),
        ("·", "*"),
        ("÷", "/"),
        ("−", "-"),
        ("–", "-"),
        ("**", ""),
        ("$", ""),
        ("€", ""),
        ("£", ""),
    ] {
        text = text.replace(from, to);
    }
    // Twice, since the groups of a long number share their digits.
    for _ in 0..2 {
        text = THOUSANDS.replace_all(&text, "$1$2").into_owned();
    }
    text.replace("\\,", " ")
}
