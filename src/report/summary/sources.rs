//! The weak level's gain by where the strategies came from, by how often a kind of problem came before, and by whether the
//! teacher was right.

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
    /// Which items they are.
    part_of: &'static str,
    found: TransferGain,
    /// The items themselves, if the table says what became of them.
    part: Option<Slice<'c>>,
}

/// The tables, those that say something.
pub(super) fn section(comparison: &Comparison) -> String {
    let Some(alone) = comparison.untaught() else { return String::new() };
    let (mut places, mut encounters, mut teachers) = (Vec::new(), Vec::new(), Vec::new());
    let unknown = alone.groups_are_unknown();
    for slice in comparison.learners() {
        let row = |part_of, found| Row { slice, part_of, found, part: None };
        let named = |source: StrategySource| match source {
            StrategySource::OtherGroups if unknown => "others, groups unknown",
            source => source.name(),
        };
        places.extend(by_source(slice, alone).into_iter().map(|(source, found)| row(named(source), found)));
        let parts = by_encounter(slice, alone).into_iter();
        encounters.extend(parts.map(|(nth, part, found)| Row { part: Some(part), ..row(nth, found) }));
        teachers.extend(by_teacher(slice, alone).into_iter().map(|(teacher, found)| row(teacher.name(), found)));
    }
    let mut text = String::new();
    if !places.is_empty() {
        let meaning = if unknown {
            "The data name no groups, so every question is a group of its own: whether a strategy comes from another wording or instance of the same problem \
             (a look-up) or from another problem (transfer) is not known. Name the column that says what belongs together with `dataset.group`, or call it `group`."
        } else {
            "The same group is another wording or instance of the same problem: its strategy can be looked up. Only a gain from other groups is transfer from one \
             problem to another."
        };
        let _ = write!(
            text,
            "\n## Where the weak level's gain comes from\n\n{}{}\n{meaning} \
             ± is half of a 95 % interval, normal and clustered by group; none where fewer than three groups change. Similarity is that of the nearest one shown.\n",
            sheet("strategies from", &places).markdown(),
            of_unasked(&places)
        );
    }
    // Where no group comes again, all are the first.
    if encounters.iter().any(|row| row.part_of != ENCOUNTERS[0]) {
        let _ = write!(
            text,
            "\n## How often a group comes again\n\n{}{}\nThe items by which one of their group they are in their stream: the first finds \
             none of it in the repository, the others those before them that were deferred and kept.\n",
            sheet("of its group", &encounters).markdown(),
            of_unasked(&encounters)
        );
    }
    // A teacher that is never wrong needs no table.
    if teachers.iter().any(|row| row.part_of != Teacher::Right.name()) {
        let _ = write!(
            text,
            "\n## What a wrong teacher costs\n\n{}\nWhether the strong answers behind the strategies shown were right is \
             known after the fact; no arm uses it.\n",
            sheet("their teacher was", &teachers).markdown()
        );
    }
    text
}

/// What the figures do with items of which the weak level was not asked; empty if it was asked of all.
fn of_unasked(rows: &[Row]) -> String {
    if rows.iter().all(|row| row.found.unasked == 0) {
        return String::new();
    }
    let kept = rows.iter().any(|row| row.slice.from_weak_only() > 0);
    let fate = if kept {
        "count with weak-only's answer on both sides, and so as no gain"
    } else {
        "are not among the others, since the run has no weak-only"
    };
    format!("\nItems of which the arm did not ask the weak level {fate}.\n")
}

/// The table of these rows; `part_of` heads what tells them apart.
fn sheet(part_of: &str, rows: &[Row]) -> Sheet {
    let each = || rows.iter();
    let similarity = |row: &Row| row.found.similarity.map(range).unwrap_or_default();
    let mut columns = vec![
        Column::text(each().map(|row| row.slice.cell.arm.to_string())).aside("arm"),
        Column::exact(each().map(|row| row.slice.readable)).aside("λ"),
        Column::text(each().map(|row| row.part_of.to_owned())).aside(part_of),
        Column::written(each().map(similarity)).aside("similarity"),
        Column::count(each().map(|row| row.found.n)).aside("items"),
    ];
    if rows.iter().any(|row| row.found.unasked > 0) {
        columns.push(Column::count(each().map(|row| row.found.unasked)).aside("weak level not asked"));
    }
    columns.extend([
        Column::share(each().map(|row| row.found.alone)).aside("weak alone"),
        Column::share(each().map(|row| row.found.taught)).aside("weak with them"),
        Column::written(each().map(|row| plus_minus(row.found.gain))).aside("gain"),
    ]);
    if rows.iter().any(|row| row.part.is_some()) {
        let part = || rows.iter().map(|row| row.part.as_ref());
        columns.extend([
            Column::share(part().map(|part| Some(1.0 - part?.coverage()))).aside("deferred"),
            Column::share(part().map(|part| Some(part?.accuracy()))).aside("accuracy"),
        ]);
    }
    Sheet { name: "sources", columns }
}
