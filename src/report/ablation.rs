//! The variants of an ablation, one row each: one file with all figures, and three summary tables for each question.

use std::fmt::Write;

use anyhow::{Result, anyhow};

use super::arms::figures::weak_accuracy;
use super::columns::{Column, Sheet, TERMINAL, View, page};
use super::format::{MARK, marked, or_dash, percent, range, signed};
use super::grid::{Caption, INTERVAL_NOTE, document};
use super::summary::SUMMARY;
use super::table::Table;
use crate::analysis::metrics::fees::TOKENS;
use crate::analysis::metrics::learning::{
    StoreStats, StrategySource, Teacher, TransferGain, by_source, by_teacher, distilling,
};
use crate::analysis::metrics::{AgainstReference, Changes, Comparison, Reference, Slice};
use crate::analysis::stats::Estimate;
use crate::types::arm::Arm;
use crate::types::price::Fee;

/// The sources of the strategies in the weak level's prompt, and the correctness of the strong answers behind them.
const PARTS: [&str; 5] = [
    StrategySource::SameGroup.name(),
    StrategySource::OtherGroups.name(),
    Teacher::Right.name(),
    Teacher::Mixed.name(),
    Teacher::Wrong.name(),
];

/// The summary's table of the results of each variant.
const OUTCOMES: View = "outcomes";
/// The summary's table of what was stored.
const INSIDES: View = "insides";
/// The summary's table of the cost of each variant.
const COSTS: View = "costs";

/// A variant of the config, as a row of the ablation.
#[derive(Debug, Clone, Copy)]
pub struct Variant<'a> {
    /// Title of the table that the row belongs to.
    pub title: &'a str,
    /// Name of the variant.
    pub name: &'a str,
    /// Config values that the variant overrides.
    pub settings: &'a [String],
    /// The arm whose figures are in the row.
    pub arm: Arm,
}

/// A variant's arm, beside the cascade of the same run.
pub struct Row<'a> {
    variant: Variant<'a>,
    slice: &'a Slice<'a>,
    changes: Option<&'a Changes>,
    /// The arm's changes against strong-only. `None` if the run does not have strong-only.
    against_strong: Option<AgainstReference>,
    fee: Option<f64>,
    fee_change: Option<Estimate>,
    storing: StoreStats,
    /// AUROC: probability that a correct weak answer has a higher confidence than a wrong one.
    auroc: Option<f64>,
    /// AUROC over only the items that the weak level was asked.
    auroc_asked: Option<f64>,
    /// The weak level's gain by the strategies in its prompt, under the names of [`StrategySource`] and [`Teacher`].
    parts: Vec<(&'static str, TransferGain)>,
    /// The strong level's accuracy on deferred items, and the change of that accuracy from asking for strategies.
    strong: Option<(f64, Option<f64>)>,
}

impl<'a> Row<'a> {
    /// Collects a variant's figures from its run.
    ///
    /// # Errors
    /// If the run does not have the arm.
    pub fn new(variant: Variant<'a>, comparison: &'a Comparison<'a>) -> Result<Self> {
        let arm = variant.arm;
        let (slice, changes) = comparison
            .of_arm(arm)
            .next()
            .ok_or_else(|| anyhow!("`{}`: `arms` does not contain {arm}", variant.name))?;
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
            against_strong: comparison.of_slice_against(slice, Reference::StrongOnly),
            fee: comparison.fee(slice).map(Fee::usd),
            fee_change: comparison.fee_change(slice),
            storing: StoreStats::of(slice),
            auroc: slice.reliability().and_then(|worth| worth.auroc),
            auroc_asked: slice.reliability_asked().and_then(|worth| worth.auroc),
            parts: parts.unwrap_or_default(),
            strong: strong
                .and_then(|(strong, _)| distilling(slice, strong))
                .map(|d| (d.with, d.change.map(|change| change.value))),
        })
    }

    fn part(&self, name: &str) -> Option<&TransferGain> {
        self.parts.iter().find(|(found, _)| *found == name).map(|(_, transfer)| transfer)
    }
}

/// Returns the table of all rows with all figures.
///
/// # Errors
/// If polars refuses the table.
pub fn table(rows: &[Row]) -> Result<Table> {
    sheet(rows).table()
}

/// The sheet of these rows, with the views of the file, the terminal and the summary.
fn sheet(rows: &[Row]) -> Sheet {
    let columns = [head(rows), outcomes(rows), insides(rows), parts(rows), costs(rows), asked(rows), strong_only(rows)];
    Sheet { name: "variants", columns: columns.into_iter().flatten().collect() }
}

