//! What each variant of an ablation made of the stream: a row each, in one table of figures and, for people, three tables
//! for each question.

use std::fmt::Write;

use anyhow::{Result, anyhow};

use super::arm_tables::{high, low, points};
use super::format::{self, percent, range, threshold};
use super::grid;
use super::summary::SUMMARY;
use super::tables::{Table, float, int, text};
use crate::analysis::metrics::fees::TOKENS;
use crate::analysis::metrics::learning::{Source, Storing, Teacher, Transfer, by_source, by_teacher, distilling};
use crate::analysis::metrics::{Changes, Comparison, Slice};
use crate::analysis::stats::Estimate;
use crate::types::arm::Arm;
use crate::types::price::Fee;

/// What was shown to the weak level: whose strategies, and whether their teacher was right.
const PARTS: [&str; 5] = [
    Source::SameGroup.name(),
    Source::OtherGroups.name(),
    Teacher::Right.name(),
    Teacher::Mixed.name(),
    Teacher::Wrong.name(),
];

/// What a row shows.
#[derive(Debug, Clone, Copy)]
pub struct Variant<'a> {
    /// The table that it belongs to.
    pub title: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Values laid over the config.
    pub settings: &'a [String],
    /// The arm that it is about.
    pub arm: Arm,
}

/// A variant's arm, beside the cascade of the same run.
pub struct Row<'a> {
    variant: Variant<'a>,
    slice: &'a Slice<'a>,
    changes: Option<&'a Changes>,
    fee: Option<f64>,
    fee_change: Option<Estimate>,
    storing: Storing,
    /// The chance that a right weak answer is the surer one.
    auroc: Option<f64>,
    /// The weak level's items by what it was shown, under the names of [`Source`] and [`Teacher`].
    parts: Vec<(&'static str, Transfer)>,
    /// The strong level's accuracy on deferred items, and what asking for strategies changed of it.
    strong: Option<(f64, Option<f64>)>,
}

impl<'a> Row<'a> {
    /// Reads a variant's figures off its run.
    ///
    /// # Errors
    /// Where the run has no such arm.
    pub fn new(variant: Variant<'a>, comparison: &'a Comparison<'a>) -> Result<Self> {
        let arm = variant.arm;
        let (slice, changes) =
            comparison.of_arm(arm).next().ok_or_else(|| anyhow!("`{}`: `arms` does not name {arm}", variant.name))?;
        let parts = comparison.untaught().map(|alone| {
            let sources = by_source(slice, alone).into_iter().map(|(source, found)| (source.name(), found));
            let teachers = by_teacher(slice, alone).into_iter().map(|(teacher, found)| (teacher.name(), found));
            sources.chain(teachers).collect()
        });
        let strong = comparison.of_arm(Arm::StrongOnly).next();
        Ok(Self {
            variant,
            slice,
            changes,
            fee: comparison.fee(slice).map(Fee::usd),
            fee_change: comparison.fee_change(slice),
            storing: Storing::of(slice),
            auroc: slice.reliability().and_then(|worth| worth.auroc),
            parts: parts.unwrap_or_default(),
            strong: strong
                .and_then(|(strong, _)| distilling(slice, strong))
                .map(|d| (d.with, d.change.map(|change| change.value))),
        })
    }

    fn weak(&self) -> Option<&Estimate> {
        self.changes?.weak_accuracy.as_ref()
    }

    fn part(&self, name: &str) -> Option<&Transfer> {
        self.parts.iter().find(|(found, _)| *found == name).map(|(_, transfer)| transfer)
    }
}

