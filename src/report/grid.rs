//! Text tables for a terminal, Markdown and LaTeX. Columns that do not fit side by side continue in a further table
//! below.

mod latex;
mod layout;

use std::fmt::Write;

pub use self::latex::{Caption, INTERVAL_NOTE, document, latex};
use self::layout::{GAP, Placed, parts, width_of};
pub use self::layout::{is_words, wrapped};

/// Formats header and rows for a terminal of `width` columns. Cells are not broken. Columns that do not fit continue in
/// a further part below, which repeats the columns that name the row.
#[must_use]
pub fn table(rows: &[Vec<String>], width: u16) -> String {
    if rows.len() < 2 {
        return String::new();
    }
    let parts = parts(rows, usize::from(width));
    let line = |mark: &str| mark.repeat(parts.iter().map(|part| width_of(part)).max().unwrap_or_default());
    let mut text = line("─");
    for part in &parts {
        text = text + &cells(&rows[0], part, rows) + "\n" + &line("═");
        for row in &rows[1..] {
            text += &cells(row, part, rows);
        }
        text = text + "\n" + &line("─");
    }
    text
}

/// Formats a row of a part, with a line break before each of its lines.
fn cells(row: &[String], part: &[Placed], rows: &[Vec<String>]) -> String {
    let wrapped: Vec<Vec<String>> = part.iter().map(|at| wrapped(&row[at.column], at.width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or_default();
    let mut text = String::new();
    for line in 0..height {
        let mut written = String::new();
        for (place, (cell, at)) in wrapped.iter().zip(part).enumerate() {
            let piece = cell.get(line).map_or("", String::as_str);
            let room = " ".repeat(at.width.saturating_sub(console::measure_text_width(piece)));
            let gap = " ".repeat(if place == 0 { 0 } else { GAP });
            let _ = if is_words(rows, at.column) {
                write!(written, "{gap}{piece}{room}")
            } else {
                write!(written, "{gap}{room}{piece}")
            };
        }
        text = text + "\n" + written.trim_end();
    }
    text
}

/// Formats header and rows as Markdown.
#[must_use]
pub fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', r"\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if i == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[&[&str]]) -> Vec<Vec<String>> {
        of.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    fn wide() -> Vec<Vec<String>> {
        rows(&[
            &["arm", "λ", "accuracy against strong-only", "strong calls", "fee, change", "take"],
            &["cascade", "0.95", "+30.5 [+21.9, +38.7] pp", "126", "-15.5 [-20.1, -10.0] %", "cascade at λ 0.5"],
            &["inter-cascade-random", "0.95", "–", "7", "none [-30, +12] %", "95 % cascade, 5 % weak-only"],
        ])
    }

    #[test]
    fn fitting_columns_make_one_table_with_aligned_figures() {
        let text = table(&rows(&[&["arm", "strong calls"], &["a", "126"], &["long-name", "7"]]), 80);
        let expected = "───────────────────────\n\
                        arm        strong calls\n\
                        ═══════════════════════\n\
                        a                   126\n\
                        long-name             7\n\
                        ───────────────────────";
        assert_eq!(text, expected);
        assert_eq!(table(&rows(&[&["arm"]]), 80), "");
    }

    #[test]
    fn narrow_tables_keep_columns_and_intervals_and_repeat_names() {
        for width in [48, 60, 80, 100, 200] {
            let text = table(&wide(), width);
            assert!(text.lines().all(|line| console::measure_text_width(line) <= width.into()), "{width}\n{text}");
            for whole in ["+30.5 [+21.9, +38.7] pp", "-15.5 [-20.1, -10.0] %", "none [-30, +12] %"] {
                assert!(text.contains(whole), "{width}: {whole}\n{text}");
            }
            for word in ["strong-only", "calls", "fee", "take", "126", "weak-only"] {
                assert!(text.contains(word), "{width}: {word}\n{text}");
            }
            let parts = text.matches('═').count() / text.lines().next().map_or(1, |line| line.chars().count());
            assert_eq!(text.matches("inter-cascade-random").count(), parts, "{width}\n{text}");
        }
        assert_eq!(table(&wide(), 200).matches("cascade at λ").count(), 1);
    }

    #[test]
    fn ambiguous_row_names_repeat_the_next_column_too() {
        let long = "a long heading in a table";
        let text = table(
            &rows(&[
                &["arm", "λ", long, "second figure, whose heading is long", "third"],
                &["cascade", "0.5", "+30.5 [+21.9, +38.7] pp", "+30.5 [+21.9, +38.7] pp", "1"],
                &["cascade", "0.7", "+30.5 [+21.9, +38.7] pp", "+30.5 [+21.9, +38.7] pp", "2"],
            ]),
            48,
        );
        assert!(text.matches("0.7").count() > 1, "{text}");
    }
}
