//! The results of each arm and its changes: the tables `accuracy` and `strong_calls`, and the results in the summary
//! and on the terminal. A new figure of an arm needs a function in `analysis/metrics` and a column here.

use super::fees::queries;
use super::references;
use super::views::{ACCURACY, RESULTS, STRONG_CALLS};
use crate::analysis::metrics::recommendation::QUERIES;
use crate::analysis::metrics::{Changes, Comparison, Slice, ratio};
use crate::analysis::stats::Estimate;
use crate::report::columns::{Column, Sheet, TERMINAL};
use crate::report::format::{bare_percent, marked, or_dash, percent};
use crate::types::price::Fee;

/// Returns the sheet, with a row for each arm at each threshold.
#[must_use]
pub fn sheet(comparison: &Comparison) -> Sheet {
    let mut columns = vec![head(comparison), accuracies(comparison), calls(comparison), costs(comparison)];
    columns.extend([asked(comparison), references::columns(comparison), per_query(comparison)]);
    Sheet { name: RESULTS, columns: columns.into_iter().flatten().collect() }
}

/// Formats an arm's weak accuracy over the whole stream, marked if it includes answers of weak-only.
pub fn weak_accuracy(slice: &Slice, text: fn(f64) -> String) -> String {
    or_dash(slice.weak_accuracy().map(|share| marked(text(share), slice.from_weak_only() > 0)))
}

/// Returns one figure of each arm's changes against its baseline.
fn changed<T>(comparison: &Comparison, figure: impl Fn(&Changes) -> Option<T>) -> impl Iterator<Item = Option<T>> {
    comparison.changes.iter().map(move |changes| changes.as_ref().and_then(&figure))
}

/// The columns that identify a row: data set, arm, threshold, orders and number of items.
fn head(comparison: &Comparison) -> Vec<Column> {
    let each = || comparison.slices.iter();
    let in_both = |column: Column, key: &str| column.named(ACCURACY, key).named(STRONG_CALLS, key);
    let threshold = in_both(Column::exact(each().map(|slice| slice.cell.threshold)), "threshold");
    vec![
        in_both(Column::text(each().map(|slice| slice.cell.dataset.to_string())), "dataset"),
        in_both(Column::text(each().map(|slice| slice.cell.arm.to_string())), "arm")
            .placed(RESULTS, 0, "arm")
            .placed(TERMINAL, 0, "arm"),
        threshold,
        Column::exact(each().map(|slice| slice.readable)).placed(RESULTS, 1, "λ").placed(TERMINAL, 1, "λ"),
        in_both(Column::count(each().map(|slice| slice.orders)), "orders"),
        in_both(Column::count(each().map(|slice| slice.n)), "n"),
    ]
}

fn accuracies(comparison: &Comparison) -> Vec<Column> {
    let each = || comparison.slices.iter();
    let own = comparison.accuracy_intervals();
    let spread = |end: fn(f64, f64) -> f64| {
        Column::signed(changed(comparison, move |changes| changes.accuracy_by_order.iter().copied().reduce(end)))
    };
    let p_value = |changes: &Changes| changes.accuracy.p_value;
    let weak = || changed(comparison, |changes| changes.weak_accuracy);
    vec![
        Column::share(each().map(Slice::accuracy)).named(ACCURACY, "accuracy").placed(RESULTS, 3, "accuracy").bare(
            TERMINAL,
            3,
            "accuracy, %",
        ),
        Column::share(own.iter().map(|own| own.map(|own| own.low))).named(ACCURACY, "accuracy_low"),
        Column::share(own.iter().map(|own| own.map(|own| own.high))).named(ACCURACY, "accuracy_high"),
        Column::share(each().map(Slice::weak_accuracy)).named(ACCURACY, "weak_accuracy"),
        Column::preformatted(each().map(|slice| weak_accuracy(slice, percent))).placed(RESULTS, 2, "weak accuracy"),
        Column::preformatted(each().map(|slice| weak_accuracy(slice, bare_percent))).placed(
            TERMINAL,
            2,
            "weak accuracy, %",
        ),
        Column::share(each().map(Slice::accepted_accuracy)).named(ACCURACY, "accepted_accuracy").placed(
            RESULTS,
            5,
            "selective accuracy",
        ),
        Column::share(each().map(Slice::coverage)).named(ACCURACY, "coverage").placed(RESULTS, 4, "coverage").bare(
            TERMINAL,
            4,
            "accepted, %",
        ),
        Column::share(each().map(Slice::no_answer)).named(ACCURACY, "no_answer"),
        Column::change(changed(comparison, |changes| Some(changes.accuracy)))
            .named(ACCURACY, "change_vs_cascade_pp")
            .ends(["change_low_pp", "change_high_pp"]),
        Column::p_value(changed(comparison, p_value)).named(ACCURACY, "p_value"),
        Column::p_value(comparison.adjusted(p_value).into_iter()).named(ACCURACY, "p_holm"),
        spread(f64::min).named(ACCURACY, "change_order_min_pp"),
        spread(f64::max).named(ACCURACY, "change_order_max_pp"),
        Column::change(weak())
            .named(ACCURACY, "weak_change_vs_cascade_pp")
            .ends(["weak_change_low_pp", "weak_change_high_pp"]),
        Column::p_value(weak().map(|change| change?.p_value)).named(ACCURACY, "weak_p_value"),
        Column::signed(changed(comparison, |changes| Some(changes.coverage.value)))
            .named(ACCURACY, "coverage_change_pp"),
    ]
}

