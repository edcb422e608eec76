//! Comparison of runs with a baseline, arm by arm: over the items and orders that both have, else as independent
//! samples.

pub mod condition;
mod differs;
mod html;
mod shared;
mod sheets;

use std::fmt::Write;

use anyhow::Result;

use self::condition::{Condition, Verdict};
use self::differs::{Difference, Topic, differences, same_data};
use self::shared::{Matched, Row, matched};
use self::sheets::{NamedRow, page_sheets, sheet};
use super::columns::{Sheet, page};
use super::figures::Figure;
use super::figures::differences::{ArmChanges, figure};
use super::grid::{Caption, INTERVAL_NOTE, document};
use super::manifest::Manifest;
use crate::analysis::metrics::Comparison;

/// The name of the files.
pub const NAME: &str = "compare";

/// The note on arrows and changes.
const ARROWS: &str = "a → b: a in the baseline, b in the run that is compared with it; a single figure is the same in \
                      both. Changes are of the run against the baseline. Fees do not include the calibration of \
                      thresholds.";

/// The note on the items that paired rows cover.
const PAIRED: &str = "Figures cover only the items that both runs have, arm by arm and order by order.";

/// The note on the items that unpaired rows cover.
const UNPAIRED: &str = "Unpaired rows cover all items of each run, as two independent samples: their intervals are \
                        bootstrapped over the groups of each run, and changes of strong calls and fees are per item.";

/// The note on prices that differ.
const REPRICED: &str = "note: fees use each run's own prices, so a change of the fee is due to prices and tokens \
                        together. The last column has the change at the first run's prices, which is due to tokens \
                        alone. Recompute a run's fees with other prices: report RUN --prices FILE.";

/// A finished run.
#[derive(Clone, Copy)]
pub struct Side<'c> {
    /// Name of the run in tables.
    pub name: &'c str,
    /// Manifest of the run.
    pub manifest: &'c Manifest,
    /// Arms of the run.
    pub comparison: &'c Comparison<'c>,
}

/// A run and the baseline.
struct Against<'c> {
    name: &'c str,
    baseline: &'c str,
    differences: Vec<Difference>,
    arms: Matched<'c>,
    /// False if equal ids are different items, since the data differs.
    pairing: bool,
}

/// Runs that are compared with a baseline.
pub struct RunsCompared<'c> {
    baseline: &'c str,
    runs: Vec<Against<'c>>,
}

