//! Comparison of two runs, over the items and orders that both have.

mod shared;

use std::fmt::Write;

use anyhow::Result;

use self::shared::Row;
use super::columns::{Column, Sheet};
use super::format::{self, bare_percent, lambda, or_dash, signed};
use super::grid::{Caption, INTERVAL_NOTE, document};
use super::manifest::{self, Manifest};
use crate::analysis::metrics::{Comparison, Slice};
use crate::analysis::stats::Estimate;
use crate::types::price::Price;

/// The name of the files.
pub const NAME: &str = "compare";

/// The note on the items that the figures of the tables cover.
const OVER: &str = "All figures cover only the items that both runs have, arm by arm and order by order. a → b: a in \
                    the first run, b in the second; a single figure is the same in both. Changes are of the second \
                    run against the first. Fees do not include the calibration of thresholds.";

/// Lists the differences between the runs, apart from prices, one line each.
#[must_use]
pub fn differences(first: &Manifest, second: &Manifest) -> Vec<String> {
    let found = manifest::differences(&first.identity, &second.identity);
    if found.is_empty() {
        let by = if prices(first, second).is_empty() { "" } else { ", with other prices" };
        return vec![format!("both are the same run{by}")];
    }
    let line = |line: &String| format!("  {}", line.replace(" there, ", " first, ").replace(" here", " second"));
    std::iter::once("the runs differ in:".to_owned()).chain(found.iter().map(line)).collect()
}

/// Lists the models whose prices differ between the runs, one line each, followed by a note on the meaning for fees.
/// Empty if all prices are equal.
#[must_use]
pub fn prices(first: &Manifest, second: &Manifest) -> Vec<String> {
    let both = first.prices.iter().filter_map(|(model, price)| Some((model, price, second.prices.get(model)?)));
    let differ = both.filter(|(_, one, other)| !costs_the_same(one.as_ref(), other.as_ref()));
    let line = |(model, one, other): (&String, &Option<Price>, &Option<Price>)| {
        format!("  price of {model}: {} first, {} second", in_words(one.as_ref()), in_words(other.as_ref()))
    };
    let mut lines: Vec<String> = differ.map(line).collect();
    if !lines.is_empty() {
        lines.insert(0, "different prices, in USD per million tokens:".to_owned());
        lines.push(
            "note: fees use each run's own prices, so a change of the fee is due to prices and tokens together. The \
             last column has the change at the first run's prices, which is due to tokens alone. Recompute a run's \
             fees with other prices: report RUN --prices FILE."
                .to_owned(),
        );
    }
    lines
}

fn costs_the_same(one: Option<&Price>, other: Option<&Price>) -> bool {
    let figures =
        |price: &Price| [price.input, price.cached_input.unwrap_or(price.input), price.output].map(f64::to_bits);
    one.map(figures) == other.map(figures)
}

fn in_words(price: Option<&Price>) -> String {
    let Some(price) = price else { return "no price".to_owned() };
    let cached = price.cached_input.map(|cached| format!(", {cached} cached input"));
    format!("{} input{}, {} output", price.input, cached.unwrap_or_default(), price.output)
}

/// True if both runs use the same data set, so that equal ids mean equal items.
#[must_use]
pub fn same_data(first: &Manifest, second: &Manifest) -> bool {
    // The checksum of a calibration split follows the stream's.
    let sha256 = |run: &Manifest| {
        run.identity["dataset"]["sha256"].as_str().and_then(|sums| sums.split(' ').next()).map(str::to_owned)
    };
    sha256(first) == sha256(second)
}

/// Each arm of both runs, over the items that both have.
pub struct SideBySide<'c> {
    rows: Vec<Row<'c>>,
    /// Arms that only one run has, one line for each such run.
    unpaired: Vec<String>,
    /// True if the prices of the runs differ.
    repriced: bool,
}

impl<'c> SideBySide<'c> {
    /// Pairs the arms by name, and by threshold if an arm has several. `repriced` is true if the prices differ.
    #[must_use]
    pub fn new(first: &'c Comparison<'c>, second: &'c Comparison<'c>, repriced: bool) -> Self {
        let (rows, unpaired) = shared::rows(first, second);
        Self { rows, unpaired, repriced }
    }