/// The columns that identify the variant.
fn head(rows: &[Row]) -> Vec<Column> {
    let each = || rows.iter();
    vec![
        Column::text(each().map(|row| row.variant.title.to_owned())).file("table"),
        Column::text(each().map(|row| row.variant.name.to_owned()))
            .file("variant")
            .named(TERMINAL, "variant")
            .named(OUTCOMES, "variant")
            .named(INSIDES, "variant")
            .named(COSTS, "variant"),
        Column::text(each().map(|row| row.variant.settings.join("; "))).file("settings"),
        Column::text(each().map(|row| row.slice.cell.arm.to_string())).file("arm"),
        Column::exact(each().map(|row| row.slice.cell.threshold)).file("threshold"),
        Column::exact(each().map(|row| row.slice.readable)).named(OUTCOMES, "λ"),
        Column::count(each().map(|row| row.slice.orders)).file("orders"),
        Column::count(each().map(|row| row.slice.n)).file("n"),
    ]
}

/// The columns of each variant's results.
fn outcomes(rows: &[Row]) -> Vec<Column> {
    let each = || rows.iter();
    let changed = |of: fn(&Changes) -> Option<Estimate>| rows.iter().map(move |row| of(row.changes?));
    let alone = |of: fn(&Changes) -> Option<Estimate>| {
        Column::signed(changed(of).map(|change| change.map(|change| change.value)))
    };
    vec![
        Column::share(each().map(|row| row.slice.weak_accuracy()))
            .file("weak_accuracy")
            .short(TERMINAL, "weak accuracy, %"),
        Column::preformatted(each().map(|row| weak_accuracy(row.slice, percent))).named(OUTCOMES, "weak accuracy"),
        Column::change(changed(|changes| changes.weak_accuracy))
            .file("weak_change_vs_cascade_pp")
            .ends(["weak_change_low_pp", "weak_change_high_pp"])
            .short(TERMINAL, "weak accuracy vs cascade, points")
            .named(OUTCOMES, "weak accuracy, change"),
        Column::p_value(changed(|changes| changes.weak_accuracy).map(|change| change?.p_value)).file("weak_p_value"),
        Column::share(each().map(|row| row.slice.accuracy()))
            .file("accuracy")
            .short(TERMINAL, "accuracy, %")
            .named(OUTCOMES, "accuracy"),
        Column::change(changed(|changes| Some(changes.accuracy)))
            .file("change_vs_cascade_pp")
            .ends(["change_low_pp", "change_high_pp"])
            .short(TERMINAL, "accuracy vs cascade, points")
            .named(OUTCOMES, "accuracy, change"),
        Column::p_value(changed(|changes| Some(changes.accuracy)).map(|change| change?.p_value)).file("p_value"),
        Column::share(each().map(|row| row.slice.coverage())).file("coverage").named(OUTCOMES, "coverage"),
        Column::number(2, each().map(|row| row.auroc)).file("auroc"),
        Column::preformatted(each().map(auroc)).named(OUTCOMES, "AUROC"),
        Column::count(each().map(|row| row.slice.strong_calls()))
            .file("strong_calls")
            .named(TERMINAL, "strong calls")
            .named(OUTCOMES, "strong calls"),
        alone(|changes| changes.strong_calls).file("strong_calls_change_percent"),
        Column::count(each().map(|row| row.slice.strong_calls_all()))
            .file("strong_calls_all")
            .named(TERMINAL, "strong calls incl. distillation")
            .named(OUTCOMES, "strong calls incl. distillation"),
        alone(|changes| changes.strong_calls_all).file("strong_calls_all_change_percent"),
        Column::number(5, each().map(|row| row.fee)).file("fee_usd"),
        Column::relative(each().map(|row| row.fee_change))
            .file("fee_change_percent")
            .ends(["fee_change_low_percent", "fee_change_high_percent"])
            .short(TERMINAL, "fee vs cascade, %")
            .named(OUTCOMES, "fee, change"),
    ]
}

