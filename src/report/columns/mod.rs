//! Table columns. Each column is defined once, and every output form is made from its definition: full precision for
//! CSV and parquet, rounded figures with intervals for Markdown, LaTeX and the terminal. Shares stay in [0, 1] until
//! they are formatted here.

mod glossary;
mod sheet;

use polars::prelude::{Column as PolarsColumn, NamedFrom, Series};

pub use self::glossary::SHARE_OF_GAIN;
#[cfg(test)]
pub use self::glossary::is_known;
pub(super) use self::glossary::meaning;
pub use self::sheet::{Sheet, page};
use super::format;
use crate::analysis::stats::{Estimate, Interval};

/// The name of an output that contains some of a sheet's columns: a file, a table of a document, or a table on a
/// terminal.
pub type View = &'static str;

/// The view for CSV and parquet, if a sheet has only one.
pub const FILE: View = "file";
/// The view for Markdown and LaTeX, if a sheet has only one.
pub const TEXT: View = "text";
/// The view for a terminal, if a sheet has only one.
pub const TERMINAL: View = "terminal";

/// A column: its cells, and its name in each view that contains it.
pub struct Column {
    cells: Cells,
    /// Text of an empty cell for people.
    empty: &'static str,
    names: Vec<Name>,
}

/// The name of a column in a view.
struct Name {
    view: View,
    text: String,
    /// Index in the view. Columns without an index follow those with one, in the order of their definition.
    index: Option<usize>,
    style: Style,
}

/// The parts of a figure that a cell contains.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The figure with its unit and its interval.
    Full,
    /// The figure with its interval and without the unit, which is in the heading.
    Bare,
    /// The figure without unit and interval.
    Short,
}

/// The cells of a column, one per row. `None` is an empty cell in a file and a dash for people.
enum Cells {
    /// Texts.
    Text(Vec<Option<String>>),
    /// Formatted figures, only for people.
    Preformatted(Vec<String>),
    /// Counts, which are integers even if some are missing.
    Count(Vec<Option<i64>>),
    /// Yes or no.
    Flag(Vec<Option<bool>>),
    /// Numbers in full precision.
    Exact(Vec<Option<f64>>),
    /// Numbers, rounded for people to the given number of decimals.
    Number(Vec<Option<f64>>, usize),
    /// Shares in [0, 1]: unchanged in a file, in percent for people.
    Share(Vec<Option<f64>>),
    /// Changes as shares without their intervals, in hundredths in every form.
    Signed(Vec<Option<f64>>),
    /// Numbers with their intervals. A file has the ends of the intervals in separate columns.
    Estimate(Vec<Option<Estimate>>, usize),
    /// P-values.
    PValue(Vec<Option<f64>>),
    /// Changes as shares with their intervals, in hundredths in every form.
    Change { changes: Vec<Option<Estimate>>, format: fn(Estimate) -> String, ends: Option<[String; 2]> },
}

impl Column {
    fn new(cells: Cells) -> Self {
        Self { cells, empty: format::NONE, names: Vec::new() }
    }

    /// Texts.
    pub fn text<S: Into<Option<String>>>(cells: impl Iterator<Item = S>) -> Self {
        Self::new(Cells::Text(cells.map(Into::into).collect()))
    }

    /// Formatted figures, only for people.
    pub fn preformatted(cells: impl Iterator<Item = String>) -> Self {
        Self::new(Cells::Preformatted(cells.collect()))
    }

    /// Counts.
    pub fn count<C: TryInto<i64>>(cells: impl Iterator<Item = C>) -> Self {
        Self::new(Cells::Count(cells.map(|count| count.try_into().ok()).collect()))
    }

    /// Counts, some of which may be missing.
    pub fn optional_count(cells: impl Iterator<Item = Option<usize>>) -> Self {
        Self::new(Cells::Count(cells.map(|count| i64::try_from(count?).ok()).collect()))
    }

    /// Yes or no.
    pub fn flag(cells: impl Iterator<Item = Option<bool>>) -> Self {
        Self::new(Cells::Flag(cells.collect()))
    }