impl<'c> RunsCompared<'c> {
    /// Compares each run with the baseline. Arms are matched by name, and by threshold if an arm has several.
    #[must_use]
    pub fn new(baseline: Side<'c>, runs: &[Side<'c>]) -> Self {
        let runs = runs.iter().map(|run| Against::new(baseline, *run)).collect();
        Self { baseline: baseline.name, runs }
    }

    /// True if no run has an arm in common with the baseline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.iter().all(|run| run.arms.rows.is_empty())
    }

    /// Lists what differs and which items and arms are left out, run by run, one line each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.runs.iter().flat_map(Against::notes).collect()
    }

    /// Formats the tables for a terminal of `width` columns. Empty if the runs have nothing in common.
    #[must_use]
    pub fn terminal(&self, width: u16) -> String {
        let sheets: Vec<(String, Sheet)> = self.runs.iter().map(|run| (self.title(run), run.sheet())).collect();
        let titled: Vec<(&str, &Sheet)> = sheets.iter().map(|(title, sheet)| (title.as_str(), sheet)).collect();
        let tables = page(&titled, width);
        if tables.is_empty() { tables } else { format!("{tables}\n{}", self.legend()) }
    }

    /// Title of a run's table; empty if there is only one table.
    fn title(&self, run: &Against) -> String {
        if self.runs.len() == 1 { String::new() } else { run.title() }
    }

    /// The notes on what the figures cover.
    fn legend(&self) -> String {
        let paired = |paired: bool| move |row: &&Row| row.changes.paired == paired;
        let rows = || self.runs.iter().flat_map(|run| &run.arms.rows);
        let parts =
            [rows().find(paired(true)).map(|_| PAIRED), rows().find(paired(false)).map(|_| UNPAIRED), Some(ARROWS)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Judges a condition on every arm of every run.
    ///
    /// # Errors
    /// If the condition cannot be judged for a run; the error names the run and the reason.
    pub fn judge(&self, condition: &Condition) -> Result<Verdict, String> {
        let runs: Vec<(&str, &[Row])> = self.runs.iter().map(|run| (run.name, &run.arms.rows[..])).collect();
        condition.judge(&runs)
    }

    /// Draws the changes of all arms. `None` if nothing is compared.
    ///
    /// # Errors
    /// If the figure cannot be drawn.
    fn figure(&self) -> Result<Option<Figure>> {
        let of_row = |NamedRow { run, row }: NamedRow| ArmChanges {
            run: run.to_owned(),
            arm: row.new.cell.arm,
            name: row.name(),
            changes: row.changes,
        };
        let changes: Vec<ArmChanges> = self.runs.iter().flat_map(Against::rows).map(of_row).collect();
        figure(self.baseline, &changes)
    }

    /// Returns the files: CSV, parquet, Markdown, LaTeX, HTML and SVG. `notes` are further notes on the runs.
    ///
    /// # Errors
    /// If polars refuses the table, or if a document cannot be made.
    pub fn files(&self, notes: &[String]) -> Result<Vec<(String, Vec<u8>)>> {
        let floats: Vec<String> = self.runs.iter().map(|run| run.latex(&self.legend(), self.runs.len() == 1)).collect();
        let figure = self.figure()?;
        let mut files = vec![
            (format!("{NAME}.md"), self.markdown(notes).into_bytes()),
            (format!("{NAME}.tex"), document(&floats).into_bytes()),
            (format!("{NAME}.html"), html::page(self, notes, figure.as_ref())?.into_bytes()),
        ];
        files.extend(figure.iter().map(Figure::file));
        let rows: Vec<NamedRow> = self.runs.iter().flat_map(Against::rows).collect();
        files.extend(sheet(NAME, &rows, false).table()?.files()?);
        Ok(files)
    }

    fn heading(&self) -> String {
        let names: Vec<&str> = self.runs.iter().map(|run| run.name).collect();
        format!("{} against {}", names.join(", "), self.baseline)
    }

    fn markdown(&self, notes: &[String]) -> String {
        let mut text = format!("# {}\n\n", self.heading());
        for note in self.notes().iter().chain(notes) {
            let _ = writeln!(text, "{}- {}", if note.starts_with("  ") { "  " } else { "" }, note.trim_start());
        }
        for run in self.runs.iter().filter(|run| !run.arms.rows.is_empty()) {
            let title = self.title(run);
            let title = if title.is_empty() { title } else { format!("## {title}\n\n") };
            let _ = write!(text, "\n{title}{}", run.sheet().markdown());
        }
        let _ = writeln!(text, "\n{} {INTERVAL_NOTE}", self.legend());
        text
    }
}

impl<'c> Against<'c> {
    fn new(baseline: Side<'c>, run: Side<'c>) -> Self {
        let pairing = same_data(baseline.manifest, run.manifest);
        Self {
            name: run.name,
            baseline: baseline.name,
            differences: differences(baseline.manifest, run.manifest),
            arms: matched(baseline.comparison, run.comparison, pairing),
            pairing,
        }
    }

    fn title(&self) -> String {
        format!("{} against {}", self.name, self.baseline)
    }

    /// True if a model of both runs has different prices in them.
    fn is_repriced(&self) -> bool {
        self.differences.iter().any(|difference| difference.topic == Topic::Prices)
    }

    fn rows(&self) -> Vec<NamedRow<'_, 'c>> {
        self.arms.rows.iter().map(|row| NamedRow { run: self.name, row }).collect()
    }

    fn sheet(&self) -> Sheet {
        sheet(NAME, &self.rows(), self.is_repriced())
    }

    /// The tables of a page, each with its title.
    fn page_sheets(&self) -> [(&'static str, Sheet); 2] {
        let [right, paid] = page_sheets(NAME, &self.rows(), self.is_repriced());
        [("Accuracy", right), ("Strong calls and fees", paid)]
    }

    fn latex(&self, legend: &str, is_only: bool) -> String {
        let label = if is_only { NAME.to_owned() } else { format!("{NAME} {}", self.name) };
        let caption = Caption::new("", &label, &format!("{}. {legend} {INTERVAL_NOTE}", self.title()));
        self.sheet().latex(&caption)
    }

    fn notes(&self) -> Vec<String> {
        let mut lines = vec![self.lead()];
        lines.extend(self.differences.iter().map(|difference| format!("  {}", difference.line())));
        if self.is_repriced() {
            lines.push(REPRICED.to_owned());
        }
        lines.extend(self.left_out());
        lines
    }

    /// The sentence before the list of differences.
    fn lead(&self) -> String {
        let Self { name, baseline, differences, .. } = self;
        if differences.iter().any(|difference| !matches!(difference.topic, Topic::Prices | Topic::Versions)) {
            return format!("{name} differs from {baseline} in:");
        }
        match differences.first() {
            None => format!("{name} is the same run as {baseline}"),
            Some(_) if self.is_repriced() => format!("{name} is the same run as {baseline}, with different prices:"),
            Some(_) => format!("{name} is the same run as {baseline}, by another version:"),
        }
    }

    /// Lists the number of items that are left out and the arms that only one run has, one line each.
    fn left_out(&self) -> Vec<String> {
        let (mut lines, rows) = (Vec::new(), &self.arms.rows);
        for same in rows.chunk_by(|one, other| (one.of, one.items) == (other.of, other.items)) {
            let Row { of: [first, second], items, .. } = &same[0];
            if (first, second) == (items, items) {
                continue;
            }
            let arms: Vec<String> = same.iter().map(Row::name).collect();
            let of = if same.len() == rows.len() { String::new() } else { format!("{}: ", arms.join(", ")) };
            lines.push(self.line_on_items(&of, [*first, *second], *items));
        }
        if rows.is_empty() {
            lines.push(format!(
                "note: {} and {} have no arm in common, so nothing is compared",
                self.name, self.baseline
            ));
        }
        for (run, arms) in [self.baseline, self.name].into_iter().zip(&self.arms.only) {
            if !arms.is_empty() {
                lines.push(format!("note: only in {run}: {}", arms.join(", ")));
            }
        }
        lines
    }

    fn line_on_items(&self, of: &str, [first, second]: [usize; 2], items: usize) -> String {
        let Self { name, baseline, .. } = self;
        if items > 0 {
            return format!(
                "note: {of}{} of {first} items of {baseline} and {} of {second} of {name} are left out, over all \
                 orders, since the other run does not have them; {items} are compared",
                first - items,
                second - items
            );
        }
        let why = if self.pairing { "the runs have no item in common" } else { "the runs use different data" };
        format!(
            "note: {of}{why}, so the comparison is unpaired: {first} items of {baseline} and {second} of {name}, over \
             all orders, are two independent samples"
        )
    }
}

#[cfg(test)]
mod tests;