/// The columns of the stored strategies and their effect.
fn insides(rows: &[Row]) -> Vec<Column> {
    let each = || rows.iter();
    let count = |of: fn(&StoreStats) -> usize| Column::count(rows.iter().map(move |row| of(&row.storing)));
    vec![
        Column::number(2, each().map(|row| row.slice.strategies_shown())).file("strategies_shown"),
        count(|storing| storing.deferred).file("strategies_deferred"),
        count(|storing| storing.stored).file("strategies_stored").named(INSIDES, "stored"),
        count(|storing| storing.stored_wrong).file("stored_wrong").named(INSIDES, "of them wrong"),
        count(|storing| storing.dropped).file("strategies_rejected").named(INSIDES, "rejected"),
        count(|storing| storing.dropped_right).file("rejected_right").named(INSIDES, "of them right"),
        count(|storing| storing.unreadable).file("strategies_unreadable").named(INSIDES, "unreadable"),
        Column::share(each().map(|row| row.strong.map(|(with, _)| with))).file("strong_accuracy_while_distilling"),
        Column::signed(each().map(|row| row.strong?.1)).file("strong_change_while_distilling_pp"),
    ]
}

/// The columns of the weak level's gain by the strategies in its prompt, and of the strong level's accuracy on deferred
/// items.
fn parts(rows: &[Row]) -> Vec<Column> {
    let mut columns = Vec::new();
    for name in PARTS {
        let part = || rows.iter().map(move |row| row.part(name));
        let key = |figure: &str| format!("shown_{}_{figure}", name.replace(' ', "_"));
        columns.extend([
            Column::preformatted(part().map(|part| or_dash(part.map(in_short))))
                .named(INSIDES, format!("shown: {name}")),
            Column::count(part().map(|found| found.map_or(0, |found| found.n))).file(key("n")),
            Column::share(part().map(|found| Some(found?.alone))).file(key("alone")),
            Column::share(part().map(|found| Some(found?.taught))).file(key("taught")),
            Column::number(2, part().map(|found| Some(found?.similarity?.0))).file(key("similarity_least")),
            Column::number(2, part().map(|found| Some(found?.similarity?.1))).file(key("similarity_greatest")),
        ]);
    }
    let strong = |row: &Row| {
        let (with, change) = row.strong?;
        let change = change.map(|change| format!(" ({})", signed(change)));
        Some(format!("{}{}", percent(with), change.unwrap_or_default()))
    };
    columns.push(
        Column::preformatted(rows.iter().map(|row| or_dash(strong(row)))).named(INSIDES, "strong right on deferred"),
    );
    columns
}

/// Formats the number of items, their similarity, and the accuracy on them without and with strategies.
fn in_short(found: &TransferGain) -> String {
    let similar = found.similarity.map(|ends| format!(" ({})", range(ends))).unwrap_or_default();
    format!("{}{similar}: {} → {}", found.n, percent(found.alone), percent(found.taught))
}

/// The columns of each variant's tokens and time.
fn costs(rows: &[Row]) -> Vec<Column> {
    /// The headings of [`TOKENS`].
    const HEADINGS: [&str; TOKENS.len()] = [
        "weak tokens read",
        "written",
        "strong tokens read",
        "written to answer",
        "strategies",
        "second draws",
        "tokens embedded",
    ];
    let tokens = TOKENS.into_iter().zip(HEADINGS);
    let tokens = tokens.map(|((key, of), heading)| {
        Column::count(rows.iter().map(move |row| of(row.slice))).file(key).named(COSTS, heading)
    });
    let time =
        |milliseconds: f64| Column::number(1, rows.iter().map(move |row| Some(row.slice.latency_ms()? / milliseconds)));
    tokens.chain([time(1000.0).file("model_time_s"), time(60_000.0).named(COSTS, "model time, min")]).collect()
}

/// Formats the AUROC, marked if it includes answers of weak-only.
fn auroc(row: &Row) -> String {
    or_dash(row.auroc.map(|auroc| marked(format!("{auroc:.2}"), row.slice.from_weak_only() > 0)))
}

/// The columns of the number of items that the weak level was asked, and of its figures on them. The summary has these
/// figures only if it was not asked every item.
fn asked(rows: &[Row]) -> Vec<Column> {
    let each = || rows.iter();
    let has_unasked = is_any_unasked(rows);
    let displayed = |column: Column, heading: &str| if has_unasked { column.named(OUTCOMES, heading) } else { column };
    let weak = Column::share(each().map(|row| row.slice.weak_accuracy_asked())).file("weak_accuracy_asked");
    let auroc = Column::number(2, each().map(|row| row.auroc_asked)).file("auroc_asked");
    vec![
        Column::count(each().map(|row| row.slice.asked())).file("weak_asked"),
        Column::count(each().map(|row| row.slice.from_weak_only())).file("weak_from_weak_only"),
        displayed(weak, "weak accuracy, asked"),
        displayed(auroc, "AUROC, asked"),
    ]
}

