//! A sheet: columns of equal length, with every output form of their views.

use anyhow::Result;

use super::glossary::meaning;
use super::{Column, FILE, Name, Style, TERMINAL, TEXT, View};
use crate::report::format::NONE;
use crate::report::grid::{self, Caption};
use crate::report::table::Table;

/// Columns of equal length.
pub struct Sheet {
    /// Name of the files, if the sheet has one view of each form.
    pub name: &'static str,
    /// The columns.
    pub columns: Vec<Column>,
}

impl Sheet {
    /// True if the sheet has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.first().is_none_or(|column| column.formatted(Style::Full).is_empty())
    }

    /// Returns the view for CSV and parquet.
    ///
    /// # Errors
    /// If polars refuses the columns.
    pub fn table(&self) -> Result<Table> {
        self.table_of(FILE, self.name)
    }

    /// Returns a view for CSV and parquet; `name` is the name of its files.
    ///
    /// # Errors
    /// If polars refuses the columns.
    pub fn table_of(&self, view: View, name: &'static str) -> Result<Table> {
        Table::new(name, self.view(view).iter().flat_map(|(name, column)| column.series(&name.text)).collect())
    }

    /// Formats the sheet as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        self.markdown_of(TEXT)
    }

    /// Formats a view as Markdown.
    #[must_use]
    pub fn markdown_of(&self, view: View) -> String {
        grid::markdown(&rows(&self.view(view)))
    }

    /// Formats the sheet as LaTeX with a caption.
    #[must_use]
    pub fn latex(&self, caption: &Caption) -> String {
        self.latex_of(TEXT, caption)
    }

    /// Formats a view as LaTeX with a caption.
    #[must_use]
    pub fn latex_of(&self, view: View, caption: &Caption) -> String {
        grid::latex(&rows(&self.view(view)), caption)
    }

    /// Formats the sheet for a terminal of `width` columns, with a legend of its headings.
    #[must_use]
    pub fn terminal(&self, width: u16) -> String {
        page(&[("", self)], width)
    }

    /// The headings of a view, in order.
    #[must_use]
    pub fn headings(&self, view: View) -> Vec<&str> {
        self.view(view).into_iter().map(|(name, _)| &*name.text).collect()
    }

    /// The headings of a view, then its rows, formatted for people.
    #[must_use]
    pub fn cells(&self, view: View) -> Vec<Vec<String>> {
        rows(&self.view(view))
    }

    /// The headings of a view that need an explanation, each with it.
    #[must_use]
    pub fn legend(&self, view: View) -> Vec<[String; 2]> {
        let explained = |heading: &str| Some([heading.to_owned(), meaning(heading)?.to_owned()]);
        self.headings(view).into_iter().filter_map(explained).collect()
    }

    /// The columns of a view in order, each with its name in the view.
    fn view(&self, view: View) -> Vec<(&Name, &Column)> {
        let named = |column| Self::name_in(column, view).map(|name| (name, column));
        let mut columns: Vec<(&Name, &Column)> = self.columns.iter().filter_map(named).collect();
        columns.sort_by_key(|(name, _)| name.index.unwrap_or(usize::MAX));
        columns
    }

    fn name_in(column: &Column, view: View) -> Option<&Name> {
        column.names.iter().find(|name| name.view == view)
    }
}

/// Formats tables for a terminal of `width` columns, each under a title that may be empty, with one legend of all
/// headings at the end. A table without rows is left out.
#[must_use]
pub fn page(sheets: &[(&str, &Sheet)], width: u16) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut meanings: Vec<String> = Vec::new();
    let mut has_empty = false;
    for (title, sheet) in sheets.iter().filter(|(_, sheet)| !sheet.is_empty()) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        if !title.is_empty() {
            lines.push((*title).to_owned());
        }
        let rows = rows(&sheet.view(TERMINAL));
        has_empty |= rows.iter().flatten().any(|cell| cell == NONE);
        lines.push(grid::table(&rows, width));
        for heading in &rows[0] {
            let explained = meaning(heading).map(|meaning| format!("{heading}: {meaning}."));
            meanings.extend(explained.filter(|text| !meanings.contains(text)));
        }
    }
    if has_empty {
        meanings.push(format!("{NONE}: no such figure."));
    }
    if !meanings.is_empty() {
        lines.extend(grid::wrapped(&meanings.join(" "), usize::from(width)));
    }
    lines.join("\n")
}

/// Header and rows, formatted for people.
fn rows(columns: &[(&Name, &Column)]) -> Vec<Vec<String>> {
    let header = columns.iter().map(|(name, _)| name.text.clone()).collect();
    let cells: Vec<Vec<String>> = columns.iter().map(|(name, column)| column.formatted(name.style)).collect();
    let length = cells.first().map_or(0, Vec::len);
    let rows = (0..length).map(|row| cells.iter().map(|column| column[row].clone()).collect());
    std::iter::once(header).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::DataType;

    use super::*;
    use crate::analysis::stats::{Estimate, Interval};

    fn sheet() -> Sheet {
        let change = Estimate::new(0.125, Some(Interval { low: -0.25, high: 0.5 }));
        let columns = vec![
            Column::text(["a", "b"].iter().map(|arm| (*arm).to_owned())).file("arm").heading("arm"),
            Column::optional_count([Some(3), None].into_iter()).file("break_even_item").in_documents("break-even item"),
            Column::share([Some(0.5), None].into_iter())
                .file("accuracy")
                .placed(TEXT, 0, "accuracy")
                .bare(TERMINAL, 1, "%"),
            Column::points([Some(change), None].into_iter())
                .file("change_pp")
                .ends(["low_pp", "high_pp"])
                .named(TEXT, "change"),
        ];
        Sheet { name: "test", columns }
    }

    #[test]
    fn every_form_comes_from_the_same_column() {
        let sheet = sheet();
        assert_eq!(
            sheet.markdown(),
            "| accuracy | arm | break-even item | change |\n| --- | --- | --- | --- |\n\
             | 50.0 % | a | 3 | +12.5 [-25.0, +50.0] pp |\n| – | b | – | – |\n"
        );
        let [(_, csv), _] = sheet.table().expect("columns").files().expect("files");
        let csv = String::from_utf8(csv).expect("UTF-8");
        assert_eq!(csv, "arm,break_even_item,accuracy,change_pp,low_pp,high_pp\na,3,0.5,12.5,-25.0,50.0\nb,,,,,\n");
        let terminal = sheet.terminal(80);
        assert!(terminal.contains("\n50.0  a\n") && !terminal.contains("cheaper"), "{terminal}");
        assert!(terminal.ends_with("–: no such figure."), "{terminal}");
        assert!(!sheet.is_empty() && sheet.columns.iter().all(|column| !column.is_blank()));
    }

    #[test]
    fn counts_are_integers_even_with_empty_cells() {
        for counts in [vec![Some(3), Some(4)], vec![Some(3), None], vec![None, None]] {
            let column = Column::optional_count(counts.into_iter()).file("items");
            let table = Sheet { name: "test", columns: vec![column] }.table().expect("a column");
            assert_eq!(table.frame.column("items").expect("the column exists").dtype(), &DataType::Int64);
        }
    }
}
