//! Two runs side by side.

use super::format::{self, bare_percent, signed, threshold};
use super::grid;
use super::manifest::{self, Manifest};
use crate::analysis::metrics::fees::item_fee;
use crate::analysis::metrics::{Changes, Comparison, Slice};
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

/// Each arm in both, and the difference over the items that both took: of accuracy, and of what it costs.
#[must_use]
pub fn tables(first: &Comparison, second: &Comparison, width: u16) -> String {
    let header = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let mut right = vec![header(&["arm", "λ", "items in both", "accuracy %", "change pp", "p", "weak, change pp"])];
    let mut paid = vec![header(&["arm", "λ", "strong calls", "change %", "fee USD", "fee, change %"])];
    for slice in &second.slices {
        let Some(base) = counterpart(first, second, slice) else { continue };
        let changes = Changes::between(slice, base, first.seed);
        let of = |figure: fn(&Changes) -> String| changes.as_ref().map_or("no item in both".to_owned(), figure);
        let arm = slice.cell.arm.to_string();
        let pairs = slice.paired(base);
        let lambda = both(&threshold(base), &threshold(slice));
        right.push(vec![
            arm.clone(),
            lambda.clone(),
            pairs.len().to_string(),
            both(&bare_percent(base.accuracy()), &bare_percent(slice.accuracy())),
            of(|changes| format::change(changes.accuracy)),
            of(|changes| changes.accuracy.p_value.map_or("–".to_owned(), |p| format!("{p:.3}"))),
            of(|changes| changes.weak_accuracy.map_or("–".to_owned(), format::change)),
        ]);
        let usd = |fee: Option<Fee>| fee.map_or("–".to_owned(), |fee| format::usd(fee.usd()));
        let new: Option<f64> = pairs.iter().map(|(taken, _)| item_fee(*taken, None, second.prices)).sum();
        let old: Option<f64> = pairs.iter().map(|(_, taken)| item_fee(*taken, None, first.prices)).sum();
        let change = old.zip(new).and_then(|(old, new)| relative_change([new, old]));
        paid.push(vec![
            arm,
            lambda,
            both(&base.strong_calls().to_string(), &slice.strong_calls().to_string()),
            of(|changes| changes.strong_calls.map_or("–".to_owned(), |change| signed(change.value))),
            both(&usd(first.fee(base)), &usd(second.fee(slice))),
            change.map_or("–".to_owned(), signed),
        ]);
    }
    if right.len() == 1 {
        return "no arm is in both".to_owned();
    }
    let [right, paid] = [right, paid].map(|rows| grid::table(&rows, 1, width));
    format!("{right}\n{paid}\nChanges are over the items that are in both runs.")
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