    /// Numbers in full precision, such as λ.
    pub fn exact<F: Into<Option<f64>>>(cells: impl Iterator<Item = F>) -> Self {
        Self::new(Cells::Exact(cells.map(Into::into).collect()))
    }

    /// Numbers, rounded for people to the given number of decimals.
    pub fn number<F: Into<Option<f64>>>(decimals: usize, cells: impl Iterator<Item = F>) -> Self {
        Self::new(Cells::Number(cells.map(Into::into).collect(), decimals))
    }

    /// Shares in [0, 1].
    pub fn share<F: Into<Option<f64>>>(cells: impl Iterator<Item = F>) -> Self {
        Self::new(Cells::Share(cells.map(Into::into).collect()))
    }

    /// Changes as shares without their intervals.
    pub fn signed(cells: impl Iterator<Item = Option<f64>>) -> Self {
        Self::new(Cells::Signed(cells.collect()))
    }

    /// Numbers with their intervals, rounded for people to `decimals` decimals.
    pub fn estimate(decimals: usize, cells: impl Iterator<Item = Option<Estimate>>) -> Self {
        Self::new(Cells::Estimate(cells.collect(), decimals))
    }

    /// P-values.
    pub fn p_value(cells: impl Iterator<Item = Option<f64>>) -> Self {
        Self::new(Cells::PValue(cells.collect()))
    }

    /// Changes as shares with their intervals. The unit is in the heading. In a file the ends of the intervals are in
    /// two more columns, `NAME_low` and `NAME_high` unless [`Self::ends`] names them.
    pub fn change(cells: impl Iterator<Item = Option<Estimate>>) -> Self {
        Self::new(Cells::Change { changes: cells.collect(), format: format::change, ends: None })
    }

    /// Changes as shares with their intervals, formatted in percentage points.
    pub fn points(cells: impl Iterator<Item = Option<Estimate>>) -> Self {
        Self::new(Cells::Change { changes: cells.collect(), format: format::points, ends: None })
    }

    /// Changes as shares with their intervals, formatted in percent.
    pub fn relative(cells: impl Iterator<Item = Option<Estimate>>) -> Self {
        Self::new(Cells::Change { changes: cells.collect(), format: format::relative, ends: None })
    }

    /// Sets the names of the columns for the low and the high end of the intervals in a file.
    #[must_use]
    pub fn ends(mut self, names: [&str; 2]) -> Self {
        if let Cells::Change { ends, .. } = &mut self.cells {
            *ends = Some(names.map(str::to_owned));
        }
        self
    }

    /// Sets the text of empty cells for people.
    #[must_use]
    pub fn empty_as(self, empty: &'static str) -> Self {
        Self { empty, ..self }
    }

    fn name(mut self, view: View, text: impl Into<String>, index: Option<usize>, style: Style) -> Self {
        self.names.push(Name { view, text: text.into(), index, style });
        self
    }

    /// Adds the column to a view under this name, after the columns that have an index there.
    #[must_use]
    pub fn named(self, view: View, text: impl Into<String>) -> Self {
        self.name(view, text, None, Style::Full)
    }

    /// Adds the column to a view under this name, at this index.
    #[must_use]
    pub fn placed(self, view: View, index: usize, text: impl Into<String>) -> Self {
        self.name(view, text, Some(index), Style::Full)
    }

    /// Adds the column to a view under a name that contains the unit, at this index.
    #[must_use]
    pub fn bare(self, view: View, index: usize, text: impl Into<String>) -> Self {
        self.name(view, text, Some(index), Style::Bare)
    }

    /// Adds the column to a view without unit and interval.
    #[must_use]
    pub fn short(self, view: View, text: impl Into<String>) -> Self {
        self.name(view, text, None, Style::Short)
    }

    /// Adds the column to CSV and parquet under this name.
    #[must_use]
    pub fn file(self, key: impl Into<String>) -> Self {
        self.named(FILE, key)
    }

