//! Answers that are no numbers: terms, intervals, lists, matrices, sets. Two answers are equal if they are written
//! alike after removing spacing, units, and sizes of fractions and brackets, as MATH's authors compare them (Hendrycks
//! et al. 2021, arXiv:2103.03874), or if their parts are equal. Nothing is solved or rearranged.

use std::sync::LazyLock;

use regex::Regex;

use super::math;

/// Deepest nesting of brackets that is compared part by part.
const DEEPEST: usize = 8;

/// True if two answers are equal.
#[must_use]
pub fn same(answer: &str, target: &str) -> bool {
    same_plain(&plain(answer), &plain(target), DEEPEST)
}

fn same_plain(answer: &str, target: &str, depth: usize) -> bool {
    if answer == target || answer.replace('~', "") == target.replace('~', "") {
        return true;
    }
    if let (Some(a), Some(b)) = (math::whole(answer), math::whole(target)) {
        return a == b;
    }
    if depth == 0 {
        return false;
    }
    let alike = |one: &[&str], other: &[&str]| {
        one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same_plain(a, b, depth - 1))
    };
    // A set has no order.
    if let (Some(one), Some(other)) = (within(answer, "\\{", "\\}"), within(target, "\\{", "\\}")) {
        let (one, mut other) = (elements(one), elements(other));
        return one.len() == other.len()
            && one.iter().all(|a| {
                let found = other.iter().position(|b| same_plain(a, b, depth - 1));
                found.map(|at| other.remove(at)).is_some()
            });
    }
    for (open, close) in [("(", ")"), ("[", "]"), ("(", "]"), ("[", ")")] {
        if let (Some(one), Some(other)) = (within(answer, open, close), within(target, open, close)) {
            return alike(&elements(one), &elements(other));
        }
    }
    let (one, other) = (elements(answer), elements(target));
    (one.len() > 1 && alike(&one, &other)) || {
        let words = |text: &str| {
            text.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '.' | '\'')) && text.chars().count() > 1
        };
        words(answer) && words(target) && answer.to_lowercase() == target.to_lowercase()
    }
}

/// Returns the content of one pair of brackets that spans the text.
fn within<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inner = text.strip_prefix(open)?.strip_suffix(close)?;
    // Not `(1,2)\cup(3,4)`.
    let mut depth = 0_i32;
    for c in inner.chars() {
        depth += i32::from(matches!(c, '(' | '[')) - i32::from(matches!(c, ')' | ']'));
        if depth < 0 {
            return None;
        }
    }
    Some(inner)
}

/// Splits a text at commas outside brackets.
fn elements(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Normalises an answer by removing notation that has several forms.
#[must_use]
pub fn plain(text: &str) -> String {
    static UNIT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(\d|\}|\\pi)\s*(?:\\[,!;: ]\s*)*\\(?:text|mathrm|mbox|textrm)\s*\{[^{}]*(?:\^\{?\d\}?[^{}]*)?\}(?:\^\{?\d\}?)?\s*$").expect("valid")
    });
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname|bm|boldsymbol)\s*\{([^{}]*)\}",
        )
        .expect("valid")
    });
    static FRACTION: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\frac(?:\{([^{}]*)\}|(\w))(?:\{([^{}]*)\}|(\w))").expect("valid"));
    static NEGATIVE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\frac\{-([A-Za-z0-9.]+|[A-Za-z0-9]*\\[a-z]+(?:\{\w+\})?)\}").expect("valid"));
    static ROOT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\sqrt(\w)").expect("valid"));
    static SLASHED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(-?)(\w+)/(\d+)$").expect("valid"));
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(?:[A-Za-z]\w?(?:\([a-z]\))?=|\(?[A-Za-z](?:,[A-Za-z])*\)?\\in|\([a-z](?:,[a-z])+\)=)")
            .expect("valid")
    });
    static BRACED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"([_^])\{(\w)\}").expect("valid"));
    static LONE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\(([A-Za-z])\)$").expect("valid"));

    let text = text.trim();
    let text = UNIT.replace(text, "$1");
    let text = WORDS.replace_all(&text, "$1");
    let text = signs(&text);
    let text = FRACTION.replace_all(&text, r"\frac{$1$2}{$3$4}");
    let text = NEGATIVE.replace_all(&text, r"-\frac{$1}");
    let text = ROOT.replace_all(&text, r"\sqrt{$1}");
    let text = BRACED.replace_all(&text, "$1$2");
    let text = NAMED.replace(&text, "");
    let text = LONE.replace(&text, "$1");
    SLASHED.replace(&text, r"$1\frac{$2}{$3}").into_owned()
}

