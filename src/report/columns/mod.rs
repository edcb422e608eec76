//! One definition per column, from which every form is made: in full for CSV and parquet, rounded and with intervals for
//! Markdown, LaTeX and a terminal. Shares stay shares up to here.

mod glossary;
mod sheet;

use polars::prelude::{Column as Written, NamedFrom, Series};

pub use self::glossary::SHARE_OF_GAIN;
#[cfg(test)]
pub use self::glossary::is_known;
pub use self::sheet::{Sheet, page};
use super::format;
use crate::analysis::stats::{Estimate, Interval};

/// A place where some of a sheet's columns are shown, by its name: a file, a table of a document, a table on a terminal.
pub type View = &'static str;

/// The view for CSV and parquet, if a sheet has only one.
pub const FILE: View = "file";
/// The view for Markdown and LaTeX, if a sheet has only one.
pub const TEXT: View = "text";
/// The view for a terminal, if a sheet has only one.
pub const TERMINAL: View = "terminal";

/// A column: its cells, and its name in each view that shows it.
pub struct Column {
    cells: Cells,
    /// What people read in an empty cell.
    empty: &'static str,
    names: Vec<Name>,
}

/// The name of a column in a view.
struct Name {
    view: View,
    text: String,
    /// The place in the view. Columns without one follow those with one, in the order of their definition.
    place: Option<usize>,
    style: Style,
}

/// How much a cell shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The figure with its unit and its interval.
    Full,
    /// The figure without the unit, which the heading has.
    Bare,
    /// The figure alone, without unit and interval.
    Short,
}

/// The cells of a column, one per row; `None` is an empty cell in a file and a dash for people.
enum Cells {
    /// Words.
    Text(Vec<Option<String>>),
    /// Figures that are written already, for people alone.
    Written(Vec<String>),
    /// Counts; integers whatever the data.
    Count(Vec<Option<i64>>),
    /// Yes or no.
    Flag(Vec<Option<bool>>),
    /// Numbers that people read in full.
    Exact(Vec<Option<f64>>),
    /// Numbers that people read to so many decimals.
    Number(Vec<Option<f64>>, usize),
    /// Shares in [0, 1]: as they are in a file, in percent for people.
    Share(Vec<Option<f64>>),
    /// Changes as shares, without their intervals: in hundredths everywhere.
    Signed(Vec<Option<f64>>),
    /// Numbers with their intervals, which a file has in columns of their own.
    Sure(Vec<Option<Estimate>>, usize),
    /// P-values.
    PValue(Vec<Option<f64>>),
    /// Changes as shares with their intervals, in hundredths everywhere.
    Change { changes: Vec<Option<Estimate>>, shown: fn(Estimate) -> String, ends: Option<[String; 2]> },
}

impl Column {
    fn new(cells: Cells) -> Self {
        Self { cells, empty: format::NONE, names: Vec::new() }
    }

    /// Words.
    pub fn text<S: Into<Option<String>>>(cells: impl Iterator<Item = S>) -> Self {
        Self::new(Cells::Text(cells.map(Into::into).collect()))
    }

    /// Figures that are written already, for people alone.
    pub fn written(cells: impl Iterator<Item = String>) -> Self {
        Self::new(Cells::Written(cells.collect()))
    }

    /// Counts.
    pub fn count<C: TryInto<i64>>(cells: impl Iterator<Item = C>) -> Self {
        Self::new(Cells::Count(cells.map(|count| count.try_into().ok()).collect()))
    }

    /// Counts of what need not be there to be counted.
    pub fn optional_count(cells: impl Iterator<Item = Option<usize>>) -> Self {
        Self::new(Cells::Count(cells.map(|count| i64::try_from(count?).ok()).collect()))
    }

    /// Yes or no.
    pub fn flag(cells: impl Iterator<Item = Option<bool>>) -> Self {
        Self::new(Cells::Flag(cells.collect()))
    }

    /// Numbers that people read in full, such as λ.
    pub fn exact<F: Into<Option<f64>>>(cells: impl Iterator<Item = F>) -> Self {
        Self::new(Cells::Exact(cells.map(Into::into).collect()))
    }

    /// Numbers that people read to so many decimals.
    pub fn number<F: Into<Option<f64>>>(decimals: usize, cells: impl Iterator<Item = F>) -> Self {
        Self::new(Cells::Number(cells.map(Into::into).collect(), decimals))
    }

    /// Shares in [0, 1].
    pub fn share<F: Into<Option<f64>>>(cells: impl Iterator<Item = F>) -> Self {
        Self::new(Cells::Share(cells.map(Into::into).collect()))
    }

    /// Changes as shares, without their intervals.
    pub fn signed(cells: impl Iterator<Item = Option<f64>>) -> Self {
        Self::new(Cells::Signed(cells.collect()))
    }

    /// Numbers with their intervals, to so many decimals.
    pub fn sure(decimals: usize, cells: impl Iterator<Item = Option<Estimate>>) -> Self {
        Self::new(Cells::Sure(cells.collect(), decimals))
    }

    /// P-values.
    pub fn p_value(cells: impl Iterator<Item = Option<f64>>) -> Self {
        Self::new(Cells::PValue(cells.collect()))
    }

    /// Changes as shares with their intervals, whose unit is in the heading. In a file the ends of the intervals are in two further
    /// columns, `NAME_low` and `NAME_high` unless [`Self::ends`] names them.
    pub fn change(cells: impl Iterator<Item = Option<Estimate>>) -> Self {
        Self::new(Cells::Change { changes: cells.collect(), shown: format::change, ends: None })
    }

