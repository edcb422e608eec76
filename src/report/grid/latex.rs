//! A table as LaTeX: in a float with caption and label, in parts that fit a column of text.

use std::fmt::Write;

use super::layout::{Placed, is_words, parts, wrapped};

/// The characters of `\small` that fit a column of text 345 points wide, as `article` has it, with the space between columns.
const TEXT_WIDTH: usize = 74;

/// The most rows of a float; more would be longer than a page.
const ROWS: usize = 40;

/// What a file of tables needs.
const PACKAGES: &str = "% Packages: booktabs. Engines before 2018 need \\usepackage[utf8]{inputenc}, too.\n";

/// How sure figures are, for captions.
pub const SURE: &str = "In brackets 95 % bootstrap intervals over groups, unadjusted.";

/// What stands over a table in a document.
#[derive(Debug, Clone)]
pub struct Caption {
    /// The sentence over the table, as plain text.
    text: String,
    /// The label behind `tab:`.
    label: String,
}

impl Caption {
    /// The caption of a table of a run, with a label made of both names.
    #[must_use]
    pub fn new(run: &str, table: &str, text: &str) -> Self {
        let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
        let of_run = if run.is_empty() { String::new() } else { format!("{run}: ") };
        let label: String = format!("{run} {table}").trim().chars().map(plain).collect();
        Self { text: format!("{of_run}{text}"), label: label.to_lowercase() }
    }
}

/// A file of floats, with a comment that names the packages.
#[must_use]
pub fn document(floats: &[String]) -> String {
    let floats: Vec<&str> = floats.iter().map(String::as_str).filter(|float| !float.is_empty()).collect();
    format!("{PACKAGES}{}", floats.join("\n"))
}

/// Header and rows in floats for the package booktabs, one for each forty rows. A table that is too wide for a column of text
/// goes on below in the same float, with the columns that name the row repeated.
#[must_use]
pub fn latex(rows: &[Vec<String>], caption: &Caption) -> String {
    let [_, body @ ..] = rows else { return String::new() };
    if body.is_empty() {
        return String::new();
    }
    let floats: Vec<&[Vec<String>]> = body.chunks(ROWS).collect();
    let mut text = String::new();
    for (place, body) in floats.iter().enumerate() {
        let (mut over, mut label) = (escaped(&caption.text), caption.label.clone());
        if floats.len() > 1 {
            let _ = write!(over, " ({} of {})", place + 1, floats.len());
            let _ = write!(label, "-{}", place + 1);
        }
        let _ = write!(
            text,
            "\\begin{{table}}\n\\centering\n\\small\n\\setlength{{\\tabcolsep}}{{4pt}}\n\\caption{{{over}}}\n\
             \\label{{tab:{label}}}\n{}\\end{{table}}\n",
            tabulars(rows, body)
        );
    }
    text
}

/// The parts of a table, one below the other, with some of its rows.
fn tabulars(rows: &[Vec<String>], body: &[Vec<String>]) -> String {
    let part = |part: &Vec<Placed>| {
        let align = |column: usize| if is_words(rows, column) { "l" } else { "r" };
        let columns: String = part.iter().map(|at| align(at.column)).collect();
        let line = |row: &Vec<String>| {
            let cells = part.iter().map(|at| cell(&wrapped(&row[at.column], at.width), align(at.column)));
            cells.collect::<Vec<_>>().join(" & ") + " \\\\\n"
        };
        let body: String = body.iter().map(line).collect();
        format!(
            "\\begin{{tabular}}{{{columns}}}\n\\toprule\n{}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n",
            line(&rows[0])
        )
    };
    let parts: Vec<String> = parts(rows, TEXT_WIDTH).iter().map(part).collect();
    parts.join("\\par\\medskip\n")
}

