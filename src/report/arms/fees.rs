//! Tokens and fees of every arm by model and purpose: the table `fees`, and the summary's section on money.

use crate::analysis::metrics::recommendation::QUERIES;
use crate::analysis::metrics::{Comparison, FeeRow, Slice};
use crate::analysis::stats::Estimate;
use crate::report::columns::{Column, Sheet};
use crate::types::price::Fee;
use crate::types::record::Purpose;

/// Calls and fee of an arm for one model: for one purpose, or the total.
pub struct Row<'c> {
    slice: &'c Slice<'c>,
    /// The calls and their fee.
    pub paid: &'c FeeRow,
    change: Option<Estimate>,
    /// True if the price of a batch is known for a model of the run.
    has_batch_price: bool,
}

/// Returns the rows of all arms: each model's purposes, then its total.
#[must_use]
pub fn rows<'c>(comparison: &'c Comparison<'c>) -> Vec<Row<'c>> {
    let has_batch_price = comparison.prices.values().flatten().any(|price| price.batch.is_some());
    let of = |slice: &'c Slice<'c>| {
        comparison.fees_with_changes(slice).map(move |(paid, change)| Row { slice, paid, change, has_batch_price })
    };
    comparison.slices.iter().flat_map(of).collect()
}

/// Returns the table of these rows.
#[must_use]
pub fn sheet(rows: &[Row]) -> Sheet {
    let each = || rows.iter();
    let purpose = |row: &Row| row.paid.purpose.map_or("total", Purpose::name).to_owned();
    let per_1000 = Column::number(4, each().map(|row| Some(row.paid.fee?.usd() / queries(row.slice) * QUERIES)))
        .file("fee_per_1000_usd");
    let columns = vec![
        Column::text(each().map(|row| row.slice.cell.dataset.to_string())).file("dataset"),
        Column::text(each().map(|row| row.slice.cell.arm.to_string())).file("arm").in_documents("arm"),
        Column::exact(each().map(|row| row.slice.cell.threshold)).file("threshold"),
        Column::exact(each().map(|row| row.slice.readable)).in_documents("λ"),
        Column::text(each().map(|row| row.paid.model.clone())).file("model").in_documents("model"),
        Column::text(each().map(purpose)).file("purpose").in_documents("purpose"),
        Column::count(each().map(|row| row.paid.calls)).file("calls").in_documents("calls"),
        Column::count(each().map(|row| row.paid.usage.input)).file("input_tokens").in_documents("input"),
        Column::count(each().map(|row| row.paid.usage.cached_input)).file("cached_input_tokens"),
        Column::count(each().map(|row| row.paid.usage.output)).file("output_tokens").in_documents("output"),
        Column::number(6, each().map(|row| row.paid.fee.map(Fee::usd))).file("fee_usd").in_documents("fee, USD"),
        Column::change(each().map(|row| row.change))
            .file("change_vs_cascade_percent")
            .ends(["change_low_percent", "change_high_percent"]),
        if each().any(|row| row.paid.fee.is_some()) {
            per_1000.in_documents("USD per 1,000 queries")
        } else {
            per_1000
        },
        Column::number(6, each().map(|row| row.paid.fee_in_batches.filter(|_| row.has_batch_price).map(Fee::usd)))
            .file("fee_in_batches_usd"),
    ];
    Sheet { name: "fees", columns }
}

/// Returns the number of queries of a slice: its items over all orders.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a count of items")]
pub fn queries(slice: &Slice) -> f64 {
    slice.outcomes.len() as f64
}