    /// Adds the column to documents and the terminal under this heading.
    #[must_use]
    pub fn heading(self, heading: &str) -> Self {
        self.named(TEXT, heading).named(TERMINAL, heading)
    }

    /// Adds the column to documents, but not to the terminal, under this heading.
    #[must_use]
    pub fn in_documents(self, heading: &str) -> Self {
        self.named(TEXT, heading)
    }

    /// True if every cell is empty or a dash.
    pub(super) fn is_blank(&self) -> bool {
        self.formatted(Style::Full).iter().all(|cell| cell.is_empty() || cell == format::NONE)
    }

    /// The cells formatted for people.
    fn formatted(&self, style: Style) -> Vec<String> {
        let each = |values: &[Option<f64>], text: &dyn Fn(f64) -> String| -> Vec<String> {
            values.iter().map(|value| value.map_or_else(|| self.empty.to_owned(), text)).collect()
        };
        let of = |values: &[Option<Estimate>], text: &dyn Fn(Estimate) -> String| -> Vec<String> {
            values.iter().map(|value| value.map_or_else(|| self.empty.to_owned(), text)).collect()
        };
        let or_empty = |text: Option<String>| text.unwrap_or_else(|| self.empty.to_owned());
        match &self.cells {
            Cells::Text(words) => words.iter().cloned().map(or_empty).collect(),
            Cells::Preformatted(words) => words.clone(),
            Cells::Count(counts) => counts.iter().map(|count| or_empty(count.map(|count| count.to_string()))).collect(),
            Cells::Flag(flags) => flags.iter().map(|flag| or_empty(flag.map(|flag| flag.to_string()))).collect(),
            Cells::Exact(values) => each(values, &format::lambda),
            Cells::Number(values, decimals) => each(values, &|value| format!("{value:.decimals$}")),
            Cells::Share(shares) if style == Style::Full => each(shares, &format::percent),
            Cells::Share(shares) => each(shares, &format::bare_percent),
            Cells::Signed(shares) => each(shares, &format::signed),
            Cells::PValue(values) => each(values, &format::p_value),
            Cells::Estimate(values, decimals) => {
                of(values, &|estimate| format::number(estimate.value, estimate.interval, *decimals))
            }
            Cells::Change { changes, format, .. } => match style {
                Style::Full => of(changes, format),
                Style::Bare => of(changes, &format::change),
                Style::Short => of(changes, &|change| format::signed(change.value)),
            },
        }
    }

    /// The series of a file: one, or three if the ends of intervals are included.
    fn series(&self, key: &str) -> Vec<PolarsColumn> {
        let floats = |key: &str, values: Vec<Option<f64>>| Series::new(key.into(), values).into();
        let hundredths = |share: f64| format::hundredths(share);
        match &self.cells {
            Cells::Text(words) => vec![Series::new(key.into(), words.clone()).into()],
            Cells::Preformatted(words) => vec![Series::new(key.into(), words.clone()).into()],
            Cells::Count(counts) => vec![Series::new(key.into(), counts.clone()).into()],
            Cells::Flag(flags) => vec![Series::new(key.into(), flags.clone()).into()],
            Cells::Exact(values) | Cells::Number(values, _) | Cells::Share(values) | Cells::PValue(values) => {
                vec![floats(key, values.clone())]
            }
            Cells::Signed(shares) => vec![floats(key, shares.iter().map(|share| share.map(hundredths)).collect())],
            Cells::Estimate(values, _) => {
                vec![floats(key, values.iter().map(|value| value.map(|value| value.value)).collect())]
            }
            Cells::Change { changes, ends, .. } => {
                let [low, high] = ends.clone().unwrap_or_else(|| [format!("{key}_low"), format!("{key}_high")]);
                let values = changes.iter().map(|change| Some(hundredths((*change)?.value))).collect();
                let end = |of: fn(Interval) -> f64| {
                    changes.iter().map(|change| Some(hundredths(of((*change)?.interval?)))).collect()
                };
                vec![floats(key, values), floats(&low, end(|ends| ends.low)), floats(&high, end(|ends| ends.high))]
            }
        }
    }
}