    /// Lists the number of items that are left out and the arms that only one run has, one line each.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for same in self.rows.chunk_by(|one, other| (one.of, one.items) == (other.of, other.items)) {
            let Row { of: [first, second], items, .. } = &same[0];
            if (first, second) == (items, items) {
                continue;
            }
            let arms: Vec<String> = same.iter().map(Row::name).collect();
            let of = if same.len() == self.rows.len() { String::new() } else { format!("{}: ", arms.join(", ")) };
            let out = format!(
                "{} of {first} items of the first run and {} of {second} of the second",
                first - items,
                second - items
            );
            lines.push(if *items == 0 {
                format!(
                    "note: {of}the runs have no item in common, so nothing is compared ({first} items in the \
                         first run, {second} in the second, over all orders)"
                )
            } else {
                format!(
                    "note: {of}{out} are left out, over all orders, since the other run does not have them; \
                         {items} are compared"
                )
            });
        }
        if self.rows.is_empty() {
            lines.push("the runs have no arm in common".to_owned());
        }
        lines.extend(self.unpaired.iter().cloned());
        lines
    }

    /// Formats the tables for a terminal of `width` columns. Empty if the runs have nothing in common.
    #[must_use]
    pub fn terminal(&self, width: u16) -> String {
        let sheet = self.sheet();
        if sheet.is_empty() { String::new() } else { format!("{}\n{OVER}", sheet.terminal(width)) }
    }

    /// Returns the files: CSV, parquet, Markdown and LaTeX, with the notes on both runs.
    ///
    /// # Errors
    /// If polars refuses the table.
    pub fn files(&self, runs: [&str; 2], notes: &[String]) -> Result<Vec<(String, Vec<u8>)>> {
        let sheet = self.sheet();
        let [first, second] = runs;
        let mut text = format!("# {second} against {first}\n\n");
        for note in notes {
            let _ = writeln!(text, "{}- {}", if note.starts_with("  ") { "  " } else { "" }, note.trim_start());
        }
        let _ = write!(text, "\n{}\n{OVER} {INTERVAL_NOTE}\n", sheet.markdown());
        let caption = Caption::new("", NAME, &format!("{second} against {first}. {OVER} {INTERVAL_NOTE}"));
        let mut files = vec![
            (format!("{NAME}.md"), text.into_bytes()),
            (format!("{NAME}.tex"), document(&[sheet.latex(&caption)]).into_bytes()),
        ];
        files.extend(sheet.table()?.files()?);
        Ok(files)
    }

    fn sheet(&self) -> Sheet {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.changes.is_some()).collect();
        let columns = [head(&rows), right(&rows), paid(&rows, self.repriced)];
        Sheet { name: NAME, columns: columns.into_iter().flatten().collect() }
    }
}

/// The columns of a figure of both runs: a column for each run in a file, one joint column for people.
fn both(
    rows: &[&Row],
    key: &str,
    heading: &str,
    text: fn(f64) -> String,
    of: impl Fn(&Row) -> [Option<f64>; 2],
) -> Vec<Column> {
    let side = |place: usize| rows.iter().map(|row| of(row)[place]).collect::<Vec<_>>();
    let [first, second] = [0, 1].map(side);
    let displayed = |(old, new): (&Option<f64>, &Option<f64>)| {
        let [old, new] = [old, new].map(|figure| or_dash(figure.map(text)));
        if old == new { old } else { format!("{old} → {new}") }
    };
    let together: Vec<String> = first.iter().zip(&second).map(displayed).collect();
    vec![
        Column::exact(first.into_iter()).file(format!("{key}_first")),
        Column::exact(second.into_iter()).file(format!("{key}_second")),
        Column::preformatted(together.into_iter()).heading(heading),
    ]
}

/// The column of a change over the items of each row.
fn change(rows: &[&Row], key: &str, heading: &str, of: impl Fn(&Row) -> Option<Estimate>) -> Column {
    Column::change(rows.iter().map(|row| of(row)).collect::<Vec<_>>().into_iter()).file(key).heading(heading)
}

/// The columns with arm, λ and the number of items.
fn head(rows: &[&Row]) -> Vec<Column> {
    let name = Column::text(rows.iter().map(|row| row.new.cell.arm.to_string())).file("arm").heading("arm");
    let items = |of: fn(&Row) -> usize| Column::count(rows.iter().map(move |row| of(row)));
    let readable = |row: &Row| {
        let [old, new] = [&row.old, &row.new].map(|slice| or_dash(slice.readable.map(lambda)));
        if old == new { old } else { format!("{old} → {new}") }
    };
    vec![
        name,
        Column::exact(rows.iter().map(|row| row.old.cell.threshold)).file("threshold_first"),
        Column::exact(rows.iter().map(|row| row.new.cell.threshold)).file("threshold_second"),
        Column::preformatted(rows.iter().map(|row| readable(row))).heading("λ"),
        items(|row| row.of[0]).file("items_first"),
        items(|row| row.of[1]).file("items_second"),
        items(|row| row.items).file("items_in_both").heading("items in both"),
    ]
}

/// The columns of accuracy.
fn right(rows: &[&Row]) -> Vec<Column> {
    let weak = |row: &Row| row.changes.as_ref()?.weak_accuracy;
    let accuracy = |row: &Row| Some(row.changes.as_ref()?.accuracy);
    let mut columns = both(rows, "accuracy", "accuracy, %", bare_percent, |row| {
        [&row.old, &row.new].map(|slice| Some(slice.accuracy()))
    });
    columns.push(change(rows, "accuracy_change_pp", "accuracy change, points", accuracy));
    columns.push(Column::p_value(rows.iter().map(|row| accuracy(row)?.p_value)).file("accuracy_p_value").heading("p"));
    columns.extend(both(rows, "weak_accuracy", "weak accuracy, %", bare_percent, |row| {
        [&row.old, &row.new].map(Slice::weak_accuracy)
    }));
    columns.push(change(rows, "weak_accuracy_change_pp", "weak accuracy change, points", weak));
    if rows.iter().any(|row| row.against_strong.iter().any(Option::is_some)) {
        let heading = "accuracy vs strong-only, points";
        columns.extend(both(rows, "accuracy_vs_strong_only", heading, signed, |row| row.against_strong));
    }
    columns
}

