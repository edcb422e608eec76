//! Calculator for generation: computes the arithmetic expression that a model has just written before an `=`. The
//! value replaces the model's own continuation, so the model chooses the calculation and the calculator performs it.
//! Follows the decoding of GSM8K's authors (Cobbe et al. 2021, arXiv:2110.14168, appendix C).

use exmex::eval_str;

/// Maximum length of an expression, in bytes.
const MAX_LEN: usize = 200;
/// Bound on values: above it an f64 does not represent every integer.
const MAX_VALUE: f64 = 1e15;

/// Returns the text to insert after `text` if `text` ends in an arithmetic expression and `=`. The inserted text is
/// the value, after a space if a space precedes the `=`, and followed by `>>` if GSM8K's `<<` opens the expression.
/// `None` if there is nothing to compute, if the value is not finite, and for an `=` in another sign (`==`, `<=`).
///
/// An expression consists of two or more numbers (thousands commas, decimals and `$` are allowed), the signs
/// `+ - * / x × ÷` between them, and parentheses. It starts after the last character that cannot be part of an
/// expression.
#[must_use]
pub fn value_for(text: &str) -> Option<String> {
    let trimmed = text.trim_end_matches(' ');
    let before = trimmed.strip_suffix('=')?;
    let spaces_after = text.len() - trimmed.len();
    let expression = tail(before);
    let ahead = &before[..before.len() - expression.len()];
    let is_glued = ahead.ends_with(char::is_alphanumeric) && !expression.starts_with(' ');
    if is_glued {
        return None;
    }
    let value = format_value(eval_str::<f64>(&plain(expression, ahead)?).ok()?)?;
    let closing = if ahead.ends_with("<<") { ">>" } else { "" };
    let space = if spaces_after == 0 && before.ends_with(' ') { " " } else { "" };
    Some(format!("{space}{value}{closing}"))
}

/// Returns the longest suffix of `text` whose characters can all be part of an expression and whose parentheses are
/// closed.
fn tail(text: &str) -> &str {
    let mut start = text.len();
    let mut open = 0usize;
    let mut following = None;
    for (index, character) in text.char_indices().rev() {
        if text.len() - index > MAX_LEN {
            break;
        }
        let digit_follows = following.is_some_and(|next: char| next.is_ascii_digit());
        let belongs = match character {
            '0'..='9' | ' ' | '+' | '-' | '*' | '/' | '×' | '÷' | 'x' | '$' => true,
            '.' | ',' => digit_follows,
            ')' => {
                open += 1;
                true
            }
            '(' if open > 0 => {
                open -= 1;
                true
            }
            _ => false,
        };
        if !belongs {
            break;
        }
        following = Some(character);
        start = index;
    }
    &text[start..]
}

/// Part of an expression.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part<'a> {
    Number(&'a str),
    Operator(char),
    Open,
    Close,
}

/// Returns the expression in the syntax of exmex. `None` if the expression is malformed or has no operator.
fn plain(expression: &str, ahead: &str) -> Option<String> {
    let parts = parts(expression)?;
    let signed_start = matches!(parts.first(), Some(Part::Operator('-')))
        && !expression.trim_start().starts_with("- ")
        && (ahead.is_empty() || ahead.ends_with(['\n', ':', '=', '(', '<']));
    let mut plain = String::new();
    let (mut depth, mut operators) = (0usize, 0usize);
    let mut previous = None;
    for (index, part) in parts.iter().enumerate() {
        let after_value = matches!(previous, Some(Part::Number(_) | Part::Close));
        match *part {
            Part::Number(number) if !after_value => plain.push_str(&number.replace(',', "")),
            Part::Open if !after_value => {
                depth += 1;
                plain.push('(');
            }
            Part::Close if after_value => {
                depth = depth.checked_sub(1)?;
                plain.push(')');
            }
            Part::Operator(sign) if after_value => {
                operators += 1;
                plain.push(sign);
            }
            // A minus that belongs to the next number: `3 * -4`, `(-4 + 1)`, or at the very start.
            Part::Operator('-')
                if matches!(parts.get(index + 1), Some(Part::Number(_)))
                    && (signed_start || index > 0)
                    && !matches!(previous, Some(Part::Operator('-'))) =>
            {
                plain.push('-');
            }
            _ => return None,
        }
        previous = Some(*part);
    }
    let complete = matches!(previous, Some(Part::Number(_) | Part::Close)) && depth == 0;
    (complete && operators > 0).then_some(plain)
}

fn parts(expression: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = expression;
    while let Some(character) = rest.chars().next() {
        let length = match character {
            ' ' => 1,
            // A dollar sign is valid only before a number.
            '$' if rest[1..].starts_with(|next: char| next.is_ascii_digit() || next == '.') => 1,
            '0'..='9' | '.' => {
                let length = rest.find(|next: char| !matches!(next, '0'..='9' | '.' | ',')).unwrap_or(rest.len());
                parts.push(Part::Number(&rest[..length]));
                is_well_formed(&rest[..length]).then_some(length)?
            }
            '(' | ')' => {
                parts.push(if character == '(' { Part::Open } else { Part::Close });
                1
            }
            '+' | '-' | '*' | '/' => {
                parts.push(Part::Operator(character));
                1
            }
            'x' | '×' => {
                parts.push(Part::Operator('*'));
                character.len_utf8()
            }
            '÷' => {
                parts.push(Part::Operator('/'));
                character.len_utf8()
            }
            _ => return None,
        };
        rest = &rest[length..];
    }
    Some(parts)
}

