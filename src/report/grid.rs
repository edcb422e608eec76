//! Tables of texts: for a terminal, and for Markdown.

use std::fmt::Write;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, Width, presets};

/// Spaces around a cell.
const PADDING: usize = 2;
/// What stands between two columns.
const BETWEEN: usize = 1;

/// Header and rows for a terminal of `width` columns; the first `texts` columns are words, the others figures. A table that is wider is
/// parted into several, each with the columns of words, and λ, in front; no cell is broken but a name that is longer than a third of
/// the width, and headings break between words.
#[must_use]
pub fn table(rows: &[Vec<String>], texts: usize, width: u16) -> String {
    let Some(header) = rows.first() else { return String::new() };
    let room = usize::from(width);
    let total = |widths: &[usize]| widths.iter().map(|width| width + BETWEEN).sum::<usize>().saturating_sub(BETWEEN);
    let length = |text: &str| text.chars().count();
    let cells =
        |at: usize| rows[1..].iter().filter_map(move |row| row.get(at)).map(|cell| length(cell)).max().unwrap_or(0);
    let name = |at: usize| if at < texts { room / 3 } else { usize::MAX };
    let whole: Vec<usize> =
        (0..header.len()).map(|at| cells(at).max(length(&header[at])).min(name(at)) + PADDING).collect();
    if total(&whole) <= room {
        return drawn(rows, texts, &whole);
    }
    let word = |at: usize| header[at].split(' ').map(length).max().unwrap_or(0);
    let least: Vec<usize> = (0..header.len()).map(|at| cells(at).max(word(at)).min(name(at)) + PADDING).collect();
    let front = texts + usize::from(header.get(texts).is_some_and(|heading| heading == "λ"));
    let taken = total(&least[..front]);
    let (mut parts, mut used): (Vec<Vec<usize>>, usize) = (Vec::new(), room);
    for (at, wide) in least.iter().enumerate().skip(front) {
        if used + BETWEEN + wide > room || parts.is_empty() {
            parts.push((0..front).collect());
            used = taken;
        }
        used += BETWEEN + wide;
        parts.last_mut().into_iter().for_each(|part| part.push(at));
    }
    let of = |part: &Vec<usize>| {
        let chosen: Vec<Vec<String>> =
            rows.iter().map(|row| part.iter().filter_map(|at| row.get(*at).cloned()).collect()).collect();
        drawn(&chosen, texts, &part.iter().map(|at| least[*at]).collect::<Vec<_>>())
    };
    parts.iter().map(of).collect::<Vec<_>>().join("\n")
}

/// A table whose columns have these widths.
fn drawn(rows: &[Vec<String>], texts: usize, widths: &[usize]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(widths.iter().map(|width| width + BETWEEN).sum::<usize>()).unwrap_or(u16::MAX));
    let [header, body @ ..] = rows else { return String::new() };
    table.set_header(header);
    for row in body {
        table.add_row(row);
    }
    for (column, width) in table.column_iter_mut().zip(widths) {
        let width = u16::try_from(*width).unwrap_or(u16::MAX);
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Header and rows as Markdown.
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

/// Header and rows as LaTeX, for the package booktabs; the first `texts` columns are words, the others figures.
#[must_use]
pub fn latex(rows: &[Vec<String>], texts: usize) -> String {
    let [header, body @ ..] = rows else { return String::new() };
    let figures = "r".repeat(header.len().saturating_sub(texts));
    let line =
        |row: &Vec<String>| format!("{} \\\\\n", row.iter().map(|cell| escaped(cell)).collect::<Vec<_>>().join(" & "));
    let body: String = body.iter().map(line).collect();
    format!(
        "\\begin{{tabular}}{{{}{figures}}}\n\\toprule\n{}\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n",
        "l".repeat(texts.min(header.len())),
        line(header)
    )
}

/// A cell as LaTeX reads it.
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
            '∞' => text += "$\\infty$",
            '→' => text += "$\\to$",
            '±' => text += "$\\pm$",
            '<' => text += "$<$",
            '–' => text += "--",
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

    #[test]
    fn a_table_that_is_too_wide_is_parted_and_no_cell_is_broken() {
        let interval = "+30.5 [+21.9, +38.7] pp";
        let header = ["arm", "λ", "weak accuracy", "p", "change of accuracy", "strong calls", "fee"];
        let row = ["inter-cascade-random", "0.95", interval, "< 0.001", interval, interval, "-15.5 [-21.8, -9.2] %"];
        let rows = [header, row].map(|row| row.map(str::to_owned).to_vec());
        let wide = table(&rows, 1, 200);
        assert_eq!(wide.lines().filter(|line| line.contains("inter-cascade-random")).count(), 1);
        for width in [60, 80, 100] {
            let narrow = table(&rows, 1, width);
            assert!(narrow.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}:\n{narrow}");
            assert_eq!(narrow.matches(interval).count(), 3, "{narrow}");
            assert!(narrow.contains("-15.5 [-21.8, -9.2] %") && narrow.contains("< 0.001"), "{narrow}");
            let parts = narrow.lines().filter(|line| line.contains("inter-cascade-random"));
            assert!(parts.clone().count() > 1 && parts.clone().all(|line| line.contains("0.95")), "{narrow}");
        }
        assert_eq!(table(&[], 1, 80), "");
    }

    #[test]
    fn latex_is_what_people_paste() {
        let rows = [["arm", "λ", "change"], ["a_b", "0.9", "-8.1 [-12.0, +1.5] %"], ["c", "∞", "–"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let expected = "\\begin{tabular}{lrr}\n\\toprule\narm & $\\lambda$ & change \\\\\n\\midrule\n\
                        a\\_b & 0.9 & $-$8.1 [$-$12.0, +1.5] \\% \\\\\nc & $\\infty$ & -- \\\\\n\
                        \\bottomrule\n\\end{tabular}\n";
        assert_eq!(latex(&rows, 1), expected);
        assert_eq!(latex(&[], 1), "");
    }
}
