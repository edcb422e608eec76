//! The value of an arithmetic expression that a model has just written in front of an `=`, to be put in for it:
//! what a weak model computes wrongly is then right, and only what it chose to compute is its own. After the
//! calculator with which GSM8K's authors decoded (Cobbe et al. 2021, arXiv:2110.14168, appendix C).

use exmex::eval_str;

/// The longest stretch of text that is looked at as one expression, in bytes.
const LONGEST: usize = 200;
/// Beyond this an f64 no longer holds every integer.
const LARGEST: f64 = 1e15;

/// What to put in behind `text`, when it ends in an arithmetic expression and `=`: the value, with a space in front
/// where the `=` has one, and closed by `>>` where GSM8K's `<<` opened it. `None` where there is nothing to compute
/// or the value is not finite, and for `=` inside of another sign (`==`, `<=`).
///
/// An expression is two or more numbers (thousands commas, decimals and `$` allowed) with `+ - * / x × ÷` between
/// them, and parentheses; it starts behind the last character that cannot belong to one.
#[must_use]
pub fn value_for(text: &str) -> Option<String> {
    let trimmed = text.trim_end_matches(' ');
    let before = trimmed.strip_suffix('=')?;
    let spaces_after = text.len() - trimmed.len();
    let expression = tail(before);
    let ahead = &before[..before.len() - expression.len()];
    let glued = ahead.ends_with(char::is_alphanumeric) && !expression.starts_with(' ');
    if glued {
        return None;
    }
    let value = shown(eval_str::<f64>(&plain(expression, ahead)?).ok()?)?;
    let closing = if ahead.ends_with("<<") { ">>" } else { "" };
    let space = if spaces_after == 0 && before.ends_with(' ') { " " } else { "" };
    Some(format!("{space}{value}{closing}"))
}

/// The longest end of `text` whose characters can all belong to an expression and whose parentheses are closed.
fn tail(text: &str) -> &str {
    let mut start = text.len();
    let mut open = 0usize;
    let mut following = None;
    for (place, character) in text.char_indices().rev() {
        if text.len() - place > LONGEST {
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
        start = place;
    }
    &text[start..]
}

/// One part of an expression.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part<'a> {
    Number(&'a str),
    Operator(char),
    Open,
    Close,
}

/// The expression as exmex reads it; `None` unless it is a sound one with an operator in it.
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
            // A minus that belongs to the number behind it: `3 * -4`, `(-4 + 1)`, or at the very start.
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
            // A dollar sign is only ever in front of a number.
            '$' if rest[1..].starts_with(|next: char| next.is_ascii_digit() || next == '.') => 1,
            '0'..='9' | '.' => {
                let length = rest.find(|next: char| !matches!(next, '0'..='9' | '.' | ',')).unwrap_or(rest.len());
                parts.push(Part::Number(&rest[..length]));
                sound(&rest[..length]).then_some(length)?
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

/// Whether digits, commas and points make one number, its commas between groups of three.
fn sound(number: &str) -> bool {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = !whole.contains(',') || (1..=3).contains(&first.len());
    grouped && groups.all(|group| group.len() == 3) && !decimals.is_empty() && !decimals.contains(['.', ','])
}

/// An integer as one, anything else with at most four decimals.
fn shown(value: f64) -> Option<String> {
    if !value.is_finite() || value.abs() >= LARGEST {
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
        for (text, wanted) in cases {
            assert_eq!(value_for(text).as_deref(), *wanted, "{text}");
        }
    }

    #[test]
    fn the_spacing_follows_the_text() {
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
    fn the_usual_signs_are_understood() {
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
    fn values_are_short() {
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
    fn the_expression_starts_behind_what_cannot_belong_to_it() {
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
    fn nothing_is_put_in_where_nothing_is_computed() {
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