/// Returns true if digits, commas and points form one number with commas between groups of three digits.
fn is_well_formed(number: &str) -> bool {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = !whole.contains(',') || (1..=3).contains(&first.len());
    grouped && groups.all(|group| group.len() == 3) && !decimals.is_empty() && !decimals.contains(['.', ','])
}

/// Formats an integer without decimals, and any other value with at most four. `None` if the value is not finite, too
/// large, or too small for four decimals.
fn format_value(value: f64) -> Option<String> {
    if !value.is_finite() || value.abs() >= MAX_VALUE {
        return None;
    }
    let nearest = value.round();
    if (value - nearest).abs() <= 1e-9 * value.abs().max(1.0) {
        // Adding zero turns -0 into 0.
        return Some(format!("{:.0}", nearest + 0.0));
    }
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    // Too small for four decimals: no value is better than a wrong one.
    (!matches!(text, "0" | "-0")).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::value_for;

    fn check(cases: &[(&str, Option<&str>)]) {
        for (text, expected) in cases {
            assert_eq!(value_for(text).as_deref(), *expected, "{text}");
        }
    }

    #[test]
    fn spacing_follows_the_text() {
        check(&[
            ("12*4=", Some("48")),
            ("12 * 4 =", Some(" 48")),
            ("12 * 4 = ", Some("48")),
            ("12*4= ", Some("48")),
            ("<<12*4=", Some("48>>")),
            ("She pays $<<12*4=", Some("48>>")),
            ("She pays 12 * 4 =", Some(" 48")),
        ]);
    }

    #[test]
    fn common_operators_are_evaluated() {
        check(&[
            ("2 + 3 =", Some(" 5")),
            ("2 - 3 =", Some(" -1")),
            ("2 - 3 - 4 =", Some(" -5")),
            ("48/2=", Some("24")),
            ("48 / 2 / 2 =", Some(" 12")),
            ("2 + 3 * 4 =", Some(" 14")),
            ("(2 + 3) * 4 =", Some(" 20")),
            ("2 * (3 + (4 - 1)) =", Some(" 12")),
            ("4 x 5 =", Some(" 20")),
            ("4x5=", Some("20")),
            ("4 × 5 =", Some(" 20")),
            ("20 ÷ 8 =", Some(" 2.5")),
            ("3 * -4 =", Some(" -12")),
            ("-4 + 1 =", Some(" -3")),
            ("8 - -2 =", None),
        ]);
    }

    #[test]
    fn numbers_may_carry_commas_decimals_and_dollars() {
        check(&[
            ("1,200 * 3 =", Some(" 3600")),
            ("1,234,567 + 1 =", Some(" 1234568")),
            ("$5.50 + $4.50 =", Some(" 10")),
            ("$1,000.25 * 2 =", Some(" 2000.5")),
            (".5 * 4 =", Some(" 2")),
            ("12,34 + 1 =", None),
            ("1.2.3 + 1 =", None),
            ("5 $ * 2 =", None),
        ]);
    }

    #[test]
    fn values_have_at_most_four_decimals() {
        check(&[
            ("10 / 3 =", Some(" 3.3333")),
            ("2 / 3 =", Some(" 0.6667")),
            ("0.1 + 0.2 =", Some(" 0.3")),
            ("0.1 * 3 * 10 =", Some(" 3")),
            ("0 * -4 =", Some(" 0")),
            ("1 / 1000000 =", None),
            ("999999999999 * 999999999999 =", None),
            ("5 / 0 =", None),
            ("0 / 0 =", None),
        ]);
    }

    #[test]
    fn expression_starts_after_foreign_characters() {
        check(&[
            ("3 + 4 = 7 + 2 =", Some(" 9")),
            ("3 + 4 = 7 =", None),
            ("There are 10.\n3 + 4 =", Some(" 7")),
            ("That is 5. 3 + 4 =", Some(" 7")),
            ("in 2020, 3 + 4 =", Some(" 7")),
            ("(3 + 4 =", Some(" 7")),
            ("Total: -4 + 6 =", Some(" 2")),
            ("is -4 + 6 =", None),
            ("item A12 + 4 =", None),
            ("Total:-4 + 6 =", Some(" 2")),
            ("12 apples + 4 =", None),
            ("5 + x =", None),
            ("x + 5 * 2 =", None),
            ("n - 5 * 2 =", None),
            ("20% * 50 =", None),
            ("box 4 * 3 =", None),
            ("1) 3 + 4 =", None),
            ("2020 3 + 4 =", None),
        ]);
    }

    #[test]
    fn no_value_without_an_expression() {
        check(&[
            ("", None),
            ("=", None),
            ("12 * 4", None),
            ("12 * 4 = 48", None),
            ("12*4=48>>", None),
            ("12 * =", None),
            ("* 4 =", None),
            ("5 =", None),
            ("(5) =", None),
            ("12 * 4 ==", None),
            ("12 * 4 <=", None),
            ("2**3=", None),
            ("() =", None),
            ("2 + () =", None),
            ("2 (3) =", None),
            ("12 * 4 =\n", None),
            ("answer = ", None),
        ]);
    }
}