/// A cell of one line, or of several, one over the other.
fn cell(lines: &[String], align: &str) -> String {
    let escaped: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
    match &escaped[..] {
        // A bracket behind the end of a row would be an argument of it.
        [line] if line.starts_with('[') => format!("{{}}{line}"),
        [line] => line.clone(),
        lines => format!("\\shortstack[{align}]{{{}}}", lines.join("\\\\")),
    }
}

/// A text as LaTeX reads it.
fn escaped(cell: &str) -> String {
    let mut text = String::new();
    for character in cell.chars() {
        match character {
            '%' | '&' | '#' | '_' | '$' | '{' | '}' => text.extend(['\\', character]),
            '\\' => text += "\\textbackslash{}",
            '~' => text += "\\textasciitilde{}",
            '^' => text += "\\textasciicircum{}",
            'λ' => text += "$\\lambda$",
            'ε' => text += "$\\varepsilon$",
            'α' => text += "$\\alpha$",
            'δ' => text += "$\\delta$",
            '∞' => text += "$\\infty$",
            '→' => text += "$\\to$",
            '±' => text += "$\\pm$",
            '×' => text += "$\\times$",
            '<' => text += "$<$",
            '>' => text += "$>$",
            '|' => text += "$|$",
            '†' => text += "\\dag{}",
            '–' => text += "--",
            '"' => text += "''",
            _ => text.push(character),
        }
    }
    // A minus, not a hyphen, before a number that has nothing before it but a bracket.
    let mut lone = text.replace("[-", "[$-$").replace(", -", ", $-$");
    if let Some(rest) = lone.strip_prefix('-').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        lone = format!("$-${rest}");
    }
    lone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[&[&str]]) -> Vec<Vec<String>> {
        of.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    fn caption() -> Caption {
        Caption::new("a_b", "results", "What came out")
    }

    #[test]
    fn a_table_is_a_float_that_people_paste() {
        let rows = rows(&[&["arm", "λ", "change"], &["a_b", "0.9", "-8.1 [-12.0, +1.5] %"], &["[c]", "∞", "–"]]);
        let expected = "\\begin{table}\n\\centering\n\\small\n\\setlength{\\tabcolsep}{4pt}\n\
                        \\caption{a\\_b: What came out}\n\\label{tab:a-b-results}\n\
                        \\begin{tabular}{lrr}\n\\toprule\narm & $\\lambda$ & change \\\\\n\\midrule\n\
                        a\\_b & 0.9 & $-$8.1 [$-$12.0, +1.5] \\% \\\\\n{}[c] & $\\infty$ & -- \\\\\n\
                        \\bottomrule\n\\end{tabular}\n\\end{table}\n";
        assert_eq!(latex(&rows, &caption()), expected);
        assert_eq!(latex(&rows[..1], &caption()), "");
        assert_eq!(document(&[expected.to_owned(), String::new()]), format!("{PACKAGES}{expected}"));
    }

    #[test]
    fn a_wide_table_goes_on_below_and_a_long_one_in_a_further_float() {
        let heading = "accuracy against strong-only, in points";
        let interval = "+30.5 [+21.9, +38.7] pp";
        let mut rows = rows(&[&["arm", heading, "second", "third", "fourth"]]);
        rows.extend((0..50).map(|place| {
            let mut row = vec![format!("arm-{place}")];
            row.extend(std::iter::repeat_n(interval.to_owned(), 4));
            row
        }));
        let text = latex(&rows, &caption());
        let count = |what: &str| text.matches(what).count();
        assert_eq!((count("\\begin{table}"), count("\\end{table}")), (2, 2), "{text}");
        assert_eq!((count("\\begin{tabular}{lrr}"), count("\\end{tabular}")), (4, 4), "{text}");
        assert_eq!(count("arm-49 &"), 2, "the name is repeated");
        assert!(text.contains("\\shortstack[r]{accuracy against\\\\strong-only, in points}"), "{text}");
        assert!(text.contains("\\label{tab:a-b-results-2}") && text.contains("(2 of 2)"), "{text}");
    }
}