fn calls(comparison: &Comparison) -> Vec<Column> {
    let each = || comparison.slices.iter();
    let change = |of: fn(&Changes) -> Option<Estimate>| Column::change(changed(comparison, of));
    let spread = |end: fn(f64, f64) -> f64| {
        let least_or_most =
            move |changes: &Changes| changes.strong_calls_by_order.iter().copied().flatten().reduce(end);
        Column::signed(changed(comparison, least_or_most))
    };
    let p_value = |changes: &Changes| Some(changes.strong_calls_p_value);
    vec![
        Column::count(each().map(Slice::strong_calls))
            .named(STRONG_CALLS, "strong_calls")
            .placed(RESULTS, 6, "strong calls")
            .placed(TERMINAL, 5, "strong calls"),
        Column::share(each().map(|slice| ratio(slice.strong_calls(), slice.outcomes.len())))
            .named(STRONG_CALLS, "strong_call_rate"),
        change(|changes| changes.strong_calls)
            .named(STRONG_CALLS, "change_vs_cascade_percent")
            .ends(["change_low_percent", "change_high_percent"]),
        Column::p_value(changed(comparison, p_value)).named(STRONG_CALLS, "p_value"),
        Column::count(each().map(Slice::strong_calls_all)).named(STRONG_CALLS, "strong_calls_all").placed(
            RESULTS,
            7,
            "strong calls incl. distillation",
        ),
        Column::p_value(comparison.adjusted(p_value).into_iter()).named(STRONG_CALLS, "p_holm"),
        spread(f64::min).named(STRONG_CALLS, "change_order_min_percent"),
        spread(f64::max).named(STRONG_CALLS, "change_order_max_percent"),
        change(|changes| changes.strong_calls_all)
            .named(STRONG_CALLS, "change_all_vs_cascade_percent")
            .ends(["change_all_low_percent", "change_all_high_percent"]),
    ]
}

/// The number of items that the weak level was asked, and its accuracy on them. Documents and the terminal have these
/// columns only if an arm did not ask it every item.
fn asked(comparison: &Comparison) -> Vec<Column> {
    let each = || comparison.slices.iter();
    let alone = Column::share(each().map(Slice::weak_accuracy_asked)).named(ACCURACY, "weak_accuracy_asked");
    let count = Column::count(each().map(Slice::asked)).named(ACCURACY, "weak_asked");
    let has_unasked = each().any(|slice| slice.unasked() > 0);
    vec![
        if has_unasked { count.named(RESULTS, "asked") } else { count },
        Column::count(each().map(Slice::from_weak_only)).named(ACCURACY, "weak_from_weak_only"),
        if has_unasked {
            alone.named(RESULTS, "weak accuracy, asked").bare(TERMINAL, 7, "weak accuracy where asked, %")
        } else {
            alone
        },
        Column::change(changed(comparison, |changes| changes.weak_accuracy_asked))
            .named(ACCURACY, "weak_change_asked_pp")
            .ends(["weak_change_asked_low_pp", "weak_change_asked_high_pp"]),
    ]
}

/// The columns of cost, in the summary and on the terminal only.
fn costs(comparison: &Comparison) -> Vec<Column> {
    let each = || comparison.slices.iter();
    vec![
        Column::number(5, each().map(|slice| comparison.fee(slice).map(Fee::usd)))
            .named(RESULTS, "fee, USD")
            .placed(TERMINAL, 6, "fee, USD"),
        Column::number(2, each().map(Slice::strategies_shown)).named(RESULTS, "strategies per query"),
    ]
}

/// The fee per 1,000 queries. The summary has this column only if there are prices.
fn per_query(comparison: &Comparison) -> Vec<Column> {
    let fee = |slice: &Slice| Some(comparison.fee(slice)?.usd() / queries(slice) * QUERIES);
    let column = Column::number(4, comparison.slices.iter().map(fee)).named(ACCURACY, "fee_per_1000_usd");
    let priced = comparison.slices.iter().any(|slice| comparison.fee(slice).is_some());
    vec![if priced { column.named(RESULTS, "USD per 1,000 queries") } else { column }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::metrics::Prices;
    use crate::report::columns::is_known;
    use crate::types::seed::Seed;

    #[test]
    fn every_terminal_heading_is_explained() {
        let prices = Prices::new();
        let sheet = sheet(&Comparison::new(&[], &[], &prices, Seed(1)));
        assert!(!sheet.headings(TERMINAL).is_empty());
        for heading in sheet.headings(TERMINAL) {
            assert!(is_known(heading), "{heading}");
        }
    }
}
