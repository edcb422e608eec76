//! A few λs of each arm for a terminal: those that no other arm makes needless first. All of them are in the files.

use super::{OnAxis, Sweep};
use crate::analysis::curves::Axis;
use crate::analysis::metrics::frontier::{Place, frontier};
use crate::analysis::metrics::recommendation::QUERIES;
use crate::analysis::metrics::{Comparison, ratio};
use crate::report::arms::fees::queries;
use crate::report::columns::{Column, Sheet};
use crate::report::format::{or_dash, signed};

/// The most λs of an arm.
const MOST: usize = 8;

/// The table of these, by arm and λ.
pub(super) fn sheet(sweep: &Sweep, comparison: &Comparison) -> Sheet {
    let by_fee = sweep.axes.iter().any(|on| on.axis == Axis::Fee);
    let rows = few(&frontier(comparison), comparison, by_fee);
    let each = || rows.iter();
    let readable = |place: &Place| place.slice.readable;
    let saved = |place: &Place| {
        let on = sweep.axes.iter().find(|on| (on.axis == Axis::Fee) == by_fee);
        or_dash(on.and_then(|on| saved(on, place)))
    };
    let fee = |place: &Place| Some(place.fee? / queries(place.slice) * QUERIES);
    let heading = if by_fee { "fee at the cascade's accuracy, %" } else { "calls at the cascade's accuracy, %" };
    let mut columns = vec![
        Column::text(each().map(|place| place.slice.cell.arm.to_string())).heading("arm"),
        Column::exact(each().map(readable)).heading("λ"),
        Column::share(each().map(|place| place.accuracy)).heading("accuracy"),
        Column::share(each().map(|place| ratio(place.slice.strong_calls(), place.slice.taken.len())))
            .heading("strong calls, share"),
    ];
    if by_fee {
        columns.push(Column::number(4, each().map(fee)).heading("USD per 1,000 queries"));
    }
    columns.push(Column::text(each().map(|place| mark(place, by_fee).to_owned())).heading("frontier"));
    columns.push(Column::written(each().map(saved)).heading(heading));
    Sheet { name: "points", columns }
}

fn mark(place: &Place, by_fee: bool) -> &'static str {
    if is_on_frontier(place, by_fee) { "yes" } else { "no" }
}

fn is_on_frontier(place: &Place, by_fee: bool) -> bool {
    if by_fee { place.dominated_by_fee.is_none() } else { place.dominated_by_requests.is_none() }
}

/// At most [`MOST`] places of each arm, in the order of arms and λs.
fn few<'c, 'a>(places: &[Place<'c, 'a>], comparison: &'c Comparison<'a>, by_fee: bool) -> Vec<Place<'c, 'a>> {
    let mut rows = Vec::new();
    for arm in comparison.arms() {
        let mut own: Vec<Place> = places.iter().filter(|place| place.slice.cell.arm == arm).copied().collect();
        own.sort_by(|one, other| {
            let [one, other] = [one, other].map(|place| place.slice.cell.threshold.unwrap_or(f64::NEG_INFINITY));
            one.total_cmp(&other)
        });
        let (on, off): (Vec<usize>, Vec<usize>) =
            (0..own.len()).partition(|place| is_on_frontier(&own[*place], by_fee));
        let mut kept = evenly(&on, MOST);
        kept.extend(evenly(&off, MOST - kept.len()));
        kept.sort_unstable();
        rows.extend(kept.into_iter().map(|place| own[place]));
    }
    rows
}

/// At most `count` of some places at even distances, both ends among them.
fn evenly(places: &[usize], count: usize) -> Vec<usize> {
    if places.len() <= count {
        return places.to_vec();
    }
    let last = places.len() - 1;
    (0..count).map(|at| places[if count == 1 { last / 2 } else { at * last / (count - 1) }]).collect()
}

/// What an arm saves at the accuracy that the cascade has at the same λ. `None` if nothing is known of it.
fn saved(on: &OnAxis, place: &Place) -> Option<String> {
    let cell = &place.slice.cell;
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
    fn a_few_of_many_are_spread_over_all() {
        let places: Vec<usize> = (10..31).collect();
        assert_eq!(evenly(&places, 5), [10, 15, 20, 25, 30]);
        assert_eq!((evenly(&places, 1), evenly(&places[..2], 5), evenly(&places, 0)), (vec![20], vec![10, 11], vec![]));
    }
}
