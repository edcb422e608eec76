//! LaTeX tables: a float with caption and label, in parts that fit the width of the text.

use std::fmt::Write;

use super::layout::{Placed, is_words, parts, wrapped};

/// Number of characters in `\small` that fit a text width of 345 points, as in `article`, including the space between
/// columns.
const TEXT_WIDTH: usize = 74;

/// Maximum number of rows of a float; more would exceed a page.
const ROWS: usize = 40;

/// Comment with the packages that a file of tables needs.
const PACKAGES: &str = "% Packages: booktabs. Engines before 2018 need \\usepackage[utf8]{inputenc}, too.\n";

/// The sentence on intervals in captions.
pub const INTERVAL_NOTE: &str =
    "Brackets contain 95 % bootstrap intervals over groups, unadjusted for multiple comparisons.";

/// Caption and label of a table in a document.
#[derive(Debug, Clone)]
pub struct Caption {
    /// The caption as plain text.
    text: String,
    /// The label, without the prefix `tab:`.
    label: String,
}

impl Caption {
    /// Creates the caption of a run's table, with a label made of both names.
    #[must_use]
    pub fn new(run: &str, table: &str, text: &str) -> Self {
        let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
        let of_run = if run.is_empty() { String::new() } else { format!("{run}: ") };
        let label: String = format!("{run} {table}").trim().chars().map(plain).collect();
        Self { text: format!("{of_run}{text}"), label: label.to_lowercase() }
    }
}

/// Returns a file of floats, with a comment that names the packages.
#[must_use]
pub fn document(floats: &[String]) -> String {
    let floats: Vec<&str> = floats.iter().map(String::as_str).filter(|float| !float.is_empty()).collect();
    format!("{PACKAGES}{}", floats.join("\n"))
}

/// Formats header and rows as floats for the package booktabs, one for each forty rows. A table that is too wide for
/// the text continues below in the same float and repeats the columns that name the row.
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

/// Formats the parts of a table, one below the other, with some of its rows.
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

/// Formats a cell of one line, or of several lines on top of each other.
fn cell(lines: &[String], align: &str) -> String {
    let escaped: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
    match &escaped[..] {
        // A bracket after the end of a row would be read as its optional argument.
        [line] if line.starts_with('[') => format!("{{}}{line}"),
        [line] => line.clone(),
        lines => format!("\\shortstack[{align}]{{{}}}", lines.join("\\\\")),
    }
}

/// Escapes a text for LaTeX.
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
    // Uses a minus sign, not a hyphen, before a number at the start or after a bracket.
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
    fn a_table_becomes_a_complete_float() {
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
    fn wide_tables_continue_below_and_long_ones_in_a_new_float() {
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
