//! A few values of λ for each arm, for a terminal: first those that no other arm dominates. The files have all of them.

use super::{OnAxis, Sweep};
use crate::analysis::curves::Axis;
use crate::analysis::metrics::frontier::{Place, frontier};
use crate::analysis::metrics::recommendation::QUERIES;
use crate::analysis::metrics::{Comparison, ratio};
use crate::report::arms::fees::queries;
use crate::report::columns::{Column, Sheet};
use crate::report::format::{or_dash, signed};

/// Maximum number of values of λ of an arm.
const MOST: usize = 8;

/// Returns the table, by arm and λ.
pub(super) fn sheet(sweep: &Sweep, comparison: &Comparison) -> Sheet {
    let by_fee = sweep.axes.iter().any(|on| on.axis == Axis::Fee);
    let rows = few(&frontier(comparison), comparison, by_fee);
    let each = || rows.iter();
    let readable = |point: &Place| point.slice.readable;
    let saved = |point: &Place| {
        let on = sweep.axes.iter().find(|on| (on.axis == Axis::Fee) == by_fee);
        or_dash(on.and_then(|on| saved(on, point)))
    };
    let fee = |point: &Place| Some(point.fee? / queries(point.slice) * QUERIES);
    let heading = if by_fee { "fee at the cascade's accuracy, %" } else { "calls at the cascade's accuracy, %" };
    let mut columns = vec![
        Column::text(each().map(|point| point.slice.cell.arm.to_string())).heading("arm"),
        Column::exact(each().map(readable)).heading("λ"),
        Column::share(each().map(|point| point.accuracy)).heading("accuracy"),
        Column::share(each().map(|point| point.slice.coverage())).heading("coverage"),
        Column::share(each().map(|point| ratio(point.slice.strong_calls(), point.slice.outcomes.len())))
            .heading("strong calls, share"),
    ];
    if by_fee {
        columns.push(Column::number(4, each().map(fee)).heading("USD per 1,000 queries"));
    }
    columns.push(Column::text(each().map(|point| mark(point, by_fee).to_owned())).heading("frontier"));
    columns.push(Column::preformatted(each().map(saved)).heading(heading));
    Sheet { name: "points", columns }
}

fn mark(point: &Place, by_fee: bool) -> &'static str {
    if is_on_frontier(point, by_fee) { "yes" } else { "no" }
}

fn is_on_frontier(point: &Place, by_fee: bool) -> bool {
    if by_fee { point.dominated_by_fee.is_none() } else { point.dominated_by_requests.is_none() }
}

/// Selects at most [`MOST`] points of each arm, in the order of arms and λ.
fn few<'c, 'a>(points: &[Place<'c, 'a>], comparison: &'c Comparison<'a>, by_fee: bool) -> Vec<Place<'c, 'a>> {
    let mut rows = Vec::new();
    for arm in comparison.arms() {
        let mut own: Vec<Place> = points.iter().filter(|point| point.slice.cell.arm == arm).copied().collect();
        own.sort_by(|one, other| {
            let [one, other] = [one, other].map(|point| point.slice.cell.threshold.unwrap_or(f64::NEG_INFINITY));
            one.total_cmp(&other)
        });
        let (on, off): (Vec<usize>, Vec<usize>) =
            (0..own.len()).partition(|index| is_on_frontier(&own[*index], by_fee));
        let mut selected = evenly(&on, MOST);
        selected.extend(evenly(&off, MOST - selected.len()));
        selected.sort_unstable();
        rows.extend(selected.into_iter().map(|index| own[index]));
    }
    rows
}

/// Selects at most `count` indices at even distances, including both ends.
fn evenly(indices: &[usize], count: usize) -> Vec<usize> {
    if indices.len() <= count {
        return indices.to_vec();
    }
    let last = indices.len() - 1;
    (0..count).map(|at| indices[if count == 1 { last / 2 } else { at * last / (count - 1) }]).collect()
}

/// Returns the saving of an arm at the cascade's accuracy at the same λ. `None` if it is unknown.
fn saved(on: &OnAxis, point: &Place) -> Option<String> {
    let cell = &point.slice.cell;
    let same = |threshold: f64| Some(threshold.to_bits()) == cell.threshold.map(f64::to_bits);
    let saving = on.savings.iter().find(|saving| saving.arm == cell.arm && same(saving.threshold))?;
    if saving.at_strong_only {
        Some("strong-only".to_owned())
    } else {
        saving.change.map(|change| signed(change.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selected_points_are_spread_evenly() {
        let indices: Vec<usize> = (10..31).collect();
        assert_eq!(evenly(&indices, 5), [10, 15, 20, 25, 30]);
        assert_eq!(
            (evenly(&indices, 1), evenly(&indices[..2], 5), evenly(&indices, 0)),
            (vec![20], vec![10, 11], vec![])
        );
    }
}
