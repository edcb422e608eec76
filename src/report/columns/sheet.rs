//! Columns side by side, and every form of their views.

use anyhow::Result;

use super::{Cells, Column, FILE, Name, Style, TERMINAL, TEXT, View};
use crate::report::grid;
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

    /// As LaTeX.
    #[must_use]
    pub fn latex(&self) -> String {
        let columns = self.view(TEXT);
        grid::latex(&rows(&columns), words(&columns))
    }

    /// For a terminal of so many columns.
    #[must_use]
    pub fn terminal(&self, width: u16) -> String {
        self.terminal_of(TERMINAL, width)
    }

    /// A view for a terminal of so many columns.
    #[must_use]
    pub fn terminal_of(&self, view: View, width: u16) -> String {
        let columns = self.view(view);
        grid::table(&rows(&columns), words(&columns), width)
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

/// The number of columns of words that come first.
fn words(columns: &[(&Name, &Column)]) -> usize {
    columns.iter().take_while(|(_, column)| matches!(column.cells, Cells::Text(_))).count()
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
        assert!(terminal.contains(" 50.0 ") && !terminal.contains("cheaper"), "{terminal}");
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