fn is_any_unasked(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.slice.unasked() > 0)
}

/// The columns of each variant's changes against strong-only. Documents and the terminal have them only if a run has
/// that arm.
fn strong_only(rows: &[Row]) -> Vec<Column> {
    let against = || rows.iter().map(|row| row.against_strong);
    let change = Column::change(against().map(|against| Some(against?.accuracy)))
        .file("change_vs_strong_only_pp")
        .ends(["change_vs_strong_only_low_pp", "change_vs_strong_only_high_pp"]);
    let displayed = rows.iter().any(|row| row.against_strong.is_some());
    vec![
        if displayed {
            change.short(TERMINAL, "accuracy vs strong-only, points").named(OUTCOMES, "against strong-only")
        } else {
            change
        },
        Column::p_value(against().map(|against| against?.accuracy.p_value)).file("p_vs_strong_only"),
        Column::signed(against().map(|against| Some(against?.strong_calls?.value)))
            .file("strong_calls_change_vs_strong_only_percent"),
        Column::signed(against().map(|against| Some(against?.fee?.value))).file("fee_change_vs_strong_only_percent"),
    ]
}

/// Formats the results of each variant for a terminal of `width` columns.
#[must_use]
pub fn terminal(rows: &[Row], width: u16) -> String {
    let sheets: Vec<(&str, Sheet)> = blocks(rows).map(|(title, rows)| (title, sheet(rows))).collect();
    let sheets: Vec<(&str, &Sheet)> = sheets.iter().map(|(title, sheet)| (*title, sheet)).collect();
    let tables = page(&sheets, width);
    format!("{tables}\nChanges are against the cascade of the same run; their intervals are in {SUMMARY}.")
}

/// Returns the whole summary as Markdown.
#[must_use]
pub fn markdown(name: &str, setting: &[String], notes: &[String], rows: &[Row]) -> String {
    let mut text = format!("# {name}\n\nCommon settings, unless a row overrides them:\n\n");
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
        let sheet = sheet(rows);
        let _ = write!(
            text,
            "\n## {title}\n\n{}\n### {title}: what was stored, and what it did\n\n{}\n### {title}: what it took\n\n{}",
            sheet.markdown_of(OUTCOMES),
            sheet.markdown_of(INSIDES),
            sheet.markdown_of(COSTS)
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
    text += "\nChanges are against the cascade of the same run, paired item by item, with 95 % bootstrap intervals \
             over groups in brackets. They are not adjusted for the number of rows, so choose a variant on one split \
             and judge it on another. The source of a strategy and its correctness are known only after the fact, \
             from the data set. Cells of the columns `shown: …` have the number of items, their similarity to the \
             most similar retrieved strategy, and the weak level's accuracy on them without and with strategies. In \
             the column on the strong level, brackets contain the change of its accuracy on deferred items, in \
             points, from asking for a strategy. Model time is the sum of the recorded times of all calls.\n";
    if is_any_unasked(rows) {
        let _ = writeln!(
            text,
            "\nFigures marked with{MARK} use weak-only's answers to the items that the weak level was not asked; a \
             dash: the run has no arm weak-only. Figures over only the items that the weak level was asked are in \
             separate columns."
        );
    }
    text
}

/// Returns the tables as LaTeX, with a float for each.
#[must_use]
pub fn latex(name: &str, rows: &[Row]) -> String {
    let mut floats = Vec::new();
    for (title, rows) in blocks(rows) {
        let sheet = sheet(rows);
        let of = [
            (OUTCOMES, format!("{title}. Changes are against the cascade. {INTERVAL_NOTE}")),
            (INSIDES, format!("{title}: stored strategies and their effect.")),
            (COSTS, format!("{title}: cost.")),
        ];
        floats.extend(
            of.map(|(view, text)| sheet.latex_of(view, &Caption::new(name, &format!("{title} {view}"), &text))),
        );
    }
    document(&floats)
}

/// Returns the rows of each table, with its title.
fn blocks<'r, 'a>(rows: &'r [Row<'a>]) -> impl Iterator<Item = (&'a str, &'r [Row<'a>])> {
    rows.chunk_by(|one, other| one.variant.title == other.variant.title).map(|rows| (rows[0].variant.title, rows))
}