/// The columns of cost.
fn paid(rows: &[&Row], repriced: bool) -> Vec<Column> {
    #[expect(clippy::cast_precision_loss, reason = "a count of items")]
    let calls = |row: &Row| [&row.old, &row.new].map(|slice| Some(slice.strong_calls() as f64));
    let mut columns = both(rows, "strong_calls", "strong calls", |calls| format!("{calls:.0}"), calls);
    let fewer = |row: &Row| row.changes.as_ref()?.strong_calls;
    columns.push(change(rows, "strong_calls_change_percent", "strong calls change, %", fewer));
    columns.extend(both(rows, "fee_usd", "fee, USD", format::usd, |row| row.fees));
    let signed = |of: fn(&Row) -> Option<f64>| Column::signed(rows.iter().map(move |row| of(row)));
    columns.push(signed(|row| row.fee_change).file("fee_change_percent").heading("fee change, %"));
    let at_first = signed(|row| row.fee_change_at_first).file("fee_change_at_first_prices_percent");
    columns.push(if repriced { at_first.heading("fee change at the first run's prices, %") } else { at_first });
    columns
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::metrics::Prices;
    use crate::types::arm::Arm;
    use crate::types::level::Level;
    use crate::types::record::{CellKey, Graded, LevelAnswer, Record, Score};
    use crate::types::seed::Seed;
    use crate::types::testing;

    /// weak-only and strong-only over these items; strong-only is right, weak-only on every second item.
    fn records(items: std::ops::Range<usize>) -> Vec<Record> {
        let of = |(arm, level): (Arm, Level)| {
            let cell = Arc::new(CellKey { dataset: "d".into(), arm, order: 0, threshold: None });
            let record = move |item: usize| {
                let right = arm == Arm::StrongOnly || item.is_multiple_of(2);
                let graded = Graded { answer: None, score: if right { Score::Correct } else { Score::Incorrect } };
                Record {
                    levels: vec![LevelAnswer::new(level, graded.clone())],
                    deferred: level != Level::FIRST,
                    answering_level: Some(level),
                    graded,
                    ..testing::record(&cell, item)
                }
            };
            items.clone().map(record).collect::<Vec<_>>()
        };
        [(Arm::WeakOnly, Level::FIRST), (Arm::StrongOnly, Level::SECOND)].into_iter().flat_map(of).collect()
    }

    fn compared<T>(first: &[Record], second: &[Record], displayed: impl Fn(&SideBySide) -> T) -> T {
        let prices = Prices::new();
        let [first, second] = [first, second].map(|records| Comparison::new(records, &[], &prices, Seed(1)));
        displayed(&SideBySide::new(&first, &second, false))
    }

    #[test]
    fn figures_cover_only_the_items_in_both_runs() {
        // Both runs have items 4 and 5; the weak level is right on item 4. Overall it is right on 3 of 6 and on 2 of 4.
        let (first, second) = (records(0..6), records(4..8));
        let [left_out, table] = compared(&first, &second, |both| [both.left_out().join(" "), both.terminal(200)]);
        assert_eq!(
            left_out,
            "note: 4 of 6 items of the first run and 2 of 4 of the second are left out, over all orders, since the \
             other run does not have them; 2 are compared"
        );
        let strong = table.lines().find(|line| line.starts_with("strong-only")).expect("a row");
        let cells: Vec<&str> = strong.split_whitespace().collect();
        assert_eq!(cells[..5], ["strong-only", "–", "2", "100.0", "+0.0"], "{table}");
        let weak = table.lines().find(|line| line.starts_with("weak-only")).expect("a row");
        let cells: Vec<&str> = weak.split_whitespace().collect();
        assert_eq!(cells[..5], ["weak-only", "–", "2", "50.0", "+0.0"], "{table}");
        assert!(!strong.contains('→') && !weak.contains('→'), "{table}");
    }

    #[test]
    fn runs_without_a_common_item_have_no_figure() {
        let [left_out, table] =
            compared(&records(0..3), &records(5..9), |both| [both.left_out().join(" "), both.terminal(80)]);
        assert_eq!(table, "");
        assert!(
            left_out.contains(
                "the runs have no item in common, so nothing is compared (3 items in the first run, \
                                   4 in the second"
            ),
            "{left_out}"
        );
        assert!(!left_out.contains('%'), "{left_out}");
    }

    #[test]
    fn arms_of_only_one_run_are_named() {
        let second: Vec<Record> = records(0..3).into_iter().filter(|record| record.cell.arm == Arm::WeakOnly).collect();
        let notes = compared(&records(0..3), &second, |both| both.left_out().join(" "));
        assert_eq!(notes, "note: only in the first run: strong-only");
    }
}