/// All rows with all figures.
///
/// # Errors
/// Where polars refuses the table.
pub fn table(rows: &[Row]) -> Result<Table> {
    let each = || rows.iter();
    let changed = |figure: fn(&Changes) -> Option<f64>| each().map(move |row| row.changes.and_then(figure));
    let weak = |figure: fn(&Estimate) -> Option<f64>| each().map(move |row| row.weak().and_then(figure));
    let mut columns = vec![
        text("table", each().map(|row| row.variant.title.to_owned())),
        text("variant", each().map(|row| row.variant.name.to_owned())),
        text("settings", each().map(|row| row.variant.settings.join("; "))),
        text("arm", each().map(|row| row.slice.cell.arm.to_string())),
        float("threshold", each().map(|row| row.slice.cell.threshold)),
        int("orders", each().map(|row| row.slice.orders)),
        int("n", each().map(|row| row.slice.n)),
        float("weak_accuracy", each().map(|row| row.slice.weak_accuracy())),
        float("weak_change_vs_cascade_pp", weak(|change| Some(points(change.value)))),
        float("weak_change_low_pp", weak(low)),
        float("weak_change_high_pp", weak(high)),
        float("weak_p_value", weak(|change| change.p_value)),
        float("accuracy", each().map(|row| row.slice.accuracy())),
        float("change_vs_cascade_pp", changed(|changes| Some(points(changes.accuracy.value)))),
        float("change_low_pp", changed(|changes| low(&changes.accuracy))),
        float("change_high_pp", changed(|changes| high(&changes.accuracy))),
        float("p_value", changed(|changes| changes.accuracy.p_value)),
        float("coverage", each().map(|row| row.slice.coverage())),
        float("auroc", each().map(|row| row.auroc)),
        int("strong_calls", each().map(|row| row.slice.strong_calls())),
        float("strong_calls_change_percent", changed(|changes| Some(points(changes.strong_calls?.value)))),
        int("strong_calls_all", each().map(|row| row.slice.strong_calls_all())),
        float("strong_calls_all_change_percent", changed(|changes| Some(points(changes.strong_calls_all?.value)))),
        float("fee_usd", each().map(|row| row.fee)),
        float("fee_change_percent", each().map(|row| Some(points(row.fee_change?.value)))),
        float("fee_change_low_percent", each().map(|row| low(&row.fee_change?))),
        float("fee_change_high_percent", each().map(|row| high(&row.fee_change?))),
        float("strategies_shown", each().map(|row| row.slice.strategies_shown())),
        int("strategies_deferred", each().map(|row| row.storing.deferred)),
        int("strategies_stored", each().map(|row| row.storing.stored)),
        int("stored_wrong", each().map(|row| row.storing.stored_wrong)),
        int("strategies_kept_out", each().map(|row| row.storing.dropped)),
        int("kept_out_right", each().map(|row| row.storing.dropped_right)),
        int("strategies_unreadable", each().map(|row| row.storing.unreadable)),
        float("strong_accuracy_while_distilling", each().map(|row| row.strong.map(|(with, _)| with))),
        float("strong_change_while_distilling_pp", each().map(|row| row.strong?.1.map(points))),
    ];
    for name in PARTS {
        let part = || each().map(move |row| row.part(name));
        let column = |figure: &str| format!("shown_{}_{figure}", name.replace(' ', "_"));
        columns.extend([
            int(&column("n"), part().map(|found| found.map_or(0, |found| found.n))),
            float(&column("alone"), part().map(|found| found.map(|found| found.alone))),
            float(&column("taught"), part().map(|found| found.map(|found| found.taught))),
            float(&column("similarity_least"), part().map(|found| Some(found?.similarity?.0))),
            float(&column("similarity_greatest"), part().map(|found| Some(found?.similarity?.1))),
        ]);
    }
    for (name, of) in TOKENS {
        columns.push(int(name, each().map(|row| of(row.slice))));
    }
    columns.push(float("model_time_s", each().map(|row| row.slice.latency_ms() / 1000.0)));
    Table::new("variants", columns)
}

/// For a terminal: what came of each variant.
#[must_use]
pub fn terminal(rows: &[Row], width: u16) -> String {
    let tables = blocks(rows).map(|(title, rows)| format!("{title}\n{}", grid::table(&in_short(rows), 1, width)));
    let tables = tables.collect::<Vec<_>>().join("\n\n");
    format!("{tables}\nChanges are against the cascade of the same run; their intervals are in {SUMMARY}.")
}

/// The whole summary.
#[must_use]
pub fn markdown(name: &str, setting: &[String], notes: &[String], rows: &[Row]) -> String {
    let mut text = format!("# {name}\n\nWhat stays the same, but where a row says otherwise:\n\n");
    for line in setting {
        let _ = writeln!(text, "- {line}");
    }
    if !notes.is_empty() {
        text += "\n## Before you quote a figure\n\n";
        for note in notes {
            let _ = writeln!(text, "- {note}");
        }
    }
    for (title, rows) in blocks(rows) {
        let _ = write!(
            text,
            "\n## {title}\n\n{}\n### {title}: what was stored, and what it did\n\n{}\n### {title}: what it took\n\n{}",
            grid::markdown(&outcomes(rows)),
            grid::markdown(&insides(rows)),
            grid::markdown(&costs(rows))
        );
    }
    text += "\n## What each row sets\n\n";
    let alike = |one: &Row, other: &Row| {
        (one.variant.title, one.variant.settings) == (other.variant.title, other.variant.settings)
    };
    for rows in rows.chunk_by(alike).filter(|rows| !rows[0].variant.settings.is_empty()) {
        let names: Vec<&str> = rows.iter().map(|row| row.variant.name).collect();
        let settings: Vec<String> = rows[0].variant.settings.iter().map(|setting| format!("`{setting}`")).collect();
        let _ = writeln!(text, "- {}, {}: {}", rows[0].variant.title, names.join("; "), settings.join(", "));
    }
    text += "\nChanges are against the cascade of the same run, paired item by item; in brackets 95 % bootstrap intervals over \
             groups, unadjusted for the number of rows: choose on one split and judge on another. Which strategies were wrong, and \
             where what was shown came from, is known after the fact. Under what was shown: items, their similarity to the nearest one shown, and the weak level's accuracy \
             on them alone and with it. Of the strong level's answers to deferred items, \
             in brackets: the change, in points, that asking for a strategy makes. Model time is that of all calls, one after the other, as recorded.\n";
    text
}

