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
    // Names stay whole where that leaves room for the figures.
    let third = width / 3;
    let names = rows.iter().filter_map(|row| row.first()).map(|name| name.chars().count()).max();
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(match names {
            Some(names) if names > third.into() => ColumnConstraint::Absolute(Width::Fixed(third)),
            _ => ColumnConstraint::ContentWidth,
        });
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
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if i == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
        }
    }
    text
}