    /// The same, shown with their unit, percentage points.
    pub fn points(cells: impl Iterator<Item = Option<Estimate>>) -> Self {
        Self::new(Cells::Change { changes: cells.collect(), shown: format::points, ends: None })
    }

    /// The same, shown with their unit, percent.
    pub fn relative(cells: impl Iterator<Item = Option<Estimate>>) -> Self {
        Self::new(Cells::Change { changes: cells.collect(), shown: format::relative, ends: None })
    }

    /// The same changes with these names for the ends of the intervals.
    #[must_use]
    pub fn ends(mut self, names: [&str; 2]) -> Self {
        if let Cells::Change { ends, .. } = &mut self.cells {
            *ends = Some(names.map(str::to_owned));
        }
        self
    }

    /// The same column with this text for people in its empty cells.
    #[must_use]
    pub fn or(self, empty: &'static str) -> Self {
        Self { empty, ..self }
    }

    fn name(mut self, view: View, text: impl Into<String>, place: Option<usize>, style: Style) -> Self {
        self.names.push(Name { view, text: text.into(), place, style });
        self
    }

    /// The same column, shown in a view under this name, after the columns that have a place there.
    #[must_use]
    pub fn named(self, view: View, text: impl Into<String>) -> Self {
        self.name(view, text, None, Style::Full)
    }

    /// The same column, shown in a view under this name at this place.
    #[must_use]
    pub fn placed(self, view: View, place: usize, text: impl Into<String>) -> Self {
        self.name(view, text, Some(place), Style::Full)
    }

    /// The same column, shown in a view under a name that holds the unit, at a place there.
    #[must_use]
    pub fn bare(self, view: View, place: usize, text: impl Into<String>) -> Self {
        self.name(view, text, Some(place), Style::Bare)
    }

    /// The same column, shown in a view without unit and interval.
    #[must_use]
    pub fn short(self, view: View, text: impl Into<String>) -> Self {
        self.name(view, text, None, Style::Short)
    }

    /// The same column with this name in CSV and parquet.
    #[must_use]
    pub fn file(self, key: impl Into<String>) -> Self {
        self.named(FILE, key)
    }

    /// The same column with this heading for people.
    #[must_use]
    pub fn heading(self, heading: &str) -> Self {
        self.named(TEXT, heading).named(TERMINAL, heading)
    }

    /// The same column with this heading in documents, without which a terminal does.
    #[must_use]
    pub fn aside(self, heading: &str) -> Self {
        self.named(TEXT, heading)
    }

    /// Whether no row has something to show.
    pub(super) fn says_nothing(&self) -> bool {
        self.shown(Style::Full).iter().all(|cell| cell.is_empty() || cell == format::NONE)
    }

    /// The cells as people read them.
    fn shown(&self, style: Style) -> Vec<String> {
        let each = |values: &[Option<f64>], text: &dyn Fn(f64) -> String| -> Vec<String> {
            values.iter().map(|value| value.map_or_else(|| self.empty.to_owned(), text)).collect()
        };
        let of = |values: &[Option<Estimate>], text: &dyn Fn(Estimate) -> String| -> Vec<String> {
            values.iter().map(|value| value.map_or_else(|| self.empty.to_owned(), text)).collect()
        };
        let or_empty = |text: Option<String>| text.unwrap_or_else(|| self.empty.to_owned());
        match &self.cells {
            Cells::Text(words) => words.iter().cloned().map(or_empty).collect(),
            Cells::Written(words) => words.clone(),
            Cells::Count(counts) => counts.iter().map(|count| or_empty(count.map(|count| count.to_string()))).collect(),
            Cells::Flag(flags) => flags.iter().map(|flag| or_empty(flag.map(|flag| flag.to_string()))).collect(),
            Cells::Exact(values) => each(values, &format::lambda),
            Cells::Number(values, decimals) => each(values, &|value| format!("{value:.decimals$}")),
            Cells::Share(shares) if style == Style::Full => each(shares, &format::percent),
            Cells::Share(shares) => each(shares, &format::bare_percent),
            Cells::Signed(shares) => each(shares, &format::signed),
            Cells::PValue(values) => each(values, &format::p_value),
            Cells::Sure(found, decimals) => of(found, &|found| format::number(found.value, found.interval, *decimals)),
            Cells::Change { changes, shown, .. } => match style {
                Style::Full => of(changes, shown),
                Style::Bare => of(changes, &format::change),
                Style::Short => of(changes, &|change| format::signed(change.value)),
            },
        }
    }

    /// The series of a file: one, or three with the ends of intervals.
    fn series(&self, key: &str) -> Vec<Written> {
        let floats = |key: &str, values: Vec<Option<f64>>| Series::new(key.into(), values).into();
        let hundredths = |share: f64| format::hundredths(share);
        match &self.cells {
            Cells::Text(words) => vec![Series::new(key.into(), words.clone()).into()],
            Cells::Written(words) => vec![Series::new(key.into(), words.clone()).into()],
            Cells::Count(counts) => vec![Series::new(key.into(), counts.clone()).into()],
            Cells::Flag(flags) => vec![Series::new(key.into(), flags.clone()).into()],
            Cells::Exact(values) | Cells::Number(values, _) | Cells::Share(values) | Cells::PValue(values) => {
                vec![floats(key, values.clone())]
            }
            Cells::Signed(shares) => vec![floats(key, shares.iter().map(|share| share.map(hundredths)).collect())],
            Cells::Sure(values, _) => {
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
