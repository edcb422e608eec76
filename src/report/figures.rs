//! Columns of figures, written down once: in full for CSV and parquet, rounded and with their intervals for Markdown, LaTeX
//! and a terminal.

use anyhow::Result;

use super::format;
use super::grid;
use super::tables::{Table, float, optional_int, text};
use crate::analysis::stats::{Estimate, Interval};

/// A column.
pub struct Column {
    /// Its name in CSV and parquet.
    key: &'static str,
    /// Its heading for people.
    heading: &'static str,
    cells: Cells,
    /// Whether a terminal does without it.
    aside: bool,
}

/// A column's cells.
enum Cells {
    /// Words.
    Text(Vec<String>),
    /// Numbers of things; none where there is none to count.
    Count(Vec<Option<usize>>),
    /// Shares in [0, 1].
    Share(Vec<Option<f64>>),
    /// Figures that are read to so many decimals.
    Number(Vec<Option<f64>>, usize),
    /// Changes as shares, with their intervals, which are written in points or percent as the column's names say.
    Change(Vec<Option<Estimate>>),
}

impl Column {
    fn new(key: &'static str, heading: &'static str, cells: Cells) -> Self {
        Self { key, heading, cells, aside: false }
    }

    /// The same column, without which a terminal does.
    #[must_use]
    pub fn aside(self) -> Self {
        Self { aside: true, ..self }
    }

    /// Words.
    pub fn text(key: &'static str, heading: &'static str, cells: impl Iterator<Item = String>) -> Self {
        Self::new(key, heading, Cells::Text(cells.collect()))
    }

    /// Numbers of things; none where there is none to count.
    pub fn count<C: Into<Option<usize>>>(
        key: &'static str,
        heading: &'static str,
        cells: impl Iterator<Item = C>,
    ) -> Self {
        Self::new(key, heading, Cells::Count(cells.map(Into::into).collect()))
    }

    /// Shares in [0, 1].
    pub fn share<F: Into<Option<f64>>>(
        key: &'static str,
        heading: &'static str,
        cells: impl Iterator<Item = F>,
    ) -> Self {
        Self::new(key, heading, Cells::Share(cells.map(Into::into).collect()))
    }

    /// Figures that are read to so many decimals.
    pub fn number<F: Into<Option<f64>>>(
        key: &'static str,
        heading: &'static str,
        decimals: usize,
        cells: impl Iterator<Item = F>,
    ) -> Self {
        Self::new(key, heading, Cells::Number(cells.map(Into::into).collect(), decimals))
    }

    /// Changes as shares, written in hundredths; `key` has a sibling for each end of the interval.
    pub fn change(key: &'static str, heading: &'static str, cells: impl Iterator<Item = Option<Estimate>>) -> Self {
        Self::new(key, heading, Cells::Change(cells.collect()))
    }
}

/// Columns of one length.
pub struct Figures {
    /// The name of the files.
    pub name: &'static str,
    /// The columns.
    pub columns: Vec<Column>,
}

impl Figures {
    /// For CSV and parquet.
    ///
    /// # Errors
    /// Where polars refuses the columns.
    pub fn table(&self) -> Result<Table> {
        let mut columns = Vec::new();
        for Column { key, cells, .. } in &self.columns {
            match cells {
                Cells::Text(words) => columns.push(text(key, words.iter().cloned())),
                Cells::Count(counts) => columns.push(optional_int(key, counts.iter().copied())),
                Cells::Share(values) | Cells::Number(values, _) => columns.push(float(key, values.iter().copied())),
                Cells::Change(changes) => {
                    columns.push(float(key, changes.iter().map(|change| Some(format::hundredths((*change)?.value)))));
                    let end = |of: fn(Interval) -> f64| {
                        changes.iter().map(move |change| Some(format::hundredths(of((*change)?.interval?))))
                    };
                    columns.push(float(&format!("{key}_low"), end(|ends| ends.low)));
                    columns.push(float(&format!("{key}_high"), end(|ends| ends.high)));
                }
            }
        }
        Table::new(self.name, columns)
    }

    /// As Markdown, with all columns.
    #[must_use]
    pub fn markdown(&self) -> String {
        grid::markdown(&rows(&self.columns.iter().collect::<Vec<_>>()))
    }

    /// As LaTeX, with all columns.
    #[must_use]
    pub fn latex(&self) -> String {
        let columns: Vec<&Column> = self.columns.iter().collect();
        grid::latex(&rows(&columns), words(&columns))
    }

    /// For a terminal of so many columns, without those that are aside.
    #[must_use]
    pub fn terminal(&self, width: u16) -> String {
        let columns: Vec<&Column> = self.columns.iter().filter(|column| !column.aside).collect();
        grid::table(&rows(&columns), words(&columns), width)
    }
}

/// How many columns of words come first.
fn words(columns: &[&Column]) -> usize {
    columns.iter().take_while(|column| matches!(column.cells, Cells::Text(_))).count()
}

/// Header and rows for people.
fn rows(columns: &[&Column]) -> Vec<Vec<String>> {
    let header = columns.iter().map(|column| column.heading.to_owned()).collect();
    let columns: Vec<Vec<String>> = columns.iter().map(|column| shown(&column.cells)).collect();
    let length = columns.first().map_or(0, Vec::len);
    let rows = (0..length).map(|row| columns.iter().map(|column| column[row].clone()).collect());
    std::iter::once(header).chain(rows).collect()
}

fn shown(cells: &Cells) -> Vec<String> {
    fn each<T>(values: &[T], tell: impl Fn(&T) -> Option<String>) -> Vec<String> {
        values.iter().map(|value| tell(value).unwrap_or_else(|| "–".to_owned())).collect()
    }
    match cells {
        Cells::Text(words) => words.clone(),
        Cells::Count(counts) => each(counts, |count| Some((*count)?.to_string())),
        Cells::Share(values) => each(values, |value| Some(format!("{:.1} %", (*value)? * 100.0))),
        Cells::Number(values, decimals) => each(values, |value| Some(format!("{:.decimals$}", (*value)?))),
        Cells::Change(changes) => each(changes, |change| change.map(format::change)),
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::DataType;

    use super::*;

    #[test]
    fn counts_are_integers_if_a_cell_is_empty_too() {
        for counts in [vec![Some(3), Some(4)], vec![Some(3), None], vec![None, None]] {
            let columns = vec![Column::count("items", "items", counts.into_iter())];
            let table = Figures { name: "test", columns }.table().expect("a column");
            assert_eq!(table.frame.column("items").expect("there").dtype(), &DataType::Int64);
        }
    }
}
