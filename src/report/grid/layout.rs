//! Layout of tables: the columns that fit side by side, their widths, and the positions of line breaks in texts.

use std::collections::HashSet;

/// Number of spaces between two columns of a table.
pub(super) const GAP: usize = 2;

/// Maximum number of lines of a heading, unless one of its words is wider than the column.
const HEADING_LINES: usize = 3;

/// Minimum width of a column of words that is narrowed so that all columns fit.
const NARROW: usize = 16;

/// A column with its width in a part of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// Index of the column in the rows.
    pub column: usize,
    /// Width of the column in characters.
    pub width: usize,
}

/// Returns the width of a part.
#[must_use]
pub(super) fn width_of(part: &[Placed]) -> usize {
    part.iter().map(|at| at.width).sum::<usize>() + part.len().saturating_sub(1) * GAP
}

/// True if a column holds words. The first column names the row and always counts as words; others do if a cell is not
/// a figure.
#[must_use]
pub fn is_words(rows: &[Vec<String>], column: usize) -> bool {
    let is_figure = |cell: &String| {
        let cell = cell.trim();
        cell.is_empty()
            || cell == "–"
            || cell.starts_with("none")
            || cell.starts_with("not run")
            || cell.starts_with(|first: char| first.is_ascii_digit() || "+-<∞[".contains(first))
    };
    let starts_with_a_word = |cell: &String| {
        let words = cell.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count();
        words > 2
    };
    column == 0 || rows[1..].iter().any(|row| !is_figure(&row[column]) || starts_with_a_word(&row[column]))
}

/// Splits a table with a header into parts of at most `width`. Together they have all columns; each repeats those that
/// name the row.
#[must_use]
pub(super) fn parts(rows: &[Vec<String>], width: usize) -> Vec<Vec<Placed>> {
    let count = rows[0].len();
    let whole = |column: usize| rows.iter().map(|row| measured(&row[column])).max().unwrap_or_default().max(1);
    let unbroken: Vec<Placed> = (0..count).map(|column| Placed { column, width: whole(column) }).collect();
    if width_of(&unbroken) <= width {
        return vec![unbroken];
    }
    let mut all: Vec<Placed> = (0..count).map(|column| Placed { column, width: natural(rows, column) }).collect();
    let words: Vec<usize> = (0..count).filter(|column| is_words(rows, *column)).collect();
    if width_of(&all) > width {
        narrowed(rows, &mut all, &words, width);
    }
    if width_of(&all) <= width {
        return vec![all];
    }
    let keys = keys(rows);
    let mut head: Vec<Placed> = (0..keys).map(|column| Placed { column, width: natural(rows, column) }).collect();
    while width_of(&head) > width / 2 {
        let Some(widest) = head.iter_mut().max_by_key(|at| at.width).filter(|at| at.width > 1) else { break };
        widest.width -= 1;
    }
    let room = width.saturating_sub(width_of(&head) + GAP).max(1);
    let mut parts: Vec<Vec<Placed>> = Vec::new();
    for column in keys..count {
        let mut at = Placed { column, width: natural(rows, column) };
        if at.width > room {
            at.width = room;
        }
        match parts.last_mut().filter(|part| width_of(part) + GAP + at.width <= width) {
            Some(part) => part.push(at),
            None => parts.push(head.iter().copied().chain([at]).collect()),
        }
    }
    parts
}

/// Narrows columns of words, the widest first, until all fit or all have their minimum width.
fn narrowed(rows: &[Vec<String>], all: &mut [Placed], words: &[usize], width: usize) {
    let least: Vec<usize> = (0..all.len()).map(|column| longest_piece(rows, column).max(NARROW)).collect();
    while width_of(all) > width {
        let can = |at: &&mut Placed| words.contains(&at.column) && at.width > least[at.column];
        let Some(widest) = all.iter_mut().filter(can).max_by_key(|at| at.width) else { return };
        widest.width -= 1;
    }
}

/// Returns the number of leading columns that name a row: the fewest that distinguish all rows.
fn keys(rows: &[Vec<String>]) -> usize {
    let most = rows[0].len().saturating_sub(1).clamp(1, 4);
    let distinguishes_rows = |count: &usize| {
        let names: HashSet<&[String]> = rows[1..].iter().map(|row| &row[..*count]).collect();
        names.len() == rows.len() - 1
    };
    let words = (0..most).take_while(|column| is_words(rows, *column)).count();
    (1..=most).find(distinguishes_rows).unwrap_or(words.max(1))
}

/// Returns the smallest width that breaks no cell and keeps the heading within [`HEADING_LINES`] lines.
fn natural(rows: &[Vec<String>], column: usize) -> usize {
    let cells = rows[1..].iter().map(|row| measured(&row[column])).max().unwrap_or_default();
    let heading = &rows[0][column];
    let mut width = cells.max(pieces(heading).iter().map(|piece| measured(piece)).max().unwrap_or_default()).max(1);
    while wrapped(heading, width).len() > HEADING_LINES {
        width += 1;
    }
    width
}

/// Returns the width of the widest unbreakable text in a column.
fn longest_piece(rows: &[Vec<String>], column: usize) -> usize {
    rows.iter().flat_map(|row| pieces(&row[column])).map(|piece| measured(&piece)).max().unwrap_or_default()
}

fn measured(text: &str) -> usize {
    console::measure_text_width(text)
}

/// Breaks a text into lines of at most `width` columns, between words but never within an interval or before a unit. A
/// word wider than a line is broken.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        if !line.is_empty() && measured(&line) + 1 + measured(&piece) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for character in piece.chars() {
            if !line.is_empty() && measured(&line) >= width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
    }
    lines.push(line);
    lines
}

/// Splits a text at the positions where a line break is allowed.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut open = false;
    for word in text.split_whitespace() {
        let joins = open
            || word.starts_with('[')
            || matches!(word.trim_end_matches(['.', ',', ';', ':', ')']), "%" | "pp" | "†" | "±" | "USD" | "→")
            || pieces.last().is_some_and(|last| last.ends_with('±') || last.ends_with('→'));
        match pieces.last_mut().filter(|_| joins) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => pieces.push(word.to_owned()),
        }
        open = word.rfind('[').is_some_and(|at| !word[at..].contains(']')) || (open && !word.contains(']'));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_units_stay_with_their_figure() {
        assert_eq!(pieces("fee -15.5 [-20.1, -10.0] % of all"), ["fee", "-15.5 [-20.1, -10.0] %", "of", "all"]);
        assert_eq!(pieces("50.0 % [25.0, 100.0], then"), ["50.0 % [25.0, 100.0],", "then"]);
        assert_eq!(pieces("+1.0 ± 2.0 pp"), ["+1.0 ± 2.0 pp"]);
        assert_eq!(pieces("22.7 % → 53.1 %"), ["22.7 % → 53.1 %"]);
        let lines = wrapped("The accuracy changes by +30.5 [+21.9, +38.7] pp here", 30);
        assert_eq!(lines, ["The accuracy changes by", "+30.5 [+21.9, +38.7] pp here"]);
        assert_eq!(wrapped("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn figures_are_distinguished_from_words() {
        let rows: Vec<Vec<String>> = [
            ["name", "figure", "words", "interval", "mixture"],
            ["1", "–", "yes", "none [-30, +12] %", "95 % cascade at λ 0.5"],
        ]
        .iter()
        .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
        .collect();
        assert_eq!([0, 1, 2, 3, 4].map(|column| is_words(&rows, column)), [true, false, true, false, true]);
    }
}