/// The rows of each table.
fn blocks<'r, 'a>(rows: &'r [Row<'a>]) -> impl Iterator<Item = (&'a str, &'r [Row<'a>])> {
    rows.chunk_by(|one, other| one.variant.title == other.variant.title).map(|rows| (rows[0].variant.title, rows))
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What came of each variant, without intervals.
fn in_short(rows: &[Row]) -> Vec<Vec<String>> {
    let mut cells = vec![header(&["variant", "weak %", "pp", "system %", "pp", "calls", "all", "fee %"])];
    let signed = |change: Option<f64>| change.map_or("–".to_owned(), |change| format!("{change:+.1}"));
    for row in rows {
        cells.push(vec![
            row.variant.name.to_owned(),
            row.slice.weak_accuracy().map_or("–".to_owned(), |weak| format!("{:.1}", points(weak))),
            signed(row.weak().map(|change| points(change.value))),
            format!("{:.1}", points(row.slice.accuracy())),
            signed(row.changes.map(|changes| points(changes.accuracy.value))),
            row.slice.strong_calls().to_string(),
            row.slice.strong_calls_all().to_string(),
            signed(row.fee_change.map(|change| points(change.value))),
        ]);
    }
    cells
}

/// What came of each variant.
fn outcomes(rows: &[Row]) -> Vec<Vec<String>> {
    let mut cells = vec![header(&[
        "variant",
        "λ",
        "weak accuracy",
        "change",
        "accuracy",
        "change",
        "coverage",
        "AUROC",
        "strong calls",
        "all strong requests",
        "fee, change",
    ])];
    let change = |found: &Estimate| format::change(*found);
    for row in rows {
        cells.push(vec![
            row.variant.name.to_owned(),
            threshold(row.slice),
            row.slice.weak_accuracy().map_or("–".to_owned(), percent),
            row.weak().map_or("–".to_owned(), change),
            percent(row.slice.accuracy()),
            row.changes.map_or("–".to_owned(), |changes| change(&changes.accuracy)),
            percent(row.slice.coverage()),
            row.auroc.map_or("–".to_owned(), |auroc| format!("{auroc:.2}")),
            row.slice.strong_calls().to_string(),
            row.slice.strong_calls_all().to_string(),
            row.fee_change.map_or("–".to_owned(), format::relative),
        ]);
    }
    cells
}

/// What was stored, and what it did.
fn insides(rows: &[Row]) -> Vec<Vec<String>> {
    let shown = PARTS.map(|name| format!("shown: {name}"));
    let mut cells = vec![header(&["variant", "stored", "of them wrong", "kept out", "of them right", "unreadable"])];
    cells[0].extend(shown);
    cells[0].push("strong right on deferred".to_owned());
    for row in rows {
        let Storing { stored, stored_wrong, dropped, dropped_right, unreadable, .. } = row.storing;
        let counts = [stored, stored_wrong, dropped, dropped_right, unreadable].map(|n| n.to_string());
        let parts = PARTS.map(|name| match row.part(name) {
            Some(found) => {
                let similar = found.similarity.map(|ends| format!(" ({})", range(ends))).unwrap_or_default();
                format!("{}{similar}: {} → {}", found.n, percent(found.alone), percent(found.taught))
            }
            None => "–".to_owned(),
        });
        let strong = row.strong.map_or("–".to_owned(), |(with, change)| {
            let change = change.map(|change| format!(" ({:+.1})", points(change)));
            format!("{}{}", percent(with), change.unwrap_or_default())
        });
        let mut cell = vec![row.variant.name.to_owned()];
        cell.extend(counts);
        cell.extend(parts);
        cell.push(strong);
        cells.push(cell);
    }
    cells
}

/// What it took.
fn costs(rows: &[Row]) -> Vec<Vec<String>> {
    let mut cells = vec![header(&[
        "variant",
        "weak tokens read",
        "written",
        "strong tokens read",
        "written to answer",
        "strategies",
        "second draws",
        "tokens embedded",
        "model time, min",
    ])];
    for row in rows {
        let mut cell = vec![row.variant.name.to_owned()];
        cell.extend(TOKENS.map(|(_, of)| of(row.slice).to_string()));
        cell.push(format!("{:.1}", row.slice.latency_ms() / 60_000.0));
        cells.push(cell);
    }
    cells
}
