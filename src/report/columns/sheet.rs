//! Columns side by side, and every form of their views.

use anyhow::Result;

use super::glossary::meaning;
use super::{Column, FILE, Name, Style, TERMINAL, TEXT, View};
use crate::report::format::NONE;
use crate::report::grid::{self, Caption};
use crate::report::table::Table;

/// Columns of one length.
pub struct Sheet {
    /// The name of its files, if it has one view of each form.
    pub name: &'static str,
    /// The columns.
    pub columns: Vec<Column>,
}

impl Sheet {
    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.first().is_none_or(|column| column.shown(Style::Full).is_empty())
    }

    /// For CSV and parquet.
    ///
    /// # Errors
    /// If polars refuses the columns.
    pub fn table(&self) -> Result<Table> {
        self.table_of(FILE, self.name)
    }

    /// A view for CSV and parquet, under the name of its files.
    ///
    /// # Errors
    /// If polars refuses the columns.
    pub fn table_of(&self, view: View, name: &'static str) -> Result<Table> {
        Table::new(name, self.view(view).iter().flat_map(|(name, column)| column.series(&name.text)).collect())
    }

    /// As Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        self.markdown_of(TEXT)
    }

    /// A view as Markdown.
    #[must_use]
    pub fn markdown_of(&self, view: View) -> String {
        grid::markdown(&rows(&self.view(view)))
    }

    /// As LaTeX, under a caption.
    #[must_use]
    pub fn latex(&self, caption: &Caption) -> String {
        self.latex_of(TEXT, caption)
    }

    /// A view as LaTeX, under a caption.
    #[must_use]
    pub fn latex_of(&self, view: View, caption: &Caption) -> String {
        grid::latex(&rows(&self.view(view)), caption)
    }

    /// For a terminal of so many columns, with a legend of its headings.
    #[must_use]
    pub fn terminal(&self, width: u16) -> String {
        page(&[("", self)], width)
    }

    /// The headings of a view, in their order.
    #[must_use]
    pub fn headings(&self, view: View) -> Vec<&str> {
        self.view(view).into_iter().map(|(name, _)| &*name.text).collect()
    }

    /// The columns of a view in their order, each with its name there.
    fn view(&self, view: View) -> Vec<(&Name, &Column)> {
        let named = |column| Self::name_in(column, view).map(|name| (name, column));
        let mut columns: Vec<(&Name, &Column)> = self.columns.iter().filter_map(named).collect();
        columns.sort_by_key(|(name, _)| name.place.unwrap_or(usize::MAX));
        columns
    }

    fn name_in(column: &Column, view: View) -> Option<&Name> {
        column.names.iter().find(|name| name.view == view)
    }
}

/// Tables for a terminal of so many columns, each under a title that may be empty, and one legend of their headings below. A table
/// without rows is left out.
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
        meanings.push(format!("{NONE}: there is no such figure."));
    }
    if !meanings.is_empty() {
        lines.extend(grid::wrapped(&meanings.join(" "), usize::from(width)));
    }
    lines.join("\n")
}

/// Header and rows for people.
fn rows(columns: &[(&Name, &Column)]) -> Vec<Vec<String>> {
    let header = columns.iter().map(|(name, _)| name.text.clone()).collect();
    let cells: Vec<Vec<String>> = columns.iter().map(|(name, column)| column.shown(name.style)).collect();
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
            Column::optional_count([Some(3), None].into_iter()).file("cheaper_from").aside("cheaper from item"),
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
    fn each_form_is_made_from_the_same_column() {
        let sheet = sheet();
        assert_eq!(
            sheet.markdown(),
            "| accuracy | arm | cheaper from item | change |\n| --- | --- | --- | --- |\n\
             | 50.0 % | a | 3 | +12.5 [-25.0, +50.0] pp |\n| – | b | – | – |\n"
        );
        let [(_, csv), _] = sheet.table().expect("columns").files().expect("written");
        let csv = String::from_utf8(csv).expect("UTF-8");
        assert_eq!(csv, "arm,cheaper_from,accuracy,change_pp,low_pp,high_pp\na,3,0.5,12.5,-25.0,50.0\nb,,,,,\n");
        let terminal = sheet.terminal(80);
        assert!(terminal.contains("\n50.0  a\n") && !terminal.contains("cheaper"), "{terminal}");
        assert!(terminal.ends_with("–: there is no such figure."), "{terminal}");
        assert!(!sheet.is_empty() && sheet.columns.iter().all(|column| !column.says_nothing()));
    }

    #[test]
    fn counts_are_integers_if_a_cell_is_empty_too() {
        for counts in [vec![Some(3), Some(4)], vec![Some(3), None], vec![None, None]] {
            let column = Column::optional_count(counts.into_iter()).file("items");
            let table = Sheet { name: "test", columns: vec![column] }.table().expect("a column");
            assert_eq!(table.frame.column("items").expect("there").dtype(), &DataType::Int64);
        }
    }
}