/// Normalises the text token by token: one name for commands of equal meaning, commands for typographic signs, no
/// spaces.
fn signs(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                let letters = text[at + 1..].bytes().take_while(u8::is_ascii_alphabetic).count();
                if letters == 0 {
                    let next = chars.next().map(|(_, next)| next);
                    match next {
                        // Spaces, dollars and formula delimiters.
                        Some('!' | ',' | ';' | ':' | ' ' | '%' | '$' | '(' | ')' | '[' | ']') | None => {}
                        Some(sign) => plain.extend(['\\', sign]),
                    }
                    continue;
                }
                let name = &text[at + 1..=at + letters];
                for _ in 0..letters {
                    chars.next();
                }
                match name {
                    "left" | "right" | "big" | "Big" | "bigl" | "bigr" | "Bigl" | "Bigr" | "displaystyle" | "quad"
                    | "qquad" | "degree" | "boxed" | "limits" | "textstyle" => {}
                    "dfrac" | "tfrac" | "cfrac" => plain.push_str("\\frac"),
                    "leq" | "leqslant" => plain.push_str("\\le"),
                    "geq" | "geqslant" => plain.push_str("\\ge"),
                    "neq" => plain.push_str("\\ne"),
                    "lbrace" => plain.push_str("\\{"),
                    "rbrace" => plain.push_str("\\}"),
                    "dots" | "ldots" | "cdots" => plain.push_str("\\dots"),
                    "varnothing" | "emptyset" => plain.push_str("\\emptyset"),
                    "circ" => {
                        while plain.ends_with(['^', '{']) {
                            plain.pop();
                        }
                        if chars.peek().is_some_and(|(_, next)| *next == '}') {
                            chars.next();
                        }
                    }
                    _ => {
                        plain.push('\\');
                        plain.push_str(name);
                        // `\pi r` is not `\pir`.
                        if chars.peek().is_some_and(|(_, next)| *next == ' ') {
                            let rest = text[at + 1 + letters..].trim_start();
                            if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                                plain.push('~');
                            }
                        }
                    }
                }
            }
            '−' | '–' | '‑' | '－' => plain.push('-'),
            'π' => plain.push_str("\\pi"),
            '∞' => plain.push_str("\\infty"),
            '√' => plain.push_str("\\sqrt"),
            '×' => plain.push_str("\\times"),
            '·' | '⋅' => plain.push_str("\\cdot"),
            '≤' => plain.push_str("\\le"),
            '≥' => plain.push_str("\\ge"),
            '≠' => plain.push_str("\\ne"),
            '±' => plain.push_str("\\pm"),
            '∪' => plain.push_str("\\cup"),
            '∩' => plain.push_str("\\cap"),
            '∈' => plain.push_str("\\in"),
            '∅' => plain.push_str("\\emptyset"),
            'θ' => plain.push_str("\\theta"),
            '²' => plain.push_str("^2"),
            '³' => plain.push_str("^3"),
            '½' => plain.push_str("\\frac{1}{2}"),
            '$' | '%' | '~' | '°' => {}
            c if c.is_whitespace() => {}
            '.' if !plain.ends_with(|c: char| c.is_ascii_digit())
                && chars.peek().is_some_and(|(_, next)| next.is_ascii_digit()) =>
            {
                plain.push_str("0.");
            }
            c => plain.push(c),
        }
    }
    let end = plain.trim_end_matches(['.', ',', ';']).len();
    plain.truncate(end);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_answers_in_different_notation() {
        for (one, other) in [
            (r"\frac{3}{4}", r"\dfrac34"),
            (r"\frac{3}{4}", "3/4"),
            (r"\frac{3}{4}", "0.75"),
            (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac{\pi}{2})"),
            (r"90^\circ", "90"),
            (r"90^{\circ}", "90"),
            (r"2\sqrt3", r"2\sqrt{3}"),
            (r"\text{Evelyn}", "Evelyn"),
            (r"\text{odd}", r"\text{Odd}"),
            (r"10\%", "10"),
            (r"5 \text{ cm}", "5"),
            (r"5\,\text{cm}^2", "5"),
            (r"x = 5", "5"),
            (r"$p - q$", "p-q"),
            (r"11\sqrt{2}.", r"11\sqrt 2"),
            (r"(-\infty, 2)\cup(3,\infty)", r"\left(-\infty,2\right) \cup \left(3, \infty\right)"),
            (r"\begin{pmatrix} 1 \\ -2 \end{pmatrix}", r"\begin{pmatrix}1\\-2\end{pmatrix}"),
            (r"\{3, 1\}", r"\left\{ 1, 3 \right\}"),
            (r"x \in (0, 4]", "(0,4]"),
            (r"210_{4}", "210_4"),
            (r"3π", r"3\pi"),
            (r"\frac{-x}{7}", r"-\frac{x}{7}"),
            (r"\pi r^2", r"\pi r^{2}"),
            (r"(B)", r"\text{B}"),
            (r"(0.5, 2)", r"\left(\frac{1}{2}, 2\right)"),
            (r"x \leq 3", r"x \le 3"),
        ] {
            assert!(same(one, other), "{one} {other}: {} {}", plain(one), plain(other));
        }
    }

    #[test]
    fn different_answers_are_not_equal() {
        for (one, other) in [
            ("3,4", "34"),
            ("(1,2)", "(2,1)"),
            (r"\sqrt{2}", "2"),
            ("p-q", "p+q"),
            ("x", "y"),
            ("x", "X"),
            ("(1,2)", "[1,2]"),
            (r"\{1,2\}", r"\{1,2,2\}"),
            (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}"),
            ("1011_2", "1011_3"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
