//! Answers that are no numbers: terms, intervals, lists. Two are the same where they are written alike once spacing, units,
//! sizes of fractions and brackets are left out, as MATH's authors compare them (Hendrycks et al. 2021, arXiv:2103.03874);
//! nothing is solved or rearranged.

use std::sync::LazyLock;

use regex::Regex;

use super::math;

/// Whether two answers are the same.
#[must_use]
pub fn same(answer: &str, target: &str) -> bool {
    let (answer, target) = (plain(answer), plain(target));
    answer == target || matches!((math::whole(&answer), math::whole(&target)), (Some(a), Some(b)) if a == b)
}

/// An answer without what may be written in several ways.
#[must_use]
pub fn plain(text: &str) -> String {
    static WORDS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\(?:text|mathrm|mathbf|textbf|mbox)\s*\{([^{}]*)\}").expect("valid"));
    static UNIT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(\d|\})\s*\\(?:text|mathrm|mbox)\s*\{[^{}]*\}(?:\^\{?\d\}?)?$").expect("valid"));
    static NOTHING: LazyLock<Regex> = LazyLock::new(|| {
        let signs = [
            r"\\left\b",
            r"\\right\b",
            r"\\displaystyle\b",
            r"\^\{?\\circ\}?",
            r"\\degree\b",
            r"\\[!,;: ]",
            r"\\?[%$]",
            r"\\[()\[\]]",
            "~",
        ];
        Regex::new(&signs.join("|")).expect("valid")
    });
    static BRACELESS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\\frac\s*(?:\{([^{}]*)\}|(\w))\s*(?:\{([^{}]*)\}|(\w))").expect("valid"));
    static ROOT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\sqrt\s*(\w)").expect("valid"));
    static SLASHED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(-?)(\d+)/(\d+)$").expect("valid"));
    static NAMED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[A-Za-z]\w?=").expect("valid"));

    let text = text.trim().trim_end_matches('.');
    let text = UNIT.replace(text, "$1");
    let text = WORDS.replace_all(&text, "$1");
    let text = NOTHING.replace_all(&text, "").replace("dfrac", "frac").replace("tfrac", "frac").replace('−', "-");
    let text = BRACELESS.replace_all(&text, r"\frac{$1$2}{$3$4}");
    let text = ROOT.replace_all(&text, r"\sqrt{$1}");
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let text = NAMED.replace(&text, "");
    SLASHED.replace(&text, r"$1\frac{$2}{$3}").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_written_differently() {
        for (one, other) in [
            (r"\frac{3}{4}", r"\dfrac34"),
            (r"\frac{3}{4}", "3/4"),
            (r"\frac{3}{4}", "0.75"),
            (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac{\pi}{2})"),
            (r"90^\circ", "90"),
            (r"2\sqrt3", r"2\sqrt{3}"),
            (r"\text{Evelyn}", "Evelyn"),
            (r"10\%", "10"),
            (r"5 \text{ cm}", "5"),
            (r"x = 5", "5"),
            (r"$p - q$", "p-q"),
            (r"11\sqrt{2}.", r"11\sqrt 2"),
            (r"(-\infty, 2)\cup(3,\infty)", r"\left(-\infty,2\right) \cup \left(3, \infty\right)"),
        ] {
            assert!(same(one, other), "{one} {other}: {} {}", plain(one), plain(other));
        }
    }

    #[test]
    fn others_are_others() {
        for (one, other) in [("3,4", "34"), ("(1,2)", "(2,1)"), (r"\sqrt{2}", "2"), ("p-q", "p+q"), ("x", "y")] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
