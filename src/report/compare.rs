//! Two runs side by side.

use super::columns::{Column, Sheet, TERMINAL, page};
use super::format::{self, bare_percent, lambda, or_dash, signed};
use super::manifest::{self, Manifest};
use crate::analysis::metrics::fees::item_fee;
use crate::analysis::metrics::{Changes, Comparison, Reference, Slice};
use crate::analysis::stats::units::relative_change;
use crate::types::price::Fee;

/// In what the runs differ, one line each.
#[must_use]
pub fn differences(first: &Manifest, second: &Manifest) -> Vec<String> {
    let found = manifest::differences(&first.identity, &second.identity);
    if found.is_empty() {
        return vec!["both are the same run".to_owned()];
    }
    let line = |line: &String| format!("  {}", line.replace(" there, ", " first, ").replace(" here", " second"));
    std::iter::once("the runs differ in".to_owned()).chain(found.iter().map(line)).collect()
}

/// Whether the runs took the same data set, so that equal ids are equal items.
#[must_use]
pub fn same_data(first: &Manifest, second: &Manifest) -> bool {
    // A calibration split's checksum stands behind that of the stream's.
    let sha256 = |run: &Manifest| {
        run.identity["dataset"]["sha256"].as_str().and_then(|sums| sums.split(' ').next()).map(str::to_owned)
    };
    sha256(first) == sha256(second)
}

/// An arm of both runs.
struct Row<'c> {
    slice: &'c Slice<'c>,
    base: &'c Slice<'c>,
    /// The number of items in both runs, over all orders.
    items: usize,
    /// What changes over these items. `None` if there are none.
    changes: Option<Changes>,
    /// The difference of the accuracies to strong-only in either run, as a share. `None` if the run does not have it.
    against_strong: [Option<f64>; 2],
    /// The fees of the arm in either run.
    fees: [Option<Fee>; 2],
    /// The relative change of the fee over the items in both, as a share.
    fee_change: Option<f64>,
}

impl<'c> Row<'c> {
    fn new(first: &Comparison, second: &Comparison, base: &'c Slice<'c>, slice: &'c Slice<'c>) -> Self {
        let pairs = slice.paired(base);
        let new: Option<f64> = pairs.iter().map(|(taken, _)| item_fee(*taken, None, second.prices)).sum();
        let against = |comparison: &Comparison, slice| {
            let against = comparison.of_slice_against(slice, Reference::StrongOnly);
            against.map(|against| against.accuracy.value)
        };
        let old: Option<f64> = pairs.iter().map(|(_, taken)| item_fee(*taken, None, first.prices)).sum();
        Self {
            slice,
            base,
            items: pairs.len(),
            changes: Changes::between(slice, base, first.seed),
            against_strong: [against(first, base), against(second, slice)],
            fees: [first.fee(base), second.fee(slice)],
            fee_change: old.zip(new).and_then(|(old, new)| relative_change([new, old])),
        }
    }

    /// A change as text; of runs without an item in both, that it is so.
    fn changed(&self, change: impl Fn(&Changes) -> Option<String>) -> String {
        self.changes.as_ref().map_or("no item in both".to_owned(), |changes| format::or_dash(change(changes)))
    }
}

/// Each arm in both, and the difference over the items that both took: of accuracy, and of what it costs.
#[must_use]
pub fn tables(first: &Comparison, second: &Comparison, width: u16) -> String {
    let row = |slice| Some(Row::new(first, second, counterpart(first, second, slice)?, slice));
    let rows: Vec<Row> = second.slices.iter().filter_map(row).collect();
    if rows.is_empty() {
        return "no arm is in both".to_owned();
    }
    let (right, paid) = (right(&rows), paid(&rows));
    let tables = page(&[("", &right), ("", &paid)], width);
    format!("{tables}\nChanges are over the items that are in both runs.{}", of_strong_only(&rows))
}

/// What the last column of the accuracies is; empty if it is not there.
fn of_strong_only(rows: &[Row]) -> &'static str {
    let compared = rows.iter().any(|row| row.against_strong.iter().any(Option::is_some));
    if compared { " The difference to strong-only is over all items of either run." } else { "" }
}

/// Arm and λ.
fn head(rows: &[Row]) -> Vec<Column> {
    let readable = |slice: &Slice| or_dash(slice.readable.map(lambda));
    let lambda = |row: &Row| both(&readable(row.base), &readable(row.slice));
    vec![
        Column::text(rows.iter().map(|row| row.slice.cell.arm.to_string())).named(TERMINAL, "arm"),
        Column::written(rows.iter().map(lambda)).named(TERMINAL, "λ"),
    ]
}

/// How accurate each arm was.
fn right(rows: &[Row]) -> Sheet {
    let each = || rows.iter();
    let accuracy = |row: &Row| both(&bare_percent(row.base.accuracy()), &bare_percent(row.slice.accuracy()));
    let change = |row: &Row| row.changed(|changes| Some(format::change(changes.accuracy)));
    let p_value = |row: &Row| row.changed(|changes| changes.accuracy.p_value.map(|p| format!("{p:.3}")));
    let weak = |row: &Row| row.changed(|changes| changes.weak_accuracy.map(format::change));
    let mut columns = head(rows);
    columns.extend([
        Column::count(each().map(|row| row.items)).named(TERMINAL, "items in both"),
        Column::written(each().map(accuracy)).named(TERMINAL, "accuracy %"),
        Column::written(each().map(change)).named(TERMINAL, "change pp"),
        Column::written(each().map(p_value)).named(TERMINAL, "p"),
        Column::written(each().map(weak)).named(TERMINAL, "weak, change pp"),
    ]);
    if !of_strong_only(rows).is_empty() {
        let against = |row: &Row| {
            let [old, new] = row.against_strong.map(|change| format::or_dash(change.map(signed)));
            both(&old, &new)
        };
        columns.push(Column::written(each().map(against)).named(TERMINAL, "pp to strong"));
    }
    Sheet { name: "right", columns }
}

/// What each arm cost.
fn paid(rows: &[Row]) -> Sheet {
    let each = || rows.iter();
    let calls = |row: &Row| both(&row.base.strong_calls().to_string(), &row.slice.strong_calls().to_string());
    let change = |row: &Row| row.changed(|changes| Some(signed(changes.strong_calls?.value)));
    let fees = |row: &Row| {
        let [old, new] = row.fees.map(|fee| format::or_dash(fee.map(|fee| format::usd(fee.usd()))));
        both(&old, &new)
    };
    let mut columns = head(rows);
    columns.extend([
        Column::written(each().map(calls)).named(TERMINAL, "strong calls"),
        Column::written(each().map(change)).named(TERMINAL, "change %"),
        Column::written(each().map(fees)).named(TERMINAL, "fee USD"),
        Column::signed(each().map(|row| row.fee_change)).named(TERMINAL, "fee, change %"),
    ]);
    Sheet { name: "paid", columns }
}

/// What it was and what it is, once where that is the same.
fn both(old: &str, new: &str) -> String {
    if old == new { old.to_owned() } else { format!("{old} → {new}") }
}

/// The same arm of the other run: at the same threshold, or its only one where both have one.
fn counterpart<'c, 'a>(first: &'c Comparison<'a>, second: &Comparison, slice: &Slice) -> Option<&'c Slice<'a>> {
    let of_arm = || first.of_arm(slice.cell.arm).map(|(slice, _)| slice);
    let same = of_arm().find(|other| other.cell.threshold == slice.cell.threshold);
    let single = of_arm().count() == 1 && second.of_arm(slice.cell.arm).count() == 1;
    same.or_else(|| of_arm().next().filter(|_| single))
}
