//! Tables of texts: for a terminal, and for Markdown.

use std::fmt::Write;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, Width, presets};

/// Header and rows for a terminal of `width` columns; the first `texts` columns are words, the others figures.
#[must_use]
pub fn table(rows: &[Vec<String>], texts: usize, width: u16) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let [header, body @ ..] = rows else { return String::new() };
    table.set_header(header);
    for row in body {
        table.add_row(row);
    }
    // Names stay whole where that leaves room for the figures; the first one, at least up to a third.
    let longest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let fits = |columns: usize| (0..columns).filter_map(longest).sum::<usize>() <= usize::from(width / 3);
    let whole = if fits(texts) { texts } else { 1 };
    let constraint =
        if fits(whole) { ColumnConstraint::ContentWidth } else { ColumnConstraint::Absolute(Width::Fixed(width / 3)) };
    for column in table.column_iter_mut().take(whole) {
        column.set_constraint(constraint);
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
