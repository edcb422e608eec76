//! The weak level's gain by the source of the strategies, by the number of earlier items of the same group, and by
//! whether the strong answer behind a strategy was correct.

use std::fmt::Write;

use crate::analysis::metrics::learning::{
    ENCOUNTERS, StrategySource, Teacher, TransferGain, by_encounter, by_source, by_teacher,
};
use crate::analysis::metrics::{Comparison, Slice};
use crate::report::columns::{Column, Sheet};
use crate::report::format::{plus_minus, range};

/// The gain on some of an arm's items.
struct Row<'c> {
    slice: &'c Slice<'c>,
    /// Label of these items.
    part_of: &'static str,
    found: TransferGain,
    /// The items themselves, if the table has their deferrals and their accuracy.
    part: Option<Slice<'c>>,
}

/// Returns the section, without tables that have no information.
pub(super) fn section(comparison: &Comparison) -> String {
    let Some(alone) = comparison.untaught() else { return String::new() };
    let (mut sources, mut encounters, mut teachers) = (Vec::new(), Vec::new(), Vec::new());
    let unknown = alone.groups_are_unknown();
    for slice in comparison.learners() {
        let row = |part_of, found| Row { slice, part_of, found, part: None };
        let named = |source: StrategySource| match source {
            StrategySource::OtherGroups if unknown => "others, groups unknown",
            source => source.name(),
        };
        sources.extend(by_source(slice, alone).into_iter().map(|(source, found)| row(named(source), found)));
        let parts = by_encounter(slice, alone).into_iter();
        encounters.extend(parts.map(|(nth, part, found)| Row { part: Some(part), ..row(nth, found) }));
        teachers.extend(by_teacher(slice, alone).into_iter().map(|(teacher, found)| row(teacher.name(), found)));
    }
    let mut text = String::new();
    if !sources.is_empty() {
        let meaning = if unknown {
            "The data set names no groups, so every question is its own group. It is therefore unknown if a strategy \
             comes from another wording or instance of the same problem (a look-up) or from another problem \
             (transfer). Set `dataset.group` to the column that identifies related questions, or call that column \
             `group`."
        } else {
            "The same group means another wording or instance of the same problem: its strategy can be looked up. \
             Only a gain from other groups is transfer from one problem to another."
        };
        let _ = write!(
            text,
            "\n## Where the weak level's gain comes from\n\n{}{}\n{meaning} \
             ± is half the width of a 95 % interval (normal approximation, clustered by group); there is none if \
             fewer than three groups change. Similarity is that of the most similar retrieved strategy.\n",
            sheet("strategies from", &sources).markdown(),
            unasked_items(&sources)
        );
    }
    // If no group occurs twice, all items are the first of their group.
    if encounters.iter().any(|row| row.part_of != ENCOUNTERS[0]) {
        let _ = write!(
            text,
            "\n## How often a group comes again\n\n{}{}\nItems by their position within their group in the stream. \
             The first item of a group finds no strategy of that group in the repository; later ones find those of \
             earlier items that were deferred and stored.\n",
            sheet("of its group", &encounters).markdown(),
            unasked_items(&encounters)
        );
    }
    // No table if the strong answers were never wrong.
    if teachers.iter().any(|row| row.part_of != Teacher::Right.name()) {
        let _ = write!(
            text,
            "\n## What a wrong teacher costs\n\n{}\nThe correctness of the strong answers behind the retrieved \
             strategies is known only after the fact, from the targets; no arm uses it.\n",
            sheet("strong solution was", &teachers).markdown()
        );
    }
    text
}

/// Describes how the figures treat items that the weak level was not asked. Empty if it was asked every item.
fn unasked_items(rows: &[Row]) -> String {
    if rows.iter().all(|row| row.found.unasked == 0) {
        return String::new();
    }
    let has_weak_only = rows.iter().any(|row| row.slice.from_weak_only() > 0);
    let treatment = if has_weak_only {
        "count with weak-only's answer both with and without strategies, and so as no gain"
    } else {
        "are left out, since the run has no arm weak-only"
    };
    format!("\nItems that the arm did not ask the weak level {treatment}.\n")
}

/// Returns the table of these rows; `part_of` is the heading of the column of labels.
fn sheet(part_of: &str, rows: &[Row]) -> Sheet {
    let each = || rows.iter();
    let similarity = |row: &Row| row.found.similarity.map(range).unwrap_or_default();
    let mut columns = vec![
        Column::text(each().map(|row| row.slice.cell.arm.to_string())).in_documents("arm"),
        Column::exact(each().map(|row| row.slice.readable)).in_documents("λ"),
        Column::text(each().map(|row| row.part_of.to_owned())).in_documents(part_of),
        Column::preformatted(each().map(similarity)).in_documents("similarity"),
        Column::count(each().map(|row| row.found.n)).in_documents("items"),
    ];
    if rows.iter().any(|row| row.found.unasked > 0) {
        columns.push(Column::count(each().map(|row| row.found.unasked)).in_documents("weak level not asked"));
    }
    columns.extend([
        Column::share(each().map(|row| row.found.alone)).in_documents("weak alone"),
        Column::share(each().map(|row| row.found.taught)).in_documents("weak with them"),
        Column::preformatted(each().map(|row| plus_minus(row.found.gain))).in_documents("gain"),
    ]);
    if rows.iter().any(|row| row.part.is_some()) {
        let part = || rows.iter().map(|row| row.part.as_ref());
        columns.extend([
            Column::share(part().map(|part| Some(1.0 - part?.coverage()))).in_documents("deferred"),
            Column::share(part().map(|part| Some(part?.accuracy()))).in_documents("accuracy"),
        ]);
    }
    Sheet { name: "sources", columns }
}
